//! Randomness comes from the host: a seed for ids and the day's salt for visitors without a cookie.

use event_model::{EventId, Timestamp};
use xxhash_rust::xxh3::xxh3_128;

/// What the host draws for one request. Neither value may be used for two requests, except the salt, which is the same
/// for all requests of one UTC day and forgotten after it.
#[derive(Clone, Copy)]
pub struct Entropy {
    /// Fresh random bytes: all ids of the request are made from them.
    pub seed: [u8; 32],
    /// The day's salt.
    pub daily_salt: [u8; 32],
}

impl std::fmt::Debug for Entropy {
    /// The salt would let anybody who reads a log recognise visitors.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

/// Makes the ids of one request.
pub(crate) struct Ids {
    input: [u8; 40],
    made: u64,
    millis: u64,
}

impl Ids {
    pub(crate) fn new(seed: [u8; 32], received_at: Timestamp) -> Self {
        let mut input = [0; 40];
        for (slot, byte) in input.iter_mut().zip(seed) {
            *slot = byte;
        }
        let millis = u64::try_from(received_at.0.div_euclid(1_000)).unwrap_or_default();
        Self { input, made: 0, millis }
    }

    /// The next id: a version 7 UUID, so that ids made one after the other lie together in the lake.
    pub(crate) fn next(&mut self) -> EventId {
        self.made += 1;
        for (slot, byte) in self.input.iter_mut().skip(32).zip(self.made.to_le_bytes()) {
            *slot = byte;
        }
        let random = xxh3_128(&self.input) & 0x0000_0000_0000_0fff_3fff_ffff_ffff_ffff;
        let fixed = u128::from(self.millis & 0xffff_ffff_ffff) << 80 | 0x7 << 76 | 0x2 << 62;
        EventId((random | fixed).to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_uuids_of_the_time_and_never_the_same() {
        let received_at = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let mut ids = Ids::new([7; 32], received_at);
        let (one, two) = (ids.next().to_string(), ids.next().to_string());
        assert_ne!(one, two);
        for id in [&one, &two] {
            assert_eq!(u64::from_str_radix(&id.replace('-', "")[..12], 16).unwrap() * 1_000, received_at.0 as u64);
            assert_eq!(&id[14..15], "7");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
        assert_ne!(Ids::new([8; 32], received_at).next().to_string(), one);
    }
}
