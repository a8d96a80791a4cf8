//! `enabled_events`: what a webhook wants, by entity and types; it becomes the event types of its endpoint.

use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::name::Metadata;
use crate::provider::Provider;
use crate::providers;
use crate::sandbox::ask::{Ask, Problem};

/// How the metadata of an endpoint that say how the list was written begin: `enabled_events.00.transfer`.
const KEY: &str = "enabled_events.";

/// The list as it was written: an entity once, with some of its types or, when there are none, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EnabledEvents(Vec<(String, Vec<String>)>);

/// The types of an entity, as the catalogue has them.
fn types_of(entity: &str) -> Vec<&'static str> {
    let rows = providers::catalogue(Provider::Finix).iter().filter_map(|row| row.event_type.rsplit_once('.'));
    rows.filter(|(known, _)| *known == entity).map(|(_, kind)| kind).collect()
}

impl EnabledEvents {
    /// Reads `enabled_events`; `None` when it is not there. Error: an entity twice, or what Finix does not send.
    pub fn read(ask: &Ask) -> Result<Option<Self>, Problem> {
        let wrong = |message: String| Problem::field("enabled_events", message);
        let form = || wrong("`enabled_events` must be a list of objects {\"entity\", \"types\": […]}".to_owned());
        let rows = match ask.body.get("enabled_events") {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_array().ok_or_else(form)?,
        };
        let mut list: Vec<(String, Vec<String>)> = Vec::new();
        for row in rows {
            let entity = row["entity"].as_str().ok_or_else(form)?;
            let types = match &row["types"] {
                Value::Null => Vec::new(),
                types => types.as_array().ok_or_else(form)?.clone(),
            };
            let types = types.into_iter().map(|kind| kind.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            let (types, known) = (types.ok_or_else(form)?, types_of(entity));
            if known.is_empty() {
                let shown: String = entity.chars().take(80).collect();
                return Err(wrong(format!("`{shown}` is no entity whose events Finix sends")));
            }
            if !types.iter().all(|kind| known.contains(&kind.as_str())) {
                return Err(wrong(format!("the types of `{entity}` are {}; leave them out for all", known.join(", "))));
            }
            if list.iter().any(|(other, _)| other == entity) {
                return Err(wrong(format!("`{entity}` is there twice; name each entity once, with all its types")));
            }
            list.push((entity.to_owned(), types));
        }
        Ok(Some(Self(list)))
    }

    /// The list of an endpoint: as it was written, or, where somebody changed it by another way, as it is now.
    pub fn of(endpoint: &Endpoint) -> Self {
        let written = endpoint.metadata.iter().filter_map(|(key, types)| {
            let (_, entity) = key.strip_prefix(KEY)?.split_once('.')?;
            Some((entity.to_owned(), types.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()))
        });
        let written = Self(written.collect());
        if written.event_types() == endpoint.event_types {
            return written;
        }
        let mut list: Vec<(String, Vec<String>)> = Vec::new();
        for (entity, kind) in endpoint.event_types.iter().filter_map(|name| name.rsplit_once('.')) {
            match list.iter_mut().find(|(known, _)| known == entity) {
                Some((_, types)) => types.push(kind.to_owned()),
                None => list.push((entity.to_owned(), vec![kind.to_owned()])),
            }
        }
        Self(list)
    }

    /// Makes it the list of an endpoint.
    pub fn set(&self, endpoint: &mut Endpoint) {
        endpoint.event_types = self.event_types();
        endpoint.metadata.retain(|key, _| !key.starts_with(KEY));
        let entries = self.0.iter().enumerate();
        let entry = |(at, (entity, types)): (usize, &(String, Vec<String>))| {
            (format!("{KEY}{at:02}.{entity}"), types.join(","))
        };
        endpoint.metadata.extend(entries.map(entry).collect::<Metadata>());
    }

    /// As it is read back.
    pub fn json(&self) -> Value {
        self.0.iter().map(|(entity, types)| json!({ "entity": entity, "types": types })).collect()
    }

    /// The event types it comes to; none for all.
    fn event_types(&self) -> Vec<String> {
        let named = |(entity, types): &(String, Vec<String>)| {
            let all = || types_of(entity).into_iter().map(str::to_owned).collect();
            let types: Vec<String> = if types.is_empty() { all() } else { types.clone() };
            types.into_iter().map(|kind| format!("{entity}.{kind}")).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(named).collect()
    }
}
