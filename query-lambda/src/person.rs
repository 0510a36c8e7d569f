//! Which person a request is about.

use event_model::person::is_junk;
use event_model::{ErrorCode, PersonId, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

/// One person, named by one of their ids: exactly one of `user_id` and `anonymous_id`. In the body and not in the path,
/// because ids may be e-mail addresses, and paths end up in logs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PersonRequest {
    /// The id that your systems know the person by.
    user_id: Option<String>,
    /// The id of a visitor.
    anonymous_id: Option<String>,
    /// `all`: all ids that are the same person by now. `exact`: this id alone.
    ids: Ids,
    /// Only of an erase: also what is received of the person later is not stored.
    forbid: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Ids {
    #[default]
    All,
    Exact,
}

impl PersonRequest {
    /// The id.
    ///
    /// # Errors
    /// `invalid_body` if it names no person.
    pub(crate) fn id(&self) -> Result<PersonId, Problem> {
        let refuse = |detail: &str| Problem::new(ErrorCode::InvalidBody, detail);
        let id = match (self.user_id.clone(), self.anonymous_id.clone()) {
            (Some(id), None) => PersonId::User(id),
            (None, Some(id)) => PersonId::Anonymous(id),
            _ => return Err(refuse("Give exactly one of `user_id` and `anonymous_id`.")),
        };
        if is_junk(id.text()) {
            return Err(refuse("This id is one that clients send by mistake for many people: it names nobody."));
        }
        Ok(id)
    }

    /// Whether nothing of the person is to be stored afterwards either.
    pub(crate) fn forbids(&self) -> bool {
        self.forbid
    }

    /// Whether that id alone is meant.
    pub(crate) fn is_exact(&self) -> bool {
        self.ids == Ids::Exact
    }
}
