//! Streams one envelope into the batch of its project.
//!
//! [`event_queue::Envelope`] writes what concerns the whole request before the events, so each event can become a row
//! the moment it is read. Fields in another order are not an error: the message is then repaired first.

use std::fmt;

use event_model::{EventId, ProjectId, Rejected, Timestamp};
use event_queue::{Delivery, Geo};
use lake::QuarantineRow;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::decode::{Batches, Growing};
use crate::event_reader::EventSeed;
use crate::rows::{RequestFacts, Rows, Unusable};

/// Why an envelope was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A newer build wrote it.
    Newer(u8),
    /// It will never be readable; a sentence without any value of the message.
    Damaged(String),
    /// It can be read, but not in one pass: its fields stand in another order, or an event cannot be stored.
    NeedsRepair,
}

/// Reads one envelope.
pub(crate) struct EnvelopeSeed<'b> {
    delivery: &'b Delivery,
    batches: &'b mut Batches,
    needs_repair: &'b mut bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    MessageId,
    Project,
    WriteKeyId,
    Protocol,
    ReceivedAt,
    Geo,
    Events,
    Rejected,
    Replays,
    #[serde(other)]
    Unknown,
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
}

impl EnvelopeSeed<'_> {
    /// Adds the message to its project's batch. After an error the batches are broken and must be thrown away.
    pub(crate) fn read(json: &[u8], delivery: &Delivery, batches: &mut Batches) -> Result<(), Problem> {
        // Once for the whole message, which is faster than once for every text in it.
        let text = std::str::from_utf8(json).map_err(|_| Problem::Damaged("it is not UTF-8".to_owned()))?;
        let mut needs_repair = false;
        let mut reader = serde_json::Deserializer::from_str(text);
        let seed = EnvelopeSeed { delivery, batches, needs_repair: &mut needs_repair };
        let result = seed.deserialize(&mut reader).and_then(|()| reader.end());
        match result {
            Ok(()) => Ok(()),
            Err(_) if needs_repair => Err(Problem::NeedsRepair),
            // serde's words may quote a value of the message; where it stands is enough to find it.
            Err(error) => Err(Problem::Damaged(format!("{:?} at byte {}", error.classify(), error.column()))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { delivery, batches, needs_repair } = self;
        let mut header = Header::default();
        let mut begun: Option<Begun<'_>> = None;
        let mut batches = Some(batches);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Events | Key::Rejected | Key::Replays => {
                    if let Some(batches) = batches.take() {
                        begun = Some(header.begin(delivery, batches, needs_repair).map_err(A::Error::custom)?);
                    }
                    let Some(begun) = begun.as_mut() else { continue };
                    begun.read(&key, &mut map, needs_repair)?;
                }
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ if begun.is_some() => {
                    *needs_repair = true;
                    return Err(A::Error::custom("the events stand before what concerns them all"));
                }
                Key::MessageId => header.message_id = Some(map.next_value()?),
                Key::Project => header.project = Some(map.next_value()?),
                Key::WriteKeyId => header.write_key_id = Some(map.next_value()?),
                Key::Protocol => header.protocol = Some(map.next_value()?),
                Key::ReceivedAt => header.received_at = Some(map.next_value()?),
                Key::Geo => header.geo = map.next_value()?,
            }
        }
        // A message without events is a message all the same: a commit has to name it before it is acknowledged.
        if let Some(batches) = batches {
            header.begin(delivery, batches, needs_repair).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

impl Header {
    /// Opens the message in its project's batch.
    fn begin<'b>(
        &mut self,
        delivery: &Delivery,
        batches: &'b mut Batches,
        needs_repair: &mut bool,
    ) -> Result<Begun<'b>, &'static str> {
        let (Some(message_id), Some(project), Some(write_key_id), Some(protocol), Some(received_at)) = (
            self.message_id.take(),
            self.project.take(),
            self.write_key_id.take(),
            self.protocol.take(),
            self.received_at.take(),
        ) else {
            // Either they come later, which a repair cures, or they are missing, which the repair finds out.
            *needs_repair = true;
            return Err("the envelope is incomplete");
        };
        if message_id != delivery.message_id || delivery.project.as_ref().is_some_and(|known| *known != project) {
            return Err("the envelope is not the one that the queue was given");
        }
        let geo = std::mem::take(&mut self.geo);
        let facts = |message| RequestFacts { message, protocol, received_at, geo };
        let (growing, facts) = Growing::add_message(batches, &project, delivery, facts);
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
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: &Key,
        map: &mut A,
        needs_repair: &mut bool,
    ) -> Result<(), A::Error> {
        match key {
            Key::Events => {
                let seed = EventsSeed { rows: &mut self.growing.rows, facts: &self.facts, needs_repair };
                map.next_value_seed(seed)
            }
            Key::Rejected => {
                let rejected: Vec<Rejected> = map.next_value()?;
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
                self.growing.replays.extend(map.next_value::<Vec<EventId>>()?);
                Ok(())
            }
        }
    }
}

/// Reads the list of events.
struct EventsSeed<'r> {
    rows: &'r mut Rows,
    facts: &'r RequestFacts,
    needs_repair: &'r mut bool,
}

impl<'de> DeserializeSeed<'de> for EventsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EventsSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut unusable: Option<Unusable> = None;
        loop {
            let seed = EventSeed { rows: self.rows, facts: self.facts, unusable: &mut unusable };
            match list.next_element_seed(seed) {
                Ok(Some(())) => {}
                Ok(None) => return Ok(()),
                Err(error) => {
                    *self.needs_repair |= unusable.is_some();
                    return Err(error);
                }
            }
        }
    }
}
