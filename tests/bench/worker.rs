//! The Worker in workerd: what it weighs, what it costs to start, what a request and an event cost.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::table::Table;
use crate::traffic::event;

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let body = |events: u64| json!({ "batch": (0..events).map(event).collect::<Vec<_>>() }).to_string();
    let figures = figures(&json!({ "one": body(1), "fifty": body(50) }))?;
    let number = |name: &str| figures[name].as_f64().with_context(|| name.to_owned());
    let kilobytes = |bytes: f64| bytes / 1024.0;
    table.add(
        "Worker: size",
        format!("{:.0} KB, {:.0} KB gzipped", kilobytes(number("raw_bytes")?), kilobytes(number("gzipped_bytes")?)),
        "<= 400 KB gzipped",
    );
    let micros = |name: &str, what: &str| Ok::<_, anyhow::Error>(format!("{:.1} µs {what}", number(name)?));
    table.add("Worker: decode, 50 a request", micros("decode_micros_an_event", "an event")?, "");
    table.add("Worker: collect, 50 a request", micros("collect_micros_an_event", "an event")?, "<= 5 µs an event");
    table.add("Worker: serialise and compress, 50 a request", micros("pack_micros_an_event", "an event")?, "");
    table.add("Worker: encode and sign for SQS, 50 a request", micros("sign_micros_a_request", "a request")?, "");
    let empty = number("empty_micros")?;
    let beyond = |name: &str| {
        Ok::<_, anyhow::Error>(format!(
            "{:.0} µs, {:.0} of them beyond an empty Worker",
            number(name)?,
            number(name)? - empty
        ))
    };
    table.add("Worker: a whole request, one event", beyond("one_micros")?, "");
    table.add("Worker: a whole request, 50 events", beyond("fifty_micros")?, "");
    let (start, nothing) = (number("start_millis")?, number("start_empty_millis")?);
    table.add(
        "Worker: start to first answer",
        format!("{:.0} ms beyond an empty Worker's {nothing:.0}", start - nothing),
        "",
    );
    Ok(())
}

fn figures(bodies: &Value) -> Result<Value> {
    let folder = tests::root().join("infra/worker");
    ensure!(
        folder.join("dist/speed/index.js").is_file(),
        "the Worker is not built: run `make worker worker-speed` first"
    );
    let mut node = Command::new("node")
        .arg(folder.join("bench/measure.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting node")?;
    write!(node.stdin.take().context("standard input")?, "{bodies}")?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "infra/worker/bench/measure.mjs failed");
    serde_json::from_slice(&output.stdout).context("its figures")
}
