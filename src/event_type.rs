//! An event type: the dotted name of a kind of event, with its schema and example.

use crate::error::Result;
use crate::id::EnvironmentId;
use crate::name;
use crate::token;

/// The type that `send-example` knows without anybody creating it.
pub const PING: &str = "svix.ping";
/// What an event of [`PING`] says.
pub const PING_EXAMPLE: &str = r#"{"success":true}"#;
/// What happens to endpoints, attempts, at sources and to this server, as it is told to operational webhooks (the names
/// are Svix's, but for the last three).
pub const OPERATIONAL: [&str; 10] = [
    "endpoint.created",
    "endpoint.updated",
    "endpoint.deleted",
    "endpoint.disabled",
    "message.attempt.failing",
    "message.attempt.exhausted",
    "message.attempt.recovered",
    "source.conflict",
    "server.outage.began",
    "server.outage.ended",
];
/// What each of [`OPERATIONAL`] tells.
const OPERATIONAL_SAYS: [&str; 10] = [
    "An endpoint was made.",
    "The settings of an endpoint changed.",
    "An endpoint was deleted.",
    "An endpoint was disabled: it failed everything for five days, or answered 410.",
    "A delivery failed for the fourth time and is tried again.",
    "A delivery failed, and is not tried again.",
    "A delivery that had failed four times or more arrived.",
    "Two inbound events of a source share an id and contradict each other.",
    "Nothing is reached from here: deliveries stop but for probes, and spend no attempts.",
    "An endpoint answered again: deliveries go on.",
];
/// The longest schema document, in bytes.
const SCHEMAS_BYTES_MAX: usize = 262_144;

/// A kind of event that endpoints can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Where it lives.
    pub environment: EnvironmentId,
    /// Its dotted name, unique in the environment.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// JSON Schemas by version, as the caller wrote them; `schemas["1"].examples[0]` is the example event.
    pub schemas: Option<String>,
    /// Hidden from lists; no longer offered to new endpoints.
    pub archived: bool,
    /// Still sent, better not used.
    pub deprecated: bool,
    /// Tokens of an application see it only when they carry one of these; all see it when there are none.
    pub feature_flags: Vec<String>,
    /// The heading under which it is listed.
    pub group_name: Option<String>,
    /// When it was created, in ms since 1970.
    pub created_ms: i64,
    /// When it last changed, in ms since 1970.
    pub updated_ms: i64,
}

/// The event types of what is told to operational webhooks, as those of the environment where it is told.
pub fn operational(environment: EnvironmentId, now_ms: i64) -> Vec<EventType> {
    let row = |(name, says): (&str, &str)| EventType {
        environment,
        name: name.to_owned(),
        description: says.to_owned(),
        schemas: None,
        archived: false,
        deprecated: false,
        feature_flags: Vec::new(),
        group_name: None,
        created_ms: now_ms,
        updated_ms: now_ms,
    };
    OPERATIONAL.into_iter().zip(OPERATIONAL_SAYS).map(row).collect()
}

impl EventType {
    /// Checks every field against its limit.
    pub fn check(&self) -> Result<()> {
        name::check_event_type("name", &self.name)?;
        name::check_text("description", &self.description)?;
        let bytes = self.schemas.as_ref().map_or(0, String::len);
        if bytes > SCHEMAS_BYTES_MAX {
            let message = format!("is {bytes} bytes long; at most {SCHEMAS_BYTES_MAX} are allowed");
            return Err(crate::error::Error::field("schemas", message));
        }
        if let Some(group) = &self.group_name {
            name::check_event_type("groupName", group)?;
        }
        token::check_flags("featureFlags", &self.feature_flags)
    }

    /// Whether a caller with these feature flags sees it; `None` for one who sees all.
    pub fn is_shown_to(&self, flags: Option<&[String]>) -> bool {
        let carries = |flags: &[String]| self.feature_flags.iter().any(|flag| flags.contains(flag));
        self.feature_flags.is_empty() || flags.is_none_or(carries)
    }

    /// The schema that its events must meet; `None` when it has none.
    pub fn schema(&self) -> Option<serde_json::Value> {
        let schemas: serde_json::Value = serde_json::from_str(self.schemas.as_deref()?).ok()?;
        let versions = schemas.as_object()?;
        versions.get("1").or_else(|| versions.values().next_back()).cloned()
    }

    /// The example event at this place of the schema's list; `None` when there is none, or none that is an object.
    pub fn example(&self, nth: usize) -> Option<String> {
        let schema = self.schema()?;
        let example = schema.get("examples")?.get(nth)?;
        example.is_object().then(|| example.to_string())
    }

    /// How many examples the schema has.
    pub fn example_count(&self) -> usize {
        let schema = self.schema().unwrap_or_default();
        schema.get("examples").and_then(serde_json::Value::as_array).map_or(0, Vec::len)
    }
}
