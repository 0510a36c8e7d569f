//! What a question takes from its project where it says nothing itself.

use event_model::Project;
use event_model::project::WeekStart;

/// The project's part in the meaning of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSettings {
    /// IANA time zone of dates.
    pub timezone: String,
    /// First day of a week.
    pub week_start: WeekStart,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self { timezone: "UTC".to_owned(), week_start: WeekStart::Monday }
    }
}

impl From<&Project> for ProjectSettings {
    fn from(project: &Project) -> Self {
        Self { timezone: project.timezone.clone(), week_start: project.week_start }
    }
}
