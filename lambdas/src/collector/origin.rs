//! Who sent a request, and from where: as CloudFront says, if the request proves to come by our own distribution,
//! otherwise as AWS itself saw the other end.

use std::net::IpAddr;

use event_queue::Geo;
use lambda_http::http::HeaderMap;
use lambda_http::http::request::Parts;
use lambda_http::request::RequestContext;

/// The header that the distribution, and nobody else, sends with the secret.
const PROOF: &str = "x-headwater-origin";

/// What is believed of a request.
pub(super) struct Origin {
    /// The secrets that are good: more than one while they are being changed.
    secrets: Vec<String>,
}

/// The other end.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sender {
    pub(super) ip: Option<IpAddr>,
    pub(super) geo: Geo,
}

impl Origin {
    /// With secrets, separated by commas.
    pub(super) fn new(secrets: &str) -> Self {
        let secrets = secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty());
        Self { secrets: secrets.map(str::to_owned).collect() }
    }

    /// The sender. Without the proof anybody could name any address; with it, the address that AWS saw is only the
    /// distribution's own.
    pub(super) fn sender(&self, parts: &Parts) -> Sender {
        if self.is_proven(&parts.headers) {
            return Sender {
                ip: text(&parts.headers, "cloudfront-viewer-address").as_deref().and_then(address),
                geo: geo(&parts.headers),
            };
        }
        let source = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
            _ => None,
        };
        Sender { ip: source.and_then(|ip| ip.parse().ok()), geo: Geo::default() }
    }

    fn is_proven(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(PROOF) else { return false };
        self.secrets.iter().any(|secret| are_equal(secret.as_bytes(), given.as_bytes()))
    }
}

/// Compares in a time that does not tell where the first difference is.
fn are_equal(secret: &[u8], given: &[u8]) -> bool {
    secret.len() == given.len() && secret.iter().zip(given).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

/// `192.0.2.1:46532`, or `2001:db8::1:46532`: the port is what follows the last colon.
fn address(text: &str) -> Option<IpAddr> {
    let (address, _port) = text.rsplit_once(':')?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn geo(headers: &HeaderMap) -> Geo {
    let region = text(headers, "cloudfront-viewer-country-region-name");
    Geo {
        country: text(headers, "cloudfront-viewer-country"),
        // The name where it is passed on, as the edge Worker has it; otherwise the code.
        region: region.or_else(|| text(headers, "cloudfront-viewer-country-region")),
        city: text(headers, "cloudfront-viewer-city"),
        timezone: text(headers, "cloudfront-viewer-time-zone"),
    }
}

/// A header as text: UTF-8, whole or with percent signs.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?.trim();
    (!text.is_empty()).then(|| decoded(text).unwrap_or_else(|| text.to_owned()))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match first {
            b'%' => (u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok()?, after.get(2..)?),
            other => (*other, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use lambda_http::http;

    use super::*;

    fn parts(headers: &[(&str, &[u8])]) -> Parts {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "", "headers": {},
            "requestContext": { "stage": "$default", "timeEpoch": 0,
                                "http": { "method": "POST", "path": "/", "sourceIp": "203.0.113.9" } },
            "isBase64Encoded": false,
        });
        let (mut parts, _) = lambda_http::request::from_str(&event.to_string()).unwrap().into_parts();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            parts.headers.insert(name, http::HeaderValue::from_bytes(value).unwrap());
        }
        parts
    }

    #[test]
    fn the_word_of_the_distribution_is_believed_only_with_its_secret() {
        let origin = Origin::new("old-secret, new-secret");
        let said = |secret: &[u8]| {
            let headers: &[(&str, &[u8])] = &[
                (PROOF, secret),
                ("cloudfront-viewer-address", b"198.51.100.7:46532"),
                ("cloudfront-viewer-country", b"BR"),
                ("cloudfront-viewer-country-region", b"SP"),
                ("cloudfront-viewer-city", "São Paulo".as_bytes()),
                ("cloudfront-viewer-time-zone", b"America/Sao_Paulo"),
            ];
            origin.sender(&parts(headers))
        };
        let text = |text: &str| Some(text.to_owned());
        let geo = Geo {
            country: text("BR"),
            region: text("SP"),
            city: text("São Paulo"),
            timezone: text("America/Sao_Paulo"),
        };
        let believed = Sender { ip: "198.51.100.7".parse().ok(), geo };
        assert_eq!((said(b"new-secret"), said(b"old-secret")), (believed, said(b"new-secret")));
        let seen = Sender { ip: "203.0.113.9".parse().ok(), geo: Geo::default() };
        for wrong in ["", "new-secre", "new-secret2", "new-secreT", "old-secret, new-secret"] {
            assert_eq!(said(wrong.as_bytes()), seen, "{wrong}");
        }
        let nobody = Origin::new("");
        assert_eq!(nobody.sender(&parts(&[(PROOF, b""), ("cloudfront-viewer-address", b"198.51.100.7:1")])), seen);
    }

    #[test]
    fn an_address_of_the_distribution_is_never_taken_for_the_visitors() {
        let origin = Origin::new("secret");
        assert_eq!(origin.sender(&parts(&[(PROOF, b"secret")])), Sender::default());
    }

    #[test]
    fn addresses_come_with_a_port_and_names_of_places_in_two_spellings() {
        for (given, expect) in [
            ("198.51.100.7:46532", Some("198.51.100.7")),
            ("2001:db8::1:46532", Some("2001:db8::1")),
            ("[2001:db8::1]:46532", Some("2001:db8::1")),
            ("::ffff:198.51.100.7:443", Some("198.51.100.7")),
            ("198.51.100.7", None),
            ("", None),
        ] {
            assert_eq!(address(given), expect.map(|ip| ip.parse().unwrap()), "{given}");
        }
        for (given, expect) in [("S%C3%A3o Paulo", Some("São Paulo")), ("100%", None), ("%zz", None), ("%ff", None)] {
            assert_eq!(decoded(given).as_deref(), expect, "{given}");
        }
    }
}
