//! Requests that nobody thought of: whatever comes in, the core keeps its promises and does not panic.
//!
//! Cases come from a grammar of events and their mistakes, and from recorded and hostile requests with bytes changed.
//! What was once found is kept in `tests/corpus` and tried first, every time. The same cases are tried each time, as
//! far as the time reaches: `HEADWATER_FUZZ_SECONDS`, by default 20, in CI 60, in `make nightly` half an hour and with
//! cases of the day.

mod case;
mod grammar;
mod mutation;
mod promises;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::case::Case;
use self::promises::Promises;

/// Cases between two looks at the clock.
const ROUND: u32 = 64;

#[test]
fn what_was_once_found_stays_found() {
    let promises = Promises::new();
    let mut tried = 0;
    for file in std::fs::read_dir(corpus()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "http") {
            promises.check(&Case::parse(&std::fs::read(&path).unwrap()).expect("a request with a head and a body"));
            tried += 1;
        }
    }
    for recording in crate::captures::recordings().values() {
        promises.check(&Case::parse(recording).unwrap());
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn no_request_breaks_a_promise() {
    let (promises, cases) = (Promises::new(), strategy());
    let start = Instant::now();
    let (budget, seed) = (budget(), seed());
    let mut runner = runner(TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let mut tried = 0;
    while start.elapsed() < budget {
        let mut round = self::runner(runner.new_rng());
        let outcome = round.run(&cases, |case| {
            let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promises.check(&case)));
            broken.map_err(|cause| TestCaseError::fail(words(&*cause)))
        });
        match outcome {
            Ok(()) => tried += ROUND,
            Err(TestError::Fail(why, case)) => panic!("{why}\n{}\nseed {seed:02x?}", keep(&case)),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    assert!(tried >= ROUND, "not one round in {budget:?}");
    eprintln!("{tried} requests in {:?}; {}", start.elapsed(), promises.summary());
    promises.assert_all_were_met();
}

/// Half of the cases from each source.
fn strategy() -> impl Strategy<Value = Case> {
    proptest::prop_oneof![grammar::cases(), mutation::cases(seeds())]
}

/// What mutations begin with: recordings, hostile inputs and what was found before.
fn seeds() -> Vec<Case> {
    let mut seeds: Vec<Case> = crate::captures::recordings().values().map(|one| Case::parse(one).unwrap()).collect();
    for file in std::fs::read_dir(corpus()).unwrap() {
        seeds.extend(Case::parse(&std::fs::read(file.unwrap().path()).unwrap()));
    }
    let hostile = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/bad_inputs.jsonl");
    for line in std::fs::read_to_string(hostile).unwrap().lines() {
        let input: serde_json::Value = serde_json::from_str(line).unwrap();
        if let (Some("collector"), Some(body)) = (input["target"].as_str(), input["body"].as_str()) {
            seeds.push(Case::new("/api/v1/events/batch", body.as_bytes()));
        }
    }
    seeds
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn budget() -> Duration {
    let named = std::env::var("HEADWATER_FUZZ_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    let usual = if std::env::var("CI").is_ok_and(|ci| ci == "true") { 60 } else { 20 };
    Duration::from_secs(named.unwrap_or(usual))
}

/// The same cases each time, so that a failure is of the change and not of the day; where somebody asked for longer,
/// those of the day.
fn seed() -> [u8; 32] {
    let mut seed = [7; 32];
    if std::env::var_os("HEADWATER_FUZZ_SECONDS").is_some() {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
        seed[..8].copy_from_slice(&day.to_le_bytes());
    }
    seed
}

fn runner(rng: TestRng) -> TestRunner {
    let config = Config { cases: ROUND, failure_persistence: None, max_shrink_iters: 4_096, ..Config::default() };
    TestRunner::new_with_rng(config, rng)
}

fn words(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Writes a case where it can be looked at and taken into the corpus.
fn keep(case: &Case) -> String {
    let bytes = case.to_bytes();
    let path = std::env::temp_dir().join(format!("headwater-fuzz-{}.http", std::process::id()));
    std::fs::write(&path, &bytes).unwrap();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
    format!("{shown}\nkeep it: cp {} edge-collector/tests/corpus/NAME.http", path.display())
}

#[test]
fn the_grammar_makes_what_is_taken_and_what_is_not() {
    let promises = Promises::new();
    let cases = strategy();
    let mut runner = runner(TestRng::from_seed(RngAlgorithm::ChaCha, &[1; 32]));
    for _ in 0..2_000 {
        promises.check(&cases.new_tree(&mut runner).unwrap().current());
    }
    promises.assert_all_were_met();
}
