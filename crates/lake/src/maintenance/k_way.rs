//! Merges sorted streams of rows into one, with one batch a stream in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::LakeError;

/// Rows of a file, in its order.
pub(super) type RowStream = BoxStream<'static, Result<RecordBatch, LakeError>>;

/// Hands the rows of all streams to `sink`, in the order of the `keys` if each stream is in that order; among equals
/// those of the earlier stream come first. Without keys: one stream after the other. Returns the number of rows.
pub(super) async fn merge(
    streams: Vec<RowStream>,
    keys: &[&str],
    batch_rows: usize,
    mut sink: impl AsyncFnMut(RecordBatch) -> Result<(), LakeError>,
) -> Result<u64, LakeError> {
    if keys.is_empty() {
        let mut rows = 0;
        for mut stream in streams {
            while let Some(batch) = stream.try_next().await? {
                rows += batch.num_rows() as u64;
                sink(batch).await?;
            }
        }
        return Ok(rows);
    }
    let mut merging = Merging::new(streams, keys).await?;
    let mut rows = 0;
    while let Some(batch) = merging.next(batch_rows).await? {
        rows += batch.num_rows() as u64;
        sink(batch).await?;
    }
    Ok(rows)
}

struct Merging<'a> {
    keys: &'a [&'a str],
    converter: Option<RowConverter>,
    cursors: Vec<Cursor>,
    /// The next row of each stream that has one.
    heads: BinaryHeap<Reverse<(OwnedRow, usize)>>,
}

/// The place in one stream.
struct Cursor {
    stream: RowStream,
    batch: Option<(RecordBatch, Rows)>,
    row: usize,
}

impl<'a> Merging<'a> {
    async fn new(streams: Vec<RowStream>, keys: &'a [&'a str]) -> Result<Self, LakeError> {
        let cursors = streams.into_iter().map(|stream| Cursor { stream, batch: None, row: 0 }).collect::<Vec<_>>();
        let mut merging = Self { keys, converter: None, cursors, heads: BinaryHeap::new() };
        for place in 0..merging.cursors.len() {
            merging.advance(place).await?;
        }
        Ok(merging)
    }

    /// The next rows, at most so many. A batch ends early where a stream's batch does: what lies in memory is never
    /// more than one batch a stream.
    async fn next(&mut self, batch_rows: usize) -> Result<Option<RecordBatch>, LakeError> {
        let mut picked: Vec<(usize, usize)> = Vec::with_capacity(batch_rows);
        let mut ended = None;
        while picked.len() < batch_rows && ended.is_none() {
            let Some(Reverse((_, place))) = self.heads.pop() else { break };
            let bound = self.heads.peek();
            let Some(cursor) = self.cursors.get_mut(place) else { break };
            let Some((batch, rows)) = &cursor.batch else { break };
            // A run of one stream needs no heap: go on while its next row comes before everybody else's.
            loop {
                picked.push((place, cursor.row));
                cursor.row += 1;
                if cursor.row == batch.num_rows() {
                    ended = Some(place);
                    break;
                }
                let row = rows.row(cursor.row);
                let comes_first = bound.is_none_or(|Reverse((other, at))| (row, place) <= (other.row(), *at));
                if picked.len() == batch_rows || !comes_first {
                    self.heads.push(Reverse((row.owned(), place)));
                    break;
                }
            }
        }
        if picked.is_empty() {
            return Ok(None);
        }
        let batch = self.interleave(&picked)?;
        if let Some(place) = ended {
            self.advance(place).await?;
        }
        Ok(Some(batch))
    }

    fn interleave(&self, picked: &[(usize, usize)]) -> Result<RecordBatch, LakeError> {
        let mut held = Vec::new();
        let mut places = vec![usize::MAX; self.cursors.len()];
        for (cursor, place) in self.cursors.iter().zip(&mut places) {
            if let Some((batch, _)) = &cursor.batch {
                *place = held.len();
                held.push(batch);
            }
        }
        let picked: Vec<(usize, usize)> =
            picked.iter().filter_map(|(cursor, row)| Some((*places.get(*cursor)?, *row))).collect();
        Ok(interleave_record_batch(&held, &picked)?)
    }

    /// Loads the next batch that has rows.
    async fn advance(&mut self, place: usize) -> Result<(), LakeError> {
        let Some(cursor) = self.cursors.get_mut(place) else { return Ok(()) };
        (cursor.batch, cursor.row) = (None, 0);
        while let Some(batch) = cursor.stream.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let keys = self
                .keys
                .iter()
                .map(|key| {
                    batch.column_by_name(key).cloned().ok_or_else(|| LakeError::Shape(format!("no column {key}")))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let converter = match &mut self.converter {
                Some(converter) => converter,
                none => {
                    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
                    none.insert(RowConverter::new(fields)?)
                }
            };
            let rows = converter.convert_columns(&keys)?;
            self.heads.push(Reverse((rows.row(0).owned(), place)));
            cursor.batch = Some((batch, rows));
            break;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use futures::stream;

    use super::*;

    fn rows(pairs: &[(&str, i64)]) -> RecordBatch {
        let texts = StringArray::from_iter_values(pairs.iter().map(|(text, _)| *text));
        let numbers = Int64Array::from_iter_values(pairs.iter().map(|(_, number)| *number));
        RecordBatch::try_from_iter([("text", Arc::new(texts) as _), ("number", Arc::new(numbers) as _)]).unwrap()
    }

    async fn merged(streams: Vec<Vec<RecordBatch>>, keys: &[&str], batch_rows: usize) -> Vec<(String, i64)> {
        let streams = streams.into_iter().map(|batches| stream::iter(batches.into_iter().map(Ok)).boxed()).collect();
        let mut all = Vec::new();
        let count = merge(streams, keys, batch_rows, async |batch: RecordBatch| {
            assert!(keys.is_empty() || batch.num_rows() <= batch_rows);
            let (texts, numbers) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            all.extend((0..batch.num_rows()).map(|row| (texts.value(row).to_owned(), numbers.value(row))));
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(count, all.len() as u64);
        all
    }

    #[tokio::test]
    async fn sorted_streams_become_one_whatever_their_batches() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut expect = Vec::new();
            let streams = (0..random.usize(0..6))
                .map(|_| {
                    let mut pairs: Vec<(&str, i64)> = (0..random.usize(0..40))
                        .map(|_| (random.choice(["a", "b", "", "ab"]).unwrap(), random.i64(-3..3)))
                        .collect();
                    pairs.sort_unstable();
                    expect.extend(pairs.iter().map(|(text, number)| ((*text).to_owned(), *number)));
                    pairs.chunks(random.usize(1..9)).map(rows).collect()
                })
                .collect();
            expect.sort_unstable();
            assert_eq!(merged(streams, &["text", "number"], random.usize(1..20)).await, expect, "seed {seed}");
        }
    }

    #[tokio::test]
    async fn among_equals_the_earlier_stream_comes_first() {
        let streams = vec![vec![rows(&[("a", 2), ("a", 1)])], vec![rows(&[("a", 4), ("b", 3)])]];
        let expect = [("a", 2), ("a", 1), ("a", 4), ("b", 3)].map(|(text, number)| (text.to_owned(), number));
        assert_eq!(merged(streams, &["text"], 8).await, expect);
    }

    #[tokio::test]
    async fn without_keys_streams_follow_each_other() {
        let streams = vec![vec![rows(&[("b", 1)])], vec![rows(&[("a", 2)]), rows(&[("a", 0)])]];
        let expect = [("b", 1), ("a", 2), ("a", 0)].map(|(text, number)| (text.to_owned(), number));
        assert_eq!(merged(streams, &[], 8).await, expect);
    }
}
