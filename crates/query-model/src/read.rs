//! Reads the fields of a question one by one, and says for each mistake where it is and what is taken there.

use std::ops::RangeInclusive;

use event_model::{ErrorCode, Problem};

use crate::json::{Node, shortened};
use crate::limits::MAX_NAME_BYTES;
use crate::suggest::closest;

/// A value and the path to it, such as `series[0].filters[1].op`.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) path: String,
    pub(crate) node: Node,
}

/// The fields of an object, taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    fields: Vec<(String, Node)>,
    known: Vec<&'static str>,
}

/// A field that takes one of a fixed set of words.
pub(crate) trait Choice: Copy + 'static {
    /// Each word and what it stands for.
    const ALL: &'static [(&'static str, Self)];
}

/// Declares an enum that is a word in JSON.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $text)] $variant),+ }

        impl $crate::read::Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),+];
        }

        impl $name {
            /// The word in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}
pub(crate) use choices;

/// A mistake at a place.
pub(crate) fn refuse(path: &str, sentence: impl std::fmt::Display) -> Problem {
    let place = if path.is_empty() { "the question" } else { path };
    Problem::new(ErrorCode::InvalidQuestion, format!("{place}: {sentence}."))
}

impl At {
    /// The root of a body.
    pub(crate) fn root(body: &[u8]) -> Result<Self, Problem> {
        Ok(Self { path: String::new(), node: crate::json::read(body)? })
    }

    /// Says what is taken here instead.
    pub(crate) fn takes(&self, what: impl std::fmt::Display) -> Problem {
        refuse(&self.path, format_args!("takes {what}, not {}", self.node.noun()))
    }

    pub(crate) fn refuse(&self, sentence: impl std::fmt::Display) -> Problem {
        refuse(&self.path, sentence)
    }

    pub(crate) fn object(self, takes: &str) -> Result<Fields, Problem> {
        match self.node {
            Node::Object(fields) => Ok(Fields { path: self.path, fields, known: Vec::new() }),
            _ => Err(self.takes(takes)),
        }
    }

    pub(crate) fn list(self, takes: &str) -> Result<Vec<Self>, Problem> {
        match self.node {
            Node::List(items) => Ok(items
                .into_iter()
                .enumerate()
                .map(|(place, node)| Self { path: format!("{}[{place}]", self.path), node })
                .collect()),
            _ => Err(self.takes(takes)),
        }
    }

    /// A list whose length lies in a range, each item read by `read`.
    pub(crate) fn list_of<T>(
        self,
        takes: &str,
        length: RangeInclusive<usize>,
        read: impl FnMut(Self) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let path = self.path.clone();
        let items = self.list(takes)?;
        if !length.contains(&items.len()) {
            let (least, most) = (length.start(), length.end());
            return Err(refuse(&path, format_args!("takes {least} to {most} of them, not {}", items.len())));
        }
        items.into_iter().map(read).collect()
    }

    pub(crate) fn text(self, takes: &str) -> Result<String, Problem> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.takes(takes)),
        }
    }

    /// A name: a text that is neither empty nor longer than names are.
    pub(crate) fn name(self, takes: &str) -> Result<String, Problem> {
        let path = self.path.clone();
        let text = self.text(takes)?;
        if text.is_empty() {
            return Err(refuse(&path, format_args!("takes {takes}, not an empty text")));
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(refuse(&path, format_args!("takes at most {MAX_NAME_BYTES} bytes")));
        }
        Ok(text)
    }

    pub(crate) fn boolean(self) -> Result<bool, Problem> {
        match self.node {
            Node::Bool(value) => Ok(value),
            _ => Err(self.takes("true or false")),
        }
    }

    pub(crate) fn integer(self, range: RangeInclusive<i64>) -> Result<i64, Problem> {
        let takes = format!("a whole number from {} to {}", range.start(), range.end());
        let Node::Number(text) = &self.node else { return Err(self.takes(takes)) };
        match text.parse::<i64>() {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => Err(self.refuse(format_args!("takes {takes}, not {}", shortened(text)))),
        }
    }

    pub(crate) fn small(self, range: RangeInclusive<i64>) -> Result<u32, Problem> {
        let path = self.path.clone();
        u32::try_from(self.integer(range)?).map_err(|_| refuse(&path, "takes a small whole number"))
    }

    pub(crate) fn choice<T: Choice>(self) -> Result<T, Problem> {
        let words = || T::ALL.iter().map(|(word, _)| *word);
        let takes = || format!("one of {}", words().collect::<Vec<_>>().join(", "));
        let Node::Text(text) = &self.node else { return Err(self.takes(takes())) };
        if let Some((_, value)) = T::ALL.iter().find(|(word, _)| word == text) {
            return Ok(*value);
        }
        let meant = closest(text, words()).map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
        Err(self.refuse(format_args!("takes {}, not `{}`{meant}", takes(), shortened(text))))
    }
}

impl Fields {
    /// The value of a field; null is the same as leaving it out.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<At> {
        self.known.push(name);
        let place = self.fields.iter().position(|(key, _)| key == name)?;
        let (_, node) = self.fields.remove(place);
        (node != Node::Null).then(|| At { path: self.path_of(name), node })
    }

    /// The same for a field under either of two names.
    pub(crate) fn take_either(&mut self, name: &'static str, other: &'static str) -> Result<Option<At>, Problem> {
        match (self.take(name), self.take(other)) {
            (Some(_), Some(at)) => Err(at.refuse(format_args!("is another name of `{name}`; give one of them"))),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// The value of a field that must be there.
    pub(crate) fn require(&mut self, name: &'static str, takes: &str) -> Result<At, Problem> {
        if let Some(at) = self.take(name) {
            return Ok(at);
        }
        let meant = self.fields.iter().find(|(key, _)| closest(key, std::iter::once(name)).is_some());
        let meant = meant.map(|(key, _)| format!(" (is `{}` meant to be it?)", shortened(key))).unwrap_or_default();
        Err(refuse(&self.path_of(name), format_args!("is missing; it takes {takes}{meant}")))
    }

    pub(crate) fn choice<T: Choice + Default>(&mut self, name: &'static str) -> Result<T, Problem> {
        self.take(name).map_or_else(|| Ok(T::default()), At::choice)
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<bool, Problem> {
        self.take(name).map_or(Ok(false), At::boolean)
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Refuses a field that this kind of thing does not have.
    pub(crate) fn forbid(&mut self, name: &'static str, because: &str) -> Result<(), Problem> {
        let taken = self.take(name);
        self.known.pop();
        taken.map_or(Ok(()), |at| Err(at.refuse(because)))
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let Some((key, _)) = self.fields.first() else { return Ok(()) };
        let meant = closest(key, self.known.iter().copied())
            .map(|word| format!(" (did you mean `{word}`?)"))
            .unwrap_or_default();
        let known = self.known.join(", ");
        Err(refuse(&self.path_of(&shortened(key)), format_args!("is not a field here{meant}; the fields are {known}")))
    }
}

impl Fields {
    /// The object without the fields that were taken.
    pub(crate) fn rest(self) -> At {
        At { path: self.path, node: Node::Object(self.fields) }
    }
}
