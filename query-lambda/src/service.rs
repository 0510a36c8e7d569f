//! Everything that answering questions needs, built once a process.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use event_model::project::SharedDirectory;
use lake::Lake;
use prometheus_client::registry::Registry;
use thiserror::Error;

use crate::cache::Cache;
use crate::control::Control;
use crate::engine::Engine;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::settings::QuerySettings;

/// The query side of a deployment. [`crate::router`] serves it.
pub struct QueryService {
    pub(crate) lake: Arc<Lake>,
    pub(crate) directory: SharedDirectory,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) settings: QuerySettings,
    pub(crate) engine: Engine,
    pub(crate) gate: Gate,
    pub(crate) cache: Cache,
    pub(crate) metrics: Metrics,
}

/// Why the query side cannot start: the system is out of threads or memory.
#[derive(Debug, Error)]
pub enum StartError {
    /// The threads of questions.
    #[error("cannot start the threads of questions: {0}")]
    Threads(#[from] std::io::Error),
    /// DataFusion's environment.
    #[error("cannot set up the query engine: {0}")]
    Engine(#[from] DataFusionError),
}

impl QueryService {
    /// Starts the threads that questions run on, and makes its figures known to the registry.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(
        lake: Arc<Lake>,
        directory: SharedDirectory,
        control: Arc<dyn Control>,
        settings: QuerySettings,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        Ok(Self {
            lake,
            directory,
            control,
            engine: Engine::start(&settings)?,
            gate: Gate::new(settings.concurrent, settings.waiting),
            cache: Cache::new(settings.cache_bytes),
            metrics: Metrics::register(registry),
            settings,
        })
    }

    /// A result in the cache; counts whether there was one.
    pub(crate) fn look_up(&self, key: &str) -> Option<Arc<str>> {
        let found = self.cache.get(key);
        self.metrics.looked_up(found.is_some());
        found
    }
}

impl std::fmt::Debug for QueryService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryService").field("settings", &self.settings).finish_non_exhaustive()
    }
}
