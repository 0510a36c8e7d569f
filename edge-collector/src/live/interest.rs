//! What all watchers of a project ask for together: it decides what is worth sampling at all.

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::filter::Filter;

/// The filters of a project's watchers; none: nobody watches. At the edge its JSON is the flag that says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interest {
    filters: Vec<Filter>,
}

impl Interest {
    /// Of these watchers.
    #[must_use]
    pub fn of(filters: impl IntoIterator<Item = Filter>) -> Self {
        let mut interest = Self::default();
        for filter in filters {
            if filter.is_empty() {
                return Self { filters: vec![filter] };
            }
            if !interest.filters.contains(&filter) {
                interest.filters.push(filter);
            }
        }
        interest
    }

    /// Reads the flag; `None` if it is not one.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The flag's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether nobody watches.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.filters.is_empty()
    }

    pub(super) fn takes(&self, facts: &Facts<'_>) -> bool {
        self.filters.iter().any(|filter| filter.takes(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interest_is_as_small_as_what_it_says_and_survives_its_text() {
        let filter = |query: &str| Filter::from_query(query).unwrap();
        assert!(Interest::of([]).is_none());
        let two = Interest::of([filter("event=a"), filter("user=u"), filter("event=a")]);
        assert_eq!(two.to_json(), r#"{"filters":[{"event":["a"]},{"user":["u"]}]}"#);
        assert_eq!(Interest::parse(&two.to_json()), Some(two));
        assert_eq!(Interest::of([filter("event=a"), Filter::default()]).to_json(), r#"{"filters":[{}]}"#);
        assert_eq!(Interest::parse("1"), None);
    }
}
