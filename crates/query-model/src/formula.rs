//! Arithmetic over series: `100 * (A - B) / B`.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = factor { ("*" | "/") factor }
//! factor  = "-" factor | number | series name | "(" sum ")"
//! ```

use event_model::{ErrorCode, Problem};
use serde::{Serialize, Serializer};

use crate::json::shortened;
use crate::limits::{MAX_FORMULA_BYTES, MAX_FORMULA_DEPTH};
use crate::read::At;

/// A formula and its text, which is also the name of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// As it was written.
    pub text: String,
    /// What it says.
    pub expression: Expression,
}

/// A formula, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A constant.
    Number(f64),
    /// A series, by its place in the question.
    Series(usize),
    /// The negative of something.
    Negative(Box<Expression>),
    /// Two things combined.
    Binary(Arithmetic, Box<Expression>, Box<Expression>),
}

/// How two numbers are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero it is null.
    Divide,
}

impl Expression {
    /// The value, given the series' values; null where one of them is, where something is divided by zero, and where
    /// the result is not a finite number.
    pub fn evaluate(&self, series: &impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let value = match self {
            Self::Number(value) => *value,
            Self::Series(place) => series(*place)?,
            Self::Negative(inner) => -inner.evaluate(series)?,
            Self::Binary(operation, left, right) => {
                let (left, right) = (left.evaluate(series)?, right.evaluate(series)?);
                match operation {
                    Arithmetic::Add => left + right,
                    Arithmetic::Subtract => left - right,
                    Arithmetic::Multiply => left * right,
                    Arithmetic::Divide if right == 0.0 => return None,
                    Arithmetic::Divide => left / right,
                }
            }
        };
        value.is_finite().then_some(value)
    }
}

impl Formula {
    pub(crate) fn read(at: At, names: &[&str]) -> Result<Self, Problem> {
        let path = at.path.clone();
        let text = at.text("a formula such as \"A / B\"")?;
        Self::parse(&text, names)
            .map_err(|problem| Problem { detail: format!("{path}: {}", problem.detail), ..problem })
    }

    /// Reads a formula over series of these names.
    ///
    /// # Errors
    /// `question_too_complex` if it is too long or too deep, `invalid_question` if it is not a formula.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, Problem> {
        if text.len() > MAX_FORMULA_BYTES {
            let detail = format!("a formula takes at most {MAX_FORMULA_BYTES} bytes.");
            return Err(Problem::new(ErrorCode::QuestionTooComplex, detail));
        }
        let mut parser = Parser { rest: text, names };
        let expression = parser.sum(0)?;
        parser.skip_spaces();
        if !parser.rest.is_empty() {
            return Err(parser.unexpected("an operator or the end"));
        }
        Ok(Self { text: text.to_owned(), expression })
    }
}

struct Parser<'a> {
    rest: &'a str,
    names: &'a [&'a str],
}

impl Parser<'_> {
    fn sum(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut left = self.product(depth)?;
        loop {
            let operation = match self.peek() {
                Some('+') => Arithmetic::Add,
                Some('-') => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            self.advance(1);
            left = Expression::Binary(operation, Box::new(left), Box::new(self.product(depth)?));
        }
    }

    fn product(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut left = self.factor(depth)?;
        loop {
            let operation = match self.peek() {
                Some('*') => Arithmetic::Multiply,
                Some('/') => Arithmetic::Divide,
                _ => return Ok(left),
            };
            self.advance(1);
            left = Expression::Binary(operation, Box::new(left), Box::new(self.factor(depth)?));
        }
    }

    fn factor(&mut self, depth: usize) -> Result<Expression, Problem> {
        if depth > MAX_FORMULA_DEPTH {
            let detail = format!("a formula is nested at most {MAX_FORMULA_DEPTH} deep.");
            return Err(Problem::new(ErrorCode::QuestionTooComplex, detail));
        }
        match self.peek() {
            Some('-') => {
                self.advance(1);
                Ok(Expression::Negative(Box::new(self.factor(depth + 1)?)))
            }
            Some('(') => {
                self.advance(1);
                let inner = self.sum(depth + 1)?;
                if self.peek() != Some(')') {
                    return Err(self.unexpected("`)`"));
                }
                self.advance(1);
                Ok(inner)
            }
            Some(first) if first.is_ascii_digit() || first == '.' => {
                let word = self.word(|character| character.is_ascii_digit() || character == '.');
                let value =
                    word.parse().map_err(|_| Self::problem(format!("`{}` is not a number", shortened(&word))))?;
                Ok(Expression::Number(value))
            }
            Some(first) if first.is_alphabetic() || first == '_' => {
                let word = self.word(|character| character.is_alphanumeric() || character == '_');
                let place = self.names.iter().position(|name| **name == word);
                let names = self.names.join(", ");
                place
                    .map(Expression::Series)
                    .ok_or_else(|| Self::problem(format!("`{}` is not a series; there are {names}", shortened(&word))))
            }
            _ => Err(self.unexpected("a number, a series or `(`")),
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.rest.chars().next()
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let word = self.rest.get(..end).unwrap_or_default().to_owned();
        self.advance(end);
        word
    }

    fn unexpected(&mut self, wanted: &str) -> Problem {
        let found = self.peek().map_or_else(|| "it ends".to_owned(), |character| format!("there is `{character}`"));
        Self::problem(format!("{wanted} is wanted where {found}"))
    }

    fn problem(sentence: String) -> Problem {
        Problem::new(ErrorCode::InvalidQuestion, sentence + ".")
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Formula {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Formula".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "Arithmetic over series' names: 100 * (A - B) / B." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<f64> {
        let formula = Formula::parse(text, &["A", "B", "zero"]).unwrap();
        formula.expression.evaluate(&|place| [Some(6.0), Some(4.0), Some(0.0)][place])
    }

    #[test]
    fn follows_the_usual_precedence() {
        assert_eq!(value("A + B * 2"), Some(14.0));
        assert_eq!(value("(A+B)*2 - 1 - 1"), Some(18.0));
        assert_eq!(value("100 * (A - B) / B"), Some(50.0));
        assert_eq!(value("--A / -B"), Some(-1.5));
    }

    #[test]
    fn division_by_zero_and_infinity_are_null() {
        assert_eq!(value("A / zero"), None);
        assert_eq!(value("zero / zero + 1"), None);
        assert_eq!(value(&"9".repeat(400)), None);
    }

    #[test]
    fn refuses_what_is_no_formula() {
        let code = |text: &str| Formula::parse(text, &["A"]).unwrap_err().code;
        for text in ["", "A +", "A B", "(A", "A)", "1.2.3", "C", "A ^ 2", "A; DROP TABLE events", "1e5"] {
            assert_eq!(code(text), ErrorCode::InvalidQuestion, "{text}");
        }
        assert_eq!(code(&format!("{}A{}", "(".repeat(10_000), ")".repeat(10_000))), ErrorCode::QuestionTooComplex);
        assert_eq!(code(&format!("{}A{}", "(".repeat(100), ")".repeat(100))), ErrorCode::QuestionTooComplex);
        assert_eq!(code(&format!("{}A", "-".repeat(900))), ErrorCode::QuestionTooComplex);
    }
}
