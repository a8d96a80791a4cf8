//! Flows: what happens in which order, to which resource, how it changes, and what is odd about it in the documentation.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tree::Tree;

/// A flow as its file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flow {
    pub step: Vec<Step>,
    /// The oddities of the steps that have none of their own.
    #[serde(default)]
    documented: Documented,
}

/// One event of a flow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The catalogue's name of its kind.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The resource's name in the flow; its event carries the whole of it.
    #[serde(default = "it")]
    pub resource: String,
    /// The shape it is made from; without one it is as the step before left it.
    pub shape: Option<String>,
    /// What changes, by JSON pointer; a table's values are blanks as in a shape.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Value>,
    /// How long after the event before, in ms.
    #[serde(default)]
    pub wait_ms: i64,
    documented: Option<Documented>,
}

/// What is odd about an event in the provider's documentation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Documented {
    /// The kind it is shown as.
    #[serde(rename = "as")]
    pub event_type: Option<String>,
    /// What else changes in the resource.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Value>,
    /// What changes in the envelope.
    #[serde(default)]
    pub body: BTreeMap<String, toml::Value>,
    /// The keys of the envelope, in order (Finix).
    pub keys: Option<String>,
    /// The key that holds the resource (Finix).
    pub plural: Option<String>,
}

fn it() -> String {
    "it".to_owned()
}

impl Flow {
    /// Reads a flow that is part of this program.
    pub fn parse(text: &str) -> Self {
        toml::from_str(text).expect("a flow of ours is sound")
    }

    /// What is odd about a step.
    pub fn documented<'a>(&'a self, step: &'a Step) -> &'a Documented {
        step.documented.as_ref().unwrap_or(&self.documented)
    }
}

/// A value of a flow's file as a value of a shape.
pub(super) fn value(value: &toml::Value) -> Tree {
    match value {
        toml::Value::String(text) => Tree::Text(text.clone()),
        toml::Value::Array(values) => Tree::Array(values.iter().map(self::value).collect()),
        toml::Value::Table(fields) => {
            Tree::Object(fields.iter().map(|(key, field)| (key.clone(), self::value(field))).collect())
        }
        toml::Value::Integer(number) => Tree::Word(number.to_string()),
        toml::Value::Float(number) => Tree::Word(number.to_string()),
        toml::Value::Boolean(word) => Tree::Word(word.to_string()),
        toml::Value::Datetime(moment) => Tree::Text(moment.to_string()),
    }
}
