//! Requests that were good, or bad in a known way, with some of their bytes changed.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::strategy::BoxedStrategy;

use super::case::Case;
use super::grammar::gzip;

/// One change of a body.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Cut(Index),
}

/// Letters that mean something in JSON, and words that do in ours.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\\u0000",
    "\\ud83d",
    "\\ude00",
    "null",
    "1e400",
    "-0",
    "\u{0}",
    "\u{1}",
    " ",
    "\"batch\":[",
    "\"context\":{",
    "\"ip\":",
    "\"other\":",
    "\"_metadata\":",
    "\"integrations\":",
    "\"sentAt\":",
    "\"writeKey\":\"x\",",
    "\"messageId\":",
    "9999999999999999999999",
    "\u{feff}",
    "\u{202e}",
    "é",
    "😀",
];

pub(super) fn cases(seeds: Vec<Case>) -> BoxedStrategy<Case> {
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Change::Put(place, byte)),
        (any::<Index>(), select(WORDS)).prop_map(|(place, word)| Change::Insert(place, word.as_bytes().to_vec())),
        (any::<Index>(), 1_usize..64).prop_map(|(place, bytes)| Change::Remove(place, bytes)),
        (any::<Index>(), 1_usize..200, 1_usize..40)
            .prop_map(|(place, bytes, times)| Change::Repeat(place, bytes, times)),
        any::<Index>().prop_map(Change::Cut),
    ];
    let packed = prop_oneof![8 => Just(false), 1 => Just(true)];
    (select(seeds), vec(change, 0..6), packed)
        .prop_map(|(mut case, changes, packed)| {
            for change in changes {
                apply(&mut case.body, &change);
            }
            if packed {
                case.body = gzip(&case.body);
            }
            case
        })
        .boxed()
}

fn apply(body: &mut Vec<u8>, change: &Change) {
    let end = body.len();
    match change {
        Change::Put(place, byte) if end > 0 => {
            let place = place.index(end);
            body[place] = *byte;
        }
        Change::Insert(place, word) => {
            let place = place.index(end + 1);
            body.splice(place..place, word.iter().copied());
        }
        Change::Remove(place, bytes) if end > 0 => {
            let place = place.index(end);
            body.drain(place..(place + bytes).min(end));
        }
        Change::Repeat(place, bytes, times) if end > 0 => {
            let place = place.index(end);
            let part = body[place..(place + bytes).min(end)].repeat(*times);
            body.splice(place..place, part);
        }
        Change::Cut(place) => body.truncate(place.index(end + 1)),
        Change::Put(..) | Change::Remove(..) | Change::Repeat(..) => {}
    }
}
