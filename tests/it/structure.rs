//! The layers hold: what the edge runs is light, what the compactor runs has no query engine, files say what they are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What no light crate may bring in.
const HEAVY: &[&str] =
    &["arrow", "arrow-array", "datafusion", "deltalake-core", "parquet", "hyper", "reqwest", "ring", "object_store"];

/// The Worker's own library and the signer of requests bring in a tokio without a runtime: its channels.
const TOKIO_WITHOUT_RUNTIME: &[&str] = &["", "default", "sync"];

#[test]
fn the_crates_of_the_edge_are_light() {
    for package in ["event-model", "event-queue", "query-model", "edge-collector"] {
        let tree = tree(package, &["--target", "wasm32-unknown-unknown"]);
        let found: Vec<&str> = HEAVY.iter().copied().filter(|heavy| tree.iter().any(|name| name == heavy)).collect();
        assert!(found.is_empty(), "{package} brings in {found:?}");
        assert!(!tree.iter().any(|name| name.starts_with("aws-sdk-")), "{package} brings in an AWS SDK");
        let tokio = lines(package, &["--target", "wasm32-unknown-unknown"], "{lib}|{f}");
        let features = tokio.iter().filter_map(|line| line.strip_prefix("tokio|"));
        let features = features.flat_map(|line| line.trim_end_matches(" (*)").split(','));
        let more: Vec<&str> = features.filter(|feature| !TOKIO_WITHOUT_RUNTIME.contains(feature)).collect();
        assert!(more.is_empty(), "{package} brings in tokio with {more:?}");
    }
}

#[test]
fn the_compactor_has_no_query_engine() {
    let tree = tree("batch-compactor", &[]);
    assert!(tree.iter().any(|name| name == "parquet"), "the tree was not read: {tree:?}");
    assert!(!tree.iter().any(|name| name.starts_with("datafusion")), "the compactor brings in datafusion");
}

#[test]
fn each_function_of_lambda_carries_what_it_needs_and_no_more() {
    const TABLES: &[&str] = &["arrow", "parquet", "deltalake", "lake"];
    const ENGINE: &[&str] = &["datafusion"];
    for (function, needs, forbidden) in [
        ("collector", "edge-collector", [TABLES, ENGINE, &["axum"]].concat()),
        ("compactor", "batch-compactor", [ENGINE, &["axum", "edge-collector"]].concat()),
        ("publisher", "query-model", [TABLES, ENGINE, &["axum", "event-queue"]].concat()),
        ("query", "query-lambda", vec!["batch-compactor"]),
    ] {
        let tree = tree("lambdas", &["--no-default-features", "--features", function]);
        assert!(tree.iter().any(|name| name == needs), "the tree of {function} was not read: {tree:?}");
        let is_forbidden = |name: &&String| {
            forbidden.iter().any(|part| {
                name == part || name.starts_with(&format!("{part}-")) || name.starts_with(&format!("{part}_"))
            })
        };
        let found: Vec<&String> = tree.iter().filter(is_forbidden).collect();
        assert!(found.is_empty(), "the function {function} brings in {found:?}");
    }
}

#[test]
fn analytics_never_reaches_the_lake_and_nothing_depends_on_the_binary() {
    assert!(!tree("analytics", &[]).iter().any(|name| name == "lake" || name == "object_store_s3"));
    for package in ["edge-collector", "batch-compactor", "query-lambda", "lake", "analytics", "test-support"] {
        assert!(!tree(package, &[]).iter().any(|name| name == "headwater"), "{package} depends on the binary");
    }
}

/// The names of all packages that one package needs to run.
fn tree(package: &str, more: &[&str]) -> Vec<String> {
    let name = |line: &String| Some(line.split_once('|')?.1.split(' ').next()?.to_owned());
    lines(package, more, "{lib}|{p}").iter().filter_map(name).collect()
}

/// A line for each package that one package needs to run.
fn lines(package: &str, more: &[&str], format: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--format", format, "--package", package])
        .args(more)
        .current_dir(tests::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_rust_file_opens_with_a_sentence_that_says_what_it_is() {
    let mut silent = Vec::new();
    for folder in ["edge-collector", "batch-compactor", "query-lambda", "lambdas", "headwater", "crates", "tests"] {
        visit(&tests::root().join(folder), &mut |path| {
            let text = std::fs::read_to_string(path).unwrap();
            if !text.starts_with("//! ") {
                silent.push(path.to_owned());
            }
        });
    }
    assert!(silent.is_empty(), "no //! sentence: {silent:?}");
}

fn visit(folder: &Path, see: &mut dyn FnMut(&PathBuf)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
            visit(&path, see);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            see(&path);
        }
    }
}
