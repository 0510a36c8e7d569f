//! Who asks: an API key as Bearer token or Basic user, its project, and what it may do.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::project::Scope;
use event_model::{ErrorCode, Problem, Project, Timestamp};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::problem::Failure;
use crate::service::QueryService;
use crate::{cors, request_log};

/// Names a project besides the key; it must be the key's.
const PROJECT_ID: HeaderName = HeaderName::from_static("x-project-id");

/// A request whose key may read: the project that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Reader(pub(crate) Arc<Project>);

/// A request whose key may administer: the project that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Arc<Project>);

impl FromRequestParts<Arc<QueryService>> for Reader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<QueryService>) -> Result<Self, Failure> {
        Ok(Self(authorize(service, &parts.headers, Scope::Read)?))
    }
}

impl FromRequestParts<Arc<QueryService>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<QueryService>) -> Result<Self, Failure> {
        Ok(Self(authorize(service, &parts.headers, Scope::Admin)?))
    }
}

fn authorize(service: &QueryService, headers: &HeaderMap, scope: Scope) -> Result<Arc<Project>, Problem> {
    let presented = presented_key(headers)?;
    let directory = service
        .directory
        .get()
        .map_err(|cause| Problem::from(ErrorCode::SnapshotUnavailable).retry_after(1).because(cause))?;
    // Unknown, disabled and expired keys answer alike, so that nobody learns which keys once existed.
    let (project, key) = directory
        .find(&presented)
        .filter(|(_, key)| key.is_valid(now()))
        .ok_or(Problem::from(ErrorCode::KeyUnknown))?;
    request_log::note_project(project.id.as_str());
    if !key.may(scope) {
        let detail = format!("This needs a key with the scope `{}`.", scope.as_str());
        return Err(Problem::new(ErrorCode::ScopeMissing, detail));
    }
    if !cors::may_use(&key, headers) {
        return Err(ErrorCode::OriginNotAllowed.into());
    }
    if let Some(named) = headers.get(PROJECT_ID) {
        require_project(&project, named.to_str().unwrap_or_default())?;
    }
    Ok(project)
}

/// Refuses a question that names another project than its key's.
pub(crate) fn require_project(project: &Project, named: &str) -> Result<(), Problem> {
    if named == project.id.as_str() { Ok(()) } else { Err(ErrorCode::ProjectForbidden.into()) }
}

fn presented_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Problem::from(ErrorCode::KeyMissing))?;
    if values.next().is_some() {
        return Err(ErrorCode::KeyMismatch.into());
    }
    let text = value.to_str().map_err(|_| Problem::from(ErrorCode::KeyUnknown))?;
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        basic_user(rest.trim()).ok_or(Problem::from(ErrorCode::KeyUnknown))?
    } else {
        return Err(ErrorCode::KeyMissing.into());
    };
    if key.is_empty() { Err(ErrorCode::KeyMissing.into()) } else { Ok(key) }
}

fn basic_user(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    Some(decoded.split_once(':').map_or(decoded.as_str(), |(user, _)| user).to_owned())
}

/// The time now, in UTC.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
