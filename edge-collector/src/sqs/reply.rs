//! What SQS says about a batch: a 200 alone proves nothing, each entry is answered on its own.

use std::collections::BTreeSet;

use serde::Deserialize;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These entries are durable. The others may be tried again, unless SQS says that they are at fault themselves.
    Taken { ids: BTreeSet<String>, why_not: String, worth_trying: bool },
    /// None is known to be durable; trying again may help.
    Later(String),
    /// None is durable, and the same request would fail again.
    Never(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    successful: Option<Vec<Successful>>,
    failed: Option<Vec<Failed>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Successful {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    #[serde(default)]
    id: String,
    #[serde(default)]
    sender_fault: bool,
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

/// Reads a reply.
pub(super) fn read(status: u16, body: &[u8]) -> Verdict {
    if status != 200 {
        return refused(status, body);
    }
    let Ok(reply) = serde_json::from_slice::<Reply>(body) else {
        return Verdict::Later("SQS answered 200 with something that is no reply".to_owned());
    };
    let failed = reply.failed.unwrap_or_default();
    let codes: Vec<&str> = failed.iter().map(|one| one.code.as_str()).collect();
    // Named as both is not taken: what was sent twice is stored once, what was lost is lost.
    let is_failed = |id: &String| failed.iter().any(|one| one.id == *id);
    let successful = reply.successful.unwrap_or_default().into_iter().map(|one| one.id);
    Verdict::Taken {
        ids: successful.filter(|id| !is_failed(id)).collect(),
        why_not: format!("SQS did not take {} messages: {}", failed.len(), codes.join(", ")),
        worth_trying: !failed.iter().any(|one| one.sender_fault),
    }
}

/// Throttling, time-outs and faults of SQS itself pass; a queue that is not there or a signature that is refused stay.
fn refused(status: u16, body: &[u8]) -> Verdict {
    let kind = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.kind).unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let why = format!("SQS answered {status} {kind}");
    let passes = status >= 500 || matches!(status, 408 | 429) || kind.contains("Throttl");
    if passes { Verdict::Later(why) } else { Verdict::Never(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_that_are_named_as_successful_are_taken() {
        let body = br#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"d"}],"Failed":[{"Id":"1","SenderFault":false,"Code":"InternalError"}]}"#;
        let Verdict::Taken { ids, why_not, worth_trying } = read(200, body) else { panic!() };
        assert_eq!((ids, worth_trying), (BTreeSet::from(["0".to_owned()]), true));
        assert_eq!(why_not, "SQS did not take 1 messages: InternalError");
        let nothing = Verdict::Taken {
            ids: BTreeSet::new(),
            why_not: "SQS did not take 0 messages: ".to_owned(),
            worth_trying: true,
        };
        assert_eq!(read(200, b"{}"), nothing);
        assert_eq!(read(200, br#"{"Successful":null,"Failed":null}"#), nothing);
        let both = read(200, br#"{"Successful":[{"Id":"0"},{"Id":"1"}],"Failed":[{"Id":"0","Code":"InternalError"}]}"#);
        let Verdict::Taken { ids, .. } = both else { panic!() };
        assert_eq!(ids, BTreeSet::from(["1".to_owned()]), "an entry that is named as both is not taken");
    }

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        for (status, body, passes) in [
            (500, "", true),
            (503, "<html>", true),
            (429, "{}", true),
            (200, "OK", true),
            (400, r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}"#, true),
            (400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}"#, false),
            (403, r#"{"__type":"com.amazon.coral.service#InvalidClientTokenId"}"#, false),
            (302, "", false),
        ] {
            match read(status, body.as_bytes()) {
                Verdict::Later(_) => assert!(passes, "{status} {body}"),
                Verdict::Never(_) => assert!(!passes, "{status} {body}"),
                Verdict::Taken { .. } => panic!("{status} {body}"),
            }
        }
        let fault = br#"{"Failed":[{"Id":"0","SenderFault":true,"Code":"InvalidMessageContents"}]}"#;
        assert!(matches!(read(200, fault), Verdict::Taken { worth_trying: false, .. }));
    }
}
