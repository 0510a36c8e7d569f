//! The reference pages say what the code says: `UPDATE=1 cargo test -p event-model --test reference` writes them anew.

#![allow(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use std::fmt::Write as _;
use std::path::Path;

use event_model::columns::{self, ColumnType};
use event_model::{ErrorCode, Reason};

#[test]
fn the_page_of_error_codes_equals_the_registry() {
    check("error-codes.md", &error_codes());
}

#[test]
fn the_page_of_columns_equals_the_registry() {
    check("columns.md", &columns());
}

#[test]
fn no_two_codes_share_a_name_and_each_says_what_to_do() {
    let names: std::collections::HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        assert!((400..600).contains(&code.status()), "{}", code.as_str());
        assert!(code.title().ends_with('.') && code.what_to_do().ends_with('.'), "{}", code.as_str());
    }
}

fn error_codes() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every error is answered as `application/problem+json` (RFC 9457): `{\"type\", \"title\", \"status\", \"code\", \
         \"detail\", \"what_to_do\"}`. `code` is stable. Generated from `crates/event-model/src/error_code.rs`.\n\n\
         | code | status | meaning | what to do |\n|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            code.as_str(),
            code.status(),
            cell(code.title()),
            cell(code.what_to_do())
        )
        .unwrap();
    }
    page.push_str(
        "\n## Reasons of quarantine\n\n\
         An event that cannot be used does not fail its batch: it is kept with one of these reasons, in the answer's \
         `rejected` list and in the table `quarantine`. Generated from `crates/event-model/src/rejection.rs`.\n\n\
         | reason | meaning |\n|---|---|\n",
    );
    for reason in Reason::ALL {
        writeln!(page, "| `{}` | {} |", reason.as_str(), cell(reason.meaning())).unwrap();
    }
    page
}

fn columns() -> String {
    let mut page = String::from(
        "# Columns of `events`\n\n\
         One row is one event. SQL, questions and answers use these names. Properties that are frequent get columns \
         of their own in later versions; all properties are in `properties`. Generated from \
         `crates/event-model/src/columns.rs`.\n\n\
         | column | type | may be null | meaning |\n|---|---|---|---|\n",
    );
    for column in columns::EVENTS {
        let nullable = if column.nullable { "yes" } else { "no" };
        let meaning = cell(column.meaning);
        writeln!(page, "| `{}` | {} | {nullable} | {meaning} |", column.name, type_name(column.kind)).unwrap();
    }
    page
}

/// The type as Delta Lake writes it.
fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Binary => "binary",
        ColumnType::Boolean => "boolean",
        ColumnType::Date32 => "date",
        ColumnType::Int32 => "integer",
        ColumnType::Int64 => "long",
        ColumnType::Timestamp => "timestamp (UTC, microseconds)",
        ColumnType::Utf8 => "string",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn check(page: &str, expect: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expect).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expect,
        "docs/reference/{page} is not what the code says; write it anew with\n    \
         UPDATE=1 cargo test -p event-model --test reference"
    );
}
