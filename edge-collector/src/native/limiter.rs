//! How many requests a project may send: one bucket of tokens a project.

use std::collections::HashMap;
use std::time::Instant;

use event_model::{Project, ProjectId};
use parking_lot::Mutex;

/// The buckets of all projects.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<HashMap<ProjectId, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Limiter {
    /// Takes one request's token; otherwise the seconds until there is one.
    pub(super) fn take(&self, project: &Project, now: Instant) -> Result<(), u32> {
        let rate = f64::from(project.tier.requests_per_second());
        let mut buckets = self.0.lock();
        if !buckets.contains_key(&project.id) {
            buckets.insert(project.id.clone(), Bucket { tokens: rate, filled_at: now });
        }
        let Some(bucket) = buckets.get_mut(&project.id) else { return Ok(()) };
        let elapsed = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * rate).min(rate);
        bucket.filled_at = now;
        if bucket.tokens < 1.0 {
            // Any rate gives a token within a second.
            return Err(1);
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use event_model::project::{Privacy, Tier, WeekStart};

    use super::*;

    fn project(id: &str) -> Project {
        Project {
            id: ProjectId::parse(id).unwrap(),
            name: String::new(),
            timezone: "UTC".into(),
            week_start: WeekStart::Monday,
            tier: Tier::Small,
            keys: vec![],
            privacy: Privacy::default(),
        }
    }

    #[test]
    fn a_burst_is_as_large_as_a_second_and_projects_do_not_share() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        let (one, other) = (project("one"), project("other"));
        for _ in 0..100 {
            assert_eq!(limiter.take(&one, start), Ok(()));
        }
        assert_eq!(limiter.take(&one, start), Err(1));
        assert_eq!(limiter.take(&other, start), Ok(()));
        let later = start + Duration::from_millis(55);
        let taken = (0..20).filter(|_| limiter.take(&one, later).is_ok()).count();
        assert_eq!(taken, 5);
    }
}
