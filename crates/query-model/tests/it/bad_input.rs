//! Bodies made to hurt: they are refused at once, whatever their size and shape.

use std::time::{Duration, Instant};

use event_model::ErrorCode;
use query_model::Question;

fn refused(body: &[u8]) -> ErrorCode {
    let start = Instant::now();
    let problem = Question::parse(body).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    problem.code
}

/// A trend whose filters are this JSON.
fn filtered(filters: &str) -> Vec<u8> {
    format!(
        r#"{{"kind": "trend", "period": {{"from": "2026-01-01", "to": "2026-01-02"}}, "series": [{{}}], "filters": {filters}}}"#
    )
    .into_bytes()
}

#[test]
fn depth_is_refused_however_deep() {
    for depth in [10, 1_000, 100_000] {
        let filter = r#"{"property": "p", "op": "is_set"}"#;
        let any = format!("[{}{filter}{}]", r#"{"any": ["#.repeat(depth), "]}".repeat(depth));
        assert_eq!(
            refused(&filtered(&any)),
            if depth > 80_000 { ErrorCode::BodyTooLarge } else { ErrorCode::QuestionTooComplex }
        );
        let not = format!("[{}{filter}{}]", r#"{"not": "#.repeat(depth + 10), "}".repeat(depth + 10));
        let code = refused(&filtered(&not));
        assert!([ErrorCode::QuestionTooComplex, ErrorCode::BodyTooLarge].contains(&code), "{code:?}");
    }
    assert_eq!(refused(&[vec![b'['; 500_000], vec![b']'; 500_000]].concat()), ErrorCode::QuestionTooComplex);
    assert_eq!(refused(&vec![b'['; 1_000_000]), ErrorCode::InvalidJson);
}

#[test]
fn long_lists_are_refused() {
    let list = |count: usize| {
        filtered(&format!(r#"[{{"property": "p", "op": "is", "value": [{}]}}]"#, vec!["1"; count].join(",")))
    };
    assert!(Question::parse(&list(10_000 - 2)).is_ok());
    assert_eq!(refused(&list(10_001)), ErrorCode::QuestionTooComplex);
    assert_eq!(refused(&list(1_000_000)), ErrorCode::BodyTooLarge);
}

#[test]
fn many_parts_and_many_fields_are_refused() {
    let filter = r#"{"property": "p", "op": "is_set"}"#;
    let filters = |count: usize| filtered(&format!("[{}]", vec![filter; count].join(",")));
    assert!(Question::parse(&filters(400)).is_ok());
    assert_eq!(refused(&filters(600)), ErrorCode::QuestionTooComplex);
    let fields: Vec<String> = (0..50_000).map(|place| format!("\"f{place}\": 1")).collect();
    assert_eq!(refused(format!("{{{}}}", fields.join(",")).as_bytes()), ErrorCode::QuestionTooComplex);
}

#[test]
fn keys_that_stand_twice_are_refused() {
    let body = br#"{"kind": "trend", "kind": "funnel"}"#;
    assert_eq!(refused(body), ErrorCode::DuplicateKey);
}

#[test]
fn names_may_hold_anything_that_json_can() {
    let body = filtered(r#"[{"property": "a\u0000b' OR \"1\"=\"1", "op": "is", "value": "x' OR 1=1 --"}]"#);
    assert!(Question::parse(&body).is_ok());
}
