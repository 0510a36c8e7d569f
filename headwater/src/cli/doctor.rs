//! `headwater doctor`: looks at everything that a server needs and says what to do about what is wrong.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use event_model::Timestamp;
use event_model::project::Directory;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::Exit;
use super::output::{self, Format, Style, Table};
use crate::serve::folder;

/// Below this much free space something will go wrong soon, in bytes.
const FREE_BYTES_WANTED: u64 = 2 * 1024 * 1024 * 1024;
/// A disk that is slower to make a write durable answers clients slowly.
const FSYNC_WANTED: Duration = Duration::from_millis(20);

/// `headwater doctor --data-dir DIR`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// The data folder.
    #[arg(long, env = "HEADWATER_DATA_DIR", default_value = "headwater-data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the server listens, or shall.
    #[arg(long, env = "HEADWATER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Address of a running server, where it differs from the one that listens here.
    #[arg(long, env = "HEADWATER_URL", value_name = "URL")]
    url: Option<String>,
}

/// What a look at one thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    about: &'static str,
    state: State,
    /// What is there.
    found: String,
    /// What to do; empty where nothing is.
    advice: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    Warning,
    Bad,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "failed",
        }
    }
}

impl Finding {
    fn good(about: &'static str, found: impl Into<String>) -> Self {
        Self { about, state: State::Good, found: found.into(), advice: String::new() }
    }

    fn warning(about: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about, state: State::Warning, found: found.into(), advice: advice.into() }
    }

    fn bad(about: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about, state: State::Bad, found: found.into(), advice: advice.into() }
    }
}

pub(super) fn run(args: &DoctorArgs, format: Format) -> anyhow::Result<Exit> {
    let folder = args.data_dir.as_path();
    let holder = folder::holder(folder);
    let mut findings = vec![version(folder), lock(holder.as_deref()), projects(folder), writing(folder)];
    findings.extend(space(folder));
    findings.push(clock());
    findings.push(port(args.listen, holder.is_some()));
    findings.extend(reach(args, holder.is_some()));
    let json: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({ "about": finding.about, "state": finding.state.as_str(), "found": finding.found, "advice": finding.advice })
        })
        .collect();
    if format == Format::Table {
        for finding in &findings {
            output::say(&line(finding, Style::stdout()))?;
        }
    } else {
        output::print(format, &json.into(), || table(&findings))?;
    }
    Ok(if findings.iter().any(|finding| finding.state == State::Bad) { Exit::Found } else { Exit::Done })
}

fn line(finding: &Finding, style: Style) -> String {
    let mark = match finding.state {
        State::Good => style.green("ok     "),
        State::Warning => style.bold("warning"),
        State::Bad => style.red("failed "),
    };
    let advice = if finding.advice.is_empty() { String::new() } else { format!("\n         -> {}", finding.advice) };
    format!("{mark}  {}: {}{advice}\n", finding.about, finding.found)
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new(["about", "state", "found", "advice"]);
    table.rows = findings
        .iter()
        .map(|finding| {
            let state = finding.state.as_str().to_owned();
            vec![finding.about.to_owned(), state, finding.found.clone(), finding.advice.clone()]
        })
        .collect();
    table
}

fn version(path: &Path) -> Finding {
    let about = "data folder";
    match folder::read_version(path) {
        Ok(Some(version)) => Finding::good(about, format!("{}, layout {version}", path.display())),
        Ok(None) if !path.exists() => {
            Finding::good(about, format!("{} is not there yet: the first start makes it", path.display()))
        }
        Ok(None) => Finding::good(about, format!("{} has not been used yet", path.display())),
        Err(error) => Finding::bad(about, error.to_string(), "see above; nothing was changed"),
    }
}

fn lock(holder: Option<&str>) -> Finding {
    match holder {
        Some(process) => Finding::good("lock", format!("a server is using the folder{process}")),
        None => Finding::good("lock", "free: no server is using the folder"),
    }
}

fn projects(folder: &Path) -> Finding {
    let (about, path) = ("projects.json", folder.join("projects.json"));
    if !path.exists() {
        return Finding::good(about, "not there yet: the first start makes it, with keys");
    }
    match fs::read_to_string(&path).map_err(|error| error.to_string()).and_then(|text| Directory::parse(&text)) {
        Ok(directory) => Finding::good(about, format!("{} project(s)", directory.projects().len())),
        Err(error) => {
            Finding::bad(about, error, "correct the file; a running server goes on with the last good one until then")
        }
    }
}

/// Writes a file and makes it durable, as the queue does before it answers a client.
fn writing(folder: &Path) -> Finding {
    let about = "durable writes";
    let Some(existing) = folder.ancestors().find(|path| path.is_dir()).or(Some(Path::new("."))) else {
        return Finding::bad(about, "no folder to write to", "check --data-dir");
    };
    let path = existing.join(format!(".headwater-doctor-{}", std::process::id()));
    let result = time_fsync(&path);
    drop(fs::remove_file(&path));
    match result {
        Ok(took) if took <= FSYNC_WANTED => {
            Finding::good(about, format!("{:.1} ms each", took.as_secs_f64() * 1_000.0))
        }
        Ok(took) => Finding::warning(
            about,
            format!("{:.1} ms each", took.as_secs_f64() * 1_000.0),
            "every request waits for one: use a local disk, not a network folder",
        ),
        Err(error) => Finding::bad(
            about,
            format!("cannot write to {}: {error}", existing.display()),
            "give this user the right to write there, or choose another folder with --data-dir",
        ),
    }
}

fn time_fsync(path: &Path) -> std::io::Result<Duration> {
    const TIMES: u32 = 5;
    let mut file = File::create(path)?;
    let start = Instant::now();
    for _ in 0..TIMES {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
    }
    Ok(start.elapsed() / TIMES)
}

#[cfg(unix)]
fn space(folder: &Path) -> Option<Finding> {
    let existing = folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let state = rustix::fs::statvfs(existing).ok()?;
    let free = state.f_bavail.saturating_mul(state.f_frsize);
    #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let found = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
    Some(if free >= FREE_BYTES_WANTED {
        Finding::good("space", found)
    } else {
        Finding::warning("space", found, "make room: when it runs out, events are refused with 503 and clients wait")
    })
}

#[cfg(not(unix))]
fn space(_folder: &Path) -> Option<Finding> {
    None
}

fn clock() -> Finding {
    let now = crate::clock::now();
    // This build cannot be older than its own sources.
    if Timestamp::parse("2026-11-01").is_some_and(|built| now < built) {
        return Finding::bad(
            "clock",
            format!("{now} (UTC) lies in the past"),
            "set the clock (ntp): events are judged against it, and those from the future go to quarantine",
        );
    }
    Finding::good("clock", format!("{now} (UTC): compare it with yours"))
}

fn port(listen: SocketAddr, is_served: bool) -> Finding {
    let about = "address";
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good(about, format!("{listen} is free")),
        Err(_) if is_served => Finding::good(about, format!("{listen} is taken, as it should be while a server runs")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::bad(
            about,
            format!("{listen} is taken by another program"),
            "stop that one, or choose another port with --listen 127.0.0.1:0",
        ),
        Err(error) => Finding::bad(about, format!("{listen}: {error}"), "choose another address with --listen"),
    }
}

/// Asks a server for its health: the one that is named, or the one that uses the folder.
fn reach(args: &DoctorArgs, is_served: bool) -> Option<Finding> {
    let about = "server";
    let url = match &args.url {
        Some(url) => url.clone(),
        None if is_served => {
            crate::serve::read_address(&args.data_dir).unwrap_or_else(|| format!("http://{}", args.listen))
        }
        None => return None,
    };
    let health = Client::new(&url, "").and_then(|client| client.get("/health"));
    Some(match health {
        Ok(health) if health.get("status").is_some_and(|status| status == "ok") => {
            Finding::good(about, format!("{url} is well (version {})", output::cell(health.get("version"))))
        }
        Ok(health) => Finding::warning(about, format!("{url} answers, but says {health}"), "see the server's log"),
        Err(_) => Finding::bad(
            about,
            format!("{url} does not answer"),
            "start `headwater serve`, or correct the address with --url (HEADWATER_URL)",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_folder_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        assert_eq!(version(&path).state, State::Good);
        assert_eq!(projects(&path).state, State::Good);
        assert_ne!(writing(&path).state, State::Bad);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_wrong_comes_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("version"), "99").unwrap();
        fs::write(folder.path().join("projects.json"), "{").unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let findings = [version(folder.path()), projects(folder.path()), port(taken.local_addr().unwrap(), false)];
        for finding in findings {
            assert!(finding.state == State::Bad && !finding.advice.is_empty(), "{finding:?}");
        }
    }
}
