//! The salt of cookieless visitor ids: random, one a UTC day, forgotten after it.

use parking_lot::Mutex;

/// Gives the salt of a day.
pub trait DailySalt: Send + Sync {
    /// The salt of a UTC day, in days since 1970-01-01: the same for the whole day, made new for each. `None` if no
    /// random bytes can be had.
    fn of_day(&self, day: i32) -> Option<[u8; 32]>;
}

/// A salt that lives in memory: after a restart the visitors of the day count once more, and nothing that could
/// recognise them is ever on a disk.
#[derive(Debug, Default)]
pub struct MemorySalt(Mutex<Option<(i32, [u8; 32])>>);

impl DailySalt for MemorySalt {
    fn of_day(&self, day: i32) -> Option<[u8; 32]> {
        let mut salt = self.0.lock();
        if let Some((_, salt)) = salt.filter(|(of, _)| *of == day) {
            return Some(salt);
        }
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).ok()?;
        *salt = Some((day, fresh));
        Some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_lasts_one_day() {
        let salt = MemorySalt::default();
        let today = salt.of_day(20_000).unwrap();
        assert_eq!(salt.of_day(20_000), Some(today));
        let tomorrow = salt.of_day(20_001).unwrap();
        assert_ne!(tomorrow, today);
        assert_ne!(salt.of_day(20_000), Some(today));
    }
}
