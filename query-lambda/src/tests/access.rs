//! Who may ask what: keys, scopes, projects, origins, methods and paths.

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::{ADMIN, Deployment, OTHER, PAGE, READ, Reply, request};

const QUESTION: &str = r#"{"kind": "trend", "period": {"from": "2026-01-01", "to": "2026-01-02"}, "series": [{}]}"#;
const PATH: &str = "/api/v1/insights/query";

async fn ask(deployment: &Deployment, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method("POST").uri(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    deployment.ask(request.body(Body::from(QUESTION)).unwrap()).await
}

async fn code(deployment: &Deployment, headers: &[(&str, &str)]) -> (u16, String) {
    let (status, code, _) = ask(deployment, headers).await.problem();
    (status, code)
}

#[tokio::test]
async fn a_key_comes_as_bearer_or_as_basic_user() {
    let deployment = Deployment::new().await;
    assert_eq!(ask(&deployment, &[("authorization", &format!("Bearer {READ}"))]).await.status, 200);
    // base64 of `hw_r_read:` and of `hw_r_read`
    assert_eq!(ask(&deployment, &[("authorization", "Basic aHdfcl9yZWFkOg==")]).await.status, 200);
    assert_eq!(ask(&deployment, &[("authorization", "basic aHdfcl9yZWFk")]).await.status, 200);
}

#[tokio::test]
async fn unknown_disabled_and_expired_keys_answer_alike() {
    let deployment = Deployment::new().await;
    let mut answers = Vec::new();
    for key in ["hw_r_nobody", "hw_r_disabled", "hw_r_expired"] {
        let reply = ask(&deployment, &[("authorization", &format!("Bearer {key}"))]).await;
        assert_eq!((reply.status.as_u16(), reply.header("www-authenticate")), (401, "Bearer"));
        answers.push(reply.text);
    }
    assert!(answers[0].contains("key_unknown") && answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn what_is_not_one_key_is_refused() {
    let deployment = Deployment::new().await;
    let both = [("authorization", "Bearer hw_r_read"), ("authorization", "Bearer hw_r_other")];
    assert_eq!(code(&deployment, &[]).await, (401, "key_missing".into()));
    assert_eq!(code(&deployment, &[("authorization", "Bearer ")]).await, (401, "key_missing".into()));
    assert_eq!(code(&deployment, &[("authorization", "Digest x")]).await, (401, "key_missing".into()));
    assert_eq!(code(&deployment, &[("authorization", "Basic %%%")]).await, (401, "key_unknown".into()));
    assert_eq!(code(&deployment, &both).await, (401, "key_mismatch".into()));
}

#[tokio::test]
async fn a_key_does_only_what_its_scope_says() {
    let deployment = Deployment::new().await;
    assert_eq!(code(&deployment, &[("authorization", "Bearer hw_w_write")]).await, (403, "scope_missing".into()));
    assert_eq!(ask(&deployment, &[("authorization", "Bearer hw_a_admin")]).await.status, 200, "admin includes read");
    for (method, path) in [
        ("POST", "/api/v1/flush"),
        ("POST", "/api/v1/persons/erase"),
        ("POST", "/api/v1/persons/export"),
        ("POST", "/api/v1/quarantine/replay"),
        ("GET", "/api/v1/queue"),
        ("POST", "/api/v1/queue/redrive"),
    ] {
        let reply = deployment.ask(request(method, path, READ).body(Body::empty()).unwrap()).await;
        assert_eq!(reply.problem().1, "scope_missing", "{path}");
    }
}

#[tokio::test]
async fn no_request_reaches_another_project() {
    let deployment = Deployment::new().await;
    let key = ("authorization", "Bearer hw_r_read");
    assert_eq!(code(&deployment, &[key, ("x-project-id", "other")]).await, (403, "project_forbidden".into()));
    assert_eq!(code(&deployment, &[key, ("x-project-id", "../other")]).await, (403, "project_forbidden".into()));
    assert_eq!(ask(&deployment, &[key, ("x-project-id", "shop")]).await.status, 200);
    let mut question: serde_json::Value = serde_json::from_str(QUESTION).unwrap();
    question["project"] = json!("other");
    assert_eq!(deployment.post(PATH, &question).await.problem().1, "project_forbidden");
    let events = json!({"project": "other", "period": {"from": "2026-01-01", "to": "2026-01-02"}});
    assert_eq!(deployment.post("/api/v1/events/query", &events).await.problem().1, "project_forbidden");
}

#[tokio::test]
async fn pages_may_ask_only_from_origins_that_a_key_lists() {
    let deployment = Deployment::new().await;
    let preflight = async |origin: &str| {
        let request = Request::builder()
            .method("OPTIONS")
            .uri(PATH)
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        deployment.ask(request.body(Body::empty()).unwrap()).await
    };
    let (evil, known) = (preflight("https://evil.example").await, preflight(PAGE).await);
    assert_eq!((evil.status.as_u16(), evil.header("access-control-allow-origin")), (204, ""));
    assert_eq!((known.status.as_u16(), known.header("access-control-allow-origin")), (204, PAGE));
    assert!(known.header("access-control-allow-headers").contains("authorization"));
    assert!(known.headers.get("access-control-allow-credentials").is_none());

    let page_key = ("authorization", "Bearer hw_r_page");
    let answered = ask(&deployment, &[page_key, ("origin", PAGE)]).await;
    assert_eq!((answered.status.as_u16(), answered.header("access-control-allow-origin")), (200, PAGE));
    let foreign = [page_key, ("origin", "https://evil.example")];
    assert_eq!(code(&deployment, &foreign).await, (403, "origin_not_allowed".into()));
    let own = [page_key, ("origin", "http://localhost:8080"), ("host", "localhost:8080")];
    assert_eq!(ask(&deployment, &own).await.status, 200, "pages of this very host are at home");
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths_are_problems_too() {
    let deployment = Deployment::new().await;
    let wrong = deployment.ask(request("DELETE", PATH, ADMIN).body(Body::empty()).unwrap()).await;
    assert_eq!(wrong.problem().1, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "POST");
    assert_eq!(deployment.get("/api/v1/nothing").await.problem().1, "not_found");
}

#[tokio::test]
async fn every_path_of_the_document_is_there_and_asks_for_a_key() {
    let deployment = Deployment::new().await;
    let document = crate::openapi::query();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
            let reply = deployment.ask(request.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.problem().1, "key_missing", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_our_fault_and_says_when_to_come_back() {
    let deployment = Deployment::new().await;
    deployment.directory.set(Err("projects.json: no such file".to_owned()));
    let reply = ask(&deployment, &[("authorization", "Bearer hw_r_read")]).await;
    assert_eq!(reply.problem().1, "snapshot_unavailable");
    assert_eq!(reply.header("retry-after"), "1");
    assert!(!reply.text.contains("projects.json"), "the cause is for the log: {}", reply.text);
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let deployment = Deployment::new().await;
    let named = ask(&deployment, &[("x-request-id", "my-request.7")]).await;
    assert_eq!(named.header("x-request-id"), "my-request.7");
    let odd = ask(&deployment, &[("x-request-id", "<script>")]).await;
    assert_eq!(odd.header("x-request-id").len(), 32);
    let (one, two) = (ask(&deployment, &[]).await, ask(&deployment, &[]).await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn each_project_has_its_own_answers() {
    let deployment = Deployment::new().await;
    deployment.store(vec![super::event(1, "purchase", "2026-01-01T10:00:00Z", "u1", json!({}))]).await;
    let total = async |key: &str| {
        let reply = ask(&deployment, &[("authorization", &format!("Bearer {key}"))]).await;
        reply.json()["result"]["series"][0]["total"].clone()
    };
    assert_eq!((total(READ).await, total(OTHER).await), (json!(1), json!(0)));
}
