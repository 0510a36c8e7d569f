//! The text of `projects.json`, and whether it can be used.

use anyhow::anyhow;
use event_model::project::Directory;
use query_model::ProjectSettings;

/// Reads it.
///
/// # Errors
/// A sentence: not a snapshot, or one that would fail each question of a project.
pub(crate) fn parse(text: &str) -> anyhow::Result<Directory> {
    let directory = Directory::parse(text).map_err(|error| anyhow!("projects.json cannot be used: {error}"))?;
    for project in directory.projects() {
        if ProjectSettings::from(project.as_ref()).calendar(None, None).is_err() {
            return Err(anyhow!("project {} names the unknown time zone {}", project.id, project.timezone));
        }
    }
    Ok(directory)
}
