//! Stores one drain of one project, exactly once.
//!
//! ```text
//! IngestBatch -> skip messages that are named -> identities -> quarantine -> events -> marks of replay
//!
//! events:  snapshot -> names, ids as of it -> choose rows -> encode with its number -> commit against it
//!             ^                                                                             | lost
//!             +-----------------------------------------------------------------------------+
//! ```
//!
//! Any two ingest commits of a project conflict, because both carry the application id `ingest` with the number after
//! the one that they saw. So what was chosen by looking back is still right when the commit lands.

mod incoming;
mod select;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, Add};
use event_model::{Tie, Timestamp};
use serde_json::Value;

use self::incoming::Incoming;
use self::select::{Choice, choose};
use crate::batch::{IncomingMessage, IngestBatch, IngestReport, MessageCounts};
use crate::commit::{self, Commit, Outcome, Request, says};
use crate::encode;
use crate::erase::{ERASED_ROWS, Out, erased_rows};
use crate::error::LakeError;
use crate::identities::append_ties;
use crate::ids::{Index, number};
use crate::ledger::{self, Entry};
use crate::project::{ProjectLake, Writing};
use crate::quarantine::{append_rows, mark_replayed};
use crate::schema::EVENTS;
use crate::tables::version_of;

/// See [`ProjectLake::ingest`].
pub(crate) async fn ingest(project: &ProjectLake, batch: IngestBatch) -> Result<IngestReport, LakeError> {
    let IngestBatch { messages, events, quarantine, ties, replays } = batch;
    let incoming = Incoming::new(&messages, events, &quarantine)?;
    let mut writing = project.writing.lock().await;
    let floor = project.floor();
    let snapshot = project.events.refresh().await?;
    let named = Named::find(project, &snapshot, &messages, floor).await?;
    before_events(project, &mut writing, &messages, &named, &quarantine, &ties, floor).await?;
    let report = store_events(project, &mut writing, &messages, &incoming, floor).await?;
    mark_replayed(&project.quarantine, &project.settings, &mut writing.quarantine, &replays, floor).await?;
    Ok(report)
}

/// Ties and rejected events of messages that no commit names yet. They come first, so that the commit that names a
/// message is the last thing that it needs.
async fn before_events(
    project: &ProjectLake,
    writing: &mut Writing,
    messages: &[IncomingMessage],
    named: &Named,
    quarantine: &[crate::batch::QuarantineRow],
    ties: &[Tie],
    floor: i32,
) -> Result<(), LakeError> {
    if named.is_done.iter().all(|is_done| *is_done) {
        return Ok(());
    }
    let out = Out { table: &project.kept_out, list: &mut writing.kept_out };
    append_ties(&project.identities, &project.settings, &mut writing.identities, ties, floor, out).await?;
    let is_due =
        |message: u32| usize::try_from(message).ok().and_then(|place| named.is_done.get(place)) == Some(&false);
    let rejected: Vec<_> = quarantine.iter().filter(|row| is_due(row.message)).collect();
    let out = Out { table: &project.kept_out, list: &mut writing.kept_out };
    append_rows(&project.quarantine, &project.settings, &mut writing.quarantine, messages, &rejected, floor, out).await
}

/// What is known of the messages of a batch, as of one snapshot of `events`.
#[derive(Debug)]
struct Named {
    /// Whether an earlier commit names the message.
    is_done: Vec<bool>,
    /// How many of its events earlier commits of an unfinished import stored.
    parts: Vec<u32>,
}

impl Named {
    async fn find(
        project: &ProjectLake,
        snapshot: &DeltaTable,
        messages: &[IncomingMessage],
        floor: i32,
    ) -> Result<Self, LakeError> {
        let (events, ledger) = (&project.events, &project.ledger);
        let version = version_of(snapshot, events.path())?;
        let mut names = project.names.lock().await;
        names.refresh(events, ledger, version, floor).await?;
        let old: HashMap<u128, Timestamp> = messages
            .iter()
            .filter(|message| message.received_at.days() < names.floor())
            .map(|message| (number(message.message_id), message.received_at))
            .collect();
        let older = names.older(events, ledger, &old).await?;
        let guarded = project.settings.guards.message_names;
        // A message that was delivered twice in one drain is done once.
        let mut seen = HashSet::new();
        let of = |message: &IncomingMessage| {
            let id = number(message.message_id);
            let known = if old.contains_key(&id) { &older } else { &names.known };
            let is_again = !seen.insert(id);
            (guarded && (is_again || known.is_complete(id)), known.part(id))
        };
        let (is_done, parts) = messages.iter().map(of).unzip();
        Ok(Self { is_done, parts })
    }
}

/// Commits the events until all messages are named.
async fn store_events(
    project: &ProjectLake,
    writing: &mut Writing,
    messages: &[IncomingMessage],
    incoming: &Incoming,
    floor: i32,
) -> Result<IngestReport, LakeError> {
    let mut report = IngestReport { messages: vec![None; messages.len()], ..IngestReport::default() };
    let mut encoded: Option<Encoded> = None;
    let mut stored_here: HashSet<u32> = HashSet::new();
    while report.conflicts < project.settings.commit_attempts {
        let round = Round::new(project, writing, messages, incoming, &stored_here, floor).await?;
        let Some(round) = round else { return Ok(report) };
        let ready = match encoded.take() {
            Some(earlier) if earlier.is_of(&round) => earlier,
            earlier => {
                // It may hold rows of somebody who was erased meanwhile.
                if let Some(earlier) = earlier {
                    earlier.discard(project).await;
                }
                Encoded::new(project, incoming, &round).await?
            }
        };
        match round.commit(project, messages, &ready).await? {
            Outcome::Landed(landed) => {
                writing.events.committed(round.sequence, incoming.chosen(&round.choice.rows));
                if round.choice.is_last {
                    report.version = Some(landed.version);
                    report.ingest_seq = Some(round.sequence);
                    report.messages = round.totals();
                    return Ok(report);
                }
                stored_here.extend(&round.choice.rows);
            }
            Outcome::Lost => {
                report.conflicts += 1;
                encoded = Some(ready);
            }
        }
    }
    if let Some(encoded) = encoded {
        encoded.discard(project).await;
    }
    Err(LakeError::Conflict { table: project.events.path().to_owned(), attempts: report.conflicts })
}

/// One attempt: what is decided on one snapshot.
struct Round {
    snapshot: DeltaTable,
    sequence: i64,
    named: Named,
    choice: Choice,
    /// How many rows were ever erased, those included that this commit leaves out.
    erased: u64,
}

impl Round {
    /// `None`: all messages are named, there is nothing to do.
    async fn new(
        project: &ProjectLake,
        writing: &mut Writing,
        messages: &[IncomingMessage],
        incoming: &Incoming,
        stored_here: &HashSet<u32>,
        floor: i32,
    ) -> Result<Option<Self>, LakeError> {
        let guards = project.settings.guards;
        let events = &project.events;
        let snapshot = events.refresh().await?;
        let mut last = events.transaction(&snapshot, EVENTS.application).await?;
        let named = Named::find(project, &snapshot, messages, floor).await?;
        if named.is_done.iter().all(|is_done| *is_done) {
            return Ok(None);
        }
        if !guards.transaction {
            // Nothing tells what is covered: read everything.
            (writing.events, last) = (Index::default(), Some(i64::MAX - 1));
        }
        writing.events.refresh(events, &snapshot, last, floor).await?;
        let days = i32::try_from(project.settings.look_back_days).unwrap_or(i32::MAX);
        let wanted = incoming.before(writing.events.floor(), days);
        let older = writing.events.older(events, &snapshot, &wanted).await?;
        // After the look at the events: an erase writes this list first.
        writing.kept_out.refresh(&project.kept_out, floor).await?;
        let out = incoming.kept_out(&writing.kept_out)?;
        let is_out = |row: u32| out.get(row as usize).copied().unwrap_or(false);
        let is_known = |id| writing.events.contains(id) || older.contains(&id) || writing.kept_out.has_event(id);
        let is_stored = |id| guards.look_back && is_known(id);
        let is_open = |row| !stored_here.contains(&row);
        let months = project.settings.months_per_commit;
        let choice = choose(incoming, &named.is_done, is_open, is_stored, is_out, guards, months);
        let erased = erased_rows(events, &snapshot).await? + choice.kept_out;
        let sequence = if guards.transaction { last.unwrap_or(0) + 1 } else { 1 };
        Ok(Some(Self { snapshot, sequence, named, choice, erased }))
    }

    async fn commit(
        &self,
        project: &ProjectLake,
        messages: &[IncomingMessage],
        encoded: &Encoded,
    ) -> Result<Outcome, LakeError> {
        let guards = project.settings.guards;
        let (mut snapshot, mut sequence) = (self.snapshot.clone(), self.sequence);
        if !guards.same_snapshot {
            snapshot = project.events.refresh().await?;
            sequence = project.events.transaction(&snapshot, EVENTS.application).await?.unwrap_or(0) + 1;
        }
        let mut transactions =
            if guards.transaction { vec![(EVENTS.application.to_owned(), sequence)] } else { Vec::new() };
        if self.choice.kept_out > 0 {
            transactions.push((ERASED_ROWS.to_owned(), i64::try_from(self.erased).unwrap_or(i64::MAX)));
        }
        let entries = self.entries(messages);
        let request = Request {
            actions: encoded.adds.iter().cloned().map(Action::Add).collect(),
            transactions,
            operation: commit::append(EVENTS.partition_columns()),
            says: says([
                ("kind", Value::from("ingest")),
                ("rows", Value::from(self.choice.rows.len())),
                (ledger::MESSAGES, Value::from(ledger::write(&entries))),
            ]),
        };
        let outcome = commit::commit(&project.events, &snapshot, request, guards).await?;
        if let Outcome::Landed(landed) = &outcome {
            self.log(project, landed, entries.len());
        }
        Ok(outcome)
    }

    /// What this commit says of the messages: all that are due if it is the last of the batch, otherwise those that it
    /// stores a part of.
    fn entries(&self, messages: &[IncomingMessage]) -> Vec<Entry> {
        let is_last = self.choice.is_last;
        messages
            .iter()
            .zip(&self.choice.counts)
            .zip(&self.named.is_done)
            .zip(&self.named.parts)
            .filter(|(((_, counts), is_done), _)| !**is_done && (is_last || counts.stored > 0))
            .map(|(((message, counts), _), part)| Entry {
                message: message.into(),
                counts: MessageCounts {
                    stored: counts.stored,
                    quarantined: if is_last { counts.quarantined } else { 0 },
                    // What an earlier part stored was found by looking back; it is no duplicate.
                    duplicates: if is_last { counts.duplicates.saturating_sub(*part) } else { 0 },
                },
                complete: is_last,
            })
            .collect()
    }

    /// What became of each message by all commits together.
    fn totals(&self) -> Vec<Option<MessageCounts>> {
        let counts = self.choice.counts.iter().zip(&self.named.is_done).zip(&self.named.parts);
        counts
            .map(|((counts, is_done), part)| {
                (!is_done).then(|| MessageCounts {
                    stored: counts.stored + part,
                    quarantined: counts.quarantined,
                    duplicates: counts.duplicates.saturating_sub(*part),
                })
            })
            .collect()
    }

    fn log(&self, project: &ProjectLake, landed: &Arc<Commit>, messages: usize) {
        tracing::info!(
            project = %project.id,
            version = landed.version,
            ingest_seq = self.sequence,
            messages,
            rows = self.choice.rows.len(),
            "ingested"
        );
    }
}

/// The files of one attempt. Another attempt may use them again if it chose the same rows under the same number: that is
/// so when the commit that was faster only rewrote files.
struct Encoded {
    sequence: i64,
    rows: Vec<u32>,
    adds: Vec<Add>,
}

impl Encoded {
    async fn new(project: &ProjectLake, incoming: &Incoming, round: &Round) -> Result<Self, LakeError> {
        let parts = incoming.parts(&round.choice.rows, round.sequence);
        let adds = encode::write(&project.events, parts, project.settings.zstd_level).await?;
        Ok(Self { sequence: round.sequence, rows: round.choice.rows.clone(), adds })
    }

    fn is_of(&self, round: &Round) -> bool {
        self.sequence == round.sequence && self.rows == round.choice.rows
    }

    async fn discard(self, project: &ProjectLake) {
        let paths: Vec<String> = self.adds.into_iter().map(|add| add.path).collect();
        commit::discard(&project.events, &paths).await;
    }
}
