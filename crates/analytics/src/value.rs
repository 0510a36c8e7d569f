//! A value of a property, wherever it comes from: JSON text, a column, a person's traits.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::error::Result;
use event_model::{EventId, Timestamp};

use crate::json_text;
use crate::number::Exact;

/// One value. Missing and null are `None` outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(Cow<'a, str>),
    Bool(bool),
    /// An instant in microseconds, of a column that is one.
    Time(i64),
    /// An object or a list, as JSON text.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// The value of raw JSON text; `None` for null.
    pub(crate) fn of_json(raw: &'a str) -> Option<Self> {
        match raw.as_bytes().first()? {
            b'"' => {
                let inside = raw.get(1..raw.len().checked_sub(1)?)?;
                let text = if inside.contains('\\') {
                    Cow::Owned(json_text::unescape(inside)?)
                } else {
                    Cow::Borrowed(inside)
                };
                Some(Self::Text(text))
            }
            b't' => Some(Self::Bool(true)),
            b'f' => Some(Self::Bool(false)),
            b'n' => None,
            b'{' | b'[' => Some(Self::Json(raw)),
            _ => Some(Self::Number(Cow::Borrowed(raw))),
        }
    }

    /// The text form, in which values are compared and shown: `true`, `95`, 1.0 as `1`.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(text) if is_canonical_integer(text) => Cow::Borrowed(text),
            Self::Number(text) => {
                Exact::parse(text).map_or(Cow::Borrowed(text.as_ref()), |number| Cow::Owned(number.text()))
            }
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Time(micros) => Cow::Owned(Timestamp(*micros).to_string()),
            Self::Json(raw) => Cow::Borrowed(raw),
        }
    }
}

/// The common case, which needs no work: digits without a zero in front.
fn is_canonical_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let starts_well = matches!(digits.as_bytes().first(), Some(b'1'..=b'9')) || text == "0";
    starts_well && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text column in any of its forms.
#[derive(Debug)]
pub(crate) enum Texts {
    Plain(StringArray),
    View(StringViewArray),
    Dictionary { keys: Int32Array, values: StringArray },
}

impl Texts {
    pub(crate) fn new(array: &ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::Utf8 => Ok(Self::Plain(array.as_string::<i32>().clone())),
            DataType::Utf8View => Ok(Self::View(array.as_string_view().clone())),
            DataType::Dictionary(key, _) if key.as_ref() == &DataType::Int32 => {
                let dictionary = array.as_dictionary::<Int32Type>();
                let values = cast(dictionary.values(), &DataType::Utf8)?;
                Ok(Self::Dictionary { keys: dictionary.keys().clone(), values: values.as_string::<i32>().clone() })
            }
            _ => Ok(Self::Plain(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Dictionary { keys, values } => {
                let key = keys.is_valid(row).then(|| keys.value(row))?;
                let key = usize::try_from(key).ok()?;
                values.is_valid(key).then(|| values.value(key))
            }
        }
    }
}

/// A column of `events` in any of its types.
#[derive(Debug)]
pub(crate) enum Column {
    Texts(Texts),
    Bools(BooleanArray),
    Integers(Int64Array),
    Times(TimestampMicrosecondArray),
    Ids(BinaryArray),
}

impl Column {
    pub(crate) fn new(array: &ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::Boolean => Ok(Self::Bools(array.as_boolean().clone())),
            kind if kind.is_integer() => Ok(Self::Integers(cast(array, &DataType::Int64)?.as_primitive().clone())),
            DataType::Timestamp(_, zone) => {
                let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                Ok(Self::Times(micros.as_primitive::<TimestampMicrosecondType>().clone()))
            }
            DataType::Binary | DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                Ok(Self::Ids(cast(array, &DataType::Binary)?.as_binary::<i32>().clone()))
            }
            // Dates become their text.
            _ => Texts::new(array).map(Self::Texts),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<Value<'_>> {
        match self {
            Self::Texts(texts) => texts.get(row).map(|text| Value::Text(Cow::Borrowed(text))),
            Self::Bools(array) => array.is_valid(row).then(|| Value::Bool(array.value(row))),
            Self::Integers(array) => {
                array.is_valid(row).then(|| Value::Number(Cow::Owned(array.value(row).to_string())))
            }
            Self::Times(array) => array.is_valid(row).then(|| Value::Time(array.value(row))),
            Self::Ids(array) => {
                let bytes: Option<[u8; 16]> = array.is_valid(row).then(|| array.value(row).try_into().ok()).flatten();
                bytes.map(|bytes| Value::Text(Cow::Owned(EventId(bytes).to_string())))
            }
        }
    }
}
