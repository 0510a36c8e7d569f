//! Messages as a queue takes them.

use bytes::Bytes;
use event_model::{ErrorCode, Problem};
use event_queue::{Compression, Envelope, Outgoing};

/// Encodes the messages of a request.
///
/// # Errors
/// `internal`, if one cannot be encoded, which is a bug.
pub fn pack(envelopes: &[Envelope], compression: Compression) -> Result<Vec<Outgoing>, Problem> {
    envelopes.iter().map(|envelope| message(envelope, compression)).collect()
}

fn message(envelope: &Envelope, compression: Compression) -> Result<Outgoing, Problem> {
    let body = envelope.encode(compression).map_err(|error| Problem::from(ErrorCode::Internal).because(error))?;
    Ok(Outgoing {
        message_id: envelope.message_id,
        project: envelope.project.clone(),
        events: envelope.event_count(),
        body: Bytes::from(body),
    })
}
