//! The OpenAPI document: what `openapi/*.toml` says in few words, one noun a file, written out for machines.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The nouns, in the order in which people read them; `shared.toml` says what the words mean.
const NOUNS: [&str; 11] = [
    include_str!("openapi/application.toml"),
    include_str!("openapi/endpoint.toml"),
    include_str!("openapi/event.toml"),
    include_str!("openapi/attempt.toml"),
    include_str!("openapi/event_type.toml"),
    include_str!("openapi/access.toml"),
    include_str!("openapi/environment.toml"),
    include_str!("openapi/operational.toml"),
    include_str!("openapi/poller.toml"),
    include_str!("openapi/source.toml"),
    include_str!("openapi/health.toml"),
];
const SHARED: &str = include_str!("openapi/shared.toml");
static READ: LazyLock<Vec<Noun>> =
    LazyLock::new(|| NOUNS.iter().map(|text| toml::from_str(text).expect("a test reads it")).collect());
/// What any operation may answer, whoever asks.
const REFUSALS: [(&str, &str); 11] = [
    ("400", "The request cannot be read, or cannot be done in this state."),
    ("401", "No key or token that holds."),
    ("403", "The key or token may not do this."),
    ("404", "Nobody has this id, or the caller may not know of it."),
    ("409", "It clashes with what exists, or the Idempotency-Key was used for another request."),
    ("413", "The body is too large."),
    ("415", "The body is in an encoding that is not read."),
    ("422", "A field breaks a rule; the answer names it."),
    ("429", "Too many requests; the Retry-After header says when to go on."),
    ("501", "Known to Svix's API, not served here."),
    ("503", "Nothing was taken; the Retry-After header says when to try again."),
];

#[derive(Deserialize)]
struct Shared {
    path: BTreeMap<String, String>,
    query: BTreeMap<String, (String, String)>,
    header: BTreeMap<String, (String, String)>,
    answer: BTreeMap<String, Fields>,
}

#[derive(Deserialize)]
struct Noun {
    tag: String,
    op: Vec<Operation>,
    #[serde(default)]
    schema: BTreeMap<String, Fields>,
    #[serde(default)]
    answer: BTreeMap<String, Fields>,
}

#[derive(Deserialize)]
struct Operation {
    at: String,
    id: String,
    says: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    header: String,
    takes: Option<String>,
    gives: String,
    #[serde(default)]
    deprecated: bool,
    /// Needs no key.
    #[serde(default)]
    open: bool,
}

/// Fields and their types, in words.
type Fields = BTreeMap<String, String>;

/// The document, as JSON; `url` is where callers reach the server.
pub(super) fn document(url: &str) -> String {
    let shared: Shared = toml::from_str(SHARED).expect("a test reads it");
    let nouns = &*READ;
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for (name, fields) in nouns.iter().flat_map(|noun| &noun.schema) {
        schemas.insert(name.clone(), taken(fields));
    }
    for (name, fields) in shared.answer.iter().chain(nouns.iter().flat_map(|noun| &noun.answer)) {
        schemas.insert(name.clone(), given(fields));
    }
    for noun in nouns {
        for operation in &noun.op {
            let (method, path) = operation.at.split_once(' ').expect("a method and a path");
            let written = write(operation, &noun.tag, &shared, &mut schemas);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[method.to_lowercase()] = written;
        }
    }
    let tags: Vec<Value> = nouns.iter().map(|noun| json!({ "name": noun.tag })).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Posthaste",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Webhooks for money. The API speaks the Svix dialect: official Svix SDKs work with `serverUrl` set. Times are RFC 3339; `2026-11-30 18:57:41 UTC` is read, too.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": url }],
        "security": [{ "bearer": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "responses": refusals(),
            "schemas": schemas,
        },
    });
    document.to_string()
}

/// Whether the field at this place of a request is one of the object's own answer, which comes back and changes nothing.
pub(super) fn comes_back(method: &str, template: &str, path: &[String]) -> bool {
    let is_it = |operation: &&Operation| operation.at.split_once(' ') == Some((method, template));
    let operation = READ.iter().flat_map(|noun| &noun.op).find(is_it);
    let Some(taken) = operation.and_then(|operation| operation.takes.as_deref()) else {
        return false;
    };
    let schema = |name: &str| READ.iter().find_map(|noun| noun.schema.get(name));
    let mut fields = schema(taken.trim_end_matches('?'));
    let mut words = "";
    for step in path {
        if fields.is_none() && words.starts_with('[') {
            fields = schema(words.trim_matches(['[', ']', '#']));
            continue;
        }
        let Some(found) = fields.and_then(|fields| fields.get(step)) else {
            return false;
        };
        words = found.trim_start_matches('!').trim_end_matches('?');
        fields = words.strip_prefix('#').and_then(schema);
    }
    words.starts_with('=')
}

fn refusals() -> Value {
    let refusal = |(status, says): (&str, &str)| {
        let schema = if status == "422" { "#HttpValidationError" } else { "#HttpError" };
        (status.to_owned(), json!({ "description": says, "content": content(&of(schema)) }))
    };
    Value::Object(REFUSALS.into_iter().map(refusal).collect())
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn write(operation: &Operation, tag: &str, shared: &Shared, schemas: &mut Map<String, Value>) -> Value {
    let mut responses = Map::new();
    for answer in operation.gives.split(", ") {
        let (status, schema) = answer.split_once(' ').unwrap_or((answer, ""));
        let mut response = json!({ "description": if schema.is_empty() { "Done." } else { "The answer." } });
        if !schema.is_empty() {
            response["content"] = content(&answered(schema, schemas));
        }
        responses.insert(status.to_owned(), response);
    }
    if !operation.open {
        let refusals = REFUSALS
            .iter()
            .map(|(status, _)| (status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") })));
        for (status, refusal) in refusals {
            responses.entry(status).or_insert(refusal);
        }
    }
    let mut written = json!({
        "operationId": format!("v1.{}", operation.id),
        "tags": [tag],
        "summary": operation.says,
        "parameters": parameters(operation, shared),
        "responses": responses,
    });
    if let Some(schema) = &operation.takes {
        let (schema, required) = schema.strip_suffix('?').map_or((schema.as_str(), true), |schema| (schema, false));
        let schema = match (schema, required) {
            ("any", _) => of(schema),
            (name, true) => of(&format!("#{name}")),
            (name, false) => of(&format!("#{name}?")), // null counts as no body
        };
        written["requestBody"] = json!({ "required": required, "content": content(&schema) });
    }
    if operation.deprecated {
        written["deprecated"] = true.into();
    }
    if operation.open {
        written["security"] = json!([]);
    }
    written
}

fn parameters(operation: &Operation, shared: &Shared) -> Vec<Value> {
    let named = operation.at.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let path = named.map(|name| {
        let says = &shared.path[name];
        json!({ "name": name, "in": "path", "required": true, "description": says, "schema": { "type": "string" } })
    });
    let query = operation.query.split_whitespace().map(|word| {
        // `status:task_status`: another meaning under the same name
        let (name, meaning) = word.split_once(':').unwrap_or((word, word));
        let (schema, says) = &shared.query[meaning];
        json!({ "name": name, "in": "query", "description": says, "schema": of(schema) })
    });
    let header = operation.header.split_whitespace().map(|name| {
        let (schema, says) = &shared.header[name];
        json!({ "name": name, "in": "header", "description": says, "schema": of(schema) })
    });
    let key = operation.at.starts_with("POST").then(|| {
        let says = "Makes a repetition of the same request the same request, for 24 hours.";
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 256 });
        json!({ "name": "idempotency-key", "in": "header", "description": says, "schema": schema })
    });
    path.chain(query).chain(header).chain(key).collect()
}

/// The schema of an answer: `Name`, or `list Name`, whose shape is written down once.
fn answered(words: &str, schemas: &mut Map<String, Value>) -> Value {
    let Some(name) = words.strip_prefix("list ") else {
        return of(&format!("#{words}"));
    };
    let list = format!("ListResponse{name}");
    let fields = [
        ("data", format!("[#{name}]")),
        ("done", "bool".to_owned()),
        ("iterator", "text?".to_owned()),
        ("prevIterator", "text?".to_owned()),
    ];
    let fields = fields.into_iter().map(|(field, words)| (field.to_owned(), words)).collect();
    schemas.entry(list.clone()).or_insert_with(|| given(&fields));
    of(&format!("#{list}"))
}

/// The schema of what comes in: only what begins with `!` must be there, and what begins with `=` changes nothing.
fn taken(fields: &Fields) -> Value {
    let required: Vec<_> = fields.iter().filter(|(_, words)| words.starts_with('!')).map(|(name, _)| name).collect();
    let mut properties = properties(fields);
    for (name, _) in fields.iter().filter(|(_, words)| words.starts_with('=')) {
        properties[name]["readOnly"] = true.into();
    }
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// The schema of what goes out: all but what begins with `~` is there, and nothing else.
fn given(fields: &Fields) -> Value {
    let required: Vec<_> = fields.iter().filter(|(_, words)| !words.starts_with('~')).map(|(name, _)| name).collect();
    json!({ "type": "object", "required": required, "properties": properties(fields), "additionalProperties": false })
}

fn properties(fields: &Fields) -> Map<String, Value> {
    fields.iter().map(|(name, words)| (name.clone(), of(words.trim_start_matches(['!', '~', '='])))).collect()
}

/// The schema that the words of a type mean.
fn of(words: &str) -> Value {
    if let Some(words) = words.strip_suffix('?') {
        let mut schema = of(words);
        match schema.get("type").cloned() {
            Some(kind) => schema["type"] = json!([kind, "null"]),
            None => return json!({ "anyOf": [schema, { "type": "null" }] }),
        }
        if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            values.push(Value::Null);
        }
        return schema;
    }
    if let Some(name) = words.strip_prefix('#') {
        return json!({ "$ref": format!("#/components/schemas/{name}") });
    }
    if let Some(words) = words.strip_suffix('+') {
        let mut schema = of(words);
        schema["minItems"] = 1.into();
        return schema;
    }
    if let Some(item) = words.strip_prefix('[').and_then(|words| words.strip_suffix(']')) {
        return json!({ "type": "array", "items": of(item) });
    }
    if let Some(value) = words.strip_prefix('{').and_then(|words| words.strip_suffix('}')) {
        return json!({ "type": "object", "additionalProperties": of(value) });
    }
    if words.contains('|') {
        return json!({ "type": "string", "enum": words.split('|').collect::<Vec<_>>() });
    }
    let (kind, bounds) = words.split_once(' ').unwrap_or((words, ""));
    let (least, most) = bounds.split_once("..").unwrap_or_default();
    let mut schema = match kind {
        "text" => json!({ "type": "string" }),
        "int" => json!({ "type": "integer" }),
        "bool" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "object" => json!({ "type": "object" }),
        "any" => json!({}),
        other => unreachable!("`{other}` is no type"),
    };
    let names = if kind == "text" { ["minLength", "maxLength"] } else { ["minimum", "maximum"] };
    for (name, bound) in names.into_iter().zip([least, most]) {
        if let Ok(bound) = bound.parse::<i64>() {
            schema[name] = bound.into();
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_type_mean_a_schema() {
        for (words, schema) in [
            ("text 1..256?", json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 256 })),
            ("[int 0..4]", json!({ "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 4 } })),
            ("[text]+?", json!({ "type": ["array", "null"], "items": { "type": "string" }, "minItems": 1 })),
            ("{text?}", json!({ "type": "object", "additionalProperties": { "type": ["string", "null"] } })),
            ("a|b-c?", json!({ "type": ["string", "null"], "enum": ["a", "b-c", null] })),
            ("#X?", json!({ "anyOf": [{ "$ref": "#/components/schemas/X" }, { "type": "null" }] })),
        ] {
            assert_eq!(of(words), schema, "{words}");
        }
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&document("https://hooks.example.com")).expect("JSON");
        let mut open = vec![&document];
        let mut seen = 0;
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
                        seen += 1;
                    }
                    open.extend(fields.values());
                }
                Value::Array(values) => open.extend(values),
                _ => {}
            }
        }
        assert!(seen > 500, "{seen}");
    }
}
