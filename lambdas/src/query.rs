//! The function that answers questions: the same endpoints as `headwater serve` has, on the lake in the bucket.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use event_queue::Queue;
use event_queue::sqs::{SqsQueue, SqsSettings};
use lake::{Lake, LakeSettings};
use prometheus_client::registry::Registry;
use query_lambda::{QueryService, QuerySettings};
use url::Url;

use crate::answers::{LargeAnswers, hand_over};
use crate::bucket;
use crate::control::CloudControl;
use crate::environment::{self, ANSWERS_URL, LAKE_URL, PROJECTS_URL, QUEUE_URL, TIME_LIMIT_SECONDS};
use crate::projects::BucketProjects;

/// What is left of the function's time for reading the request and writing the answer.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long `projects.json` may take to be read.
const PATIENCE: Duration = Duration::from_secs(20);

/// Builds the endpoints as the environment says.
///
/// # Errors
/// A variable that is missing, projects that cannot be read, a lake that cannot be opened.
pub async fn start() -> anyhow::Result<Router> {
    let time_limit = Duration::from_secs(environment::required(TIME_LIMIT_SECONDS)?);
    let settings = settings_for(environment::memory_bytes()?, time_limit);
    let lake_url = environment::url(LAKE_URL)?;
    let projects = bucket::open(&environment::url(PROJECTS_URL)?, PATIENCE)?;
    let answers = LargeAnswers::open(&answers_url(&lake_url)?)?;
    let queue = SqsSettings::new(environment::required::<String>(QUEUE_URL)?);
    // Side by side: each of them waits for one or two answers of AWS, and somebody waits for the first answer of ours.
    let (projects, lake, queue) = tokio::join!(
        BucketProjects::open(projects),
        Lake::open_s3(lake_url, LakeSettings::default()),
        SqsQueue::connect(queue),
    );
    let lake = Arc::new(lake.context("the lake cannot be opened")?);
    app(Arc::new(projects?), lake, Arc::new(queue?), answers, settings)
}

fn app(
    projects: Arc<BucketProjects>,
    lake: Arc<Lake>,
    queue: Arc<dyn Queue>,
    answers: LargeAnswers,
    settings: QuerySettings,
) -> anyhow::Result<Router> {
    let (lake_of_control, directory) = (Arc::clone(&lake), projects.directory());
    let control = CloudControl { queue, lake: lake_of_control, directory, time_limit: settings.time_limit };
    // Nobody scrapes a function: its figures are in its log and in CloudWatch.
    let mut registry = Registry::default();
    let service = QueryService::new(lake, projects.directory(), Arc::new(control), settings, &mut registry)?;
    let router = query_lambda::router(Arc::new(service)).fallback(query_lambda::not_found);
    let router = router.layer(from_fn_with_state(Arc::new(answers), hand_over));
    Ok(router.layer(from_fn_with_state(projects, look)))
}

/// Where large answers go: where the environment says, otherwise beside the lake.
fn answers_url(lake_url: &Url) -> anyhow::Result<Url> {
    match environment::optional(ANSWERS_URL) {
        Some(_) => environment::url(ANSWERS_URL),
        None => Ok(lake_url.join("/answers")?),
    }
}

async fn look(State(projects): State<Arc<BucketProjects>>, request: Request, next: Next) -> Response {
    projects.look().await;
    next.run(request).await
}

fn settings_for(memory_bytes: u64, time_limit: Duration) -> QuerySettings {
    let memory_bytes = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    QuerySettings {
        time_limit: time_limit.saturating_sub(LAST_WORDS).max(Duration::from_secs(1)),
        // A function is called for one request at a time.
        concurrent: 1,
        waiting: 0,
        memory_bytes: memory_bytes / 2,
        cache_bytes: memory_bytes / 32,
        ..QuerySettings::default()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use event_model::project::key_hash;
    use event_queue::memory::MemoryQueue;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt as _};
    use serde_json::json;
    use tower::ServiceExt as _;

    use super::*;
    use crate::answers::MAX_BYTES;
    use crate::bucket::Place;

    async fn app_on(store: Arc<dyn ObjectStore>, max_answer_bytes: usize) -> Router {
        let key = json!({ "id": "api", "sha256": key_hash("api-key-1"), "scopes": ["read", "admin"] });
        let text = json!({ "version": 1, "projects": [{ "id": "shop", "keys": [key] }] }).to_string();
        store.put(&Path::from("config/projects.json"), text.into()).await.unwrap();
        let place = Place { store: Arc::clone(&store), path: Path::from("config/projects.json") };
        let projects = Arc::new(BucketProjects::open(place).await.unwrap());
        let folder = Path::from("answers");
        let answers = LargeAnswers::in_memory(Arc::clone(&store), folder, max_answer_bytes);
        let lake = Lake::with_store(store, Url::parse("memory:///lake").unwrap(), LakeSettings::default());
        let queue = Arc::new(MemoryQueue::default());
        let settings = settings_for(1 << 30, Duration::from_secs(30));
        app(projects, Arc::new(lake.await.unwrap()), queue, answers, settings).unwrap()
    }

    async fn status(app: &Router, method: &str, path: &str, key: &str) -> u16 {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {key}")).body(Body::from("{}")).unwrap();
        app.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn keys_of_the_bucket_open_the_endpoints_and_what_only_the_writing_side_can_do_is_refused() {
        let app = app_on(Arc::new(InMemory::new()), MAX_BYTES).await;
        assert_eq!(status(&app, "GET", "/api/v1/ledger", "api-key-1").await, 200);
        assert_eq!(status(&app, "GET", "/api/v1/ledger", "another-key").await, 401);
        assert_eq!(status(&app, "GET", "/api/v1/queue", "api-key-1").await, 200);
        assert_eq!(status(&app, "POST", "/api/v1/flush", "api-key-1").await, 400);
        assert_eq!(status(&app, "GET", "/elsewhere", "api-key-1").await, 404);
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_for_lambda_is_given_by_a_link_and_a_refusal_never() {
        let app = app_on(Arc::new(InMemory::new()), 10).await;
        assert_eq!(status(&app, "GET", "/api/v1/ledger", "api-key-1").await, 303);
        assert_eq!(status(&app, "GET", "/api/v1/ledger", "another-key").await, 401);
    }

    #[test]
    fn large_answers_lie_beside_the_lake_where_nothing_else_is_said() {
        let lake = Url::parse("s3://bucket/lake").unwrap();
        assert_eq!(answers_url(&lake).unwrap().as_str(), "s3://bucket/answers");
    }
}
