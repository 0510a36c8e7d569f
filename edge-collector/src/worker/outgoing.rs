//! The core's replies as workerd sends them.

use worker::{Headers, Response, ResponseBody};

use crate::Reply;

/// The reply as a Worker's response.
pub(super) fn send(reply: Reply) -> worker::Result<Response> {
    let headers = Headers::new();
    for (name, value) in &reply.headers {
        headers.set(name, value)?;
    }
    let body = if reply.body.is_empty() { ResponseBody::Empty } else { ResponseBody::Body(reply.body) };
    Ok(Response::from_body(body)?.with_status(reply.status).with_headers(headers))
}
