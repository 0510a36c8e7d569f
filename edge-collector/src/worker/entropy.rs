//! The isolate's clock and randomness.

use event_model::{ErrorCode, Problem, Timestamp};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn fill(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// Now. At the edge the clock stands still while the processor works; it moves with I/O.
pub(super) fn now() -> Timestamp {
    timestamp(js_sys::Date::now())
}

/// An instant as JavaScript has it: milliseconds since 1970.
pub(super) fn timestamp(millis: f64) -> Timestamp {
    // A cast of a float saturates.
    Timestamp::from_millis(millis as i64)
}

/// Fresh random bytes.
///
/// # Errors
/// `internal`, if the runtime gives none.
pub(super) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Problem> {
    let mut bytes = [0; BYTES];
    fill(&mut bytes).map_err(|_| Problem::from(ErrorCode::Internal).because("the runtime gives no random bytes"))?;
    Ok(bytes)
}
