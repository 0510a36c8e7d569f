//! The log: one line a record on stderr, as text or JSON.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// What is logged, as `level` or `target=level,...`.
    #[arg(long, env = "HEADWATER_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How a record is written.
    #[arg(long, env = "HEADWATER_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The table library reports every step of a commit at `info`, and its kernel calls a table that is yet to be made an
/// error; what matters of both reaches our own records as a result.
const QUIET: &str = "deltalake_core=warn,delta_kernel=off,buoyant_kernel=off,datafusion=warn,h2=warn";

/// Starts the log.
///
/// # Errors
/// A filter that cannot be understood.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", settings.log)).map_err(|error| {
        anyhow::anyhow!("HEADWATER_LOG (--log) cannot be understood: {error}. Try `info` or `info,lake=debug`")
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            lines.with_ansi(colors).try_init()
        }
    };
    // Only a second start in one process fails, and the first one's log is as good.
    drop(started);
    Ok(())
}
