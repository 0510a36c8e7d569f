//! Reading one record back, and what a consumer gets of it.

use std::io;

use bytes::Bytes;
use event_model::ProjectId;

use super::files::SegmentFile;
use super::format::Record;

/// The bytes of one record.
pub(super) fn read_record(file: &dyn SegmentFile, offset: u64, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// A message as it lies in a file.
pub(super) struct Stored {
    pub(super) record: Record,
    pub(super) project: Option<ProjectId>,
    pub(super) body: Bytes,
}

/// Reads a message and checks that it is whole.
pub(super) fn read_message(file: &dyn SegmentFile, offset: u64, length: u32) -> io::Result<Stored> {
    let bytes = read_record(file, offset, length)?;
    let (record, project, body) = Record::decode(&bytes)
        .map(|(record, project, body)| (record, ProjectId::parse(project), bytes.len() - body.len()))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a record's checksum is wrong"))?;
    Ok(Stored { record, project, body: Bytes::from(bytes).slice(body..) })
}
