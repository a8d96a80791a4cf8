//! What an event's type says its payload must be like, looked at before it is accepted, when the environment wants that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boon::{Compiler, SchemaIndex, UrlLoader};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::environment::Validation;
use crate::error::{Error, Result};
use crate::event::Draft;
use crate::id::EnvironmentId;
use crate::store::Store;

/// Another process's change of a schema is obeyed within this time and the read that follows it.
const LOOK_MS: i64 = 500;
/// How many event types' schemas are kept ready; all are read anew when there are more.
const KEPT_MAX: usize = 1_024;
/// How a schema calls itself, so that references within it are found.
const NAME: &str = "schema:/event-type";

/// Schemas as last read.
pub(super) struct Schemas {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

type Read = (i64, Option<Arc<Schema>>);

#[derive(Default)]
struct Kept {
    validations: HashMap<EnvironmentId, (i64, Validation)>,
    /// When each was read; `None` for a type without one.
    schemas: HashMap<(EnvironmentId, String), Read>,
}

impl Schemas {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, kept: Mutex::default() }
    }

    /// Judges a draft. Error: 422 that names the place in the payload, when the environment enforces schemas.
    pub(super) async fn check(&self, environment: EnvironmentId, draft: &Draft) -> Result<()> {
        let validation = self.validation(environment).await?;
        if validation == Validation::Off {
            return Ok(());
        }
        let Some(schema) = self.schema(environment, &draft.event_type).await? else {
            return Ok(());
        };
        let Err((place, message)) = schema.judge(&draft.body) else {
            return Ok(());
        };
        let event_type = &draft.event_type;
        if validation == Validation::Warn {
            tracing::warn!(event_type, place, message, "an event breaks its type's schema");
            return Ok(());
        }
        let parts: Vec<_> = ["body", "payload"].into_iter().chain(place.split('/').skip(1)).collect();
        Err(Error::at(&parts, format!("`{place}` is not as the schema of `{event_type}` wants it: {message}")))
    }

    /// A schema, or what happens to events that break one, has changed: all are read anew.
    pub(super) fn changed(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn validation(&self, environment: EnvironmentId) -> Result<Validation> {
        let now_ms = self.clock.now().steady_ms;
        if let Some((read_ms, validation)) = self.kept().validations.get(&environment).copied()
            && now_ms - read_ms < LOOK_MS
        {
            return Ok(validation);
        }
        let store = Arc::clone(&self.store);
        let validation = spawn_blocking(move || store.validation(environment)).await.map_err(Error::internal)??;
        let mut kept = self.kept();
        if kept.validations.len() >= KEPT_MAX {
            kept.validations.clear();
        }
        kept.validations.insert(environment, (now_ms, validation));
        Ok(validation)
    }

    async fn schema(&self, environment: EnvironmentId, name: &str) -> Result<Option<Arc<Schema>>> {
        let (now_ms, key) = (self.clock.now().steady_ms, (environment, name.to_owned()));
        if let Some((read_ms, schema)) = self.kept().schemas.get(&key).cloned()
            && now_ms - read_ms < LOOK_MS
        {
            return Ok(schema);
        }
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        let found = spawn_blocking(move || store.event_type(environment, &name)).await.map_err(Error::internal)??;
        let schema = found.filter(|event_type| !event_type.archived).and_then(|event_type| event_type.schema());
        // one that is none was refused when it was given
        let schema = schema.and_then(|schema| Schema::new(&schema).ok()).map(Arc::new);
        let mut kept = self.kept();
        if kept.schemas.len() >= KEPT_MAX {
            kept.schemas.clear();
        }
        kept.schemas.insert(key, (now_ms, schema.clone()));
        Ok(schema)
    }
}

/// A JSON Schema, ready to judge.
pub(super) struct Schema {
    all: boon::Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// Makes one ready. Error: 422 that says where it is none; one that refers to other documents is none.
    pub(super) fn new(schema: &Value) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| Error::field("schemas", format!("is no JSON Schema: {error:#}"));
        let (mut all, mut compiler) = (boon::Schemas::new(), Compiler::new());
        compiler.use_loader(Box::new(NoLoader));
        compiler.add_resource(NAME, schema.clone()).map_err(|error| wrong(&error))?;
        let index = compiler.compile(NAME, &mut all).map_err(|error| wrong(&error))?;
        Ok(Self { all, index })
    }

    /// Judges a payload. Error: the place in it (a JSON pointer), and what is wrong there.
    fn judge(&self, payload: &[u8]) -> Result<(), (String, String)> {
        let payload: Value =
            serde_json::from_slice(payload).map_err(|error| (String::new(), format!("is no JSON: {error}")))?;
        self.all.validate(&payload, self.index).map_err(|error| {
            let mut deepest = &error;
            while let Some(cause) = deepest.causes.first() {
                deepest = cause;
            }
            (deepest.instance_location.to_string(), deepest.kind.to_string())
        })
    }
}

/// Nothing is fetched, from the network or from the disk.
struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("`{url}` is another document; put it under `$defs` instead").into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_place_that_breaks_a_schema_is_named() {
        let schema = json!({
            "type": "object", "required": ["id"],
            "properties": { "id": { "type": "string" }, "lines": { "type": "array", "items": { "$ref": "#/$defs/line" } } },
            "$defs": { "line": { "properties": { "amount": { "type": "integer", "minimum": 1 } } } }
        });
        let schema = Schema::new(&schema).expect("a schema");
        let judge = |payload: Value| schema.judge(payload.to_string().as_bytes()).err().map(|(place, _)| place);
        assert_eq!(judge(json!({ "id": "a", "lines": [{ "amount": 1 }] })), None);
        assert_eq!(judge(json!({})).as_deref(), Some(""));
        assert_eq!(
            judge(json!({ "id": "a", "lines": [{ "amount": 1 }, { "amount": 0 }] })).as_deref(),
            Some("/lines/1/amount")
        );
        assert!(schema.judge(b"nothing").is_err());
    }

    #[test]
    fn a_schema_is_whole_in_itself() {
        for wrong in [
            json!({ "type": 7 }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "$ref": "https://example.com/schema.json" }),
            json!({ "$ref": "#/$defs/missing" }),
        ] {
            assert!(Schema::new(&wrong).is_err(), "{wrong}");
        }
    }
}
