//! Numbers as they are written: compared, added and shown without losing a digit.

use std::cmp::Ordering;

/// A decimal number: `digits * 10^exponent`, digits without zeros at either end, zero having none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exact {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// Numbers longer than this are shown with an exponent.
const LONGEST_PLAIN: i64 = 40;

impl Exact {
    /// Reads a JSON number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = Vec::with_capacity(mantissa.len());
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits.push(byte - b'0');
        }
        if digits.is_empty() {
            return None;
        }
        let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        while digits.last() == Some(&0) {
            digits.pop();
            exponent = exponent.checked_add(1)?;
        }
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent })
    }

    /// The canonical text: 1 and 1.0 and 1e0 are `1`.
    pub(crate) fn text(&self) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let sign = if self.negative { "-" } else { "" };
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let point = length.saturating_add(self.exponent);
        if !(-LONGEST_PLAIN..=LONGEST_PLAIN).contains(&point) {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            return format!("{sign}{first}{dot}{rest}e{}", point - 1);
        }
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        match usize::try_from(point) {
            Ok(point) if point > 0 && point < digits.len() => {
                let (whole, fraction) = digits.split_at(point);
                format!("{sign}{whole}.{fraction}")
            }
            Ok(point) if point > 0 => format!("{sign}{digits}{}", zeros(self.exponent)),
            _ => format!("{sign}0.{}{digits}", zeros(-point)),
        }
    }

    /// The nearest double.
    pub(crate) fn to_f64(&self) -> f64 {
        self.text().parse().unwrap_or(f64::NAN)
    }

    /// The number in billionths, if that is exact and leaves room to add.
    fn billionths(&self) -> Option<i128> {
        let shift = self.exponent.checked_add(SCALE_DIGITS)?;
        let length = i64::try_from(self.digits.len()).ok()?;
        if shift < 0 || length.checked_add(shift)? > 36 {
            return None;
        }
        let mut value: i128 = 0;
        for digit in &self.digits {
            value = value * 10 + i128::from(*digit);
        }
        for _ in 0..shift {
            value *= 10;
        }
        Some(if self.negative { -value } else { value })
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let magnitude =
            |number: &Self| i64::try_from(number.digits.len()).unwrap_or(i64::MAX).saturating_add(number.exponent);
        sign(self).cmp(&sign(other)).then_with(|| {
            let order = magnitude(self).cmp(&magnitude(other)).then_with(|| self.digits.cmp(&other.digits));
            if self.negative { order.reverse() } else { order }
        })
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Sums are kept in billionths: exact, and so the same in whatever order rows come, for numbers of up to nine digits
/// after the point and 27 before it.
const SCALE_DIGITS: i64 = 9;
const SCALE: i128 = 1_000_000_000;

/// A sum: the exact part in billionths, and the rest, of numbers that do not fit, as a double.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) exact: i128,
    pub(crate) rest: f64,
    pub(crate) count: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, number: &Exact) {
        self.count += 1;
        match number.billionths().and_then(|value| self.exact.checked_add(value)) {
            Some(exact) => self.exact = exact,
            None => self.rest += number.to_f64(),
        }
    }

    /// Adds 1.
    pub(crate) fn add_one(&mut self) {
        self.count += 1;
        self.exact = self.exact.saturating_add(SCALE);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.rest += other.rest;
        match self.exact.checked_add(other.exact) {
            Some(exact) => self.exact = exact,
            None => self.rest += to_f64(other.exact),
        }
    }

    /// The sum as a JSON number; `None` if it is beyond all doubles.
    pub(crate) fn text(&self) -> Option<String> {
        if self.rest == 0.0 {
            return Some(billionths_text(self.exact));
        }
        double_text(to_f64(self.exact) + self.rest)
    }

    /// The average as a JSON number; `None` of nothing.
    pub(crate) fn average(&self) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let count = i128::from(self.count);
        if self.rest == 0.0 && self.exact % count == 0 {
            return Some(billionths_text(self.exact / count));
        }
        #[allow(clippy::cast_precision_loss, reason = "an average is a double")]
        let count = self.count as f64;
        double_text((to_f64(self.exact) + self.rest) / count)
    }
}

fn to_f64(billionths: i128) -> f64 {
    billionths_text(billionths).parse().unwrap_or(f64::NAN)
}

fn billionths_text(value: i128) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = (value.unsigned_abs() / SCALE.unsigned_abs(), value.unsigned_abs() % SCALE.unsigned_abs());
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{}", format!("{fraction:09}").trim_end_matches('0'))
}

/// A double as a JSON number; `None` for infinity and what is no number.
pub(crate) fn double_text(value: f64) -> Option<String> {
    serde_json::Number::from_f64(value).map(|number| {
        let text = number.to_string();
        text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn one_number_has_one_text() {
        let check = |text: &str, expect: &str| assert_eq!(exact(text).text(), expect, "{text}");
        for (texts, expect) in [
            (&["1", "1.0", "1e0", "10e-1", "0.1E+1"][..], "1"),
            (&["0", "-0", "0.000", "0e9"], "0"),
            (&["-1.50", "-15e-1"], "-1.5"),
            (&["0.05", "5e-2"], "0.05"),
            (&["12345678901234567890123"], "12345678901234567890123"),
            (&["1e3", "1000"], "1000"),
            (&["1.5e300"], "1.5e300"),
            (&["1e-300"], "1e-300"),
        ] {
            texts.iter().for_each(|text| check(text, expect));
        }
        for text in ["", "-", "a", "1.2.3", "1e", "0x10", "NaN", "+1"] {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_exact() {
        let ordered =
            ["-1e300", "-9007199254740993", "-9007199254740992", "-0.5", "0", "1e-9", "2", "10", "10.5", "1e2"];
        for pair in ordered.windows(2) {
            assert!(exact(pair[0]) < exact(pair[1]), "{pair:?}");
        }
        assert_eq!(exact("1.0").cmp(&exact("1")), Ordering::Equal);
    }

    fn sum(numbers: &[&str]) -> Sum {
        let mut sum = Sum::default();
        numbers.iter().for_each(|number| sum.add(&exact(number)));
        sum
    }

    #[test]
    fn sums_are_exact_decimals() {
        assert_eq!(sum(&["0.1", "0.2"]).text().unwrap(), "0.3");
        assert_eq!(sum(&["9007199254740993", "1"]).text().unwrap(), "9007199254740994");
        assert_eq!(sum(&["-1.5", "0.25"]).text().unwrap(), "-1.25");
        assert_eq!(sum(&[]).text().unwrap(), "0");
        assert_eq!(sum(&["1e300", "1e300"]).text().unwrap(), "2e300".parse::<f64>().map(double_text).unwrap().unwrap());
        assert_eq!(sum(&["1e308", "1e308"]).text(), None);
    }

    #[test]
    fn averages_are_exact_where_they_can_be() {
        assert_eq!(sum(&["0.1", "0.2"]).average().unwrap(), "0.15");
        assert_eq!(sum(&["1", "2", "2"]).average().unwrap(), "1.6666666666666667");
        assert_eq!(sum(&[]).average(), None);
    }
}
