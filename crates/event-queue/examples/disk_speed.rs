//! How fast the queue on disk takes messages: `cargo run --release -p event-queue --example disk_speed [folder]`.
//!
//! For several numbers of concurrent senders, with messages of 1 and of 50 events, it prints durable sends and events
//! a second.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people, not a part of the product")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event_model::{EventId, ProjectId};
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::{Outgoing, Queue as _};

const TIME: Duration = Duration::from_secs(2);
/// About what an event takes in an envelope.
const EVENT_BYTES: usize = 400;

fn main() {
    let folder = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("disk-speed"), PathBuf::from);
    // One worker, as on the one core of the budget; the queue's own thread comes on top.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{:>8} {:>14} {:>12} {:>12} {:>10}", "senders", "events a send", "sends/s", "events/s", "MB/s");
    for events in [1, 50] {
        for senders in [1, 16, 64, 256, 1_024] {
            let path = folder.join(format!("{events}-{senders}"));
            let sends = runtime.block_on(measure(&path, senders, events));
            let (rate, bytes) = (sends / TIME.as_secs_f64(), EVENT_BYTES as f64 * f64::from(events));
            let mega = rate * bytes / 1e6;
            println!("{senders:>8} {events:>14} {rate:>12.0} {:>12.0} {mega:>10.1}", rate * f64::from(events));
            std::fs::remove_dir_all(&path).unwrap();
        }
    }
}

/// How many sends were answered in [`TIME`].
async fn measure(path: &std::path::Path, senders: u32, events: u32) -> f64 {
    let settings = DiskSettings { max_bytes: 64 << 30, segment_bytes: 64 << 20, ..DiskSettings::default() };
    let queue = Arc::new(DiskQueue::open(path, settings).unwrap());
    let message = Outgoing {
        message_id: EventId([7; 16]),
        project: ProjectId::parse("shop").unwrap(),
        events,
        body: Bytes::from(vec![b'x'; EVENT_BYTES * events as usize]),
    };
    let end = Instant::now() + TIME;
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (queue, message) = (queue.clone(), message.clone());
            tokio::spawn(async move {
                let mut sends = 0_u32;
                while Instant::now() < end {
                    queue.send(vec![message.clone()]).await.unwrap();
                    sends += 1;
                }
                sends
            })
        })
        .collect();
    let mut sends = 0.0;
    for task in tasks {
        sends += f64::from(task.await.unwrap());
    }
    sends
}
