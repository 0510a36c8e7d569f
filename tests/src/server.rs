//! A real `headwater serve` on a folder and a free loopback port, ended by its process id.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::http::{Request, Response};

/// The write key of every server that tests start.
pub const WRITE_KEY: &str = "hw_w_test_write_key";
/// The API key (read and admin) of every server that tests start.
pub const API_KEY: &str = "hw_r_test_api_key";

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data folder.
    pub data_dir: PathBuf,
    child: Child,
    /// How long it took from start to the first 200 of `/health`.
    pub ready_after: Duration,
}

/// The binary under test: beside the test's own, or `HEADWATER_BIN`.
///
/// # Errors
/// If it has not been built.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HEADWATER_BIN") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).map(|folder| folder.join("headwater")).find(|path| path.is_file());
    found.context("the binary is not built: run `make build` first")
}

/// A loopback port that nobody listens on now.
///
/// # Errors
/// If no socket can be opened.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Server {
    /// Starts a server on a folder and waits until it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready within 30 seconds; its log is in the message.
    pub fn start(data_dir: &Path) -> Result<Self> {
        Self::start_with(data_dir, &[])
    }

    /// As [`Self::start`], with more environment.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(data_dir: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let log_path = data_dir.with_extension("log");
        let log = File::options().create(true).append(true).open(&log_path)?;
        let started = Instant::now();
        let child = Command::new(binary()?)
            .args(["serve", "--listen", &address.to_string(), "--data-dir"])
            .arg(data_dir)
            .env("HEADWATER_WRITE_KEY", WRITE_KEY)
            .env("HEADWATER_API_KEY", API_KEY)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting headwater serve")?;
        let mut server = Self { address, data_dir: data_dir.to_owned(), child, ready_after: Duration::ZERO };
        while started.elapsed() < Duration::from_secs(30) {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}: {}", std::fs::read_to_string(&log_path)?);
            }
            if Request::get("/health", API_KEY).send(address).is_ok_and(|answer| answer.status == 200) {
                server.ready_after = started.elapsed();
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the server was not ready within 30 s: {}", std::fs::read_to_string(&log_path)?)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a crash would: no signal handler runs.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn crash(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits; it must end with 0.
    ///
    /// # Errors
    /// If it does not end within 30 seconds, or not with 0.
    pub fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("process id")?;
        kill_process(pid, Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() { Ok(()) } else { bail!("the server ended with {status}") };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not stop within 30 s")
    }

    /// Sends a JSON body with the write key.
    ///
    /// # Errors
    /// If no answer comes.
    pub fn collect(&self, target: &str, body: &Value) -> Result<Response> {
        Request::post(target, WRITE_KEY, body.to_string()).send(self.address)
    }

    /// Sends events in one native batch; all must be taken.
    ///
    /// # Errors
    /// If any is rejected.
    pub fn send_events(&self, events: &[Value]) -> Result<()> {
        let answer = self.collect("/api/v1/events/batch", &json!({ "batch": events }))?.ok()?;
        if answer.get("accepted") != Some(&json!(events.len())) {
            bail!("not all were accepted: {answer}");
        }
        Ok(())
    }

    /// Sends a JSON body with the API key; the answer must be 200.
    ///
    /// # Errors
    /// With status and body if it is not.
    pub fn ask(&self, target: &str, body: &Value) -> Result<Value> {
        Request::post(target, API_KEY, body.to_string()).send(self.address)?.ok()
    }

    /// Reads with the API key; the answer must be 200.
    ///
    /// # Errors
    /// With status and body if it is not.
    pub fn read(&self, target: &str) -> Result<Value> {
        Request::get(target, API_KEY).send(self.address)?.ok()
    }

    /// Returns once all that was accepted before is in the lake: minutes, after a hundred crashes under load.
    ///
    /// # Errors
    /// If the flush fails.
    pub fn flush(&self) -> Result<Value> {
        Request::post("/api/v1/flush", API_KEY, "{}").send_within(Duration::from_secs(1_800), self.address)?.ok()
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
