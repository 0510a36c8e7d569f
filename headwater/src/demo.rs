//! `headwater demo`: the main job, shown in a minute on a machine that has nothing else.
//!
//! It starts a server like any other, sends a shop's traffic to it over HTTP, asks questions over HTTP, and shows where
//! to look. Nothing here has a way in that a user does not have.

mod narrator;
mod report;
pub mod shop;
mod traffic;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::serve::{self, ServeArgs, Server};
use narrator::Narrator;

/// The seed of the demo's shop: the same traffic for everybody.
const SEED: u64 = 20_260_101;

/// `headwater demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// An empty folder to keep the data in. Default: a temporary one, removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address and port of the demo's server. Default: 127.0.0.1:8080, or a free port if that one is taken.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Visitors of the shop.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    visitors: u32,
    /// Days of traffic.
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// End after the answers, and do not go on serving.
    #[arg(long)]
    exit: bool,
}

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let folder = DemoFolder::new(args.data_dir.as_deref())?;
    let settings = settings(&folder.path, args.listen.as_deref().unwrap_or("127.0.0.1:8080"))?;
    serve::log::start(&settings.log)?;
    let result = serve::runtime()?.block_on(show(args, settings, &folder));
    folder.remove_if_temporary();
    result
}

async fn show(args: &DemoArgs, settings: ServeArgs, folder: &DemoFolder) -> anyhow::Result<Exit> {
    let narrator = Narrator::new();
    narrator.title();
    let server = start(settings, args.listen.is_none()).await?;
    narrator.started(&server);
    let keys = server.new_keys().context(
        "this folder has been used before, and its keys are not known: give the demo an empty one with --data-dir",
    )?;
    let (url, write_key, api_key) = (server.url(), keys.write.clone(), keys.api.clone());
    let plan = traffic::Plan { visitors: args.visitors, days: args.days, seed: SEED };
    let story = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        let (writer, reader) = (Client::new(&url, &write_key)?, Client::new(&url, &api_key)?);
        traffic::send(&plan, &writer, &reader, &narrator)?;
        report::answers(&plan, &reader, &narrator)
    });
    let told = tokio::select! {
        told = story => told.context("the demo's own thread failed")?,
        signal = serve::told_to_stop() => signal.map(|_| ()),
    };
    if told.is_ok() && !args.exit {
        narrator.where_to_look(&server, folder.is_temporary);
        serve::told_to_stop().await?;
        narrator.stopping();
    } else if told.is_ok() && !folder.is_temporary {
        narrator.kept(&server);
    }
    server.stop().await;
    told.map(|()| Exit::Done)
}

/// The settings of a server as `headwater serve` has them, so that the demo shows what a user gets.
fn settings(folder: &Path, listen: &str) -> anyhow::Result<ServeArgs> {
    let mut settings = ServeArgs::at(folder, listen)?;
    // Keys of a real server have no business here, and the log would only disturb the picture.
    settings.keys = serve::FirstKeys::default();
    if std::env::var_os("HEADWATER_LOG").is_none() {
        "warn".clone_into(&mut settings.log.log);
    }
    Ok(settings)
}

async fn start(mut settings: ServeArgs, may_move: bool) -> anyhow::Result<Server> {
    match tokio::net::TcpListener::bind(&settings.listen).await {
        Err(error) if may_move && error.kind() == std::io::ErrorKind::AddrInUse => {
            "127.0.0.1:0".clone_into(&mut settings.listen);
        }
        _ => {}
    }
    Server::start(&settings).await
}

struct DemoFolder {
    path: PathBuf,
    is_temporary: bool,
}

impl DemoFolder {
    fn new(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            return Ok(Self { path: path.to_owned(), is_temporary: false });
        }
        let mut random = [0_u8; 4];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
        let name = format!("headwater-demo-{:08x}", u32::from_ne_bytes(random));
        Ok(Self { path: std::env::temp_dir().join(name), is_temporary: true })
    }

    fn remove_if_temporary(&self) {
        if self.is_temporary {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}
