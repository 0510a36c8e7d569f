//! Faults with seeds: each message delivered 1 to 10 times in any order to 1 to 4 compactors, over storage that fails
//! before, during and after a commit, loses answers, and forgets what was not fsynced; processes die at any moment.
//! After recovery each accepted event is in the lake once, and the ledger's equation holds.
//!
//! A seed decides messages, faults and deaths; threads of the runtime may still interleave differently, so a seed that
//! failed once is written into `regressions.txt` and runs first for ever.

mod guards;
mod judge;
mod life;
mod plan;
mod world;

use batch_compactor::CompactorSettings;
use lake::LakeSettings;

use self::plan::Plan;
use self::world::World;
use crate::support::{NOW, quick};

/// How many seeds `make test` runs; `SEEDS` asks for more, `SEED` for one.
const SEEDS: u64 = 24;

/// The settings of a run: all guards on, or one removed.
#[derive(Clone)]
struct Rules {
    compactor: CompactorSettings,
    lake: LakeSettings,
    /// Whether files and names are fsynced before a put is acknowledged.
    fsync: bool,
}

impl Rules {
    fn all() -> Self {
        let lake = LakeSettings { clock: lake::Clock::new(|| NOW), ..LakeSettings::default() };
        Self { compactor: quick(), lake, fsync: true }
    }
}

/// Runs one seed; what is wrong afterwards.
fn simulate(seed: u64, rules: &Rules) -> Vec<String> {
    let plan = Plan::new(seed);
    let mut world = World::new(&plan, rules);
    for (number, batch) in plan.lives().enumerate() {
        world.send(batch);
        life::live(&world, &plan, rules, number as u64);
        world.cut_power();
    }
    match life::recover(&world, &plan, rules) {
        Ok(()) => judge::judge(&world, &plan, rules),
        Err(wrong) => vec![wrong],
    }
}

#[test]
fn after_any_faults_each_event_is_there_once_and_the_ledger_balances() {
    let mut failed = Vec::new();
    let seeds = seeds();
    for seed in seeds.iter().copied() {
        let wrong = simulate(seed, &Rules::all());
        if !wrong.is_empty() {
            eprintln!("seed {seed} fails; run it again: SEED={seed} cargo test -p batch-compactor simulation");
            eprintln!("and add it to batch-compactor/tests/it/regressions.txt:\n  {}", wrong.join("\n  "));
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "of {} seeds these failed: {failed:?}", seeds.len());
}

/// The seeds that failed once, then the first ones, or those that the environment asks for.
fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("SEED") {
        return vec![seed];
    }
    let regressions = include_str!("../regressions.txt").lines().filter(|line| !line.starts_with('#'));
    let regressions = regressions.filter_map(|line| line.split_whitespace().next()).map(|seed| seed.parse().unwrap());
    regressions.chain(0..number("SEEDS").unwrap_or(SEEDS)).collect()
}
