//! Column chunks of texts that are numbers already: pages are made of the numbers, and no text is looked at twice.

use arrow::array::{Array, Int32Array, StringArray};
use arrow::buffer::NullBuffer;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::properties::EnabledStatistics;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::hybrid;

/// Rows of a page.
const PAGE_ROWS: usize = 20_000;
/// A dictionary that is larger costs more to read than it saves.
const LARGEST_DICTIONARY_BYTES: usize = 4 * 1024 * 1024;
/// Longer texts have no bounds: they would be most of the footer.
const LONGEST_BOUND_BYTES: usize = 64;
/// The new number of a text that no row has.
const UNUSED: u32 = u32::MAX;

/// An encoded column chunk.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// Texts of which each row has the number of one, in the file's order.
pub(super) struct Numbered<'a> {
    nulls: Option<&'a NullBuffer>,
    /// Of each row that is not null the new number: texts are numbered anew in the order in which rows need them.
    numbers: Vec<u32>,
    /// The texts that rows have, by their new numbers.
    used: Vec<&'a str>,
    rows: usize,
}

impl<'a> Numbered<'a> {
    /// `None` if a dictionary would not pay: most rows have a text of their own, or the texts are too long.
    pub(super) fn new(rows: &'a Int32Array, texts: &'a StringArray) -> Option<Self> {
        let nulls = rows.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut new_numbers = vec![UNUSED; texts.len()];
        let (mut numbers, mut used) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut take = |number: i32| {
            let number = usize::try_from(number).unwrap_or(0);
            if let Some(new) = new_numbers.get_mut(number) {
                if *new == UNUSED {
                    *new = u32::try_from(used.len()).unwrap_or(0);
                    used.push(texts.value(number));
                }
                numbers.push(*new);
            }
        };
        match nulls {
            None => rows.values().iter().for_each(|number| take(*number)),
            Some(nulls) => {
                let all = rows.values();
                nulls.valid_indices().filter_map(|row| all.get(row)).for_each(|number| take(*number));
            }
        }
        let bytes: usize = used.iter().map(|text| text.len() + 4).sum();
        let pays = used.len() * 2 <= numbers.len() || used.len() <= 64;
        (pays && bytes <= LARGEST_DICTIONARY_BYTES).then_some(Self { nulls, numbers, used, rows: rows.len() })
    }

    /// The chunk.
    ///
    /// # Errors
    /// Only if compressing fails, which is a bug.
    pub(super) fn encode(
        &self,
        column: &ColumnDescPtr,
        bounds: EnabledStatistics,
        zstd_level: i32,
    ) -> Result<Chunk, ParquetError> {
        let mut pages = Pages::new(column, bounds, zstd_level)?;
        let mut dictionary = Vec::new();
        for text in &self.used {
            dictionary.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
            dictionary.extend_from_slice(text.as_bytes());
        }
        pages.dictionary(&dictionary, self.used.len())?;
        let bits = hybrid::bits_for(self.used.len());
        // A column with one text and no gaps is one run, however long.
        let is_one_run = self.nulls.is_none() && self.used.len() <= 1;
        let page_rows = if is_one_run { self.rows.max(1) } else { PAGE_ROWS };
        let mut numbers = self.numbers.as_slice();
        for start in (0..self.rows).step_by(page_rows) {
            let rows = page_rows.min(self.rows - start);
            let nulls = self.nulls.map(|nulls| nulls.slice(start, rows));
            let values = rows - nulls.as_ref().map_or(0, NullBuffer::null_count);
            let (these, later) = numbers.split_at_checked(values).unwrap_or((numbers, &[]));
            numbers = later;
            let mut page = Vec::new();
            pages.levels(rows, nulls.as_ref(), &mut page);
            page.push(u8::try_from(bits).unwrap_or(0));
            hybrid::encode(these, bits, &mut page);
            let bounds = if bounds == EnabledStatistics::Page { self.bounds(these) } else { None };
            pages.data(&page, Encoding::RLE_DICTIONARY, rows, values, bounds)?;
        }
        let all = if bounds == EnabledStatistics::None { None } else { least_and_largest(self.used.iter().copied()) };
        pages.close(self.rows, all)
    }

    /// The least and the largest text of some rows.
    fn bounds(&self, numbers: &[u32]) -> Option<(&'a str, &'a str)> {
        let mut seen = vec![false; self.used.len()];
        numbers.iter().for_each(|number| {
            if let Some(seen) = seen.get_mut(*number as usize) {
                *seen = true;
            }
        });
        least_and_largest(self.used.iter().zip(seen).filter(|(_, seen)| *seen).map(|(text, _)| *text))
    }
}

/// The chunk of a column in which all rows are null.
///
/// # Errors
/// As [`Numbered::encode`].
pub(super) fn encode_nulls(rows: usize, column: &ColumnDescPtr, zstd_level: i32) -> Result<Chunk, ParquetError> {
    let mut pages = Pages::new(column, EnabledStatistics::Chunk, zstd_level)?;
    let mut page = Vec::new();
    pages.levels(rows, Some(&NullBuffer::new_null(rows)), &mut page);
    pages.data(&page, Encoding::PLAIN, rows, 0, None)?;
    pages.close(rows, None)
}

fn least_and_largest<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<(&'a str, &'a str)> {
    Some((texts.clone().min()?, texts.max()?))
}

/// The pages of one chunk while they are written.
struct Pages<'c> {
    column: &'c ColumnDescPtr,
    compressor: Compressor<'static>,
    level: i32,
    sink: TrackedWrite<Vec<u8>>,
    dictionary_bytes: Option<i64>,
    uncompressed: usize,
    stats: Vec<PageEncodingStats>,
    nulls: usize,
    offsets: OffsetIndexBuilder,
    bounds: ColumnIndexBuilder,
}

impl<'c> Pages<'c> {
    fn new(column: &'c ColumnDescPtr, bounds: EnabledStatistics, level: i32) -> Result<Self, ParquetError> {
        let mut index = ColumnIndexBuilder::new(Type::BYTE_ARRAY);
        if bounds != EnabledStatistics::Page {
            index.to_invalid();
        }
        Ok(Self {
            column,
            compressor: Compressor::new(level)?,
            level,
            sink: TrackedWrite::new(Vec::new()),
            dictionary_bytes: None,
            uncompressed: 0,
            stats: Vec::new(),
            nulls: 0,
            offsets: OffsetIndexBuilder::new(),
            bounds: index,
        })
    }

    /// Which rows are null, as version 1 of a data page begins with it.
    fn levels(&self, rows: usize, nulls: Option<&NullBuffer>, page: &mut Vec<u8>) {
        if self.column.max_def_level() == 0 {
            return;
        }
        page.extend_from_slice(&[0; 4]);
        match nulls {
            Some(nulls) if nulls.null_count() == rows => hybrid::repeat(0, rows, 1, page),
            Some(nulls) if nulls.null_count() > 0 => {
                let levels: Vec<u32> = nulls.iter().map(u32::from).collect();
                hybrid::encode(&levels, 1, page);
            }
            _ => hybrid::repeat(1, rows, 1, page),
        }
        let length = u32::try_from(page.len() - 4).unwrap_or(0).to_le_bytes();
        page.iter_mut().zip(length).for_each(|(place, byte)| *place = byte);
    }

    fn dictionary(&mut self, texts: &[u8], count: usize) -> Result<(), ParquetError> {
        let buf = self.compressor.compress(texts)?.into();
        let num_values = u32::try_from(count).unwrap_or(0);
        let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, texts.len()))?;
        self.uncompressed += written.uncompressed_size;
        self.dictionary_bytes = i64::try_from(written.bytes_written).ok();
        self.count(PageType::DICTIONARY_PAGE, Encoding::PLAIN);
        Ok(())
    }

    fn data(
        &mut self,
        page: &[u8],
        encoding: Encoding,
        rows: usize,
        values: usize,
        bounds: Option<(&str, &str)>,
    ) -> Result<(), ParquetError> {
        let data = Page::DataPage {
            buf: self.compressor.compress(page)?.into(),
            num_values: u32::try_from(rows).unwrap_or(0),
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(data, page.len()))?;
        self.uncompressed += written.uncompressed_size;
        self.offsets.append_row_count(i64::try_from(rows).unwrap_or(0));
        let size = i32::try_from(written.compressed_size).unwrap_or(0);
        self.offsets.append_offset_and_size(i64::try_from(written.offset).unwrap_or(0), size);
        let nulls = rows - values;
        self.nulls += nulls;
        let (least, largest) = bounds.unwrap_or_default();
        let bytes = |text: &str| text.as_bytes().to_vec();
        self.bounds.append(values == 0, bytes(least), bytes(largest), i64::try_from(nulls).unwrap_or(0));
        self.count(PageType::DATA_PAGE, encoding);
        Ok(())
    }

    fn count(&mut self, page_type: PageType, encoding: Encoding) {
        match self.stats.iter_mut().find(|known| known.page_type == page_type) {
            Some(known) => known.count += 1,
            None => self.stats.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
    }

    fn close(mut self, rows: usize, bounds: Option<(&str, &str)>) -> Result<Chunk, ParquetError> {
        let length = self.sink.bytes_written();
        let mut encodings = vec![Encoding::RLE];
        encodings.extend(self.stats.iter().map(|stats| stats.encoding));
        let short = |text: &&str| text.len() <= LONGEST_BOUND_BYTES;
        let (least, largest) = bounds.unzip();
        let bound = |text: Option<&str>| text.filter(short).map(ByteArray::from);
        let nulls = u64::try_from(self.nulls).ok();
        let metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(self.level).unwrap_or_default()))
            .set_encodings(encodings)
            .set_page_encoding_stats(self.stats)
            .set_num_values(i64::try_from(rows).unwrap_or(0))
            .set_total_compressed_size(i64::try_from(length).unwrap_or(0))
            .set_total_uncompressed_size(i64::try_from(self.uncompressed).unwrap_or(0))
            .set_dictionary_page_offset(self.dictionary_bytes.map(|_| 0))
            .set_data_page_offset(self.dictionary_bytes.unwrap_or(0))
            .set_statistics(Statistics::byte_array(bound(least), bound(largest), None, nulls, false))
            .build()?;
        self.bounds.set_boundary_order(BoundaryOrder::UNORDERED);
        let column_index = if self.bounds.valid() { Some(self.bounds.build()?) } else { None };
        let close = ColumnCloseResult {
            bytes_written: length as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index,
            offset_index: Some(self.offsets.build()),
        };
        Ok(Chunk { bytes: self.sink.into_inner()?.into(), close })
    }
}
