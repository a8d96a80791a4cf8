//! `/event-type/import/openapi`: the webhooks of an OpenAPI document as event types.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Api;
use super::event_type::write;
use crate::error::{Error, Kind, Result};
use crate::event_type::EventType;
use crate::http::call::{Call, answer};
use crate::http::schemas::Schema;
use crate::http::yaml;
use crate::id::EnvironmentId;
use crate::key::Action;
use crate::store::{Page, Store};

/// How deep references are followed: those that go round in circles end here.
const DEPTH_MAX: usize = 32;
/// How many values the schemas may have once their references are followed.
const VALUES_MAX: usize = 200_000;
/// How many event types one document brings.
const TYPES_MAX: usize = 1_000;
/// How many event types are read at a time.
const SLICE: usize = 250;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImportIn {
    dry_run: Option<bool>,
    replace_all: Option<bool>,
    spec: Option<Map<String, Value>>,
    spec_raw: Option<String>,
}

#[derive(Serialize)]
struct ImportOut {
    data: Imported,
}

#[derive(Serialize)]
struct Imported {
    modified: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_modify: Option<Vec<FoundOut>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundOut {
    name: String,
    description: String,
    schemas: Option<Value>,
    deprecated: bool,
    group_name: Option<String>,
    feature_flags: Option<Vec<String>>,
}

/// POST `…/import/openapi`: 200 with the names that changed, or would with `dryRun`.
pub(super) async fn import(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<ImportIn>().await?;
    let _ = call.once(&body)?; // what was imported is imported again as it was
    let spec = document(input.spec, input.spec_raw.as_deref())?;
    let (environment, now_ms) = (call.caller.environment, api.clock.now().wall_ms);
    let found = event_types(&spec, environment, now_ms)?;
    for event_type in &found {
        event_type.check()?;
        event_type.schema().map_or(Ok(()), |schema| Schema::new(&schema).map(|_| ()))?;
    }
    let names: BTreeSet<String> = found.iter().map(|event_type| event_type.name.clone()).collect();
    let mut changes = found;
    if input.replace_all == Some(true) {
        let others = api.read(move |store| others(store, environment, &names, now_ms)).await?;
        changes.extend(others);
    }
    let modified = changes.iter().map(|event_type| event_type.name.clone()).collect();
    let dry_run = input.dry_run == Some(true);
    let to_modify = dry_run.then(|| changes.iter().filter(|row| !row.archived).map(shown).collect());
    if !dry_run && !changes.is_empty() {
        write(&api, &call, changes).await?;
    }
    Ok(answer(StatusCode::OK, &ImportOut { data: Imported { modified, to_modify } }))
}

fn document(spec: Option<Map<String, Value>>, raw: Option<&str>) -> Result<Value> {
    match (spec, raw) {
        (Some(spec), None) => Ok(Value::Object(spec)),
        (None, Some(raw)) if raw.trim_start().starts_with('{') => serde_json::from_str(raw)
            .map_err(|error| Error::field("specRaw", format!("begins like JSON and is none: {error}"))),
        (None, Some(raw)) => {
            yaml::read(raw).map_err(|why| Error::field("specRaw", format!("is neither JSON nor YAML: {why}")))
        }
        _ => {
            let detail = "give either `spec` or `specRaw`, and not both";
            Err(Error::new(Kind::Invalid, "generic_error", detail))
        }
    }
}

/// The webhooks of a document (OpenAPI 3.1 `webhooks`, or `x-webhooks` before).
fn event_types(spec: &Value, environment: EnvironmentId, now_ms: i64) -> Result<Vec<EventType>> {
    let webhooks = spec.get("webhooks").or_else(|| spec.get("x-webhooks")).and_then(Value::as_object);
    let webhooks = webhooks.ok_or_else(|| Error::field("spec", "has no `webhooks` (OpenAPI 3.1) or `x-webhooks`"))?;
    if webhooks.len() > TYPES_MAX {
        return Err(Error::field("spec", format!("has {} webhooks; at most {TYPES_MAX} are read", webhooks.len())));
    }
    let mut left = VALUES_MAX;
    let read = |(key, item): (&String, &Value)| {
        let operation = item.get("post").or_else(|| item.get("put")).unwrap_or(item);
        let text = |name: &str| operation.get(name).and_then(Value::as_str).map(str::to_owned);
        let flags = operation.get("x-svix-feature-flags").and_then(Value::as_array);
        EventType {
            environment,
            name: text("operationId").filter(|id| id.contains('.')).unwrap_or_else(|| key.clone()),
            description: text("description").or_else(|| text("summary")).unwrap_or_default(),
            schemas: schema(spec, operation, &mut left).map(|schema| json!({ "1": schema }).to_string()),
            archived: false,
            deprecated: operation.get("deprecated").and_then(Value::as_bool).unwrap_or(false),
            feature_flags: flags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
            group_name: text("x-svix-group-name"),
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    };
    let found = webhooks.iter().map(read).collect();
    if left == 0 {
        let message = format!("has more than {VALUES_MAX} values once its references are followed");
        return Err(Error::field("spec", message));
    }
    Ok(found)
}

/// The schema of what is sent, with an example that stands beside it.
fn schema(spec: &Value, operation: &Value, left: &mut usize) -> Option<Value> {
    let body = resolved(spec, operation.get("requestBody")?, 0, left);
    let content = body.get("content")?.get("application/json")?.clone();
    let mut schema = resolved(spec, content.get("schema")?, 0, left);
    let example = content.get("example").or_else(|| schema.get("example")).cloned();
    if let (Some(fields), Some(example)) = (schema.as_object_mut(), example) {
        fields.entry("examples").or_insert_with(|| json!([example]));
    }
    Some(schema)
}

/// A value with the references in it replaced by what they refer to, within the document; nothing more once no values
/// are `left`.
fn resolved(spec: &Value, value: &Value, depth: usize, left: &mut usize) -> Value {
    *left = left.saturating_sub(1);
    if depth >= DEPTH_MAX || *left == 0 {
        return match value {
            Value::Object(_) => json!({}),
            Value::Array(_) => json!([]),
            other => other.clone(),
        };
    }
    match value {
        Value::Object(fields) => {
            let target = fields.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
            if let Some(pointer) = target {
                return spec.pointer(pointer).map_or_else(|| json!({}), |found| resolved(spec, found, depth + 1, left));
            }
            let each = fields.iter().map(|(name, value)| (name.clone(), resolved(spec, value, depth + 1, left)));
            Value::Object(each.collect())
        }
        Value::Array(values) => values.iter().map(|value| resolved(spec, value, depth + 1, left)).collect(),
        other => other.clone(),
    }
}

/// The living event types that are not among `names`, archived.
fn others(
    store: &dyn Store,
    environment: EnvironmentId,
    names: &BTreeSet<String>,
    now_ms: i64,
) -> Result<Vec<EventType>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let listed = store.event_types(environment, Page { after, descending: false, limit: SLICE }, false)?;
        after = listed.rows.last().map(|event_type| event_type.name.clone());
        let rest = listed.rows.into_iter().filter(|event_type| !names.contains(&event_type.name));
        found.extend(rest.map(|event_type| EventType { archived: true, updated_ms: now_ms, ..event_type }));
        if listed.done {
            return Ok(found);
        }
    }
}

fn shown(event_type: &EventType) -> FoundOut {
    FoundOut {
        name: event_type.name.clone(),
        description: event_type.description.clone(),
        schemas: event_type.schemas.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        deprecated: event_type.deprecated,
        group_name: event_type.group_name.clone(),
        feature_flags: (!event_type.feature_flags.is_empty()).then(|| event_type.feature_flags.clone()),
    }
}
