//! Writes an object by copying keys and values as they are written.

/// An object under construction.
#[derive(Debug, Default)]
pub(crate) struct ObjectWriter {
    text: String,
}

impl ObjectWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes + 2) }
    }

    /// Adds a field: the key as written (without quotes) and the value as written.
    pub(crate) fn field(&mut self, key: &str, raw: &str) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
        self.text.push_str(raw);
    }

    /// Adds a field whose value is text that has to be escaped.
    pub(crate) fn text_field(&mut self, key: &str, value: &str) {
        self.field(key, &quoted(value));
    }

    /// The object.
    pub(crate) fn finish(mut self) -> String {
        if self.text.is_empty() {
            self.text.push('{');
        }
        self.text.push('}');
        self.text
    }
}

/// Text as a JSON value.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// Text as it stands between the quotes of a JSON text.
pub(crate) fn escaped(text: &str) -> String {
    let mut quoted = quoted(text);
    quoted.pop();
    quoted.drain(..1.min(quoted.len()));
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_written_field_by_field() {
        let mut object = ObjectWriter::default();
        assert_eq!(ObjectWriter::default().finish(), "{}");
        object.field("a", "[1]");
        object.text_field("b", "\"x\"");
        object.field(&escaped("\"c\n"), "null");
        assert_eq!(object.finish(), r#"{"a":[1],"b":"\"x\"","\"c\n":null}"#);
    }
}
