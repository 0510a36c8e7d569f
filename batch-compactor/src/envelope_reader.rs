//! Reads one envelope into the batch of its project.
//!
//! [`event_queue::Envelope`] writes what concerns the whole request before the events, so each event can become a row
//! the moment it is read. Fields in another order are not an error: the message is then repaired first.

use event_model::{EventId, ProjectId, Rejected, Timestamp};
use event_queue::{Delivery, Geo};
use lake::QuarantineRow;

use crate::decode::{Batches, Growing, Mark};
use crate::event_reader::{EventProblem, read_event};
use crate::json::{Scanner, Wrong};
use crate::rows::{RequestFacts, Rows};

/// Why an envelope was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It will never be readable; a sentence without any value of the message.
    Damaged(String),
    /// It can be read, but not in one pass: its fields stand in another order, or an event cannot be stored.
    NeedsRepair,
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        Self::Damaged(format!("{} at byte {}", wrong.what, wrong.at))
    }
}

impl From<EventProblem> for Problem {
    fn from(problem: EventProblem) -> Self {
        match problem {
            EventProblem::Wrong(wrong) => wrong.into(),
            EventProblem::Unusable => Self::NeedsRepair,
        }
    }
}

/// What stands before the events.
#[derive(Default)]
struct Header {
    message_id: Option<EventId>,
    project: Option<ProjectId>,
    write_key_id: Option<String>,
    protocol: Option<String>,
    received_at: Option<Timestamp>,
    geo: Geo,
    /// The project, once the message has been opened in its batch, and how far that had grown before.
    begun: Option<(ProjectId, Mark)>,
}

/// Adds the message to its project's batch, or nothing of it; returns the project.
pub(crate) fn read_envelope(json: &[u8], delivery: &Delivery, batches: &mut Batches) -> Result<ProjectId, Problem> {
    let mut header = Header::default();
    let read = read(json, delivery, batches, &mut header);
    match (read, header.begun) {
        (Ok(()), Some((project, _))) => Ok(project),
        (Ok(()), None) => Err(Problem::Damaged("the message was not opened".to_owned())),
        (Err(problem), begun) => {
            if let Some((growing, mark)) = begun.and_then(|(project, mark)| Some((batches.get_mut(&project)?, mark))) {
                growing.back_to(mark);
            }
            Err(problem)
        }
    }
}

fn read(json: &[u8], delivery: &Delivery, batches: &mut Batches, header: &mut Header) -> Result<(), Problem> {
    // Once for the whole message, which is faster than once for every text in it.
    let text = std::str::from_utf8(json).map_err(|_| Problem::Damaged("it is not UTF-8".to_owned()))?;
    let mut scanner = Scanner::new(text);
    let mut begun: Option<Begun<'_>> = None;
    let mut batches = Some(batches);
    let mut first = true;
    scanner.expect(b'{', "not an envelope")?;
    while let Some(key) = scanner.key(&mut first)? {
        match key.as_ref() {
            "events" | "rejected" | "replays" => {
                if let Some(batches) = batches.take() {
                    begun = Some(header.begin(delivery, batches)?);
                }
                if let Some(begun) = begun.as_mut() {
                    begun.read(&key, &mut scanner)?;
                }
            }
            "message_id" | "project" | "write_key_id" | "protocol" | "received_at" | "geo" if begun.is_some() => {
                return Err(Problem::NeedsRepair);
            }
            "message_id" => header.message_id = Some(scanner.parse()?),
            "project" => header.project = Some(scanner.parse()?),
            "write_key_id" => header.write_key_id = Some(scanner.parse()?),
            "protocol" => header.protocol = Some(scanner.parse()?),
            "received_at" => header.received_at = Some(scanner.parse()?),
            "geo" => header.geo = scanner.parse()?,
            _ => {
                scanner.value()?;
            }
        }
    }
    scanner.end()?;
    // A message without events is a message all the same: a commit has to name it before it is acknowledged.
    if let Some(batches) = batches {
        header.begin(delivery, batches)?;
    }
    Ok(())
}

impl Header {
    /// Opens the message in its project's batch.
    fn begin<'b>(&mut self, delivery: &Delivery, batches: &'b mut Batches) -> Result<Begun<'b>, Problem> {
        let (Some(message_id), Some(project), Some(write_key_id), Some(protocol), Some(received_at)) = (
            self.message_id.take(),
            self.project.take(),
            self.write_key_id.take(),
            self.protocol.take(),
            self.received_at.take(),
        ) else {
            // Either they come later, which a repair cures, or they are missing, which the repair finds out.
            return Err(Problem::NeedsRepair);
        };
        if message_id != delivery.message_id || delivery.project.as_ref().is_some_and(|known| *known != project) {
            return Err(Problem::Damaged("the envelope is not the one that the queue was given".to_owned()));
        }
        let geo = std::mem::take(&mut self.geo);
        let facts = |message| RequestFacts { message, protocol, received_at, geo };
        let (growing, facts, mark) = Growing::add_message(batches, &project, delivery, facts);
        self.begun = Some((project, mark));
        Ok(Begun { growing, facts, write_key_id })
    }
}

/// A message that has been opened.
struct Begun<'b> {
    growing: &'b mut Growing,
    facts: RequestFacts,
    write_key_id: String,
}

impl Begun<'_> {
    fn read(&mut self, key: &str, scanner: &mut Scanner<'_>) -> Result<(), Problem> {
        match key {
            "events" => read_events(scanner, &mut self.growing.rows, &self.facts),
            "rejected" => {
                let rejected: Vec<Rejected> = scanner.parse()?;
                self.growing.quarantine.extend(rejected.into_iter().map(|rejected| QuarantineRow {
                    message: self.facts.message,
                    protocol: self.facts.protocol.clone(),
                    write_key_id: self.write_key_id.clone(),
                    received_at: self.facts.received_at,
                    events: 1,
                    rejected,
                }));
                Ok(())
            }
            _ => {
                self.growing.replays.extend(scanner.parse::<Vec<EventId>>()?);
                Ok(())
            }
        }
    }
}

fn read_events(scanner: &mut Scanner<'_>, rows: &mut Rows, facts: &RequestFacts) -> Result<(), Problem> {
    let mut first = true;
    scanner.expect(b'[', "not a list of events")?;
    while scanner.element(&mut first)? {
        read_event(scanner, rows, facts)?;
    }
    rows.settle().map_err(|what| scanner.wrong(what).into())
}
