//! From counts by the exact number of intervals to the buckets of the answer.

use query_model::answer::{StickinessBucket, StickinessResult};

/// `exactly` counts persons with 1, 2, ... intervals. Cumulative, a bucket has those with at least so many.
pub(super) fn result(exactly: Vec<u64>, cumulative: bool) -> StickinessResult {
    let mut persons = exactly;
    if cumulative {
        let mut at_least = 0;
        for count in persons.iter_mut().rev() {
            at_least += *count;
            *count = at_least;
        }
    }
    let buckets = (1..).zip(persons).map(|(intervals, persons)| StickinessBucket { intervals, persons });
    StickinessResult { buckets: buckets.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cumulative_bucket_has_those_with_at_least_so_many() {
        let persons = |cumulative| -> Vec<(u32, u64)> {
            let buckets = result(vec![4, 0, 2], cumulative).buckets.into_iter();
            buckets.map(|bucket| (bucket.intervals, bucket.persons)).collect()
        };
        assert_eq!(persons(false), [(1, 4), (2, 0), (3, 2)]);
        assert_eq!(persons(true), [(1, 6), (2, 2), (3, 2)]);
    }
}
