"""Reads a table of events as programs of others do, and prints what each of them found as a line of JSON.

usage: python read.py TABLE (log | files)

With `log` the table is read as its newest version names it; with `files` as a plain folder of Parquet files in
Hive-style partitions, which is right once a vacuum has deleted what no version names.
"""

import json
import os
import sys
from pathlib import Path

import chdb
import duckdb
import pyarrow
import pyarrow.compute as compute
import pyarrow.dataset
from deltalake import DeltaTable

# What SQL engines are asked, in the words of each. Times are microseconds since 1970; sums stay below 2^53.
FIGURES = """
    count(*) AS rows, count(DISTINCT event_id) AS ids, sum(position) AS positions, sum(abs(person_key) % 1000003) AS keys,
    {micros_of_min} AS first, {micros_of_max} AS last, sum(length(properties)) AS properties,
    count(CASE WHEN is_bot THEN 1 END) AS bots, count(referrer_host) AS referred, min(month) AS first_month
"""
DUCKDB = FIGURES.format(micros_of_min="epoch_us(min(timestamp))", micros_of_max="epoch_us(max(timestamp))")
CLICKHOUSE = FIGURES.format(
    micros_of_min="toUnixTimestamp64Micro(min(timestamp))", micros_of_max="toUnixTimestamp64Micro(max(timestamp))"
)


def by_duckdb(source: str) -> dict:
    with duckdb.connect() as connection:
        relation = connection.sql(f"SELECT {DUCKDB} FROM {source}")
        figures = dict(zip(relation.columns, relation.fetchall()[0], strict=True))
        events = connection.sql(f"SELECT event, count(*) FROM {source} GROUP BY event").fetchall()
        types = connection.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return {"figures": figures, "events": dict(events), "types": {name: kind for name, kind, *_ in types}}


def by_clickhouse(source: str) -> dict:
    def rows(query: str) -> list[dict]:
        return json.loads(str(chdb.query(query, "JSON")))["data"]

    whole = ["rows", "ids", "positions", "keys", "first", "last", "properties", "bots", "referred"]
    figures = rows(f"SELECT {CLICKHOUSE} FROM {source}")[0]
    events = {row["event"]: int(row["n"]) for row in rows(f"SELECT event, count() AS n FROM {source} GROUP BY event")}
    types = {row["name"]: row["type"] for row in rows(f"DESCRIBE {source}")}
    return {
        "figures": figures | {name: int(figures[name]) for name in whole},
        "events": events,
        "types": types,
    }


def by_arrow(table: pyarrow.Table) -> dict:
    def micros(value: pyarrow.Scalar) -> int:
        return value.cast(pyarrow.int64()).as_py()

    keys = (abs(key) % 1_000_003 for key in table["person_key"].to_pylist())
    return {
        "figures": {
            "rows": table.num_rows,
            "ids": compute.count_distinct(table["event_id"]).as_py(),
            "positions": compute.sum(table["position"]).as_py(),
            "keys": sum(keys),
            "first": micros(compute.min(table["timestamp"])),
            "last": micros(compute.max(table["timestamp"])),
            "properties": compute.sum(compute.binary_length(table["properties"])).as_py(),
            "bots": compute.sum(table["is_bot"]).as_py(),
            "referred": compute.count(table["referrer_host"]).as_py(),
            "first_month": min(table["month"].to_pylist()),
        },
        "events": {pair["values"]: pair["counts"] for pair in table["event"].value_counts().to_pylist()},
        "types": {field.name: str(field.type) for field in table.schema},
    }


def by_log(table: str) -> dict:
    delta = DeltaTable(table)
    return {
        # DuckDB has an extension for Delta, which it would have to download: it gets the files that the log names.
        "duckdb": by_duckdb(f"read_parquet({delta.file_uris()!r}, hive_partitioning = true)"),
        "clickhouse": by_clickhouse(f"deltaLakeLocal('{table}')"),
        "delta-rs": by_arrow(delta.to_pyarrow_table()),
    }


def by_files(table: str) -> dict:
    hive = pyarrow.dataset.partitioning(pyarrow.schema([("month", pyarrow.string())]), flavor="hive")
    folders = pyarrow.dataset.dataset(
        [str(path) for path in Path(table).glob("month=*/*.parquet")], partitioning=hive, partition_base_dir=table
    )
    pattern = f"{table}/month=*/*.parquet"
    return {
        "duckdb": by_duckdb(f"read_parquet('{pattern}', hive_partitioning = true)"),
        "clickhouse": by_clickhouse(f"file('{pattern}', Parquet)"),
        "pyarrow": by_arrow(folders.to_table()),
    }


if __name__ == "__main__":
    folder, how = sys.argv[1:]
    # ClickHouse reads only what lies in the working folder.
    os.chdir(folder)
    for reader, found in {"log": by_log, "files": by_files}[how](folder).items():
        print(json.dumps({"reader": reader, **found}, default=str))
