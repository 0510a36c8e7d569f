//! The API as OpenAPI 3.1 documents, made from the types and the registry of error codes.
//!
//! `openapi/*.json` in the repository are these documents; a test fails when they differ, and
//! `UPDATE=1 cargo test -p query-lambda openapi` writes them anew.

mod collector;
mod document;
mod persons;
mod query;

use serde_json::Value;

/// The document of the query side: `openapi/query.json`.
#[must_use]
pub fn query() -> Value {
    query::document()
}

/// The document of the collector: `openapi/collector.json`. It stands here and not in the collector, which is kept
/// small for the edge.
#[must_use]
pub fn collector() -> Value {
    collector::document()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    #[test]
    fn the_committed_documents_equal_the_code() {
        check("query.json", &super::query());
        check("collector.json", &super::collector());
    }

    #[test]
    fn the_collector_is_described_path_by_path() {
        let document = super::collector();
        let described: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let beside = [edge_collector::TRACKER_PATH, edge_collector::live::PATH, "/health", "/metrics"];
        let taken: BTreeSet<&str> = edge_collector::paths().chain(beside).collect();
        assert_eq!(described, taken);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for document in [super::query(), super::collector()] {
            let mut references = Vec::new();
            collect_references(&document, &mut references);
            assert!(!references.is_empty());
            for reference in references {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
        }
    }

    #[test]
    fn every_example_of_a_question_can_be_read() {
        let document = super::query();
        let examples = |path: &str| -> Vec<String> {
            let content = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
            content["examples"].as_object().unwrap().values().map(|example| example["value"].to_string()).collect()
        };
        for question in examples("/api/v1/insights/query") {
            query_model::Question::parse(question.as_bytes()).unwrap_or_else(|problem| panic!("{problem}: {question}"));
        }
        for question in examples("/api/v1/events/query") {
            query_model::EventsQuestion::parse(question.as_bytes())
                .unwrap_or_else(|problem| panic!("{problem}: {question}"));
        }
    }

    fn collect_references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.push(reference.clone());
                }
                fields.values().for_each(|field| collect_references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
            _ => {}
        }
    }

    fn check(name: &str, document: &Value) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi").join(name);
        let expect = serde_json::to_string_pretty(document).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &expect).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expect,
            "openapi/{name} is not what the code says; write it anew with\n    UPDATE=1 cargo test -p query-lambda openapi"
        );
    }
}
