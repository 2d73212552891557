//! The OpenAPI 3.1 document, written from the table of operations.

use std::sync::Arc;

use axum::http::Method;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::operation::{Asked, Needs, Nothing, Operation, operation};
use super::problem::{Code, Problem, Told};
use crate::console::ConsoleRoom;

/// What every operation may answer.
const BY_ALL: [Code; 6] =
    [Code::Malformed, Code::NoToken, Code::NotAllowed, Code::TooLarge, Code::OtherHost, Code::Unavailable];

pub(super) fn operations() -> Vec<Operation> {
    vec![operation(Method::GET, "/api/v1/openapi.json", "getOpenApi", Needs::AnyToken, "This document", get)]
}

/// An OpenAPI document.
struct Document(Value);

impl serde::Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Document {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OpenApiDocument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", "required": ["openapi", "info", "paths"] })
    }
}

async fn get(_: Arc<ConsoleRoom>, _: Asked, _: Nothing, _: Nothing) -> Result<Document, Problem> {
    Ok(Document(document()))
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Told>();
    let mut paths = Map::new();
    for operation in super::all() {
        let told = tell(&operation, &mut generator, &problem);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.as_str().to_ascii_lowercase(), told);
        }
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule",
            "version": "1",
            "description": "The API of the admin listener. Every request shows a token with `Authorization: Bearer`; \
                            `vestibule token create` makes one. Whatever goes wrong is told as a problem (RFC 9457), with \
                            a `code` for programs.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn tell(operation: &Operation, generator: &mut SchemaGenerator, problem: &Schema) -> Value {
    let mut parameters: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }))
        .collect();
    if let Some(query) = operation.query {
        parameters.extend(of_query(&query(generator), generator));
    }
    if operation.takes_key {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": true,
            "description": "The caller's name for the call. A call with the same name and body is answered as the first one, and \
                            does nothing again; with another body it is refused.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    let mut answers = Map::new();
    let answer = json!({ "application/json": { "schema": (operation.answer)(generator) } });
    answers.insert(operation.status.as_u16().to_string(), json!({ "description": "Done", "content": answer }));
    let no_json = operation.body.is_some().then_some(Code::NotJson);
    for code in BY_ALL.into_iter().chain(no_json).chain(operation.refuses.iter().copied()) {
        let Some((_, status, title)) = Code::ALL.into_iter().find(|(other, ..)| *other == code) else { continue };
        let told = json!({ "description": title, "content": { "application/problem+json": { "schema": problem } } });
        answers.insert(status.to_string(), told);
    }
    let (scope, reach) = match operation.needs {
        Needs::AnyToken => {
            return with_body(
                operation,
                generator,
                json!({
                    "operationId": operation.id,
                    "summary": operation.summary,
                    "description": "For any token.",
                    "parameters": parameters,
                    "responses": answers,
                }),
            );
        }
        Needs::All(scope) => (scope, "for all apps"),
        Needs::OfApp(scope) => (scope, "for the app or for all"),
    };
    let told = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": format!("For tokens with scope `{}`, {reach}.", scope.name()),
        "parameters": parameters,
        "responses": answers,
    });
    with_body(operation, generator, told)
}

fn with_body(operation: &Operation, generator: &mut SchemaGenerator, mut told: Value) -> Value {
    if let (Some(body), Some(told)) = (operation.body, told.as_object_mut()) {
        let content = json!({ "application/json": { "schema": body(generator) } });
        told.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    told
}

/// The parameters of a query, from the schema of its type.
fn of_query(schema: &Schema, generator: &SchemaGenerator) -> Vec<Value> {
    let schema = schema.get("$ref").and_then(Value::as_str).map_or_else(
        || schema.as_value().clone(),
        |reference| {
            let name = reference.rsplit('/').next().unwrap_or_default();
            generator.definitions().get(name).cloned().unwrap_or_default()
        },
    );
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // A query has no null: what may be left out is left out.
        if let Some(Value::Array(kinds)) = schema.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [only] = kinds.as_slice() {
                let only = only.clone();
                if let Some(kind) = schema.get_mut("type") {
                    *kind = only;
                }
            }
        }
        if let Some(Value::Array(kinds)) = schema.get_mut("anyOf") {
            kinds.retain(|kind| kind.get("type").and_then(Value::as_str) != Some("null"));
            if let [only] = kinds.as_slice() {
                schema = only.clone();
            }
        }
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&name.as_str()),
            "description": description,
            "schema": schema,
        })
    };
    properties.map(parameter).collect()
}
