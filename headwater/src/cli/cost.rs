//! `headwater cost`: what a deployment on AWS would cost at list prices.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::client::{ApiAccess, Client};
use super::exit::Exit;
use super::output::{self, Format, Table, tell};
use crate::cost::{BUDGET_PER_MILLION, CollectorKind, Estimate, Prices, Usage, estimate};

/// Events of a request, where neither the command line nor the server says it.
const EVENTS_PER_REQUEST: f64 = 50.0;
/// Days that are looked back at to see how many events a month has.
const DAYS: f64 = 30.0;

/// What a deployment on AWS would cost a month at list prices, and a million events.
///
/// How many events there are is asked of a server (--url, --key: those of its key's project in the last 30 days), unless
/// --events-per-month says it.
#[derive(Args, Debug)]
pub(crate) struct CostArgs {
    #[command(flatten)]
    access: ApiAccess,
    /// Events a month, instead of asking a server.
    #[arg(long, value_name = "N")]
    events_per_month: Option<f64>,
    /// Events that one request brings [default: what the server's metrics say, otherwise 50].
    #[arg(long, value_name = "N")]
    events_per_request: Option<f64>,
    /// JSON of one event as it is sent, in bytes.
    #[arg(long, default_value_t = 400.0, value_name = "BYTES")]
    bytes_per_event: f64,
    /// What one event takes in the lake for good, in bytes.
    #[arg(long, default_value_t = 56.0, value_name = "BYTES")]
    stored_bytes_per_event: f64,
    /// How many months events are kept.
    #[arg(long, default_value_t = 12.0, value_name = "N")]
    months_kept: f64,
    /// Questions a month.
    #[arg(long, default_value_t = 1_000.0, value_name = "N")]
    questions_per_month: f64,
    /// Projects that have events all the time.
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    projects: f64,
    /// How long messages are gathered before they are stored: `window_seconds` of the compactor.
    #[arg(long, default_value_t = 10.0, value_name = "S")]
    drain_seconds: f64,
    /// What takes the events.
    #[arg(long, default_value = "worker", value_name = "KIND")]
    collector: CollectorKind,
    /// Prices of another region or of one's own contract: a file like `headwater/src/cost/prices.json`.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

pub(crate) fn run(args: &CostArgs, format: Format) -> anyhow::Result<Exit> {
    let prices = match &args.prices {
        None => Prices::built_in()?,
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Prices::parse(&text).with_context(|| path.display().to_string())?
        }
    };
    let usage = args.usage()?;
    let found = estimate(&usage, &prices);
    let answer = json!({
        "usage": {
            "events_per_month": usage.events,
            "events_per_request": usage.events_per_request,
        },
        "prices": { "region": prices.region, "aws": prices.aws.as_of, "cloudflare": prices.cloudflare.as_of },
        "estimate": found,
        "budget_per_million_events": BUDGET_PER_MILLION,
    });
    output::print(format, &answer, || table(&found))?;
    tell(&format!(
        "list prices of {} (AWS {}, Cloudflare {}), without free tiers; what grows with time is level after {} months",
        prices.region, prices.aws.as_of, prices.cloudflare.as_of, usage.months_kept
    ));
    if let Some(dollars) = found.per_million_events {
        let is_within = if dollars <= BUDGET_PER_MILLION { "within" } else { "above" };
        tell(&format!("a million events: ${dollars:.4}, {is_within} the budget of ${BUDGET_PER_MILLION:.2}"));
    }
    Ok(Exit::Done)
}

impl CostArgs {
    fn usage(&self) -> anyhow::Result<Usage> {
        let measured =
            match self.events_per_month {
                Some(events) => Measured { events, events_per_request: None },
                None => Measured::of(&self.access.client().context(
                    "how many events a month? Say it with --events-per-month, or name a server that knows",
                )?)?,
            };
        let usage = Usage {
            events: measured.events,
            events_per_request: self.events_per_request.or(measured.events_per_request).unwrap_or(EVENTS_PER_REQUEST),
            bytes_per_event: self.bytes_per_event,
            stored_bytes_per_event: self.stored_bytes_per_event,
            months_kept: self.months_kept,
            questions: self.questions_per_month,
            projects: self.projects,
            drain_seconds: self.drain_seconds,
            collector: self.collector,
        };
        let at_least = [
            ("--events-per-month", usage.events, 0.0),
            ("--events-per-request", usage.events_per_request, 1.0),
            ("--bytes-per-event", usage.bytes_per_event, 1.0),
            ("--stored-bytes-per-event", usage.stored_bytes_per_event, 0.0),
            ("--months-kept", usage.months_kept, 0.0),
            ("--questions-per-month", usage.questions, 0.0),
            ("--projects", usage.projects, 1.0),
            ("--drain-seconds", usage.drain_seconds, 1.0),
        ];
        for (name, value, least) in at_least {
            if !value.is_finite() || value < least {
                bail!("{name} is {value}, and must be at least {least}");
            }
        }
        Ok(usage)
    }
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    /// Events of 30 days.
    events: f64,
    events_per_request: Option<f64>,
}

impl Measured {
    fn of(client: &Client) -> anyhow::Result<Self> {
        let question = json!({
            "kind": "trend", "interval": "day", "series": [{ "name": "events" }],
            "period": { "last": { "value": 30, "unit": "day" } },
        });
        let answer = client.post("/api/v1/insights/query", &question.to_string())?;
        let days: Vec<f64> = answer
            .pointer("/result/series/0/values")
            .and_then(Value::as_array)
            .context("the server does not say how many events it has")?
            .iter()
            .map(|value| value.as_f64().unwrap_or_default())
            .collect();
        let metrics = client.text("/metrics")?;
        Ok(Self { events: monthly(&days), events_per_request: metrics.as_deref().and_then(per_request) })
    }
}

/// Events of 30 days: of a younger deployment as many as it would have by then.
fn monthly(days: &[f64]) -> f64 {
    let lived = days.iter().skip_while(|events| **events <= 0.0).count();
    if lived == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "a number of days")]
    let lived = lived as f64;
    days.iter().sum::<f64>() / lived * DAYS
}

/// Events of a request, from metrics in text: those taken and those refused, by requests that were answered with 200.
fn per_request(metrics: &str) -> Option<f64> {
    let mut sums: HashMap<&str, f64> = HashMap::new();
    for line in metrics.lines() {
        let (name, value) = line.rsplit_once(' ')?;
        let (family, labels) = name.split_once('{').unwrap_or((name, ""));
        let counts = match family {
            "headwater_collector_accepted_events_total" | "headwater_collector_rejected_events_total" => "events",
            "headwater_collector_requests_total" if labels.contains("status=\"200\"") => "requests",
            _ => continue,
        };
        *sums.entry(counts).or_default() += value.parse::<f64>().ok()?;
    }
    let (events, requests) = (sums.get("events")?, sums.get("requests")?);
    (*requests > 0.0 && events >= requests).then_some(events / requests)
}

/// One row a service and purpose, and the sums.
fn table(estimate: &Estimate) -> Table {
    let mut table = Table::new(["service", "for", "quantity", "unit", "dollars_a_month"]);
    for line in &estimate.lines {
        let what = if line.fixed { format!("{} (fixed)", line.what) } else { line.what.to_owned() };
        let quantity = format!("{:.0}", line.quantity);
        table.rows.push(vec![line.service.to_owned(), what, quantity, line.unit.clone(), dollars(line.dollars)]);
    }
    let sums = [
        ("of events", estimate.of_events),
        ("of questions", estimate.of_questions),
        ("fixed", estimate.fixed),
        ("all", estimate.total),
    ];
    for (what, sum) in sums {
        table.rows.push(vec!["sum".to_owned(), what.to_owned(), String::new(), String::new(), dollars(sum)]);
    }
    table
}

fn dollars(amount: f64) -> String {
    format!("{amount:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{FirstKeys, ServeArgs, Server};

    #[test]
    fn a_young_deployment_is_taken_for_what_it_will_be_in_thirty_days() {
        let mut days = vec![0.0; 30];
        assert_eq!(monthly(&days), 0.0);
        days[25] = 40.0;
        days[29] = 60.0;
        assert_eq!(monthly(&days), 600.0, "five days, one of them in between without events");
        assert_eq!(monthly(&[10.0; 30]), 300.0);
    }

    #[test]
    fn the_events_of_a_request_come_from_the_metrics() {
        let metrics = "# TYPE headwater_collector_requests counter\n\
            headwater_collector_requests_total{status=\"200\"} 10\n\
            headwater_collector_requests_total{status=\"503\"} 90\n\
            headwater_collector_accepted_events_total{protocol=\"native\"} 300\n\
            headwater_collector_accepted_events_total{protocol=\"segment\"} 80\n\
            headwater_collector_rejected_events_total{reason=\"too_deep\"} 20\n\
            # EOF\n";
        assert_eq!(per_request(metrics), Some(40.0));
        assert_eq!(per_request("# EOF\n"), None);
        assert_eq!(per_request("headwater_collector_requests_total{status=\"200\"} 10\n"), None);
    }

    #[tokio::test]
    async fn a_server_says_how_many_events_it_has_and_how_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = ServeArgs::at(folder.path(), "127.0.0.1:0").unwrap();
        args.keys = FirstKeys { write: Some("write-key-1".to_owned()), api: Some("api-key-12".to_owned()) };
        let server = Server::start(&args).await.unwrap();
        let url = server.url();
        let session = move || {
            let collector = Client::new(&url, "write-key-1")?;
            let events = |count: usize| json!({ "batch": vec![json!({ "event": "Paid", "user_id": "u" }); count] });
            collector.post("/api/v1/events/batch", &events(3).to_string())?;
            collector.post("/api/v1/events/batch", &events(5).to_string())?;
            let client = Client::new(&url, "api-key-12")?;
            client.post("/api/v1/flush", "{}")?;
            Measured::of(&client)
        };
        let measured = tokio::task::spawn_blocking(session).await.unwrap().unwrap();
        // Today is the first of its days.
        assert_eq!(measured, Measured { events: 8.0 * DAYS, events_per_request: Some(4.0) });
        server.stop().await;
    }

    #[test]
    fn the_table_has_a_row_for_each_thing_that_is_paid_and_the_sums() {
        let usage = Usage {
            events: 1e9,
            events_per_request: 50.0,
            bytes_per_event: 400.0,
            stored_bytes_per_event: 56.0,
            months_kept: 12.0,
            questions: 1_000.0,
            projects: 1.0,
            drain_seconds: 10.0,
            collector: CollectorKind::Function,
        };
        let found = estimate(&usage, &Prices::built_in().unwrap());
        let text = table(&found).to_text();
        let expect = include_str!("cost/table.txt");
        assert_eq!(text, expect);
    }
}
