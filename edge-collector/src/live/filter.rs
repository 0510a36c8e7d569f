//! What one watcher asks for.

use event_model::limits::MAX_ID_BYTES;
use event_model::{ErrorCode, EventType, Problem};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Outcome};
use crate::enrich::url::{Url, decode};

/// Most values of one parameter.
const MAX_VALUES: usize = 20;

/// A filter: every part that names something must hold, any of its values will do. An empty one takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Names of events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event: Vec<String>,
    /// Types.
    #[serde(rename = "type", skip_serializing_if = "Vec::is_empty")]
    pub kind: Vec<EventType>,
    /// User ids or anonymous ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<String>,
    /// Accepted ones only, or rejected ones only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Filter {
    /// Reads the parameters `event`, `type`, `user` (each may stand several times) and `outcome` of a query string.
    ///
    /// # Errors
    /// `invalid_question`: a parameter that is not one of these, or a value that it does not take.
    pub fn from_query(query: &str) -> Result<Self, Problem> {
        let mut filter = Self::default();
        for (name, value) in Url::parameters(query) {
            let value = decode(value);
            if value.len() > MAX_ID_BYTES {
                return Err(invalid(&format!("`{name}` is longer than 1,024 bytes.")));
            }
            match name {
                "event" => filter.event.push(value.into_owned()),
                "user" => filter.user.push(value.into_owned()),
                "type" => filter.kind.push(
                    EventType::parse(&value)
                        .ok_or_else(|| invalid("`type` takes track, page, screen, identify, group and alias."))?,
                ),
                "outcome" if filter.outcome.is_some() => return Err(invalid("`outcome` may stand once.")),
                "outcome" => filter.outcome = Some(outcome(&value)?),
                _ => return Err(invalid("The parameters are `event`, `type`, `user` and `outcome`.")),
            }
        }
        if filter.event.len().max(filter.user.len()).max(filter.kind.len()) > MAX_VALUES {
            return Err(invalid("A parameter may stand 20 times."));
        }
        Ok(filter)
    }

    /// Whether it takes everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn takes(&self, facts: &Facts<'_>) -> bool {
        let is_user = |id: &Option<std::borrow::Cow<'_, str>>| id.as_ref().is_some_and(|id| named(&self.user, id));
        self.outcome.is_none_or(|outcome| outcome == facts.outcome)
            && (self.kind.is_empty() || facts.kind.is_some_and(|kind| self.kind.contains(&kind)))
            && (self.event.is_empty() || facts.event.as_ref().is_some_and(|event| named(&self.event, event)))
            && (self.user.is_empty() || is_user(&facts.user_id) || is_user(&facts.anonymous_id))
    }
}

fn named(names: &[String], text: &str) -> bool {
    names.iter().any(|name| name == text)
}

fn outcome(value: &str) -> Result<Outcome, Problem> {
    match value {
        "accepted" => Ok(Outcome::Accepted),
        "rejected" => Ok(Outcome::Rejected),
        _ => Err(invalid("`outcome` takes accepted or rejected.")),
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(ErrorCode::InvalidQuestion, detail)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_query_is_read_or_refused_by_name() {
        let read = |query: &str| Filter::from_query(query).map_err(|problem| problem.detail);
        assert_eq!(read(""), Ok(Filter::default()));
        let expect = Filter {
            event: vec!["Order Completed".into(), "a&b".into()],
            kind: vec![EventType::Track],
            user: vec!["u+1".into()],
            outcome: Some(Outcome::Rejected),
        };
        let query = "event=Order+Completed&event=a%26b&type=track&user=u%2B1&outcome=rejected";
        assert_eq!(read(query), Ok(expect));
        for (query, what) in [
            ("type=purchase", "`type` takes"),
            ("outcome=both", "`outcome` takes"),
            ("outcome=accepted&outcome=rejected", "`outcome` may stand once"),
            ("evnt=a", "The parameters are"),
            ("key=hw_r_secret", "The parameters are"),
            (&format!("user={}", "u".repeat(1_025)), "longer than"),
            (&"event=a&".repeat(21), "20 times"),
        ] {
            let detail = read(query).unwrap_err();
            assert!(detail.contains(what) && !detail.contains("secret"), "{query}: {detail}");
        }
    }

    #[test]
    fn every_part_that_names_something_must_hold() {
        let facts = Facts {
            outcome: Outcome::Accepted,
            kind: Some(EventType::Track),
            event: Some(Cow::Borrowed("purchase")),
            user_id: None,
            anonymous_id: Some(Cow::Borrowed("v_1")),
        };
        for (query, expect) in [
            ("", true),
            ("event=purchase", true),
            ("event=view&event=purchase", true),
            ("event=view", false),
            ("type=track&user=v_1&outcome=accepted", true),
            ("type=page&event=purchase", false),
            ("user=v_2", false),
            ("outcome=rejected", false),
        ] {
            assert_eq!(Filter::from_query(query).unwrap().takes(&facts), expect, "{query}");
        }
        let nothing = Facts { outcome: Outcome::Rejected, kind: None, event: None, user_id: None, anonymous_id: None };
        assert!(Filter::default().takes(&nothing));
        assert!(!Filter::from_query("event=purchase").unwrap().takes(&nothing));
    }
}
