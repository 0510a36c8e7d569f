//! What Segment's browser and mobile libraries ask besides sending: their settings, and a place for their metrics.
//!
//! `GET /v1/projects/{key}/settings` must be 200 with JSON, or `analytics.js` does not load and a page loses all of its
//! events. So it is the same for every key, and no key is looked up: a key that was made a minute ago, or a snapshot
//! that cannot be read just now, must not switch a page off, and nobody learns from it which keys there are. A key is
//! judged where events arrive, which the library survives.

use std::net::IpAddr;

use event_model::{ErrorCode, Problem};
use serde_json::json;

use crate::enrich::url::decode_path;
use crate::reply::Reply;
use crate::request::Response;

/// Where the library sends figures about itself. They are answered and dropped.
const METRICS: &str = "/v1/m";
/// The settings' path is the key between these two.
const SETTINGS: (&str, &str) = ("/v1/projects/", "/settings");

/// How long browsers and caches use the settings without asking: they change only with the deployment.
const CACHE: &str = "public, max-age=3600";

/// The paths, for hosts that route by path.
pub(crate) const PATHS: &[&str] = &[METRICS, "/v1/projects/{key}/settings"];

/// The answer, if this is one of the paths.
pub(crate) fn answer(method: &str, path: &str, host: Option<&str>) -> Option<Reply> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path == METRICS {
        return Some(match method {
            "POST" => Reply::answer(Response::json(&b"{\"success\":true}"[..])),
            _ => Reply::method_not_allowed("POST"),
        });
    }
    let key = path.strip_prefix(SETTINGS.0)?.strip_suffix(SETTINGS.1)?;
    if key.is_empty() || key.contains('/') {
        return None;
    }
    Some(match method {
        "GET" | "HEAD" => settings(&decode_path(key), host)
            .map_or_else(|problem| Reply::problem(&problem), |settings| Reply::answer(settings).cached(CACHE)),
        _ => Reply::method_not_allowed("GET, HEAD"),
    })
}

/// Sends the events where the settings came from. Without a host there is nothing to say: settings without `apiHost`
/// would send the events to Segment.
fn settings(key: &str, host: Option<&str>) -> Result<Response, Problem> {
    let host = host.map(str::trim).filter(|host| is_host(host));
    let host = host.ok_or_else(|| Problem::new(ErrorCode::NotFound, "Settings name the host of the request."))?;
    let mut destination = json!({ "apiKey": key, "apiHost": format!("{host}/v1") });
    // The library takes https unless told otherwise, and a server on the same machine speaks http.
    if is_loopback(host)
        && let Some(fields) = destination.as_object_mut()
    {
        fields.insert("protocol".to_owned(), json!("http"));
    }
    let settings = json!({ "integrations": { "Segment.io": destination }, "plan": {}, "metrics": { "sampleRate": 0 } });
    Ok(Response::json(settings.to_string()))
}

fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (1..=255).contains(&host.len()) && host.bytes().all(allowed)
}

/// `localhost` or a loopback address, with or without a port; `127.example.com` is somebody's name.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The settings as JSON, or the problem's code.
    fn check(path: &str, host: Option<&str>, expect: Result<Value, &str>) {
        let reply = answer("GET", path, host).unwrap();
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let found = if reply.status == 200 { Ok(body.clone()) } else { Err(body["code"].as_str().unwrap()) };
        assert_eq!(found, expect, "{path} {host:?}");
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "127.1.2.3", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["127.evil.com", "localhost:80.evil.com", "localhost.evil.com", "10.0.0.1", "[::2]:80", "::"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    fn to(destination: &Value) -> Result<Value, &'static str> {
        Ok(json!({ "integrations": { "Segment.io": destination }, "plan": {}, "metrics": { "sampleRate": 0 } }))
    }

    #[test]
    fn settings_send_events_to_the_host_that_was_asked_whatever_the_key() {
        let edge = json!({ "apiKey": "wk", "apiHost": "edge.example.com/v1" });
        check("/v1/projects/wk/settings", Some("edge.example.com"), to(&edge));
        check("/v1/projects/wk/settings/", Some("edge.example.com"), to(&edge));
        let odd = json!({ "apiKey": "a b\"</script>", "apiHost": "edge.example.com:8443/v1" });
        check("/v1/projects/a%20b%22%3C%2Fscript%3E/settings", Some("edge.example.com:8443"), to(&odd));
    }

    #[test]
    fn a_server_on_the_same_machine_is_spoken_to_in_http() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]", "[::1]:8080"] {
            let expect = json!({ "apiKey": "wk", "apiHost": format!("{host}/v1"), "protocol": "http" });
            check("/v1/projects/wk/settings", Some(host), to(&expect));
        }
    }

    #[test]
    fn without_a_host_there_are_no_settings_that_would_send_events_elsewhere() {
        for host in [None, Some(""), Some("evil.example/path?"), Some("a b"), Some("a\"b")] {
            check("/v1/projects/wk/settings", host, Err("not_found"));
        }
    }

    #[test]
    fn other_methods_are_named_and_other_paths_are_not_taken() {
        let status = |method, path| answer(method, path, Some("a")).map(|reply| reply.status);
        assert_eq!([status("POST", "/v1/m"), status("GET", "/v1/m")], [Some(200), Some(405)]);
        let settings = "/v1/projects/k/settings";
        assert_eq!([status("HEAD", settings), status("POST", settings)], [Some(200), Some(405)]);
        for path in ["/v1/t", "/v1/projects//settings", "/v1/projects/a/b/settings", "/v1/projects/a", "/"] {
            assert_eq!(status("GET", path), None, "{path}");
        }
    }
}
