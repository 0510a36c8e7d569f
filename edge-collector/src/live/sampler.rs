//! Takes a few events a second for those who watch, and counts the others.

use event_model::Timestamp;
use event_queue::Envelope;

use super::batch::Batch;
use super::facts::Facts;
use super::interest::Interest;
use super::summary::Summary;

/// Most summaries a second. A person reads fewer; a program should ask the lake.
pub const MAX_PER_SECOND: u32 = 10;

/// What one process, or one isolate at the edge, has sampled of one project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampler {
    /// Which second of the epoch `taken` is about.
    second: i64,
    taken: u32,
    omitted: u64,
}

impl Sampler {
    /// Summaries of those events of durable envelopes that somebody asks for, as far as the limit reaches; `None` if
    /// there are none. Those beyond the limit are counted, and the count goes with the next batch.
    pub fn sample(&mut self, envelopes: &[Envelope], interest: &Interest, now: Timestamp) -> Option<Batch> {
        if interest.is_none() {
            return None;
        }
        let second = now.0.div_euclid(1_000_000);
        if second != self.second {
            (self.second, self.taken) = (second, 0);
        }
        let mut events = Vec::new();
        for envelope in envelopes {
            for event in &envelope.events {
                if interest.takes(&Facts::of_event(event)) && self.has_room() {
                    events.push(Summary::of_event(event, envelope));
                }
            }
            for rejected in &envelope.rejected {
                if interest.takes(&Facts::of_rejected(rejected)) && self.has_room() {
                    events.push(Summary::of_rejected(rejected, envelope));
                }
            }
        }
        (!events.is_empty()).then(|| Batch { events, omitted: std::mem::take(&mut self.omitted) })
    }

    /// The count alone, for hosts with a clock to tell it when no more events come; `None` if it is 0.
    pub fn left_out(&mut self) -> Option<Batch> {
        (self.omitted > 0).then(|| Batch { events: Vec::new(), omitted: std::mem::take(&mut self.omitted) })
    }

    /// Takes a place among those of this second, or counts the event as left out.
    fn has_room(&mut self) -> bool {
        let room = self.taken < MAX_PER_SECOND;
        if room {
            self.taken += 1;
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use event_model::{Event, EventId, Json, ProjectId, Reason, Rejected};
    use event_queue::Geo;
    use serde_json::{Value, json};

    use super::super::filter::Filter;
    use super::*;

    fn envelope(events: Vec<Event>, rejected: Vec<Rejected>) -> Envelope {
        Envelope {
            message_id: EventId([1; 16]),
            project: ProjectId::parse("shop").unwrap(),
            write_key_id: "web".into(),
            protocol: "native".into(),
            received_at: Timestamp::parse("2026-11-20T12:00:00Z").unwrap(),
            user_agent: None,
            geo: Geo::default(),
            events,
            rejected,
            replays: Vec::new(),
        }
    }

    fn event(name: &str) -> Event {
        Event { event: name.to_owned(), user_id: Some("u".to_owned()), ..Event::default() }
    }

    fn rejected(original: &str) -> Rejected {
        Rejected::new(3, EventId([2; 16]), Reason::TypeUnknown, "Why.", original.as_bytes())
    }

    fn interest(query: &str) -> Interest {
        Interest::of([Filter::from_query(query).unwrap()])
    }

    const SECOND: i64 = 1_000_000;

    #[test]
    fn ten_a_second_are_shown_and_the_others_counted() {
        let mut sampler = Sampler::default();
        let many = [envelope(vec![event("a"); 7], vec![]), envelope(vec![event("a"); 8], vec![rejected("{}")])];
        let all = interest("");
        let first = sampler.sample(&many, &all, Timestamp(0)).unwrap();
        assert_eq!((first.events.len(), first.omitted), (10, 6));
        assert_eq!(sampler.sample(&many, &all, Timestamp(SECOND - 1)), None);
        let second = sampler.sample(&many, &all, Timestamp(SECOND)).unwrap();
        assert_eq!((second.events.len(), second.omitted), (10, 16 + 6));
        assert_eq!(sampler.left_out(), None);
        assert_eq!(sampler.sample(&many, &all, Timestamp(SECOND)), None);
        assert_eq!(sampler.left_out().unwrap().omitted, 16);
    }

    #[test]
    fn what_nobody_asks_for_is_neither_shown_nor_counted() {
        let mut sampler = Sampler::default();
        let many = [envelope(vec![event("a"); 30], vec![])];
        assert_eq!(sampler.sample(&many, &Interest::default(), Timestamp(0)), None);
        assert_eq!(sampler.sample(&many, &interest("event=b"), Timestamp(0)), None);
        assert_eq!(sampler.left_out(), None);
        let one = [envelope(vec![event("a"), event("b")], vec![])];
        let batch = sampler.sample(&one, &interest("event=b"), Timestamp(0)).unwrap();
        assert_eq!((batch.events.len(), batch.events[0].event.as_deref()), (1, Some("b")));
    }

    #[test]
    fn a_summary_shows_what_happened_and_not_what_is_large() {
        let properties = |bytes: usize| Json::parse(&json!({ "v": "x".repeat(bytes) }).to_string());
        let small = Event { properties: properties(5), path: Some("/a".into()), ..event("a") };
        let large = Event { properties: properties(3_000), position: 1, ..event("b") };
        let batch =
            Sampler::default().sample(&[envelope(vec![small, large], vec![])], &interest(""), Timestamp(0)).unwrap();
        let found: Value = serde_json::from_str(&batch.to_json()).unwrap();
        let id = "00000000-0000-0000-0000-000000000000";
        let common = json!({
            "outcome": "accepted", "event_id": id, "received_at": "2026-11-20T12:00:00Z", "protocol": "native",
            "write_key_id": "web", "type": "track", "timestamp": "1970-01-01T00:00:00Z", "user_id": "u",
        });
        let with = |more: Value| {
            let mut one = common.clone();
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            one
        };
        let events = [
            with(json!({ "event": "a", "position": 0, "path": "/a", "properties": { "v": "xxxxx" } })),
            with(json!({ "event": "b", "position": 1, "properties_bytes": 3_008 })),
        ];
        assert_eq!(found, json!({ "kind": "events", "events": events, "omitted": 0 }));
        assert_eq!(Batch::parse(batch.to_json().as_bytes()), Some(batch));
    }

    #[test]
    fn a_rejected_event_is_found_by_what_can_be_read_of_it() {
        let both = r#"{"type":"track","event":"a","userId":7,"anonymousId":"v","properties":"x"}"#;
        let envelope = [envelope(vec![], vec![rejected(both), rejected("nonsense"), rejected("[1]")])];
        let count = |query: &str| {
            let batch = Sampler::default().sample(&envelope, &interest(query), Timestamp(0));
            batch.map_or(0, |batch| batch.events.len())
        };
        assert_eq!([count(""), count("outcome=rejected"), count("outcome=accepted")], [3, 3, 0]);
        assert_eq!([count("user=7"), count("user=v&type=track&event=a"), count("user=8")], [1, 1, 0]);
        let batch = Sampler::default().sample(&envelope, &interest("user=7"), Timestamp(0)).unwrap();
        let summary = &batch.events[0];
        assert_eq!((summary.reason, summary.detail.as_deref()), (Some(Reason::TypeUnknown), Some("Why.")));
        assert_eq!((summary.position, summary.properties.as_ref()), (3, None));
    }

    #[test]
    fn a_batch_for_all_is_cut_to_what_one_watcher_asks_for() {
        let envelopes = [envelope(vec![event("a"), event("b")], vec![rejected("{}")])];
        let mut batch = Sampler::default().sample(&envelopes, &interest(""), Timestamp(0)).unwrap();
        let only = |batch: &Batch, query: &str| {
            let cut = batch.only(&Filter::from_query(query).unwrap());
            cut.map(|cut| (cut.events.len(), cut.omitted))
        };
        assert_eq!([only(&batch, ""), only(&batch, "event=b")], [Some((3, 0)), Some((1, 0))]);
        assert_eq!([only(&batch, "outcome=rejected"), only(&batch, "event=c")], [Some((1, 0)), None]);
        batch.omitted = 4;
        assert_eq!(only(&batch, "event=c"), Some((0, 4)));
    }
}
