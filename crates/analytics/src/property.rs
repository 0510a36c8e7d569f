//! Where a property comes from, as an expression of a plan.
//!
//! Of an event: the key in `properties`, otherwise the column of that name (`country`, `url`, `utm_source`, ...). The
//! property wins because the sender chose its name and means that value; the column is what the collector made of the
//! request. Of a person: the key in the latest traits of the person, all ids together. Dots reach into nested objects,
//! unless the dotted name itself is a key.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;
use event_model::{Problem, columns};
use query_model::Of;

use crate::events_table::{column, first, integers, person};
use crate::function::call;
use crate::json_text;
use crate::problem::{internal, not_supported};
use crate::source::Source;
use crate::value::{Column, Texts, Value};

/// What is made of a property's value; `None` is a missing one.
type Map<T> = dyn Fn(Option<&Value<'_>>) -> T + Send + Sync;

/// The columns that are the event itself and not something it says, and those that hold JSON.
const NOT_PROPERTIES: &[&str] = &[columns::PROPERTIES, columns::CONTEXT, columns::TRAITS];

/// A property as something to filter by.
pub(crate) fn satisfies(
    source: &Source,
    of: Of,
    name: &str,
    label: &str,
    test: impl Fn(Option<&Value<'_>>) -> bool + Send + Sync + 'static,
) -> Result<Expr, Problem> {
    let build = |values: Vec<bool>| Arc::new(BooleanArray::from(values)) as ArrayRef;
    map(source, of, name, label, DataType::Boolean, Arc::new(test), build)
}

/// A property as text to group by: `true`, `95`, 1.0 as `1`.
pub(crate) fn as_text(source: &Source, of: Of, name: &str) -> Result<Expr, Problem> {
    let text = |value: Option<&Value<'_>>| value.map(|value| value.text().into_owned());
    map(source, of, name, "text", DataType::Utf8, Arc::new(text), texts)
}

/// A property as a number to compute with, as JSON text; null unless it is a number.
pub(crate) fn as_number(source: &Source, of: Of, name: &str) -> Result<Expr, Problem> {
    let number = |value: Option<&Value<'_>>| match value {
        Some(Value::Number(text)) => Some(text.clone().into_owned()),
        _ => None,
    };
    map(source, of, name, "number", DataType::Utf8, Arc::new(number), texts)
}

fn texts(values: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

fn map<T: 'static>(
    source: &Source,
    of: Of,
    name: &str,
    label: &str,
    returns: DataType,
    each: Arc<Map<T>>,
    build: impl Fn(Vec<T>) -> ArrayRef + Send + Sync + 'static,
) -> Result<Expr, Problem> {
    let title = format!("{}[{name}].{label}", of.as_str());
    match of {
        Of::Event => Ok(of_event(source, name, title, returns, each, build)),
        Of::Person => of_person(source, name, title, returns, each, build),
        Of::Group | Of::Session => Err(not_supported(format_args!("A property of: {}", of.as_str()))),
    }
}

fn of_event<T: 'static>(
    source: &Source,
    name: &str,
    title: String,
    returns: DataType,
    each: Arc<Map<T>>,
    build: impl Fn(Vec<T>) -> ArrayRef + Send + Sync + 'static,
) -> Expr {
    let mut arguments = vec![column(columns::PROPERTIES)];
    let has_column = columns::find(name).is_some() && source.events.schema().field_with_name(name).is_ok();
    if has_column && !NOT_PROPERTIES.contains(&name) {
        arguments.push(column(name));
    }
    let name = name.to_owned();
    call(title, arguments, returns, move |arrays| {
        let properties = Texts::new(first(arrays)?)?;
        let fallback = arrays.get(1).map(Column::new).transpose()?;
        let value = |row: usize| {
            let raw = properties.get(row).and_then(|object| json_text::find(object, &name));
            let value = raw.and_then(Value::of_json).or_else(|| fallback.as_ref()?.get(row));
            each(value.as_ref())
        };
        Ok(build((0..first(arrays)?.len()).map(value).collect()))
    })
}

fn of_person<T: 'static>(
    source: &Source,
    name: &str,
    title: String,
    returns: DataType,
    each: Arc<Map<T>>,
    build: impl Fn(Vec<T>) -> ArrayRef + Send + Sync + 'static,
) -> Result<Expr, Problem> {
    let traits = source.traits.as_ref().ok_or_else(|| internal("the question needs traits, the source has none"))?;
    // Each trait is cut out once a person, not once a row.
    let values: HashMap<i64, String> = traits
        .iter()
        .filter_map(|(person, object)| Some((*person, json_text::find(object.as_str(), name)?.to_owned())))
        .collect();
    Ok(call(title, vec![person(&source.keys)], returns, move |arrays| -> EngineResult<ArrayRef> {
        let persons: Int64Array = integers(arrays)?;
        let value = |person: Option<i64>| {
            let raw = person.and_then(|person| values.get(&person));
            each(raw.and_then(|raw| Value::of_json(raw)).as_ref())
        };
        Ok(build(persons.iter().map(value).collect()))
    }))
}
