//! How fast a queue on disk opens when much waits in it, and how much memory that takes:
//! `cargo run --release -p event-queue --features native --example disk_open -- [mebibytes] [bytes a message]`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people, not a part of the product")]

use std::time::Instant;

use bytes::Bytes;
use event_model::{EventId, ProjectId};
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::{Outgoing, Queue as _};

#[tokio::main]
async fn main() {
    let argument =
        |place: usize, default: u64| std::env::args().nth(place).map_or(default, |text| text.parse().unwrap());
    let (bytes, message_bytes) = (argument(1, 1_024) << 20, argument(2, 600));
    let folder = tempfile::tempdir().unwrap();
    let settings = DiskSettings { max_bytes: 64 << 30, ..DiskSettings::default() };
    let message = Outgoing {
        message_id: EventId([7; 16]),
        project: ProjectId::parse("shop").unwrap(),
        events: 1,
        body: Bytes::from(vec![b'x'; usize::try_from(message_bytes).unwrap()]),
    };
    let queue = DiskQueue::open(folder.path(), settings).unwrap();
    for _ in 0..bytes / message_bytes / 1_000 {
        queue.send(vec![message.clone(); 1_000]).await.unwrap();
    }
    drop(queue);
    let before = resident_kib();
    let started = Instant::now();
    let queue = DiskQueue::open(folder.path(), settings).unwrap();
    let elapsed = started.elapsed();
    let messages = queue.stats().await.unwrap().visible;
    let each = (resident_kib() - before) * 1_024 / messages;
    println!("{messages} messages of {message_bytes} bytes: opened in {elapsed:.2?}, {each} bytes of memory each");
}

/// Resident memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
