//! What an error of SQS means to the caller: try again, or call the operator.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

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
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(refusal) => {
            let code = refusal.err().code().unwrap_or("an error without a code");
            of_answer(refusal.raw().status().as_u16(), code, refusal.err().message().unwrap_or("no message"))
        }
        SdkError::ConstructionFailure(_) => QueueError::Refused(with_causes(error)),
        _ if lacks_credentials(error) => QueueError::Refused(with_causes(error)),
        _ => QueueError::Unavailable(with_causes(error)),
    }
}

/// Whether nobody gave credentials, or what was given cannot be used: another try would find the same.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(found) = cause {
        match found.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => return true,
            _ => cause = found.source(),
        }
    }
    false
}

/// An error and what it came from, in one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(found) = cause {
        words.push_str(": ");
        words.push_str(&found.to_string());
        cause = found.source();
    }
    words.replace('\n', " ")
}

/// A call that SQS answered with an error.
fn of_answer(status: u16, code: &str, message: &str) -> QueueError {
    let text = format!("{code} ({status}): {message}");
    if status >= 500 || status == 429 || PASSING.contains(&code) {
        QueueError::Unavailable(text)
    } else {
        QueueError::Refused(text)
    }
}

/// Whether one message of a call failed for a reason that passes.
pub(super) fn entry_passes(code: &str, sender_fault: bool) -> bool {
    !sender_fault || PASSING.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_unavailable_and_the_rest_is_refused() {
        for (status, code) in [
            (400, "RequestThrottled"),
            (400, "AWS.SimpleQueueService.OverLimit"),
            (403, "ExpiredToken"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (503, "anything"),
        ] {
            assert!(matches!(of_answer(status, code, ""), QueueError::Unavailable(_)), "{status} {code}");
        }
        for (status, code) in [
            (403, "AccessDenied"),
            (403, "SignatureDoesNotMatch"),
            (403, "InvalidClientTokenId"),
            (400, "AWS.SimpleQueueService.NonExistentQueue"),
            (400, "KmsAccessDenied"),
        ] {
            let refused = of_answer(status, code, "");
            assert!(matches!(&refused, QueueError::Refused(why) if why.contains(code)), "{status} {code}: {refused}");
        }
        assert!(entry_passes("InternalError", false) && entry_passes("RequestThrottled", true));
        assert!(!entry_passes("InvalidMessageContents", true));
    }
}
