//! The endpoints about one person.

use event_model::ErrorCode;
use serde_json::json;

use super::document::{Answer, Document, Endpoint, in_path};
use super::query::{ADMIN, ANY, WITH_BODY, WITH_LAKE, errors, project_header};
use crate::control::{Erased, ErasedTable};
use crate::person::PersonRequest;

pub(super) fn endpoints(document: &mut Document) {
    let examples =
        vec![("a_user", json!({ "user_id": "user_1" })), ("one_id", json!({ "anonymous_id": "a-7", "ids": "exact" }))];
    let request = Some((document.of::<PersonRequest>(), examples));
    let example = [
        json!({ "header": { "project": "shop", "ids": [{ "type": "user", "id": "user_1" }],
            "versions": { "events": 17, "identities": 4, "persons": 2, "quarantine": 1 },
            "exported_at": "2026-01-05T12:00:00Z" } }),
        json!({ "table": "events", "row": { "event": "purchase", "timestamp": "2026-01-05T11:00:00Z", "user_id": "user_1" } }),
        json!({ "end": { "rows": { "events": 1, "identities": 0, "persons": 0, "quarantine": 0 } } }),
    ];
    let answer = Answer {
        status: 200,
        description: "One JSON value a line: a header, the rows, and a last line with their numbers.",
        media_type: "application/x-ndjson",
        schema: json!({ "type": "string" }),
        example: json!(example.map(|line| line.to_string()).join("\n")),
    };
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/persons/export",
        operation: "exportPerson",
        summary: "Everything that is kept of a person",
        description: "Every row of events, persons, identities and quarantine that names one of the person's ids, as of \
                      the newest versions, which the first line names. An answer without its last line broke off.",
        security: ADMIN,
        parameters: vec![project_header()],
        request,
        answer,
        errors: errors(&[ANY, WITH_BODY, WITH_LAKE, &[ErrorCode::InvalidBody]]),
    });
    let examples =
        vec![("a_user", json!({ "user_id": "user_1" })), ("for_good", json!({ "user_id": "user_1", "forbid": true }))];
    let request = Some((document.of::<PersonRequest>(), examples));
    let table = ErasedTable {
        table: "events".to_owned(),
        version: 18,
        rows: 15,
        files_searched: 9,
        bytes_scanned: 65_536,
        files_rewritten: 3,
        files_deleted: 7,
        log_files: 12,
    };
    let example = Erased {
        erasure: "7d0f3c9be0a94f0c8a4c6f1b2d3e4f50".to_owned(),
        tables: vec![table],
        elapsed_ms: 140,
        ..Erased::default()
    };
    let answer = Answer::json(
        "The receipt. Where another part of the deployment does it, the status is 202, and `state` says `recorded`: ask \
         for the erase by its name until it is finished.",
        document.of::<Erased>(),
        json!(example.clone()),
    );
    document.add(Endpoint {
        method: "post",
        path: "/api/v1/persons/erase",
        operation: "erasePerson",
        summary: "Erase a person",
        description: "Removes every row that names one of the person's ids from all tables, empties their rows of \
                      quarantine, takes them out of the queue, and deletes the files, statistics and versions that still \
                      held them: earlier versions answer `version_gone` from then on. What was received until then never \
                      comes back. It cannot be taken back. An erase that breaks off is recorded and finished later.",
        security: ADMIN,
        parameters: vec![project_header()],
        request,
        answer,
        errors: errors(&[
            ANY,
            WITH_BODY,
            WITH_LAKE,
            &[ErrorCode::InvalidBody, ErrorCode::QueueUnavailable, ErrorCode::QueueFull],
        ]),
    });
    let answer = Answer::json("The receipt.", document.of::<Erased>(), json!(example));
    document.add(Endpoint {
        method: "get",
        path: "/api/v1/persons/erasures/{erasure}",
        operation: "getErasure",
        summary: "How far an erase has come",
        description: "Its receipt once it is finished; until then `state` is `recorded`. The receipt is of the run that \
                      ended it. It names nobody and is kept.",
        security: ADMIN,
        parameters: vec![in_path("erasure", "The `erasure` of the answer that began it"), project_header()],
        request: None,
        answer,
        errors: errors(&[ANY, WITH_LAKE, &[ErrorCode::NotFound]]),
    });
}
