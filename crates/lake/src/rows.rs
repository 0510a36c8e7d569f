//! Reads the rows of one data file, as few columns and row groups as asked for, with a batch at a time in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use crate::error::LakeError;
use crate::files::DataFile;

/// Read from the end of a file at once, so that most footers need one request.
const FOOTER_BYTES: usize = 64 * 1024;

/// What to read of a file.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The columns, in any order; they come in the file's order. `None` is all.
    pub columns: Option<&'a [&'a str]>,
    /// Only rows in which this text column, which the file is sorted by, has this value.
    pub only: Option<(&'a str, &'a str)>,
    /// Text columns that come as dictionaries with 32-bit keys: each text of a page is made once, however many rows have
    /// it.
    pub numbered: &'a [&'a str],
    /// The most rows of a batch.
    pub batch_rows: usize,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { columns: None, only: None, numbered: &[], batch_rows: 8_192 }
    }
}

/// The rows of a file that lies in `store`, in the file's order.
///
/// # Errors
/// [`LakeError::Damaged`] if the file is not there or is not whole, [`LakeError::Storage`] if storage failed; the
/// stream fails likewise.
pub async fn read(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    wanted: Wanted<'_>,
) -> Result<BoxStream<'static, Result<RecordBatch, LakeError>>, LakeError> {
    let path = file.path.clone();
    let failed = move |error| failure(&path, error);
    let mut reader = FileReader::new(store, file)?;
    let mut metadata =
        ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await.map_err(&failed)?;
    if !wanted.numbered.is_empty() {
        metadata = numbered(&metadata, wanted.numbered).map_err(&failed)?;
    }
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    let schema = builder.metadata().file_metadata().schema_descr_ptr();
    if let Some((column, value)) = wanted.only {
        let groups = builder.metadata().row_groups().iter().enumerate();
        let chosen = groups.filter(|(_, group)| may_hold(group, column, value)).map(|(place, _)| place).collect();
        let mask = ProjectionMask::columns(&schema, [column]);
        let value = value.to_owned();
        let predicate = ArrowPredicateFn::new(mask, move |batch| equals(&batch, &value));
        builder = builder.with_row_groups(chosen).with_row_filter(RowFilter::new(vec![Box::new(predicate)]));
    }
    if let Some(columns) = wanted.columns {
        builder = builder.with_projection(ProjectionMask::columns(&schema, columns.iter().copied()));
    }
    let stream = builder.with_batch_size(wanted.batch_rows).build().map_err(&failed)?;
    Ok(stream.map_err(failed).boxed())
}

/// The same file, of which some columns of texts are read as dictionaries.
fn numbered(metadata: &ArrowReaderMetadata, columns: &[&str]) -> Result<ArrowReaderMetadata, ParquetError> {
    let fields = metadata.schema().fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 if columns.contains(&field.name().as_str()) => {
            let numbered = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.as_ref().clone().with_data_type(numbered))
        }
        _ => Arc::clone(field),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), ArrowReaderOptions::new().with_schema(schema))
}

/// The Arrow schema of a file, from its footer.
///
/// # Errors
/// As [`read`].
pub async fn footer(store: Arc<dyn ObjectStore>, file: &DataFile) -> Result<(SchemaRef, u64), LakeError> {
    let failed = |error| failure(&file.path, error);
    let reader = FileReader::new(store, file)?;
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(failed)?;
    let metadata = builder.metadata().file_metadata();
    let schema = parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata()).map_err(failed)?;
    Ok((Arc::new(schema), u64::try_from(metadata.num_rows()).unwrap_or(0)))
}

/// A file of known length in a store. The length saves a request, and is what the log says it must be.
struct FileReader {
    store: Arc<dyn ObjectStore>,
    location: Path,
    bytes: u64,
}

impl FileReader {
    fn new(store: Arc<dyn ObjectStore>, file: &DataFile) -> Result<Self, LakeError> {
        let location =
            Path::parse(&file.path).map_err(|error| LakeError::damaged(file.path.as_str(), error.to_string()))?;
        Ok(Self { store, location, bytes: file.bytes })
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.store.get_range(&self.location, range).map_err(ParquetError::from).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.store.get_ranges(&self.location, &ranges).await.map_err(ParquetError::from) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

/// Whether a row group's statistics leave room for the value.
fn may_hold(group: &RowGroupMetaData, column: &str, value: &str) -> bool {
    let statistics = group.columns().iter().find(|chunk| chunk.column_path().string() == column);
    match statistics.and_then(|chunk| chunk.statistics()) {
        Some(Statistics::ByteArray(bounds)) => {
            let above = bounds.min_opt().is_none_or(|least| least.data() <= value.as_bytes());
            let below = bounds.max_opt().is_none_or(|largest| largest.data() >= value.as_bytes());
            above && below
        }
        _ => true,
    }
}

fn equals(batch: &RecordBatch, value: &str) -> Result<BooleanArray, ArrowError> {
    let texts = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<StringArray>());
    let texts = texts.ok_or_else(|| ArrowError::SchemaError("the column is not text".to_owned()))?;
    Ok(texts.iter().map(|text| Some(text == Some(value))).collect())
}

/// A file that a commit names and that is missing or not whole is damage; the rest is storage.
pub(crate) fn failure(path: &str, error: ParquetError) -> LakeError {
    let ParquetError::External(source) = error else {
        return LakeError::damaged(path, error.to_string());
    };
    let cause = match source.downcast_ref::<object_store::Error>() {
        Some(object_store::Error::NotFound { .. }) => return LakeError::damaged(path, "the file is missing"),
        Some(object_store::Error::Generic { source: cause, .. }) => cause.to_string(),
        Some(_) => String::new(),
        // Neither storage nor the format itself: the decoder of a column.
        None if !source.is::<std::io::Error>() => return LakeError::damaged(path, "a column cannot be decoded"),
        None => String::new(),
    };
    // The local store's words for a read beyond the end; it has no kind of its own for that.
    if cause.contains("Out of range") || cause.contains("Requested range") {
        return LakeError::damaged(path, "the file is shorter than the log says");
    }
    LakeError::Storage { path: path.to_owned(), source }
}
