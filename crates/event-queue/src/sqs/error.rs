//! What an error of SQS means to the caller: try again, or call the operator.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::queue::QueueError;

/// Codes of refusals that pass: too many calls or messages at the moment, or credentials that are being renewed.
const PASSING: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "KmsThrottled",
    "OverLimit",
    "AWS.SimpleQueueService.OverLimit",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// A call that failed as a whole.
pub(super) fn of_call<E>(error: &SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status().as_u16();
            let code = refusal.err().code().unwrap_or("an error without a code");
            let text = format!("{code} ({status}): {}", refusal.err().message().unwrap_or("no message"));
            if status >= 500 || status == 429 || PASSING.contains(&code) {
                QueueError::Unavailable(text)
            } else {
                QueueError::Refused(text)
            }
        }
        // Built from settings and environment: no credentials, for instance.
        SdkError::ConstructionFailure(_) => QueueError::Refused(DisplayErrorContext(error).to_string()),
        _ => QueueError::Unavailable(DisplayErrorContext(error).to_string()),
    }
}

/// Whether one message of a call failed for a reason that passes.
pub(super) fn entry_passes(code: &str, sender_fault: bool) -> bool {
    !sender_fault || PASSING.contains(&code)
}
