//! An answer that says what went wrong (RFC 9457), with a public sentence and a private cause.

use serde::Serialize;

use crate::ErrorCode;

/// A problem, as the caller sees it. The private cause goes to the log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub code: ErrorCode,
    /// What is wrong with this very request; empty when the title says it all.
    pub detail: String,
    /// Seconds after which sending again makes sense.
    pub retry_after: Option<u32>,
    /// What the log may know and the caller may not.
    pub cause: Option<String>,
}

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

impl Problem {
    /// A problem with a public detail.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, cause: None }
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds the private cause.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The body: `{"type", "title", "status", "code", "detail", "what_to_do"}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            code: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            detail: &'a str,
            what_to_do: &'a str,
        }
        let code = self.code;
        let body = Body {
            r#type: format!("urn:headwater:error:{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            code: code.as_str(),
            detail: &self.detail,
            what_to_do: code.what_to_do(),
        };
        serde_json::to_string(&body)
            .unwrap_or_else(|_| format!("{{\"code\":\"{}\",\"status\":{}}}", code.as_str(), code.status()))
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.code.as_str(), self.code.title(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, "")
    }
}
