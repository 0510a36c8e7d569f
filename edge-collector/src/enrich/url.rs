//! The parts of a web address that the enrichments read. Addresses come from clients: whatever does not parse is absent.

use std::borrow::Cow;

/// An address cut into its parts, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// Host without user and port.
    pub(crate) host: Option<&'a str>,
    /// Path, at least `/` where there is a host.
    pub(crate) path: &'a str,
    /// Query, without the question mark.
    pub(crate) query: &'a str,
}

impl<'a> Url<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let (before_fragment, _) = text.split_once('#').unwrap_or((text, ""));
        let (address, query) = before_fragment.split_once('?').unwrap_or((before_fragment, ""));
        let Some((scheme, rest)) = split_scheme(address) else {
            let path = if address.starts_with('/') { address } else { "" };
            return Self { host: None, path, query };
        };
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return Self::default();
        }
        let authority_ends = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_ends);
        let host = without_port(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        let host = (!host.is_empty()).then_some(host);
        Self { host, path: if path.is_empty() { "/" } else { path }, query }
    }

    /// The parameters of the query: names as written, values as written.
    pub(crate) fn parameters(query: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let query = query.strip_prefix('?').unwrap_or(query);
        query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(_, value)| !value.is_empty())
    }
}

/// What stands before and after the first `://`. By its colons: a search for a text sets up more than it saves here.
fn split_scheme(address: &str) -> Option<(&str, &str)> {
    let mut colons = address.match_indices(':').map(|(at, _)| address.split_at(at));
    colons.find_map(|(scheme, rest)| Some((scheme, rest.strip_prefix("://")?)))
}

/// A host for comparison: lower case, without a leading `www.`.
pub(crate) fn plain_host(host: &str) -> String {
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    lower.strip_prefix("www.").map_or(lower.clone(), str::to_owned)
}

/// Takes the encoding off a parameter's value, where a plus is a space; what is not UTF-8 then stays as written.
pub(crate) fn decode(value: &str) -> Cow<'_, str> {
    if value.contains(['%', '+']) { without_percents(value, b' ') } else { Cow::Borrowed(value) }
}

/// As [`decode`], of a part of a path, where a plus is a plus.
pub(crate) fn decode_path(value: &str) -> Cow<'_, str> {
    if value.contains('%') { without_percents(value, b'+') } else { Cow::Borrowed(value) }
}

fn without_percents(value: &str, plus: u8) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))
        });
        rest = after.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
        bytes.push(escaped.unwrap_or(if *first == b'+' { plus } else { *first }));
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(value), Cow::Owned)
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, host: Option<&str>, path: &str, query: &str) {
        assert_eq!(Url::parse(text), Url { host, path, query }, "{text}");
    }

    #[test]
    fn an_address_is_cut_into_its_parts() {
        check("https://shop.example/a/b?x=1&y=2#top", Some("shop.example"), "/a/b", "x=1&y=2");
        check("https://user:pass@shop.example:8443", Some("shop.example"), "/", "");
        check("http://[2001:db8::1]:80/x", Some("[2001:db8::1]"), "/x", "");
        check("/only/a/path?q=1", None, "/only/a/path", "q=1");
        check("android-app://com.example.app/", Some("com.example.app"), "/", "");
        check("not an address", None, "", "");
        check("https://", None, "/", "");
    }

    #[test]
    fn values_are_decoded_unless_they_would_not_be_text() {
        for (value, expect) in [("a+b%20c", "a b c"), ("%C3%A9", "é"), ("%ff", "%ff"), ("100%", "100%"), ("%+1", "% 1")]
        {
            assert_eq!(decode(value), expect);
        }
        assert_eq!((decode_path("a+b%20c"), decode_path("%ff")), ("a+b c".into(), "%ff".into()));
    }
}
