//! Did you mean: the known word that a misspelt one is closest to.

/// Words that other products use for ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("type", "kind"),
    ("exact", "is"),
    ("equals", "is"),
    ("eq", "is"),
    ("in", "is"),
    ("neq", "is_not"),
    ("not_in", "is_not"),
    ("regex", "matches"),
    ("not_regex", "not_matches"),
    ("icontains", "contains"),
    ("not_icontains", "not_contains"),
    ("ge", "gte"),
    ("le", "lte"),
    ("exists", "is_set"),
    ("date_from", "period"),
    ("date_to", "period"),
    ("date_range", "period"),
    ("events", "series"),
    ("operator", "op"),
    ("values", "value"),
    ("properties", "filters"),
    ("filter", "filters"),
    ("breakdowns", "breakdown"),
    ("granularity", "interval"),
    ("dau", "unique_persons"),
    ("unique", "unique_persons"),
    ("uniques", "unique_persons"),
    ("unique_users", "unique_persons"),
    ("count", "total"),
    ("average", "avg"),
    ("days", "day"),
    ("weeks", "week"),
    ("months", "month"),
    ("formula", "formulas"),
    ("tz", "timezone"),
    ("funnels", "funnel"),
    ("trends", "trend"),
];

/// The word of `known` that `word` most likely means.
pub(crate) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let word = word.to_lowercase();
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == word)
        && let Some(found) = known.clone().find(|candidate| candidate == ours)
    {
        return Some(found);
    }
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, words longer than 64 characters counting as far from everything.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len() > 64 || other.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, left) in one.iter().enumerate() {
        let mut diagonal = place;
        let mut before = place + 1;
        for (right, cell) in other.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = replaced.min(before + 1).min(*cell + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = place + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["series", "filters", "interval", "period", "kind"];
        let check = |word: &str, expect: Option<&str>| assert_eq!(closest(word, known.into_iter()), expect, "{word}");
        check("serie", Some("series"));
        check("Intervall", Some("interval"));
        check("type", Some("kind"));
        check("date_from", Some("period"));
        check("colour", None);
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")), (3, 3, 0));
    }
}
