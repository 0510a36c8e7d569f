//! How many requests a project may send: one binding a tier, since Cloudflare fixes a limit in its configuration.

use event_model::project::Tier;
use event_model::{ErrorCode, Problem, Project};
use worker::{Env, console_error};

/// The period of the bindings, in seconds: after it there is room again.
const PERIOD_SECONDS: u32 = 10;

/// Counts a request.
///
/// # Errors
/// `rate_limited`. A limiter that fails limits nobody: a burst harms less than lost events.
pub(super) async fn take(env: &Env, project: &Project) -> Result<(), Problem> {
    let binding = match project.tier {
        Tier::Small => "RATE_SMALL",
        Tier::Medium => "RATE_MEDIUM",
        Tier::Large => "RATE_LARGE",
    };
    let outcome = match env.rate_limiter(binding) {
        Ok(limiter) => limiter.limit(project.id.as_str().to_owned()).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(outcome) if !outcome.success => Err(Problem::from(ErrorCode::RateLimited).retry_after(PERIOD_SECONDS)),
        Ok(_) => Ok(()),
        Err(error) => {
            console_error!("{}", serde_json::json!({ "message": "rate limit not asked", "cause": error.to_string() }));
            Ok(())
        }
    }
}
