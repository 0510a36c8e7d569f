//! A part of a derived table: the persons whose keys lie in one range, in one month, up to one state of the tables that
//! it was made from.

use serde_json::{Value, json};

use crate::schema::{BUCKET, BUCKETS, COVERS, DAYS_TIMEZONE, FIRST_DAY, PART_PERSONS, TIES, TableSpec};

/// The most parts of a month.
pub(crate) const MOST_BUCKETS: u64 = 4_096;

/// One of a power of two of equal ranges of keys, in the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Its number, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Bucket {
    /// `None` if there is no such range.
    pub(crate) fn new(index: i64, of: i64) -> Option<Self> {
        let (index, of) = (u32::try_from(index).ok()?, u32::try_from(of).ok()?);
        (of.is_power_of_two() && index < of).then_some(Self { index, of })
    }

    /// The range of a key, of so many.
    #[must_use]
    pub fn of_key(key: i64, of: u32) -> Self {
        // As unsigned numbers in the same order; the highest bits are the number of the range.
        let ordered = key.cast_unsigned() ^ (1 << 63);
        let bits = of.max(1).trailing_zeros();
        let index = if bits == 0 { 0 } else { ordered >> (64 - bits) };
        Self { index: u32::try_from(index).unwrap_or(0), of }
    }

    /// Whether a person's rows are here.
    #[must_use]
    pub fn holds(self, key: i64) -> bool {
        Self::of_key(key, self.of) == self
    }

    /// Whether two ranges, of different numbers of ranges even, have a key in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let (few, many) = if self.of <= other.of { (self, other) } else { (other, self) };
        many.index / (many.of / few.of.max(1)).max(1) == few.index
    }
}

/// What a file of a derived table says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose rows it has.
    pub bucket: Bucket,
    /// The ingest commit up to which it has taken in `events`.
    pub covers: i64,
    /// The commit to `identities` up to which its keys are resolved.
    pub ties: i64,
    /// How many persons it has.
    pub persons: u64,
    /// The time zone of its days, if it has days.
    pub timezone: Option<String>,
}

impl Part {
    /// The statistics of a file that is this part, given those of its rows. Also one without rows says which it is:
    /// otherwise it would be looked for again and again.
    pub(crate) fn note(&self, spec: &TableSpec, first_day: i32, statistics: &mut Value) {
        let mut said = json!({
            BUCKET: self.bucket.index, BUCKETS: self.bucket.of, COVERS: self.covers, TIES: self.ties,
            PART_PERSONS: self.persons,
        });
        if let (Some(timezone), Some(said)) = (&self.timezone, said.as_object_mut()) {
            said.insert(DAYS_TIMEZONE.to_owned(), Value::from(timezone.as_str()));
            said.insert(FIRST_DAY.to_owned(), crate::encode::statistics::date(first_day));
        }
        for bounds in ["minValues", "maxValues", "nullCount"] {
            let Some(bounds_of) = statistics.get_mut(bounds).and_then(Value::as_object_mut) else { continue };
            for (name, value) in said.as_object().into_iter().flatten() {
                if spec.statistics.contains(&name.as_str()) {
                    let value = if bounds == "nullCount" { Value::from(0) } else { value.clone() };
                    bounds_of.insert(name.clone(), value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_one_range_and_ranges_are_in_the_order_of_keys() {
        let mut random = fastrand::Rng::with_seed(1);
        for of in [1, 2, 8, 4_096] {
            let mut keys: Vec<i64> = (0..1_000).map(|_| random.i64(..)).chain([i64::MIN, -1, 0, i64::MAX]).collect();
            keys.sort_unstable();
            let buckets: Vec<u32> = keys.iter().map(|key| Bucket::of_key(*key, of).index).collect();
            assert!(buckets.is_sorted() && buckets[0] == 0 && *buckets.last().unwrap() == of - 1, "{of}");
            assert!(
                keys.iter().all(|key| (0..of).filter(|index| Bucket { index: *index, of }.holds(*key)).count() == 1)
            );
        }
    }

    #[test]
    fn ranges_overlap_if_a_key_is_in_both() {
        let bucket = |index, of| Bucket { index, of };
        assert!(bucket(0, 1).overlaps(bucket(7, 8)) && bucket(7, 8).overlaps(bucket(0, 1)));
        assert!(bucket(1, 2).overlaps(bucket(3, 4)) && !bucket(1, 2).overlaps(bucket(1, 4)));
        assert!(bucket(3, 4).overlaps(bucket(3, 4)) && !bucket(3, 4).overlaps(bucket(2, 4)));
        assert_eq!((Bucket::new(2, 2), Bucket::new(0, 3), Bucket::new(-1, 2)), (None, None, None));
    }
}
