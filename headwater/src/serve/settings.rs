//! What an operator may set about a server. Each flag has an environment variable; the flag wins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use batch_compactor::CompactorSettings;
use clap::{Args, Parser};
use event_queue::disk::DiskSettings;
use lake::LakeSettings;
use query_lambda::QuerySettings;

use super::http::HttpSettings;
use super::log::LogSettings;

/// Run everything on one port and one folder.
///
/// The first start on an empty folder makes a project `default`. HEADWATER_WRITE_KEY and HEADWATER_API_KEY, where they
/// are set then, become its keys; otherwise random ones are made and shown once.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The data folder; made if it is not there.
    #[arg(long, env = "HEADWATER_DATA_DIR", default_value = "headwater-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "HEADWATER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: String,
    /// Keys of the first start.
    #[arg(skip = FirstKeys::from_environment())]
    pub keys: FirstKeys,
    /// Settings of the queue.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// Settings of the lake.
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Settings of questions.
    #[command(flatten)]
    pub questions: QuestionArgs,
    /// Settings of HTTP.
    #[command(flatten)]
    pub http: HttpArgs,
    /// Settings of the log.
    #[command(flatten)]
    pub log: LogSettings,
}

/// The keys of a first start. They have no flags, because everybody on a machine can read the arguments of a process.
#[derive(Clone, Default)]
pub struct FirstKeys {
    /// `HEADWATER_WRITE_KEY`: key to send events with, of the project that the first start makes. Default: random.
    pub write: Option<String>,
    /// `HEADWATER_API_KEY`: key to ask with, of that project. Default: random.
    pub api: Option<String>,
}

impl FirstKeys {
    fn from_environment() -> Self {
        let read = |variable| std::env::var(variable).ok().filter(|key| !key.is_empty());
        Self { write: read("HEADWATER_WRITE_KEY"), api: read("HEADWATER_API_KEY") }
    }
}

impl std::fmt::Debug for FirstKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FirstKeys")
    }
}

/// How much may wait.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Queue")]
pub struct QueueArgs {
    /// Most bytes that may wait; beyond them events are refused with 503.
    #[arg(long, env = "HEADWATER_QUEUE_MAX_BYTES", default_value_t = DiskSettings::default().max_bytes, value_name = "BYTES")]
    pub queue_max_bytes: u64,
    /// Free space that the queue leaves to the lake; below it events are refused with 503.
    #[arg(long, env = "HEADWATER_QUEUE_RESERVE_BYTES", default_value_t = DiskSettings::default().reserve_free_bytes, value_name = "BYTES")]
    pub queue_reserve_bytes: u64,
}

/// How the lake is written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Lake")]
pub struct LakeArgs {
    /// Shortest time between two commits, in milliseconds. Slow storage makes it longer.
    #[arg(long, env = "HEADWATER_DRAIN_INTERVAL_MS", default_value_t = 1_000, value_name = "MS")]
    pub drain_interval_ms: u64,
    /// How many days back an event's id is looked for before it is stored.
    #[arg(long, env = "HEADWATER_LOOK_BACK_DAYS", default_value_t = LakeSettings::default().look_back_days, value_name = "DAYS")]
    pub look_back_days: u32,
    /// Time between two rounds of maintenance (merging small files and the like), in seconds.
    #[arg(long, env = "HEADWATER_MAINTENANCE_SECONDS", default_value_t = 15, value_name = "S")]
    pub maintenance_seconds: u64,
}

/// How much a question may take.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Questions")]
pub struct QuestionArgs {
    /// How long a question may take, in seconds.
    #[arg(long, env = "HEADWATER_QUERY_SECONDS", default_value_t = QuerySettings::default().time_limit.as_secs(), value_name = "S")]
    pub query_seconds: u64,
    /// How many questions run at a time.
    #[arg(long, env = "HEADWATER_QUERY_CONCURRENT", default_value_t = QuerySettings::default().concurrent, value_name = "N")]
    pub query_concurrent: usize,
    /// How many more may wait for their turn.
    #[arg(long, env = "HEADWATER_QUERY_WAITING", default_value_t = QuerySettings::default().waiting, value_name = "N")]
    pub query_waiting: usize,
    /// Threads of all questions together.
    #[arg(long, env = "HEADWATER_QUERY_THREADS", default_value_t = QuerySettings::default().threads, value_name = "N")]
    pub query_threads: usize,
    /// Memory of all questions together, in bytes.
    #[arg(long, env = "HEADWATER_QUERY_MEMORY_BYTES", default_value_t = QuerySettings::default().memory_bytes, value_name = "BYTES")]
    pub query_memory_bytes: usize,
    /// Memory of the cache of answers, in bytes; 0 switches it off.
    #[arg(long, env = "HEADWATER_QUERY_CACHE_BYTES", default_value_t = QuerySettings::default().cache_bytes, value_name = "BYTES")]
    pub query_cache_bytes: usize,
}

/// How clients are served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Most connections at a time; others wait.
    #[arg(long, env = "HEADWATER_MAX_CONNECTIONS", default_value_t = HttpSettings::default().max_connections, value_name = "N")]
    pub max_connections: usize,
}

impl ServeArgs {
    /// The settings of a server on a folder and an address, the rest as the environment and the defaults have it.
    ///
    /// # Errors
    /// If the environment sets something to a value that it cannot have.
    pub fn at(folder: &Path, listen: &str) -> anyhow::Result<Self> {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            serve: ServeArgs,
        }
        let words = ["serve".as_ref(), "--data-dir".as_ref(), folder.as_os_str(), "--listen".as_ref(), listen.as_ref()];
        Ok(Line::try_parse_from(words)?.serve)
    }

    pub(crate) fn disk(&self) -> DiskSettings {
        DiskSettings {
            max_bytes: self.queue.queue_max_bytes,
            reserve_free_bytes: self.queue.queue_reserve_bytes,
            ..DiskSettings::default()
        }
    }

    pub(crate) fn lake_settings(&self) -> LakeSettings {
        LakeSettings { look_back_days: self.lake.look_back_days, ..LakeSettings::default() }
    }

    pub(crate) fn compactor(&self) -> CompactorSettings {
        CompactorSettings {
            min_interval: Duration::from_millis(self.lake.drain_interval_ms),
            ..CompactorSettings::default()
        }
    }

    pub(crate) fn maintenance_interval(&self) -> Duration {
        Duration::from_secs(self.lake.maintenance_seconds.max(1))
    }

    pub(crate) fn query(&self) -> QuerySettings {
        QuerySettings {
            time_limit: Duration::from_secs(self.questions.query_seconds.max(1)),
            concurrent: self.questions.query_concurrent.max(1),
            waiting: self.questions.query_waiting,
            threads: self.questions.query_threads.max(1),
            memory_bytes: self.questions.query_memory_bytes,
            cache_bytes: self.questions.query_cache_bytes,
        }
    }

    pub(crate) fn http_settings(&self) -> HttpSettings {
        HttpSettings { max_connections: self.http.max_connections.max(1), ..HttpSettings::default() }
    }
}
