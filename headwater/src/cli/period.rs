//! A period of time on the command line.

use clap::Args;
use serde_json::{Value, json};

/// The period a question is about. Default: the last 7 days.
#[derive(Args, Clone, Debug)]
pub(crate) struct Period {
    /// First date or instant.
    #[arg(long, value_name = "TIME", requires = "to", conflicts_with = "last")]
    pub from: Option<String>,
    /// Last date (that whole day) or instant.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<String>,
    /// The time until now, as 15m, 24h, 7d, 4w.
    #[arg(long, value_name = "LENGTH", value_parser = parse_last)]
    pub last: Option<Last>,
}

/// A length of time until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    value: u32,
    unit: &'static str,
}

impl Period {
    /// As questions have it.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        match (&self.from, &self.to, &self.last) {
            (Some(from), Some(to), _) => json!({ "from": from, "to": to }),
            (_, _, Some(last)) => json!({ "last": { "value": last.value, "unit": last.unit } }),
            _ => json!({ "last": { "value": 7, "unit": "day" } }),
        }
    }
}

fn parse_last(text: &str) -> Result<Last, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("m") => "minute",
        Some("h") => "hour",
        Some("d") => "day",
        Some("w") => "week",
        _ => return Err("a length is a number and m, h, d or w, as 15m or 7d".to_owned()),
    };
    match digits.parse() {
        Ok(value) if value > 0 => Ok(Last { value, unit }),
        _ => Err("a length is a number from 1 and m, h, d or w, as 15m or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(parse_last("15m"), Ok(Last { value: 15, unit: "minute" }));
        assert_eq!(parse_last("7d"), Ok(Last { value: 7, unit: "day" }));
        for text in ["", "7", "d", "0d", "7y", "-1d", "7 d"] {
            assert!(parse_last(text).is_err(), "{text}");
        }
    }
}
