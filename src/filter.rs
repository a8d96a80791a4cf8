//! A filter: which payloads an endpoint wants, by what stands at JSON pointers in them.
//!
//! ```text
//! {"/data/currency": "CLP"}                    this value
//! {"/data/currency": ["CLP", "MXN"]}           one of these
//! {"/data/amount": {"gte": 1000, "lt": 5e6}}   all of these: eq ne in gt gte lt lte prefix exists
//! {"and": […]} {"or": […]} {"not": …}          filters of filters
//! ```
//!
//! Entries of one object are and-ed. Numbers compare as decimals, texts by their bytes. What cannot be compared does
//! not match, nor does a payload that is no JSON.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::error::{Error, Result};

/// How many conditions a filter has, how deep it goes, how long a pointer or a text in it may be, in bytes.
const CONDITIONS_MAX: usize = 32;
const DEPTH_MAX: usize = 8;
const TEXT_BYTES_MAX: usize = 1_024;
/// How many values one condition may name.
const VALUES_MAX: usize = 100;
const COMPARISONS: [&str; 9] = ["eq", "ne", "in", "gt", "gte", "lt", "lte", "prefix", "exists"];

/// Which payloads are wanted, as its owner wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(Value);

impl Filter {
    /// Takes what its owner wrote. Error: which part breaks which rule.
    pub fn new(value: Value) -> Result<Self> {
        let filter = Self(value);
        filter.check()?;
        Ok(filter)
    }

    /// Checks its form. Error: which part breaks which rule.
    pub fn check(&self) -> Result<()> {
        let mut conditions = 0;
        check(&self.0, DEPTH_MAX, &mut conditions).map_err(|message| Error::field("filter", message))
    }

    /// Whether this payload is wanted.
    pub fn wants(&self, payload: &[u8]) -> bool {
        let root = std::str::from_utf8(payload).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        root.is_some_and(|root| holds(&self.0, root))
    }

    /// As it was written.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

fn check(filter: &Value, depth: usize, conditions: &mut usize) -> Result<(), String> {
    let fields = filter.as_object().ok_or("must be an object of JSON pointers, or of `and`, `or`, `not`")?;
    let below = depth.checked_sub(1).ok_or_else(|| format!("is deeper than {DEPTH_MAX} levels"))?;
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("and" | "or", Value::Array(filters)) => {
                filters.iter().try_for_each(|filter| check(filter, below, conditions))?;
            }
            ("and" | "or", _) => return Err(format!("`{key}` must be a list of filters")),
            ("not", filter) => check(filter, below, conditions)?,
            (pointer, condition) => {
                *conditions += 1;
                check_condition(pointer, condition)?;
            }
        }
        if *conditions > CONDITIONS_MAX {
            return Err(format!("has more than {CONDITIONS_MAX} conditions"));
        }
    }
    Ok(())
}

fn check_condition(pointer: &str, condition: &Value) -> Result<(), String> {
    if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.len() > TEXT_BYTES_MAX {
        return Err(format!("`{pointer}` is no JSON pointer; it begins with `/`, such as /data/amount"));
    }
    match condition {
        Value::Object(comparisons) => comparisons.iter().try_for_each(|(name, value)| {
            let sound = match name.as_str() {
                "in" => {
                    value.as_array().is_some_and(|values| values.len() <= VALUES_MAX && values.iter().all(is_scalar))
                }
                "exists" => value.is_boolean(),
                "prefix" => value.as_str().is_some_and(|text| text.len() <= TEXT_BYTES_MAX),
                name => COMPARISONS.contains(&name) && is_scalar(value),
            };
            if sound {
                Ok(())
            } else {
                Err(format!("`{name}` at {pointer} is no comparison with such a value; use {}", COMPARISONS.join(", ")))
            }
        }),
        Value::Array(values) if values.len() <= VALUES_MAX && values.iter().all(is_scalar) => Ok(()),
        value if is_scalar(value) => Ok(()),
        _ => Err(format!(
            "the condition at {pointer} must be a value, a list of at most {VALUES_MAX} values, or comparisons"
        )),
    }
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= TEXT_BYTES_MAX,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    }
}

fn holds(filter: &Value, root: &RawValue) -> bool {
    let Some(fields) = filter.as_object() else {
        return false;
    };
    fields.iter().all(|(key, value)| match key.as_str() {
        "and" => value.as_array().is_some_and(|filters| filters.iter().all(|filter| holds(filter, root))),
        "or" => value.as_array().is_some_and(|filters| filters.iter().any(|filter| holds(filter, root))),
        "not" => !holds(value, root),
        pointer => meets(find(root, pointer), value),
    })
}

/// Whether what was found meets a condition.
fn meets(found: Option<&RawValue>, condition: &Value) -> bool {
    match condition {
        Value::Object(comparisons) => comparisons.iter().all(|(name, value)| compares(found, name, value)),
        Value::Array(values) => values.iter().any(|value| is(found, value)),
        value => is(found, value),
    }
}

fn compares(found: Option<&RawValue>, name: &str, value: &Value) -> bool {
    let order = || found.and_then(|found| order(found, value));
    match name {
        "eq" => is(found, value),
        "ne" => found.is_some() && !is(found, value),
        "in" => value.as_array().is_some_and(|values| values.iter().any(|value| is(found, value))),
        "exists" => value.as_bool() == Some(found.is_some()),
        "prefix" => match (found.and_then(text), value.as_str()) {
            (Some(found), Some(prefix)) => found.starts_with(prefix),
            _ => false,
        },
        "gt" => order() == Some(Ordering::Greater),
        "gte" => order().is_some_and(Ordering::is_ge),
        "lt" => order() == Some(Ordering::Less),
        "lte" => order().is_some_and(Ordering::is_le),
        _ => false,
    }
}

/// Whether what was found is this very value: of the same type, numbers by their worth.
fn is(found: Option<&RawValue>, value: &Value) -> bool {
    let Some(found) = found else {
        return false;
    };
    match value {
        Value::Null | Value::Bool(_) => *found.get() == *value.to_string(),
        Value::Number(_) | Value::String(_) => order(found, value) == Some(Ordering::Equal),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// How what was found stands to a number or a text; `None` for another type.
fn order(found: &RawValue, value: &Value) -> Option<Ordering> {
    match value {
        Value::String(wanted) => Some(text(found)?.as_str().cmp(wanted)),
        Value::Number(wanted) => Some(Decimal::parse(found.get())?.cmp(&Decimal::parse(&wanted.to_string())?)),
        _ => None,
    }
}

fn text(found: &RawValue) -> Option<String> {
    serde_json::from_str(found.get()).ok()
}

/// What stands at a JSON pointer (RFC 6901).
pub fn find<'a>(root: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    let mut here = root;
    for part in pointer.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        here = match here.get().as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(here.get()).ok()?.remove(&key)?,
            b'[' => {
                let at: usize = key.parse().ok().filter(|_| key == "0" || !key.starts_with(['0', '+']))?;
                *serde_json::from_str::<Vec<&RawValue>>(here.get()).ok()?.get(at)?
            }
            _ => return None,
        };
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAYLOAD: &[u8] = br#"{"type":"paid","data":{"amount":1250.50,"currency":"CLP","tags":["a","b"],"note":null,"big":12345678901234567890.1,"a/b":{"m~n":true}}}"#;

    #[track_caller]
    fn wanted(filter: Value, expected: bool) {
        let shown = filter.to_string();
        assert_eq!(Filter::new(filter).expect("sound").wants(PAYLOAD), expected, "{shown}");
    }

    #[test]
    fn conditions_hold_as_they_say() {
        for filter in [
            json!({}),
            json!({"/data/currency": "CLP"}),
            json!({"/data/currency": ["MXN", "CLP"]}),
            json!({"/data/amount": 1250.5}),
            json!({"/data/amount": {"eq": 1250.500, "gt": 1250, "lte": 1250.5, "lt": 1e4, "ne": 7}}),
            json!({"/data/big": {"gt": 12_345_678_901_234_567_890_u64}}),
            json!({"/data/tags/1": "b"}),
            json!({"/data/note": null}),
            json!({"/data/note": {"exists": true}, "/data/none": {"exists": false}}),
            json!({"/data/a~1b/m~0n": true}),
            json!({"/type": {"prefix": "pa", "in": ["paid"]}}),
            json!({"or": [{"/type": "x"}, {"/type": "paid"}], "not": {"/type": "x"}}),
            json!({"and": [{"/type": "paid"}, {"not": {"/data/none": "x"}}]}),
            json!({"/type": {"gt": "paic", "lt": "paie"}}),
        ] {
            wanted(filter, true);
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_does_not_match() {
        for filter in [
            json!({"/data/none": "x"}),
            json!({"/data/none": {"ne": "x"}}),
            json!({"/data/amount": "1250.50"}),
            json!({"/data/currency": {"gt": 5}}),
            json!({"/data/tags": {"prefix": "a"}}),
            json!({"/data/tags/01": "b"}),
            json!({"/data/tags/2": "c"}),
            json!({"/data/note": false}),
            json!({"/data": {"eq": "x"}}),
            json!({"or": []}),
            json!({"not": {}}),
            json!({"/data/currency": "CLP", "/type": "x"}),
        ] {
            wanted(filter, false);
        }
        assert!(!Filter::new(json!({})).expect("sound").wants(b"no json"));
        assert!(!Filter::new(json!({})).expect("sound").wants(b"\xff"));
    }

    #[test]
    fn malformed_filters_are_refused() {
        let deep = (0..9).fold(json!({"/a": 1}), |filter, _| json!({"not": filter}));
        let many: serde_json::Map<_, _> = (0..33).map(|nth| (format!("/{nth}"), json!(1))).collect();
        for filter in [
            json!([]),
            json!("x"),
            json!({"type": "x"}),
            json!({"/a": {"like": "x"}}),
            json!({"/a": {"gt": []}}),
            json!({"/a": {"exists": "yes"}}),
            json!({"/a": [[1]]}),
            json!({"and": {}}),
            json!({"not": []}),
            json!({"/a": "x".repeat(1_025)}),
            deep,
            Value::Object(many),
        ] {
            let error = Filter::new(filter.clone()).expect_err(&filter.to_string());
            assert_eq!(error.fields[0].path, ["body", "filter"]);
        }
    }
}
