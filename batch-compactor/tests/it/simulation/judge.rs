//! The verdict: what the tables hold against what was accepted.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use event_model::identity::ties_of;
use event_model::{EventId, ProjectId, columns};
use event_queue::Queue as _;
use lake::Depth;
use lake::schema;

use super::Rules;
use super::life::block_on;
use super::plan::{Fate, Message, Plan};
use super::world::World;
use crate::support::{counts, rows_of};

/// What is wrong, in sentences.
pub(super) fn judge(world: &World, plan: &Plan, rules: &Rules) -> Vec<String> {
    block_on(async {
        let mut wrong = Vec::new();
        let left = world.honest.stats().await.unwrap();
        let newer: u64 = plan.with_fate(Fate::Newer).map(|message| u64::from(message.outgoing.events)).sum();
        if left.events != Some(newer) || left.dead > 0 {
            wrong.push(format!("a message of a newer version is gone: {newer} events should be left, not {left:?}"));
        }
        for project in Plan::projects() {
            let messages: Vec<&Message> =
                plan.messages.iter().filter(|message| message.outgoing.project == project).collect();
            let found = judge_project(world, rules, &project, &messages).await;
            wrong.extend(found.into_iter().map(|what| format!("project {project}: {what}")));
        }
        wrong
    })
}

async fn judge_project(world: &World, rules: &Rules, project: &ProjectId, messages: &[&Message]) -> Vec<String> {
    let mut wrong = Vec::new();
    let of = |fate| messages.iter().copied().filter(move |message: &&Message| message.fate == fate);

    let stored = counts(&rows_of(world.store(), &world.url, project, &schema::EVENTS).await, columns::EVENT_ID);
    let expected: BTreeMap<EventId, usize> =
        of(Fate::Stored).flat_map(|message| &message.envelope.events).map(|event| (event.event_id, 1)).collect();
    differ(&mut wrong, "events", &expected, &stored);

    let rows = rows_of(world.store(), &world.url, project, &schema::QUARANTINE).await;
    let rejected = of(Fate::Stored).flat_map(|message| &message.envelope.rejected).map(|row| row.event_id);
    let whole = of(Fate::Damaged).chain(of(Fate::Poison)).map(|message| message.outgoing.message_id);
    let expected: BTreeMap<EventId, usize> = rejected.chain(whole).map(|id| (id, 1)).collect();
    differ(&mut wrong, "rows of quarantine", &expected, &counts(&rows, columns::EVENT_ID));

    let edges = rows_of(world.store(), &world.url, project, &schema::IDENTITIES).await;
    let twice = counts(&edges, schema::EDGE_ID).values().filter(|count| **count > 1).count();
    if twice > 0 {
        wrong.push(format!("{twice} ties are there twice"));
    }
    let mut expected: Vec<[String; 2]> = of(Fate::Stored)
        .flat_map(|message| {
            message.envelope.events.iter().flat_map(|event| ties_of(event, message.envelope.received_at))
        })
        .map(|tie| [tie.left.text().to_owned(), tie.right.text().to_owned()])
        .collect();
    let mut found = pairs(&edges);
    for list in [&mut expected, &mut found] {
        list.sort();
        list.dedup();
    }
    if expected != found {
        wrong.push(format!("ties are {found:?}, not {expected:?}"));
    }

    let lake = world.lake(world.store(), &rules.lake).await.unwrap().project(project).await.unwrap();
    let ledger = lake.ledger().await.unwrap();
    let left: u64 = of(Fate::Newer).map(|message| u64::from(message.outgoing.events)).sum();
    let accepted: u64 = messages.iter().map(|message| u64::from(message.outgoing.events)).sum();
    if accepted != ledger.stored + ledger.quarantined + ledger.duplicates + left {
        wrong.push(format!("accepted {accepted}, left in the queue {left}, but {ledger:?}"));
    }
    if ledger.stored != stored.values().map(|count| *count as u64).sum::<u64>() {
        wrong.push(format!("the ledger says that {} are stored", ledger.stored));
    }
    if ledger.messages != messages.len() as u64 - of(Fate::Newer).count() as u64 {
        wrong.push(format!("the ledger knows {} of {} messages", ledger.messages, messages.len()));
    }
    let check = lake.check(Depth::Rows).await.unwrap();
    wrong.extend(check.damage.iter().map(|damage| format!("{damage:?}")));
    wrong
}

fn differ(wrong: &mut Vec<String>, what: &str, expected: &BTreeMap<EventId, usize>, found: &BTreeMap<EventId, usize>) {
    let missing = expected.keys().filter(|id| !found.contains_key(*id)).count();
    let surplus = found.keys().filter(|id| !expected.contains_key(*id)).count();
    let twice = found.values().filter(|count| **count > 1).count();
    if missing + surplus + twice > 0 {
        wrong.push(format!("{what}: {missing} missing, {surplus} too many, {twice} doubled"));
    }
}

fn pairs(edges: &[RecordBatch]) -> Vec<[String; 2]> {
    let mut pairs = Vec::new();
    for batch in edges {
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (left, right) = (text("left_id"), text("right_id"));
        pairs.extend((0..left.len()).map(|row| [left.value(row).to_owned(), right.value(row).to_owned()]));
    }
    pairs
}
