//! `GET /hw.js`: the tracker for web pages, so that one line of HTML is all that a page needs.
//!
//! It is the built script of `sdks/javascript`, the same at every host. Its own tests check that the committed file is
//! what its source gives.

use sha2::{Digest, Sha256};

use crate::reply::Reply;

/// Where pages find it.
pub const TRACKER_PATH: &str = "/hw.js";

const SCRIPT: &str = include_str!("../../sdks/javascript/dist/hw.js");

/// How long browsers and caches use a copy without asking: an hour, and a day more while they ask for a new one.
const CACHE: &str = "public, max-age=3600, stale-while-revalidate=86400";

/// The script, or 304 for who has it (`if_none_match`: that header). Any page may load it, also one that is isolated
/// from other origins.
#[must_use]
pub fn tracker(method: &str, if_none_match: Option<&str>) -> Reply {
    if !matches!(method, "GET" | "HEAD") {
        return Reply::method_not_allowed("GET, HEAD");
    }
    let version: String = Sha256::digest(SCRIPT).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{version}\"");
    // A cache that compresses marks the tag as weak (`W/"..."`): the script is the same.
    let is_known = if_none_match.is_some_and(|known| known.contains(&tag));
    let (status, body) = if is_known { (304, Vec::new()) } else { (200, SCRIPT.as_bytes().to_vec()) };
    let headers = vec![
        ("content-type", "text/javascript; charset=utf-8".into()),
        ("cache-control", CACHE.into()),
        ("etag", tag.into()),
        ("access-control-allow-origin", "*".into()),
        ("cross-origin-resource-policy", "cross-origin".into()),
        ("x-content-type-options", "nosniff".into()),
    ];
    Reply { status, headers, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
        reply.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_ref()).unwrap()
    }

    #[test]
    fn a_page_gets_the_script_and_asks_again_only_for_a_new_one() {
        let first = tracker("GET", None);
        assert_eq!((first.status, header(&first, "content-type")), (200, "text/javascript; charset=utf-8"));
        assert!(String::from_utf8(first.body.clone()).unwrap().contains("/api/v1/events/batch"));
        let tag = header(&first, "etag");
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let again = tracker("GET", Some(&known));
            assert_eq!((again.status, again.body.len(), header(&again, "etag")), (304, 0, tag), "{known}");
        }
        assert_eq!(tracker("GET", Some("\"other\"")).status, 200);
        let posted = tracker("POST", None);
        assert_eq!((posted.status, header(&posted, "allow")), (405, "GET, HEAD"));
    }
}
