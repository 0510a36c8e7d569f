//! Usage becomes quantities, and quantities become dollars.

use serde::Serialize;

use super::figures::*;
use super::prices::{Price, Prices};
use super::usage::{CollectorKind, Usage};

/// What a million events may cost at most, where they come in batches.
pub const BUDGET_PER_MILLION: f64 = 0.10;

/// One thing that is paid for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Whose bill it is on.
    pub service: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// How much a month.
    pub quantity: f64,
    /// Of what.
    pub unit: String,
    /// Dollars a month.
    pub dollars: f64,
    /// Whether it is paid although no event comes.
    pub fixed: bool,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Line by line.
    pub lines: Vec<Line>,
    /// Dollars a month that grow with events.
    pub of_events: f64,
    /// Dollars a month for questions.
    pub of_questions: f64,
    /// Dollars a month that are paid at any rate.
    pub fixed: f64,
    /// Dollars a month together.
    pub total: f64,
    /// Dollars a million events, of what grows with them; null without events.
    pub per_million_events: Option<f64>,
}

const QUESTIONS: &str = "questions";

/// Computes it.
#[must_use]
pub fn estimate(usage: &Usage, prices: &Prices) -> Estimate {
    let list = &prices.prices;
    let mut lines = Lines(Vec::new());
    let requests = usage.events / usage.events_per_request;
    let message_bytes = usage.events_per_request * usage.bytes_per_event * QUEUE_SHARE;
    let chunks = message_bytes / QUEUE_CHUNK_BYTES;

    match usage.collector {
        CollectorKind::Worker => {
            let cpu_ms = requests * WORKER_MS_PER_REQUEST + usage.events * WORKER_MS_PER_EVENT;
            lines.add("Cloudflare", "requests", requests, &list.worker_requests);
            lines.add("Cloudflare", "processor time", cpu_ms, &list.worker_cpu);
            lines.add("Cloudflare", "keys", requests * WORKER_READS_PER_REQUEST, &list.worker_key_value_reads);
            lines.fixed("Cloudflare", "plan", 1.0, &list.worker_plan);
        }
        CollectorKind::Function => {
            lines.add("CloudFront", "requests", requests, &list.cloudfront_requests);
            lines.add("CloudFront", "answers", requests * ANSWER_BYTES, &list.cloudfront_transfer);
            lines.add("API Gateway", "collector", requests, &list.api_requests);
            lines.add("Lambda", "collector", requests, &list.function_requests);
            lines.add("Lambda", "collector", requests * COLLECTOR_SECONDS * COLLECTOR_GB, &list.function_gb_seconds);
        }
    }

    // A drain is called for by a message, at most once in the window; each project in it is a commit of its own.
    let drains = requests.min(MONTH_SECONDS / usage.drain_seconds);
    let commits = requests.min(drains * usage.projects);
    let sent = requests * chunks.ceil().max(1.0);
    let received = requests * chunks.max(1.0 / QUEUE_BATCH);
    let deleted = requests / QUEUE_BATCH;
    lines.add("SQS", "messages", sent + received + deleted + drains * DRAIN_QUEUE_CALLS, &list.queue_requests);
    lines.fixed("SQS", "polling", POLLS, &list.queue_requests);

    let drain_seconds = commits * DRAIN_SECONDS + usage.events / EVENTS_PER_SECOND;
    let maintained = drains.min(MAINTENANCE_RUNS) * usage.projects;
    lines.add("Lambda", "compactor", drains, &list.function_requests);
    lines.add("Lambda", "compactor", drain_seconds * COMPACTOR_GB, &list.function_gb_seconds);
    lines.add("Lambda", "maintenance", maintained * MAINTENANCE_SECONDS * COMPACTOR_GB, &list.function_gb_seconds);
    lines.add("S3", "commits", commits * DRAIN_WRITES, &list.storage_writes);
    lines.add("S3", "commits", commits * DRAIN_READS, &list.storage_reads);
    lines.add("S3", "maintenance", maintained * MAINTENANCE_WRITES, &list.storage_writes);
    lines.add("S3", "maintenance", maintained * MAINTENANCE_READS, &list.storage_reads);
    // What a month's events cost until they are deleted: the same as the bill of a month once it is level.
    let byte_months = usage.events * usage.stored_bytes_per_event * usage.months_kept;
    lines.add("S3", "storage", byte_months, &list.storage_months);

    lines.add("Lambda", QUESTIONS, usage.questions, &list.function_requests);
    lines.add("Lambda", QUESTIONS, usage.questions * QUESTION_SECONDS * QUERY_GB, &list.function_gb_seconds);
    lines.add("API Gateway", QUESTIONS, usage.questions, &list.api_requests);
    lines.add("S3", QUESTIONS, usage.questions * QUESTION_WRITES, &list.storage_writes);
    lines.add("S3", QUESTIONS, usage.questions * QUESTION_READS, &list.storage_reads);

    lines.add("CloudWatch", "logs", (drains + maintained) * LOG_BYTES_PER_CALL, &list.log_bytes);
    lines.fixed("CloudWatch", "alarms", ALARMS, &list.alarms);
    lines.fixed("CloudWatch", "dashboard", DASHBOARDS, &list.dashboards);
    lines.total(usage.events)
}

struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, service: &'static str, what: &'static str, quantity: f64, price: &Price) {
        let dollars = quantity * price.dollars / price.per;
        self.0.push(Line { service, what, quantity, unit: price.unit.clone(), dollars, fixed: false });
    }

    fn fixed(&mut self, service: &'static str, what: &'static str, quantity: f64, price: &Price) {
        self.add(service, what, quantity, price);
        if let Some(line) = self.0.last_mut() {
            line.fixed = true;
        }
    }

    fn total(self, events: f64) -> Estimate {
        let sum = |of: &dyn Fn(&Line) -> bool| -> f64 {
            self.0.iter().filter(|line| of(line)).map(|line| line.dollars).sum()
        };
        let fixed = sum(&|line| line.fixed);
        let of_questions = sum(&|line| line.what == QUESTIONS);
        let of_events = sum(&|line| !line.fixed && line.what != QUESTIONS);
        let per_million_events = (events > 0.0).then(|| of_events / events * 1e6);
        let total = of_events + of_questions + fixed;
        Estimate { lines: self.0, of_events, of_questions, fixed, total, per_million_events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Usage {
        Usage {
            events: 100e6,
            events_per_request: 50.0,
            bytes_per_event: 400.0,
            stored_bytes_per_event: 56.0,
            months_kept: 12.0,
            questions: 1_000.0,
            projects: 1.0,
            drain_seconds: 10.0,
            collector: CollectorKind::Worker,
        }
    }

    fn of(change: impl FnOnce(&mut Usage)) -> Estimate {
        let mut usage = usage();
        change(&mut usage);
        estimate(&usage, &Prices::built_in().unwrap())
    }

    fn dollars(estimate: &Estimate, service: &str, what: &str) -> f64 {
        let found = estimate.lines.iter().filter(|line| line.service == service && line.what == what);
        found.map(|line| line.dollars).sum()
    }

    fn near(found: f64, expect: f64) {
        assert!((found - expect).abs() < 0.000_6, "{found} is not {expect}");
    }

    /// Computed by hand from 2 million requests, 259,200 drains and 2,880 rounds of maintenance.
    #[test]
    fn a_hundred_million_events_in_requests_of_fifty_cost_what_a_pocket_calculator_says() {
        let estimate = of(|_| {});
        for (service, what, expect) in [
            // 2 M at 0.30; 300,000 + 400,000 ms at 0.02 a million; 20,000 reads at 0.50; the plan.
            ("Cloudflare", "requests", 0.600),
            ("Cloudflare", "processor time", 0.014),
            ("Cloudflare", "keys", 0.010),
            ("Cloudflare", "plan", 5.000),
            // 2 M sent, 225,830 received (7,400 B of 65,536), 200,000 deleted, 518,400 by drains, at 0.40 a million.
            ("SQS", "messages", 1.1777),
            ("SQS", "polling", 0.2592),
            // 259,200 calls at 0.20 a million; 64,800 + 500 GB-s.
            ("Lambda", "compactor", 0.0518 + 0.8707),
            ("Lambda", "maintenance", 0.0384),
            // 1,036,800 writes, 518,400 reads.
            ("S3", "commits", 5.184 + 0.2074),
            ("S3", "maintenance", 0.288 + 0.0323),
            // 5.6 GB for 12 months.
            ("S3", "storage", 1.5456),
            ("CloudWatch", "logs", 0.1966),
            ("CloudWatch", "alarms", 0.800),
            ("CloudWatch", "dashboard", 3.000),
            ("API Gateway", "questions", 0.001),
            ("Lambda", "questions", 0.0002 + 0.040),
            ("S3", "questions", 0.025 + 0.0224),
        ] {
            near(dollars(&estimate, service, what), expect);
        }
        near(estimate.fixed, 9.0592);
        near(estimate.of_questions, 0.0886);
        near(estimate.of_events, 10.2165);
        near(estimate.per_million_events.unwrap(), 0.1022);
        near(estimate.total, estimate.fixed + estimate.of_questions + estimate.of_events);
    }

    #[test]
    fn many_events_or_rarer_drains_are_within_the_budget() {
        for estimate in [of(|usage| usage.events = 200e6), of(|usage| usage.drain_seconds = 20.0)] {
            assert!(estimate.per_million_events.unwrap() < BUDGET_PER_MILLION, "{:?}", estimate.per_million_events);
        }
        let single = of(|usage| usage.events_per_request = 1.0);
        assert!(single.per_million_events.unwrap() > 5.0 * BUDGET_PER_MILLION, "requests of one event are dear");
    }

    #[test]
    fn without_events_only_what_is_fixed_and_what_is_asked_is_paid() {
        let estimate = of(|usage| (usage.events, usage.questions) = (0.0, 0.0));
        assert_eq!((estimate.of_events, estimate.of_questions, estimate.per_million_events), (0.0, 0.0, None));
        near(estimate.total, 9.0592);
    }

    #[test]
    fn the_function_behind_cloudfront_costs_what_its_requests_do() {
        let estimate = of(|usage| usage.collector = CollectorKind::Function);
        // 2 M requests, 1.2 GB; 2 M calls, 20,000 GB-s.
        near(dollars(&estimate, "CloudFront", "requests"), 2.0);
        near(dollars(&estimate, "CloudFront", "answers"), 0.102);
        near(dollars(&estimate, "API Gateway", "collector"), 2.0);
        near(dollars(&estimate, "Lambda", "collector"), 0.4 + 0.2667);
        near(dollars(&estimate, "Cloudflare", "plan"), 0.0);
    }

    #[test]
    fn a_large_message_is_several_requests_of_the_queue_and_each_project_a_commit() {
        // 2,500 events of 400 B: 370,000 B in the queue, 6 requests to send and 5.65 to receive; 40,000 messages.
        let large = of(|usage| usage.events_per_request = 2_500.0);
        near(dollars(&large, "SQS", "messages"), (240_000.0 + 225_830.0 + 4_000.0 + 80_000.0) * 0.4e-6);
        let projects = of(|usage| usage.projects = 3.0);
        near(dollars(&projects, "S3", "commits"), 3.0 * 5.3914);
        // Never more commits than messages.
        let rare = of(|usage| (usage.events, usage.projects) = (5_000.0, 30.0));
        near(dollars(&rare, "S3", "commits"), 100.0 * (4.0 * 5e-6 + 2.0 * 4e-7));
    }
}
