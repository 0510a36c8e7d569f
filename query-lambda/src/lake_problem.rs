//! What an error of the lake means to the caller.

use event_model::{ErrorCode, Problem};
use lake::LakeError;

#[allow(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
pub(crate) fn lake_problem(error: LakeError) -> Problem {
    let problem = match &error {
        LakeError::VersionGone { oldest, .. } => {
            Problem::new(ErrorCode::VersionGone, format!("The oldest available version is {oldest}."))
        }
        LakeError::VersionUnknown { newest, .. } => {
            Problem::new(ErrorCode::VersionUnknown, format!("The newest version is {newest}."))
        }
        LakeError::Newer { .. } => ErrorCode::DataNewer.into(),
        LakeError::Storage { .. } | LakeError::Conflict { .. } => {
            Problem::from(ErrorCode::LakeUnavailable).retry_after(1)
        }
        LakeError::Damaged { .. } => ErrorCode::LakeUnavailable.into(),
        LakeError::Shape(_) => ErrorCode::Internal.into(),
    };
    problem.because(error)
}
