//! `headwater serve`: everything in one process, on one port and one folder.
//!
//! ```text
//! start: folder -> lock, version -> projects.json -> queue -> lake -> HTTP            ready in well under a second
//! stop:  HTTP ends, requests in flight finish -> last drain -> folder free
//! ```

mod address_file;
mod banner;
mod control;
#[cfg(test)]
mod erase_proof;
pub mod folder;
mod health;
mod http;
pub mod log;
mod maintenance;
mod metrics;
mod projects;
mod salt;
mod server;
mod settings;
mod stop;

use std::io::IsTerminal as _;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::output::say;

pub(crate) use address_file::read as read_address;
pub use http::HttpSettings;
pub use projects::NewKeys;
pub use server::Server;
pub use settings::{FirstKeys, HttpArgs, LakeArgs, QuestionArgs, QueueArgs, ServeArgs};

/// Serves until the process is told to stop.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    log::start(&args.log)?;
    runtime()?.block_on(async {
        // Listened for before anybody can learn that there is a server to stop.
        let stop = tokio::spawn(told_to_stop());
        let server = Server::start(args).await?;
        // One line for programs: with port 0 this is how they learn the address.
        let line = json!({ "listening": server.url(), "data_dir": server.data_dir(), "pid": std::process::id() });
        if !std::io::stdout().is_terminal() {
            say(&format!("{line}\n")).context("cannot write to standard output")?;
        }
        banner::show(&server);
        tracing::info!(url = server.url(), "ready");
        let signal = stop.await.context("nobody listens for signals")??;
        tracing::info!(signal, "stopping");
        server.stop().await;
        tracing::info!("stopped");
        Ok(Exit::Done)
    })
}

/// The threads of a server.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gives no threads")
}

/// Waits for SIGTERM or SIGINT (Ctrl-C) and names it.
pub(crate) async fn told_to_stop() -> anyhow::Result<&'static str> {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context("cannot listen for SIGTERM")?;
        tokio::select! {
            result = interrupt => result.map(|()| "SIGINT").context("cannot listen for Ctrl-C"),
            _ = terminate.recv() => Ok("SIGTERM"),
        }
    }
    #[cfg(not(unix))]
    interrupt.await.map(|()| "Ctrl-C").context("cannot listen for Ctrl-C")
}
