//! The rounds in which the lake is kept tidy: small files merged, derived tables brought up to date, old ones removed.

use std::sync::Arc;
use std::time::Duration;

use event_model::ProjectId;
use lake::Lake;
use lake::maintenance::MaintenanceSettings;

use super::control::LocalControl;
use super::stop::Stop;

/// Goes round all projects again and again until the stop. What fails is tried again in the next round.
pub(crate) async fn run(lake: Arc<Lake>, control: Arc<LocalControl>, interval: Duration, mut stop: Stop) {
    // Those need the queue as well.
    let settings = MaintenanceSettings { erasures: false, ..MaintenanceSettings::default() };
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let projects = match lake.projects().await {
            Ok(projects) => projects,
            Err(error) => {
                tracing::warn!(%error, "the lake's projects cannot be listed");
                continue;
            }
        };
        for id in projects {
            // A round under way is finished project by project, so that a stop does not wait for all of them.
            if stop.is_requested() {
                return;
            }
            if let Err(problem) = control.finish_erasures(&id).await {
                let cause = problem.cause.as_deref().unwrap_or_default();
                tracing::warn!(project = %id, cause, "an erase could not be finished yet");
            }
            let settings = MaintenanceSettings { timezone: timezone(&control, &id), ..settings.clone() };
            // What it did is logged by the lake, step by step.
            if let Err(error) = async { lake.project(&id).await?.maintain(&settings).await }.await {
                tracing::warn!(project = %id, %error, "maintenance failed");
            }
        }
    }
}

/// The time zone of a project; `None` if nobody can say now.
fn timezone(control: &LocalControl, id: &ProjectId) -> Option<String> {
    let directory = control.directory.get().ok()?;
    let project = directory.projects().iter().find(|project| project.id == *id)?;
    Some(project.timezone.clone())
}
