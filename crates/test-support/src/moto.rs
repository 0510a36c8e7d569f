//! moto, the Amazon that somebody else wrote, as a process on a free port of this machine.
//!
//! Each of its calls takes time in proportion to the depth of the queue, so it is for what SQS means, not for load.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The region that queues are made in; in another one moto does not find them.
pub const REGION: &str = "us-east-1";

/// How long it may take to start: two seconds where nothing else runs.
const START: Duration = Duration::from_secs(60);
/// The environment variable with the Python that has moto; `make test` installs it and sets this.
const PYTHON: &str = "HEADWATER_TEST_PYTHON";

/// A running moto; it ends when this is dropped.
pub struct Moto {
    process: Child,
    endpoint: String,
}

impl Moto {
    /// Starts it and waits until it takes connections.
    ///
    /// # Errors
    /// If [`PYTHON`] is not set, or moto does not start.
    pub fn start() -> io::Result<Self> {
        let python = std::env::var(PYTHON)
            .map_err(|_| io::Error::other(format!("{PYTHON} is not set: `make test` installs moto and sets it")))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut moto = Self { process, endpoint: format!("http://{address}") };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = moto.process.try_wait()? {
                return Err(io::Error::other(format!("moto ended: {status}")));
            }
            if started.elapsed() > START {
                return Err(io::Error::other("moto takes no connections"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(moto)
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a queue, and `<name>-dead` for messages that were received too often. Its URL.
    ///
    /// # Errors
    /// If moto refuses.
    pub fn create_queue(&self, name: &str, max_receives: u32) -> io::Result<String> {
        let dead = format!("{name}-dead");
        self.sqs("CreateQueue", &json!({ "QueueName": dead }))?;
        let arn = format!("arn:aws:sqs:{REGION}:123456789012:{dead}");
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receives }).to_string();
        let made = self.sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": { "RedrivePolicy": policy } }))?;
        made.get("QueueUrl")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(made.to_string()))
    }

    /// One call of SQS, signed by nobody: moto does not look.
    fn sqs(&self, action: &str, body: &Value) -> io::Result<Value> {
        let address = self.endpoint.trim_start_matches("http://");
        let body = body.to_string();
        let mut connection = TcpStream::connect(address)?;
        let credential = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/sqs/aws4_request");
        write!(
            connection,
            "POST / HTTP/1.0\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.{action}\r\nAuthorization: {credential}\r\n\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
        if head.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(answer));
        }
        serde_json::from_str(body).map_err(io::Error::other)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // By its process id, and nobody else's.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use event_model::limits::MAX_MESSAGE_BYTES;
    use event_queue::Queue;
    use event_queue::conformance::{Capabilities, Harness, message, run};
    use event_queue::sqs::{Keys, SqsQueue, SqsSettings};

    use super::*;

    const MAX_RECEIVES: u32 = 4;

    struct Imitated(Arc<SqsQueue>);

    #[async_trait]
    impl Harness for Imitated {
        fn queue(&self) -> Arc<dyn Queue> {
            self.0.clone()
        }

        async fn advance(&self, by: Duration) {
            tokio::time::sleep(by).await;
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities {
                ordered: false,
                receipts_expire: false,
                exact_stats: false,
                uncounted_release: false,
                max_receives: MAX_RECEIVES,
                max_message_bytes: MAX_MESSAGE_BYTES,
            }
        }
    }

    async fn queue(moto: &Moto, name: &str) -> SqsQueue {
        let url = moto.create_queue(name, MAX_RECEIVES).unwrap();
        let keys = Some(Keys { id: "test".to_owned(), secret: "test".to_owned() });
        let settings = SqsSettings { endpoint: Some(moto.endpoint().to_owned()), keys, ..SqsSettings::new(url) };
        SqsQueue::connect(settings).await.unwrap()
    }

    #[tokio::test]
    async fn the_queue_in_sqs_conforms_on_moto() {
        let moto = Moto::start().unwrap();
        let number = AtomicU32::new(0);
        run(async || {
            let name = format!("events-{}", number.fetch_add(1, Ordering::Relaxed));
            Imitated(Arc::new(queue(&moto, &name).await))
        })
        .await;

        let queue = queue(&moto, "counted").await;
        queue.send((0..3).map(message).collect()).await.unwrap();
        let hidden = Duration::from_secs(60);
        assert_eq!(queue.receive(1, hidden, Duration::ZERO).await.unwrap().len(), 1);
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.visible, stats.in_flight, stats.dead, stats.approximate), (2, 1, 0, true));
    }
}
