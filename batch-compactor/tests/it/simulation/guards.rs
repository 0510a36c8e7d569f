//! A fault test counts only if it fails without the guard that it protects: each guard is removed in turn, and the
//! simulation must notice.

use super::{Rules, simulate};

/// One guard of "exactly once".
struct Guard {
    name: &'static str,
    /// What happens without it.
    without: &'static str,
    /// How the verdict puts it.
    symptom: &'static str,
    remove: fn(&mut Rules),
}

/// How many seeds may go by before the missing guard is noticed.
const SEEDS: u64 = 60;

/// Every guard that the simulation can see. Three are shown elsewhere, because they cost time and no event: the commit
/// token (a lost answer is then reported as another's commit: `lake`, `tests/it/faults.rs`), the heartbeat
/// (`lifecycle.rs`), and the wait of a flush (`lifecycle.rs`).
const GUARDS: &[Guard] = &[
    Guard {
        name: "acknowledge after the commit",
        without: "a crash between the two loses events",
        symptom: "missing",
        remove: |rules| rules.compactor.guards.ack_after_commit = false,
    },
    Guard {
        name: "process a message that failed twice alone",
        without: "one message keeps its neighbours out of the lake for ever",
        symptom: "never drained",
        remove: |rules| rules.compactor.guards.alone = false,
    },
    Guard {
        name: "do not hold storage's failures against a message",
        without: "good events end up in quarantine",
        symptom: "too many",
        remove: |rules| rules.compactor.guards.storage_is_not_the_messages_fault = false,
    },
    Guard {
        name: "leave messages of a newer version",
        without: "an upgrade that is rolled back sends good events to quarantine",
        symptom: "newer version is gone",
        remove: |rules| rules.compactor.guards.leave_newer = false,
    },
    Guard {
        name: "weigh an unreadable message by its events",
        without: "the ledger does not balance",
        symptom: "accepted",
        remove: |rules| rules.compactor.guards.weigh_unreadable = false,
    },
    Guard {
        name: "look back",
        without: "an event that comes in another message is stored again",
        symptom: "doubled",
        remove: |rules| rules.lake.guards.look_back = false,
    },
    Guard {
        name: "a window of more than the day itself",
        without: "an event that is sent again a day later is stored again",
        symptom: "doubled",
        remove: |rules| rules.lake.look_back_days = 0,
    },
    Guard {
        name: "look for duplicates inside the batch",
        without: "an event that comes twice at once is stored twice",
        symptom: "doubled",
        remove: |rules| rules.lake.guards.batch_duplicates = false,
    },
    Guard {
        name: "name messages in the commit",
        without: "a message that is delivered again is counted again",
        symptom: "accepted",
        remove: |rules| rules.lake.guards.message_names = false,
    },
    Guard {
        name: "the ingest transaction",
        without: "two commits that did not see each other both land",
        symptom: "doubled",
        remove: |rules| rules.lake.guards.transaction = false,
    },
    Guard {
        name: "commit against the snapshot that was looked back into",
        without: "what another commit stored in between is stored again",
        symptom: "doubled",
        remove: |rules| rules.lake.guards.same_snapshot = false,
    },
    Guard {
        name: "ids of rows in quarantine and identities",
        without: "a drain that was cut short writes them again",
        symptom: "doubled",
        remove: |rules| rules.lake.guards.row_ids = false,
    },
    Guard {
        name: "fsync before a put is acknowledged",
        without: "a power cut takes back what was acknowledged",
        symptom: "missing",
        remove: |rules| rules.fsync = false,
    },
];

#[test]
fn the_simulation_notices_when_any_guard_is_missing() {
    let mut unnoticed = Vec::new();
    for guard in GUARDS {
        let mut rules = Rules::all();
        (guard.remove)(&mut rules);
        let symptom = |seed| simulate(seed, &rules).into_iter().find(|wrong| wrong.contains(guard.symptom));
        match (0..SEEDS).find_map(|seed| Some((seed, symptom(seed)?))) {
            Some((seed, wrong)) => eprintln!("without \"{}\", seed {seed}: {wrong}", guard.name),
            None => unnoticed.push(format!("\"{}\" can be removed, although {}", guard.name, guard.without)),
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
