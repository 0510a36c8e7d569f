//! Whether a key may send this request: asked by the host once it has looked the key up.

use event_model::project::{Key, Scope};
use event_model::{ErrorCode, Problem, Timestamp};

/// Lets a request in, or says why not. A key that is disabled or has ended answers like one that never was.
///
/// # Errors
/// `key_unknown`, `scope_missing` or `origin_not_allowed`.
pub fn admit(key: Option<&Key>, origin: Option<&str>, now: Timestamp) -> Result<(), Problem> {
    admit_to(Scope::Write, key, origin, now)
}

/// As [`admit`], to what another scope opens.
pub(crate) fn admit_to(scope: Scope, key: Option<&Key>, origin: Option<&str>, now: Timestamp) -> Result<(), Problem> {
    let key = key.filter(|key| key.is_valid(now)).ok_or(ErrorCode::KeyUnknown)?;
    if !key.may(scope) {
        return Err(Problem::new(ErrorCode::ScopeMissing, format!("This needs the scope {}.", scope.as_str())));
    }
    let allowed = &key.allowed_origins;
    match origin {
        Some(origin) if !allowed.is_empty() && !allowed.iter().any(|one| one.eq_ignore_ascii_case(origin)) => {
            Err(ErrorCode::OriginNotAllowed.into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Key), origin: Option<&str>, expect: Option<ErrorCode>) {
        let mut key = Key {
            id: "k".into(),
            sha256: String::new(),
            scopes: vec![Scope::Write],
            expires_at: None,
            enabled: true,
            allowed_origins: vec![],
            server_side: false,
        };
        change(&mut key);
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        assert_eq!(admit(Some(&key), origin, now).err().map(|problem| problem.code), expect);
    }

    #[test]
    fn a_key_opens_only_while_it_is_valid_and_only_what_it_may() {
        check(|_| {}, None, None);
        check(|key| key.enabled = false, None, Some(ErrorCode::KeyUnknown));
        check(|key| key.expires_at = Some("2026-11-20T12:00:00Z".into()), None, Some(ErrorCode::KeyUnknown));
        check(|key| key.expires_at = Some("2026-11-20T12:00:01Z".into()), None, None);
        check(|key| key.scopes = vec![Scope::Read, Scope::Admin], None, Some(ErrorCode::ScopeMissing));
        assert_eq!(admit(None, None, Timestamp(0)).unwrap_err().code, ErrorCode::KeyUnknown);
    }

    #[test]
    fn origins_are_checked_where_a_key_names_some() {
        let shop = |key: &mut Key| key.allowed_origins = vec!["https://shop.example".into()];
        check(shop, Some("https://shop.example"), None);
        check(shop, Some("https://evil.example"), Some(ErrorCode::OriginNotAllowed));
        check(shop, None, None);
        check(|_| {}, Some("https://any.example"), None);
    }
}
