//! What holds for every request, whatever it is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use edge_collector::live::{Batch, Filter, Interest, Sampler, subscribe};
use edge_collector::{Collected, Entropy, Kept, Limits, Request, at_once, collect, decode, replay};
use event_model::limits::{
    MAX_BATCH_EVENTS, MAX_EVENT_BYTES, MAX_EVENT_NAME_BYTES, MAX_ID_BYTES, MAX_MESSAGE_BYTES, OVERSIZE_KEPT_BYTES,
};
use event_model::project::{Directory, Key, key_hash};
use event_model::{Event, Problem, Project, Rejected, Timestamp};
use event_queue::{Compression, Envelope, Geo};
use flate2::bufread::GzDecoder;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::case::{Case, KEY};

/// What stands in fields that the project marks as personal.
pub(super) const SECRET: &str = "s3cr3t-of-a-person";

/// The core with two projects: one that changes nothing, one that has every rule.
pub(super) struct Promises {
    projects: [(Arc<Project>, Arc<Key>); 2],
    met: RefCell<BTreeMap<&'static str, usize>>,
}

impl Promises {
    pub(super) fn new() -> Self {
        let privacy = json!({ "keep_ip": true, "cookieless": true, "mask": ["secret"], "hash": ["email"] });
        let keys = |key: &str, server_side| json!([{ "id": "k", "sha256": key_hash(key), "scopes": ["write"], "server_side": server_side }]);
        let snapshot = json!({ "version": 1, "projects": [
            { "id": "plain", "keys": keys("1", false), "privacy": { "mask": ["secret"] } },
            { "id": "strict", "keys": keys("2", true), "privacy": privacy },
        ]});
        let directory = Directory::parse(&snapshot.to_string()).unwrap();
        let find = |key: &str| directory.find(key).unwrap();
        Self { projects: [find("1"), find("2")], met: RefCell::default() }
    }

    /// Panics where one is broken.
    pub(super) fn check(&self, case: &Case) {
        let headers = case.header_map();
        let (path, query) = case.place();
        if let Some(reply) = at_once(&case.method, path, &headers) {
            assert!((200..500).contains(&reply.status));
            self.meet("answered at once");
            return;
        }
        drop(subscribe(query, &headers));
        let geo = Geo { country: Some("DE".into()), ..Geo::default() };
        let request = Request {
            method: &case.method,
            path,
            query,
            headers: &headers,
            body: &case.body,
            remote_ip: Some([203, 0, 113, 7].into()),
            geo: &geo,
        };
        for (project, key) in &self.projects {
            let decoded = match decode(&request, &Limits::default()) {
                Ok(decoded) => decoded,
                Err(problem) => return self.check_problem(&problem),
            };
            let again = decode(&request, &Limits::default()).unwrap();
            let protocol = decoded.protocol();
            let now = Timestamp::parse("2026-11-20T12:34:56.789Z").unwrap();
            let entropy = Entropy { seed: [3; 32], daily_salt: [4; 32] };
            let collected = collect(decoded, project, key, now, entropy);
            let twice = collect(again, project, key, now, entropy);
            assert_eq!(collected.envelopes, twice.envelopes, "the same request gives the same messages");
            self.check_counts(case, &collected, protocol);
            self.check_envelopes(&collected.envelopes, now);
            self.check_secrets(&collected.envelopes);
            self.check_replay(&collected.envelopes, project, now);
            self.check_live(&collected.envelopes, now);
        }
    }

    fn meet(&self, what: &'static str) {
        *self.met.borrow_mut().entry(what).or_default() += 1;
    }

    fn check_problem(&self, problem: &Problem) {
        let body: Value = serde_json::from_str(&problem.to_json()).unwrap();
        assert_eq!(body["code"], problem.code.as_str());
        assert!((400..500).contains(&problem.code.status()), "{problem}");
        self.meet("refused as a whole");
    }

    /// Each item is either taken or refused, and the answer says so.
    fn check_counts(&self, case: &Case, collected: &Collected, protocol: &str) {
        let accepted: usize = collected.envelopes.iter().map(|one| one.events.len()).sum();
        let rejected: usize = collected.envelopes.iter().map(|one| one.rejected.len()).sum();
        assert_eq!((collected.accepted, collected.rejected.len()), (accepted, rejected));
        assert_eq!(accepted + rejected, items(case), "every item is accounted for");
        let positions: Vec<u32> = collected
            .envelopes
            .iter()
            .flat_map(|one| one.events.iter().map(|event| event.position))
            .chain(collected.envelopes.iter().flat_map(|one| one.rejected.iter().map(|one| one.position)))
            .collect();
        let distinct: BTreeSet<u32> = positions.iter().copied().collect();
        let all = u32::try_from(positions.len()).unwrap();
        assert_eq!(distinct, (0..all).collect(), "each item has its place once");
        assert_eq!((collected.response.status, collected.response.content_type), (200, "application/json"));
        let answer: Value = serde_json::from_slice(&collected.response.body).unwrap();
        if protocol == "native" {
            assert_eq!(answer["accepted"], accepted);
            let told = answer["rejected"].as_array().unwrap();
            assert_eq!(told.len(), rejected);
            for (told, refusal) in told.iter().zip(&collected.rejected) {
                assert_eq!((&told["index"], &told["code"]), (&json!(refusal.index), &json!(refusal.reason.as_str())));
                assert!(!refusal.detail.is_empty());
            }
        } else {
            assert_eq!(answer, json!({ "success": true }));
        }
        self.meet(if accepted > 0 { "accepted" } else { "accepted nothing" });
        if rejected > 0 {
            self.meet("rejected");
        }
    }

    /// Each message fits into a queue and is read as it was written.
    fn check_envelopes(&self, envelopes: &[Envelope], now: Timestamp) {
        let ids: BTreeSet<_> = envelopes.iter().map(|envelope| envelope.message_id).collect();
        assert_eq!(ids.len(), envelopes.len());
        if envelopes.len() > 1 {
            self.meet("cut into messages");
        }
        for envelope in envelopes {
            assert_eq!(envelope.received_at, now);
            assert!(!(envelope.events.is_empty() && envelope.rejected.is_empty()));
            for compression in [Compression::None, Compression::Deflate] {
                let bytes = envelope.encode(compression).unwrap();
                assert!(bytes.len() <= MAX_MESSAGE_BYTES, "{} bytes", bytes.len());
                assert_eq!(&Envelope::decode(&bytes).unwrap(), envelope);
            }
            envelope.events.iter().for_each(|event| check_event(event, now));
            envelope.rejected.iter().for_each(check_rejected);
        }
    }

    /// What is marked as personal leaves no trace, and neither does the key that an event or its batch carries.
    fn check_secrets(&self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            let text = serde_json::to_string(envelope).unwrap();
            let originals = envelope.rejected.iter().filter_map(|one| std::str::from_utf8(&one.original.0).ok());
            for text in originals.chain([text.as_str()]) {
                assert!(!text.contains(&format!("\"secret\":\"{SECRET}\"")), "{text}");
                if text.contains("[masked]") {
                    self.meet("masked");
                }
            }
            let originals = envelope.rejected.iter().filter_map(|one| serde_json::from_slice(&one.original.0).ok());
            let contexts = envelope.events.iter().filter_map(|event| event.context.as_ref());
            let others = contexts.filter_map(|context| serde_json::from_str::<Value>(context.as_str()).ok());
            for fields in originals.chain(others.map(|mut context| context["other"].take())) {
                for name in ["writeKey", "write_key", "api_key"] {
                    assert_ne!(fields.get(name), Some(&json!(KEY)), "{fields}");
                }
            }
        }
    }

    /// A replay loses nothing and gives the same ids.
    fn check_replay(&self, envelopes: &[Envelope], project: &Project, now: Timestamp) {
        let kept: Vec<(&Envelope, &Rejected)> =
            envelopes.iter().flat_map(|envelope| envelope.rejected.iter().map(move |one| (envelope, one))).collect();
        let rows: Vec<Kept<'_>> = kept
            .iter()
            .map(|(envelope, one)| Kept {
                row_id: one.event_id,
                protocol: &envelope.protocol,
                write_key_id: &envelope.write_key_id,
                received_at: envelope.received_at,
                event_id: one.event_id,
                position: one.position,
                original: &one.original.0,
                replayable: one.replayable,
            })
            .collect();
        let replayed = replay(&rows, project, now, [5; 32]);
        let events = replayed.envelopes.iter().map(|one| one.events.len() + one.rejected.len()).sum::<usize>();
        assert_eq!(events + replayed.refused.len(), rows.len());
        let known: BTreeSet<_> = rows.iter().map(|row| row.event_id).collect();
        for envelope in &replayed.envelopes {
            assert!(envelope.encode(Compression::None).unwrap().len() <= MAX_MESSAGE_BYTES);
            assert!(envelope.events.iter().all(|event| known.contains(&event.event_id)));
        }
    }

    /// Watchers see no more than they may, in messages that can be read.
    fn check_live(&self, envelopes: &[Envelope], now: Timestamp) {
        let all = Interest::of([Filter::default()]);
        let mut sampler = Sampler::default();
        let Some(batch) = sampler.sample(envelopes, &all, now) else {
            return assert!(envelopes.is_empty());
        };
        assert!(batch.events.len() <= 10);
        let text = batch.to_json();
        assert!(text.len() <= 128 * 1024, "{} bytes", text.len());
        assert!(!text.contains(&format!("\"secret\":\"{SECRET}\"")), "{text}");
        assert_eq!(Batch::parse(text.as_bytes()).as_ref(), Some(&batch));
        self.meet("shown live");
    }

    /// How often each kind of outcome was met.
    pub(super) fn summary(&self) -> String {
        format!("{:?}", self.met.borrow())
    }

    /// Cases that never reach a promise would prove nothing about it.
    pub(super) fn assert_all_were_met(&self) {
        let met = self.met.borrow();
        for what in [
            "answered at once",
            "refused as a whole",
            "accepted",
            "rejected",
            "cut into messages",
            "masked",
            "shown live",
        ] {
            assert!(met.contains_key(what), "no case was {what}: {met:?}");
        }
    }
}

fn check_event(event: &Event, now: Timestamp) {
    assert!(event.user_id.is_some() || event.anonymous_id.is_some());
    assert!(event.timestamp.is_in_range(now));
    assert!(!event.event.is_empty() && event.event.len() <= MAX_EVENT_NAME_BYTES && !event.event.contains('\0'));
    let ids = [&event.user_id, &event.anonymous_id, &event.previous_id, &event.group_id, &event.session_id];
    for id in ids.into_iter().flatten() {
        assert!((1..=MAX_ID_BYTES).contains(&id.len()) && !id.contains('\0'), "{id:?}");
    }
    let json = [&event.properties, &event.traits, &event.context];
    for object in json.into_iter().flatten() {
        assert!(object.as_str().starts_with('{'), "{object:?}");
        serde_json::from_str::<IgnoredAny>(object.as_str()).unwrap();
    }
    let bytes: usize = json.into_iter().flatten().map(|object| object.as_str().len()).sum();
    assert!(bytes <= MAX_EVENT_BYTES + 256, "{bytes}");
}

fn check_rejected(rejected: &Rejected) {
    assert!(!rejected.detail.is_empty());
    assert!(rejected.original.0.len() <= OVERSIZE_KEPT_BYTES);
    if rejected.replayable {
        assert_eq!(rejected.original.0.len() as u64, rejected.full_length);
        let digest: String = Sha256::digest(&rejected.original.0).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, rejected.sha256);
    }
}

/// How many items a body has, read by another parser.
fn items(case: &Case) -> usize {
    let path = case.place().0.trim_end_matches('/');
    if !["batch", "/v1/b", "import"].iter().any(|end| path.ends_with(end)) {
        return 1;
    }
    let body = &case.body[..];
    let mut text = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(body).read_to_end(&mut text).unwrap();
    } else {
        text = body.to_vec();
    }
    // The other parser takes no half of a surrogate pair in a key; another letter there changes no count.
    let text = String::from_utf8(text).unwrap().replace("\\ud", "\\u0").replace("\\uD", "\\u0");
    let text = text.trim_start_matches('\u{feff}').as_bytes();
    if let Ok(list) = serde_json::from_slice::<Vec<&RawValue>>(text) {
        return list.len();
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(text).unwrap();
    let lists = ["batch", "events"].into_iter().filter_map(|name| fields.get(name));
    let mut lengths =
        lists.filter_map(|list| serde_json::from_str::<Vec<&RawValue>>(list.get()).ok()).map(|one| one.len());
    let length = lengths.next().unwrap();
    assert!(length <= MAX_BATCH_EVENTS && lengths.next().is_none());
    length
}
