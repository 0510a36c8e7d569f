//! What Terraform tells AWS's catalog of tables: the columns as they are declared here.

use std::path::Path;

use event_model::columns::ColumnType;
use lake::schema::TABLES;
use serde_json::{Value, json};

/// The types as Hive, and with it Glue, calls them.
fn hive(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Binary => "binary",
        ColumnType::Boolean => "boolean",
        ColumnType::Date32 => "date",
        ColumnType::Int32 => "int",
        ColumnType::Int64 => "bigint",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Utf8 => "string",
    }
}

#[test]
fn the_catalog_has_every_table_with_the_columns_that_the_lake_writes() {
    let tables: Vec<Value> = TABLES
        .iter()
        .map(|table| {
            let columns: Vec<Value> = table
                .columns
                .iter()
                .map(|column| json!({ "name": column.name, "type": hive(column.kind), "meaning": column.meaning }))
                .collect();
            json!({ "name": table.name, "meaning": table.meaning, "partitioned": table.partitioned, "columns": columns })
        })
        .collect();
    let expected = format!("{:#}\n", Value::from(tables));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform/modules/catalog/tables.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == expected,
        "terraform/modules/catalog/tables.json is not what the code says: UPDATE=1 writes it anew"
    );
}
