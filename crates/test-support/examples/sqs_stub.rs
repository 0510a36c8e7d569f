//! The SQS stub as a process, for tests that are not written in Rust: prints one line of JSON with its endpoint and
//! the URL of its queue `events`, and serves until its standard input is closed.
//!
//! `sqs_stub [--port 0] [--max-receives 10]`

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use event_queue::clock::SystemClock;
use test_support::sqs_stub::{QueueRules, SqsStub};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let port = value("--port").map_or(Ok(0), |text| text.parse())?;
    let max_receives = value("--max-receives").map_or(Ok(10), |text| text.parse())?;
    let stub = SqsStub::start_on(port, Arc::new(SystemClock::default())).await?;
    let queue_url =
        stub.create_queue("events", QueueRules { max_receives: Some(max_receives), ..QueueRules::default() });
    let line = serde_json::json!({ "endpoint": stub.endpoint(), "queue_url": queue_url });
    writeln!(std::io::stdout(), "{line}")?;
    // Whoever started it may die without a word: then its end of the pipe closes.
    tokio::select! {
        _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())) => {}
        () = stub.serve_for_ever() => {}
    }
    Ok(())
}
