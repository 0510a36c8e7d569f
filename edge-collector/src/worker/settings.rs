//! What an operator sets about the Worker: variables and secrets of its configuration.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use event_model::{ErrorCode, Problem};
use wasm_bindgen::JsValue;
use worker::Env;

use crate::RETRY_SECONDS;
use crate::sqs::{Credentials, Target};

/// Settings, read once an isolate: they cannot change under a running one.
#[derive(Debug)]
pub(super) struct Settings {
    /// `SQS_QUEUE_URL`, and `SQS_REGION` where the URL does not name the region.
    pub(super) target: Target,
    /// The secrets `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary ones, `AWS_SESSION_TOKEN`.
    pub(super) credentials: Credentials,
    /// `SQS_BUDGET_MS`: how long a request may take to become durable, retries included. Default: 8,000 ms.
    pub(super) budget: Duration,
}

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
}

impl Settings {
    /// The settings of this isolate.
    ///
    /// # Errors
    /// `queue_unavailable`, with the missing one in its cause.
    pub(super) fn of(env: &Env) -> Result<Rc<Self>, Problem> {
        if let Some(settings) = SETTINGS.with_borrow(Clone::clone) {
            return Ok(settings);
        }
        let settings = Self::read(env)
            .map_err(|why| Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(why))?;
        let settings = Rc::new(settings);
        SETTINGS.set(Some(Rc::clone(&settings)));
        Ok(settings)
    }

    fn read(env: &Env) -> Result<Self, String> {
        let needed = |name: &str| variable(env, name).ok_or_else(|| format!("{name} is not set"));
        Ok(Self {
            target: Target::parse(&needed("SQS_QUEUE_URL")?, variable(env, "SQS_REGION").as_deref())?,
            credentials: Credentials {
                access_key_id: needed("AWS_ACCESS_KEY_ID")?,
                secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
                session_token: variable(env, "AWS_SESSION_TOKEN"),
            },
            budget: match variable(env, "SQS_BUDGET_MS") {
                None => Duration::from_secs(8),
                Some(text) => Duration::from_millis(
                    text.parse().map_err(|_| "SQS_BUDGET_MS is not a number of milliseconds".to_owned())?,
                ),
            },
        })
    }
}

/// A variable or secret: text that is not empty.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &JsValue::from_str(name)).ok()?;
    value.as_string().filter(|text| !text.is_empty())
}
