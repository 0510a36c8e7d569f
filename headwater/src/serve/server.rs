//! The parts put together: collector, queue, compactor, lake and questions, on one folder and one port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use batch_compactor::{Compactor, Observer};
use edge_collector::native::{Collector, CollectorSettings};
use event_model::project::SharedDirectory;
use event_queue::Queue;
use event_queue::disk::DiskQueue;
use lake::Lake;
use prometheus_client::registry::Registry;
use query_lambda::QueryService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::address_file::AddressFile;
use super::control::LocalControl;
use super::folder::DataFolder;
use super::metrics::{DrainFigures, Metrics};
use super::projects::{NewKeys, Projects};
use super::salt::FileSalt;
use super::settings::ServeArgs;
use super::stop::{StopSwitch, switch};
use super::{health, http, maintenance};

/// How long the last drain may take before the process ends; what is left then waits in the queue.
const LAST_DRAIN: Duration = Duration::from_secs(10);

/// A running server. Dropping it cuts everything off, as a crash would; [`Self::stop`] ends it in order.
pub struct Server {
    address: SocketAddr,
    new_keys: Option<NewKeys>,
    ready_after: Duration,
    compactor: Arc<Compactor>,
    http_switch: StopSwitch,
    http: JoinHandle<()>,
    background_switch: StopSwitch,
    background: Vec<JoinHandle<()>>,
    // Last, in this order: whoever finds the folder free must find no address in it, and a lock that is gone last.
    _address_file: Option<AddressFile>,
    folder: DataFolder,
}

/// What the endpoints of the process itself need.
struct Inside {
    queue: Arc<dyn Queue>,
    directory: SharedDirectory,
    metrics: Metrics,
    drains: Arc<DrainFigures>,
}

impl Server {
    /// Opens the folder and starts everything. When it returns, events are taken and questions answered.
    ///
    /// # Errors
    /// One sentence about what is in the way, with what to do. Nothing is changed by a folder that is refused.
    pub async fn start(args: &ServeArgs) -> anyhow::Result<Self> {
        let start = Instant::now();
        let folder = DataFolder::open(&args.data_dir)?;
        let listener = listen(&args.listen).await?;
        let address = listener.local_addr().context("the socket has no address")?;
        let keys = &args.keys;
        let (write_key, api_key) = (keys.write.as_deref(), keys.api.as_deref());
        let mut projects = Projects::open(folder.join("projects.json"), write_key, api_key)?;
        let (directory, new_keys) = (projects.directory.clone(), projects.new_keys.take());

        let queue_path = folder.join("queue");
        let disk = args.disk();
        let queue = tokio::task::spawn_blocking(move || DiskQueue::open(queue_path, disk)).await?;
        let disk_queue = Arc::new(queue.context("the queue cannot be opened; nothing was changed")?);
        let queue: Arc<dyn Queue> = Arc::clone(&disk_queue) as Arc<dyn Queue>;
        let lake = Lake::open_local(folder.join("lake"), args.lake_settings()).await;
        let lake = Arc::new(lake.context("the lake cannot be opened; nothing was changed")?);

        let mut registry = Registry::default();
        let salt = Arc::new(FileSalt::open(&folder, crate::clock::now().days()));
        let collector_settings = CollectorSettings { salt, ..CollectorSettings::default() };
        let collector = Collector::new(Arc::clone(&queue), directory.clone(), collector_settings, &mut registry);
        let drains = DrainFigures::register(&mut registry);
        let compactor = Compactor::new(Arc::clone(&queue), Arc::clone(&lake), args.compactor());
        let compactor = Arc::new(compactor.observed_by(Arc::clone(&drains) as Arc<dyn Observer>));
        let control = Arc::new(LocalControl {
            queue: disk_queue,
            lake: Arc::clone(&lake),
            compactor: Arc::clone(&compactor),
            directory: directory.clone(),
        });
        let as_control: Arc<dyn query_lambda::Control> = Arc::clone(&control) as _;
        let questions =
            QueryService::new(Arc::clone(&lake), directory.clone(), as_control, args.query(), &mut registry)?;
        let inside = Inside { queue, directory, metrics: Metrics::new(registry), drains };
        let app = application(Arc::new(collector), Arc::new(questions), Arc::new(inside));

        // Only a convenience: on a full disk the server still has to answer questions, and to refuse events.
        let address_file = AddressFile::write(&folder, address)
            .inspect_err(|error| tracing::warn!(%error, "serve.json could not be written"))
            .ok();
        let (http_switch, http_stop) = switch();
        let (background_switch, background_stop) = switch();
        let background = vec![
            tokio::spawn(projects.watch(background_stop.clone())),
            tokio::spawn({
                let (compactor, stop) = (Arc::clone(&compactor), background_stop.receiver());
                async move { compactor.run(stop).await }
            }),
            tokio::spawn(maintenance::run(lake, control, args.maintenance_interval(), background_stop)),
        ];
        Ok(Self {
            address,
            new_keys,
            ready_after: start.elapsed(),
            compactor,
            http_switch,
            http: tokio::spawn(http::serve(listener, app, args.http_settings(), http_stop)),
            background_switch,
            background,
            _address_file: address_file,
            folder,
        })
    }

    /// The address, as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The keys, where this start made them.
    #[must_use]
    pub fn new_keys(&self) -> Option<&NewKeys> {
        self.new_keys.as_ref()
    }

    /// How long the start took.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Stops taking requests, lets those in flight end, stores what was accepted (as far as ten seconds reach; the
    /// rest waits in the queue), and gives the folder free.
    pub async fn stop(self) {
        self.http_switch.turn();
        finished("http", self.http).await;
        self.background_switch.turn();
        for task in self.background {
            finished("background", task).await;
        }
        match tokio::time::timeout(LAST_DRAIN, self.compactor.drain_until_empty()).await {
            Ok(Ok(report)) => tracing::info!(events = report.events, "last drain done"),
            Ok(Err(error)) => tracing::warn!(%error, "the last drain failed: events wait in the queue"),
            Err(_) => tracing::warn!("the last drain took too long: events wait in the queue"),
        }
    }
}

async fn finished(part: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(part, %error, "a part of the server had failed");
    }
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow!(
            "{address} is in use by another program: stop that one, or take another port with --listen 127.0.0.1:0"
        ),
        std::io::ErrorKind::PermissionDenied => {
            anyhow!("this user may not listen on {address}: take a port above 1023 with --listen")
        }
        _ => anyhow!("cannot listen on {address}: {error}. --listen takes an address and a port, as 127.0.0.1:8080"),
    })
}

fn application(collector: Arc<Collector>, questions: Arc<QueryService>, inside: Arc<Inside>) -> Router {
    let own = Router::new().route("/health", get(health)).route("/metrics", get(metrics)).with_state(inside);
    edge_collector::native::router(collector)
        .merge(query_lambda::router(questions))
        .merge(own)
        .fallback(query_lambda::not_found)
}

async fn health(State(inside): State<Arc<Inside>>) -> Response {
    health::answer(inside.queue.as_ref(), &inside.directory, &inside.drains).await
}

async fn metrics(State(inside): State<Arc<Inside>>) -> Response {
    inside.metrics.answer(inside.queue.as_ref()).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::client::Client;
    use crate::serve::settings::FirstKeys;

    async fn start(folder: &Path) -> anyhow::Result<Server> {
        let mut args = ServeArgs::at(folder, "127.0.0.1:0")?;
        args.keys = FirstKeys { write: Some("write-key-1".to_owned()), api: Some("api-key-12".to_owned()) };
        Server::start(&args).await
    }

    /// One request after the other, off the server's threads.
    async fn with_client<T: Send + 'static>(
        server: &Server,
        key: &str,
        session: impl FnOnce(Client) -> anyhow::Result<T> + Send + 'static,
    ) -> T {
        let client = Client::new(&server.url(), key).unwrap();
        tokio::task::spawn_blocking(move || session(client)).await.unwrap().unwrap()
    }

    async fn send(server: &Server, event: Value) -> Value {
        with_client(server, "write-key-1", move |client| client.post("/api/v1/events", &event.to_string())).await
    }

    async fn total(server: &Server) -> Value {
        let question = json!({
            "kind": "trend", "display": "total", "period": { "last": { "value": 2, "unit": "day" } },
            "series": [{ "event": "purchase", "measure": "total" }],
        });
        let ask = move |client: Client| {
            client.post("/api/v1/flush", "{}")?;
            client.post("/api/v1/insights/query", &question.to_string())
        };
        with_client(server, "api-key-12", ask).await.pointer("/result/series/0/total").cloned().unwrap_or_default()
    }

    #[tokio::test]
    async fn an_event_that_was_taken_is_in_the_answer_before_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path()).await.unwrap();
        assert_eq!(send(&server, json!({ "event": "purchase", "user_id": "ada" })).await["accepted"], 1);
        assert_eq!(total(&server).await, 1);
        assert_eq!(send(&server, json!({ "event": "purchase", "user_id": "ben" })).await["accepted"], 1);
        server.stop().await;
        let server = start(folder.path()).await.unwrap();
        assert!(server.new_keys().is_none());
        assert_eq!(total(&server).await, 2);
        server.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_kept_and_balances_the_ledger_when_it_is_replayed_in_vain() {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path()).await.unwrap();
        send(&server, json!({ "user_id": "ada" })).await;
        let session = |client: Client| {
            client.post("/api/v1/flush", "{}")?;
            let replayed = client.post("/api/v1/quarantine/replay", r#"{"all": true}"#)?;
            Ok((replayed, client.get("/api/v1/ledger")?))
        };
        let (replayed, ledger) = with_client(&server, "api-key-12", session).await;
        assert_eq!(replayed, json!({ "accepted": 0, "still_rejected": 1, "not_replayable": 0 }));
        assert_eq!((&ledger["quarantined"], &ledger["balanced"]), (&json!(1), &json!(true)));
        server.stop().await;
    }

    #[tokio::test]
    async fn health_says_when_the_projects_can_no_longer_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path()).await.unwrap();
        let health = with_client(&server, "", |client| client.get("/health")).await;
        assert_eq!((&health["status"], &health["checks"]["projects"]["status"]), (&json!("ok"), &json!("ok")));
        std::fs::write(folder.path().join("projects.json"), "{").unwrap();
        let stale = async {
            loop {
                let health = with_client(&server, "", |client| client.get("/health")).await;
                if health["checks"]["projects"]["status"] == "stale" {
                    break health;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let health = tokio::time::timeout(Duration::from_secs(20), stale).await.unwrap();
        assert_eq!(health["status"], "degraded");
        assert!(!health.to_string().contains(folder.path().to_str().unwrap()), "{health}");
        server.stop().await;
    }

    #[tokio::test]
    async fn a_second_server_on_the_folder_or_the_port_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path()).await.unwrap();
        let same_folder = start(folder.path()).await.err().unwrap().to_string();
        assert!(same_folder.contains("in use by another headwater"), "{same_folder}");
        let other = tempfile::tempdir().unwrap();
        let args = ServeArgs::at(other.path(), &server.address().to_string()).unwrap();
        let same_port = Server::start(&args).await.err().unwrap().to_string();
        assert!(same_port.contains("in use by another program"), "{same_port}");
        server.stop().await;
    }
}
