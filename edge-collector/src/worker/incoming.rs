//! A request as workerd hands it over, made ready for the core.

use std::net::IpAddr;
use std::time::Duration;

use event_model::limits::{MAX_BODY_BYTES, MAX_URI_BYTES};
use event_model::{ErrorCode, Problem};
use event_queue::Geo;
use http::{HeaderMap, HeaderName, HeaderValue};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::web_sys::ReadableStreamDefaultReader;

use super::wait::within;
use crate::Request;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a request says before its body.
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
}

impl Head {
    pub(super) fn of(request: &worker::Request) -> Self {
        let url = request.inner().url();
        let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
        Self {
            method: request.inner().method(),
            path: request.path(),
            query: query.to_owned(),
            headers: headers(request),
        }
    }
}

/// A request that may bring events.
pub(super) struct Incoming {
    head: Head,
    body: Vec<u8>,
    remote_ip: Option<IpAddr>,
    geo: Geo,
}

impl Incoming {
    /// Reads it whole; only a POST has a body that anybody wants.
    ///
    /// # Errors
    /// `uri_too_long`, `body_too_large`, `body_timeout`, or `invalid_body` when the other end stops in the middle.
    pub(super) async fn read(head: Head, request: &worker::Request) -> Result<Self, Problem> {
        if head.path.len() + head.query.len() > MAX_URI_BYTES {
            return Err(ErrorCode::UriTooLong.into());
        }
        let body = match head.method.as_str() {
            "POST" => within(BODY_TIMEOUT, body(request, &head.headers)).await.ok_or(ErrorCode::BodyTimeout)??,
            _ => Vec::new(),
        };
        let address = head.headers.get("cf-connecting-ip").and_then(|value| value.to_str().ok());
        let remote_ip = address.and_then(|text| text.parse::<IpAddr>().ok()).map(|address| address.to_canonical());
        Ok(Self { body, remote_ip, geo: geo(request), head })
    }

    /// As the core takes it.
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            method: &self.head.method,
            path: &self.head.path,
            query: &self.head.query,
            headers: &self.head.headers,
            body: &self.body,
            remote_ip: self.remote_ip,
            geo: &self.geo,
        }
    }
}

fn headers(request: &worker::Request) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(24);
    for (name, value) in request.headers().entries() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// The body: at once where its length is announced, since the runtime holds it to that, otherwise in pieces, so that an
/// endless one is cut off.
async fn body(request: &worker::Request, headers: &HeaderMap) -> Result<Vec<u8>, Problem> {
    let broken = |_: JsValue| Problem::new(ErrorCode::InvalidBody, "The body ended too early.");
    let announced = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match announced {
        Some(bytes) if bytes > MAX_BODY_BYTES => return Err(too_large()),
        Some(_) => {
            let buffer = request.inner().array_buffer().map_err(broken)?;
            let buffer = JsFuture::from(buffer).await.map_err(broken)?;
            return Ok(Uint8Array::new(&buffer).to_vec());
        }
        None => {}
    }
    let Some(stream) = request.inner().body() else { return Ok(Vec::new()) };
    let reader = ReadableStreamDefaultReader::new(&stream).map_err(broken)?;
    let mut body = Vec::new();
    loop {
        let piece = JsFuture::from(reader.read()).await.map_err(broken)?;
        if get(&piece, "done").is_none_or(|done| done.is_truthy()) {
            return Ok(body);
        }
        let Some(bytes) = get(&piece, "value").and_then(|value| value.dyn_into::<Uint8Array>().ok()) else {
            return Ok(body);
        };
        body.extend_from_slice(&bytes.to_vec());
        if body.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
    }
}

fn too_large() -> Problem {
    Problem::new(ErrorCode::BodyTooLarge, format!("At most {MAX_BODY_BYTES} bytes are taken."))
}

/// Where the edge places the sender. Read by name: the typed accessors panic where a field has another type.
fn geo(request: &worker::Request) -> Geo {
    let Some(place) = get(request.inner(), "cf").filter(JsValue::is_object) else { return Geo::default() };
    let text = |name| get(&place, name).and_then(|value| value.as_string()).filter(|text| !text.is_empty());
    Geo { country: text("country"), region: text("region"), city: text("city"), timezone: text("timezone") }
}

fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name)).ok()
}
