//! Builds an OpenAPI 3.1 document out of endpoints.

use std::collections::{BTreeMap, BTreeSet};

use event_model::problem::MEDIA_TYPE;
use event_model::{ErrorCode, Problem};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// A document in the making.
pub(super) struct Document {
    title: &'static str,
    description: &'static str,
    security: Value,
    generator: SchemaGenerator,
    schemas: Map<String, Value>,
    paths: Map<String, Value>,
    /// The errors that any endpoint answers; each has one example.
    errors: BTreeSet<ErrorCode>,
    /// Answers of another kind that endpoints refer to.
    responses: Map<String, Value>,
}

/// One endpoint, as data.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Unique in the document; clients are generated with these names.
    pub(super) operation: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// Names of security schemes, any of which will do; empty: open to all.
    pub(super) security: &'static [&'static str],
    pub(super) parameters: Vec<Value>,
    /// Schema and named examples of the body, if it takes one.
    pub(super) request: Option<(Value, Vec<(&'static str, Value)>)>,
    /// What success means, and its media type, schema and example.
    pub(super) answer: Answer,
    pub(super) errors: Vec<ErrorCode>,
}

/// The answer that is success. Without a schema it has no body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) media_type: &'static str,
    pub(super) schema: Value,
    pub(super) example: Value,
}

impl Answer {
    pub(super) fn json(description: &'static str, schema: Value, example: Value) -> Self {
        Self { status: 200, description, media_type: "application/json", schema, example }
    }
}

impl Document {
    pub(super) fn new(title: &'static str, description: &'static str, security: Value) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let mut document = Self {
            title,
            description,
            security,
            generator: settings.into_generator(),
            schemas: Map::new(),
            paths: Map::new(),
            errors: BTreeSet::new(),
            responses: Map::new(),
        };
        document.schema("Problem", problem_schema());
        document
    }

    /// A reference to the schema of a Rust type.
    pub(super) fn of<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().to_value()
    }

    /// Adds a schema that is written out, and gives the reference to it.
    pub(super) fn schema(&mut self, name: &str, schema: Value) -> Value {
        self.schemas.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Adds a response that is written out, to be named by status in all endpoints whose success is 200.
    pub(super) fn instead_of_200(&mut self, status: u16, response: Value) {
        self.responses.insert(status.to_string(), response);
    }

    pub(super) fn add(&mut self, endpoint: Endpoint) {
        self.errors.extend(&endpoint.errors);
        let mut responses = responses(&endpoint.answer, &endpoint.errors);
        if endpoint.answer.status == 200 {
            let named = |status: &String| json!({ "$ref": format!("#/components/responses/{status}") });
            responses.extend(self.responses.keys().map(|status| (status.clone(), named(status))));
        }
        let mut operation = json!({
            "operationId": endpoint.operation,
            "summary": endpoint.summary,
            "description": endpoint.description,
            "security": endpoint.security.iter().map(|scheme| json!({ *scheme: [] })).collect::<Vec<_>>(),
            "responses": responses,
        });
        if let Some(fields) = operation.as_object_mut() {
            if !endpoint.parameters.is_empty() {
                fields.insert("parameters".to_owned(), Value::Array(endpoint.parameters));
            }
            if let Some((schema, examples)) = endpoint.request {
                let examples: Map<String, Value> =
                    examples.into_iter().map(|(name, value)| (name.to_owned(), json!({ "value": value }))).collect();
                let content = json!({ "application/json": { "schema": schema, "examples": examples } });
                fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
            }
        }
        let path = self.paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.to_owned(), operation);
        }
    }

    pub(super) fn finish(mut self) -> Value {
        let generated = self.generator.take_definitions(true);
        self.schemas.extend(generated);
        let examples: Map<String, Value> =
            self.errors.iter().map(|code| (code.as_str().to_owned(), json!({ "value": example(*code) }))).collect();
        let mut components = json!({ "schemas": self.schemas, "examples": examples, "securitySchemes": self.security });
        if let (false, Some(components)) = (self.responses.is_empty(), components.as_object_mut()) {
            components.insert("responses".to_owned(), Value::Object(self.responses));
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "version": env!("CARGO_PKG_VERSION"),
                "description": self.description,
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{ "url": "/", "description": "The deployment that serves this document" }],
            "paths": self.paths,
            "components": components,
        })
    }
}

/// A parameter of the query string.
pub(super) fn in_query(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
}

/// A part of the path.
pub(super) fn in_path(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
}

/// A request header.
pub(super) fn in_header(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": description, "schema": { "type": "string" } })
}

fn responses(answer: &Answer, errors: &[ErrorCode]) -> Map<String, Value> {
    let mut responses = Map::new();
    let mut success = json!({ "description": answer.description });
    if let (Some(fields), false) = (success.as_object_mut(), answer.schema.is_null()) {
        let content = json!({ answer.media_type: { "schema": answer.schema, "example": answer.example } });
        let request_id = json!({ "description": "Names the request in the log", "schema": { "type": "string" } });
        fields.insert("headers".to_owned(), json!({ "x-request-id": request_id }));
        fields.insert("content".to_owned(), content);
    }
    responses.insert(answer.status.to_string(), success);
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in errors {
        by_status.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        responses.insert(status.to_string(), error_response(status, &codes));
    }
    responses
}

fn error_response(status: u16, codes: &[ErrorCode]) -> Value {
    let description = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect::<Vec<_>>();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({ "$ref": format!("#/components/examples/{}", code.as_str()) })))
        .collect();
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let mut response = json!({
        "description": description.join(" "),
        "content": { MEDIA_TYPE: { "schema": schema, "examples": examples } },
    });
    let header = match status {
        429 | 503 => Some(("retry-after", "Seconds after which to try again", "integer")),
        405 => Some(("allow", "The methods that the path takes", "string")),
        426 => Some(("upgrade", "`websocket`", "string")),
        _ => None,
    };
    if let (Some((name, description, kind)), Some(fields)) = (header, response.as_object_mut()) {
        let header = json!({ name: { "description": description, "schema": { "type": kind } } });
        fields.insert("headers".to_owned(), header);
    }
    response
}

fn example(code: ErrorCode) -> Value {
    serde_json::from_str(&Problem::from(code).to_json()).unwrap_or(Value::Null)
}

fn problem_schema() -> Value {
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457). All codes are in docs/reference/error-codes.md.",
        "required": ["type", "title", "status", "code", "what_to_do"],
        "properties": {
            "type": { "type": "string", "description": "`urn:headwater:error:` and the code" },
            "title": { "type": "string", "description": "What the code means" },
            "status": { "type": "integer", "description": "The HTTP status" },
            "code": { "type": "string", "description": "Stable", "enum": codes },
            "detail": { "type": "string", "description": "What is wrong with this very request" },
            "what_to_do": { "type": "string" },
        },
    })
}
