//! The log: one JSON object a line, which CloudWatch takes apart by itself.

use tracing_subscriber::EnvFilter;

/// The table library reports every step of a commit at `info`, and its kernel calls a table that is yet to be made an
/// error; what matters of both reaches our own records as a result.
const QUIET: &str = "deltalake_core=warn,delta_kernel=off,buoyant_kernel=off,datafusion=warn,h2=warn";

/// Starts the log with the filter of `HEADWATER_LOG` (default `info`).
///
/// # Errors
/// A filter that cannot be understood.
pub fn start() -> anyhow::Result<()> {
    let chosen = std::env::var("HEADWATER_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(format!("{QUIET},{chosen}"))
        .map_err(|error| anyhow::anyhow!("HEADWATER_LOG cannot be understood: {error}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only a second start in one process fails, and the first one's log is as good.
    drop(lines.json().flatten_event(true).try_init());
    Ok(())
}
