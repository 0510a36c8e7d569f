//! A load of requests over kept-alive connections on loopback, bounded in count and time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// What a load did.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Seconds from request to answer, sorted.
    pub latencies: Vec<f64>,
}

impl LoadReport {
    /// The latency that this share of requests did not exceed, in milliseconds.
    #[must_use]
    pub fn percentile_millis(&self, share: f64) -> f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into a list of some thousands"
        )]
        #[allow(clippy::cast_precision_loss, reason = "an index into a list of some thousands")]
        let place = (self.latencies.len().saturating_sub(1) as f64 * share) as usize;
        self.latencies.get(place).copied().unwrap_or(f64::NAN) * 1_000.0
    }
}

/// Sends every body once with POST over `connections` kept-alive connections; every answer must be 200.
///
/// # Errors
/// If a connection fails or an answer is not 200.
pub fn post_all(
    address: SocketAddr,
    target: &str,
    key: &str,
    bodies: &[String],
    connections: usize,
) -> Result<LoadReport> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let results: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let client = || one_connection(address, target, key, bodies, &next);
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| bail!("a client panicked"))).collect()
    });
    let wall = started.elapsed();
    let mut latencies = Vec::with_capacity(bodies.len());
    for result in results {
        latencies.extend(result?);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(LoadReport { wall, latencies })
}

fn one_connection(
    address: SocketAddr,
    target: &str,
    key: &str,
    bodies: &[String],
    next: &AtomicUsize,
) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut latencies = Vec::new();
    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
        let sent = Instant::now();
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let (status, answer) = read_answer(&mut reader)?;
        if status != 200 {
            bail!("status {status}: {}", String::from_utf8_lossy(&answer));
        }
        latencies.push(sent.elapsed().as_secs_f64());
    }
    Ok(latencies)
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("status line")?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, body))
}

/// CPU seconds that a process has used so far, of itself and the kernel for it.
///
/// # Errors
/// If the process is gone.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold anything; the fields after it count from `state`.
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).context("stat field");
    Ok((ticks(11)? + ticks(12)?) / rustix::param::clock_ticks_per_second().max(1) as f64)
}
