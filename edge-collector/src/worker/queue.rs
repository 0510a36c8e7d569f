//! The way to SQS: what the core says to send, by `fetch`.

use std::time::Duration;

use event_model::{ErrorCode, Problem};
use event_queue::Outgoing;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::Delay;
use worker::web_sys::{
    AbortController, AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response, WorkerGlobalScope,
};

use super::entropy::now;
use super::settings::Settings;
use super::wait::{all, within};
use crate::RETRY_SECONDS;
use crate::sqs::{Answer, Batch, Next, Sending, SignedRequest};

/// How long one request to SQS may take; it answers in milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes all messages durable.
///
/// # Errors
/// `queue_unavailable`, if that did not come to pass within the budget. Some may be durable all the same.
pub(super) async fn send(settings: &Settings, messages: &[Outgoing]) -> Result<(), Problem> {
    let mut sending = Sending::new(messages, now(), settings.budget);
    loop {
        match sending.next(now()) {
            Next::Done => return Ok(()),
            Next::GiveUp(problem) => return Err(problem),
            Next::Again(Duration::ZERO) => {}
            Next::Again(pause) => Delay::from(pause).await,
        }
        let timeout = sending.time_left(now()).min(REQUEST_TIMEOUT);
        let batches = sending.round();
        let requests = batches.iter().map(|batch| request(settings, batch, timeout));
        for (batch, answer) in batches.iter().zip(all(requests).await) {
            match answer? {
                Ok((status, body)) => sending.answered(batch, Answer::Http { status, body: &body }),
                Err(why) => sending.answered(batch, Answer::None { why: &why }),
            }
        }
    }
}

type Got = Result<(u16, Vec<u8>), String>;

async fn request(settings: &Settings, batch: &Batch, timeout: Duration) -> Result<Got, Problem> {
    let signed = settings.target.request(batch, &settings.credentials, now()).map_err(unavailable)?;
    let stop = AbortController::new().map_err(|error| describe(&error)).map_err(unavailable)?;
    Ok(match within(timeout, fetch(&signed, &stop.signal())).await {
        Some(answer) => answer.map_err(|error| format!("SQS did not answer: {}", describe(&error))),
        None => {
            stop.abort();
            Err("SQS did not answer in time".to_owned())
        }
    })
}

/// Sends a request. Its timer is ours: one of the runtime's own would go on after the answer.
async fn fetch(signed: &SignedRequest, signal: &AbortSignal) -> Result<(u16, Vec<u8>), JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &signed.headers {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(&signed.body));
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(signal));
    let request = Request::new_with_str_and_init(&signed.url, &init)?;
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response: Response = JsFuture::from(scope.fetch_with_request(&request)).await?.dyn_into()?;
    let body = JsFuture::from(response.array_buffer()?).await?;
    Ok((response.status(), Uint8Array::new(&body).to_vec()))
}

fn unavailable(why: String) -> Problem {
    Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(why)
}

/// The error's name and message, never its stack.
fn describe(error: &JsValue) -> String {
    let text = |name| js_sys::Reflect::get(error, &JsValue::from_str(name)).ok().and_then(|value| value.as_string());
    [text("name"), text("message")].into_iter().flatten().collect::<Vec<_>>().join(": ")
}
