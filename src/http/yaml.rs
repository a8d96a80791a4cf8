//! YAML as JSON: the core schema of YAML 1.2, and merge keys, within limits that no alias gets around.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// How many values a document may have, each alias counted as what it stands for.
const VALUES_MAX: usize = 100_000;
/// How deep they may stand in one another.
const DEPTH_MAX: usize = 64;
/// Takes the fields of the object behind it that its own does not have.
const MERGE: &str = "<<";

/// A finished value, how many values it is made of, and how deep they stand in one another.
#[derive(Clone)]
struct Node {
    value: Value,
    count: usize,
    depth: usize,
}

/// A list or an object whose end has not come.
struct Open {
    node: Node,
    /// The object's field whose value comes next.
    key: Option<String>,
    /// What the object takes of others, where its own fields do not say otherwise.
    merged: Vec<Value>,
    anchor: usize,
}

/// Reads one document. Error: what is wrong with it, and where.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        reader.take(event).map_err(|why| format!("{why} at line {}", span.start.line()))?;
    }
    reader.root.map(|root| root.value).ok_or_else(|| "there is no document".to_owned())
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    count: usize,
    root: Option<Node>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err("a second document begins".to_owned()),
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| tag.suffix != "str");
                if self.wants_key() {
                    self.name(text.into_owned())
                } else {
                    let value = if is_plain { plain(&text)? } else { Value::String(text.into_owned()) };
                    self.put(Node { value, count: 1, depth: 0 }, anchor)
                }
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or("an alias names what has not ended")?;
                self.put(node, 0)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Array(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.begin(Value::Object(Map::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let mut closed = self.open.pop().ok_or("something ends that never began")?;
                if let Value::Object(fields) = &mut closed.node.value {
                    closed.merged.into_iter().try_for_each(|more| merge(fields, more))?;
                }
                self.put(closed.node, closed.anchor)
            }
            _ => Ok(()),
        }
    }

    /// Whether the next scalar names a field.
    fn wants_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.node.value.is_object() && open.key.is_none())
    }

    fn name(&mut self, name: String) -> Result<(), String> {
        let open = self.open.last_mut().ok_or("a field stands outside of any object")?;
        if name != MERGE && open.node.value.get(&name).is_some() {
            return Err(format!("the field `{name}` comes twice"));
        }
        open.key = Some(name);
        Ok(())
    }

    fn begin(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if self.wants_key() {
            return Err("a field's name is no text".to_owned());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        self.open.push(Open { node: Node { value, count: 1, depth: 0 }, key: None, merged: Vec::new(), anchor });
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        self.count += node.count;
        if self.count > VALUES_MAX {
            return Err(format!("it has more than {VALUES_MAX} values, aliases counted as what they stand for"));
        }
        if self.open.len() + node.depth > DEPTH_MAX {
            return Err(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.node.count += node.count;
        open.node.depth = open.node.depth.max(node.depth + 1);
        match (&mut open.node.value, open.key.take()) {
            (Value::Array(values), _) => values.push(node.value),
            (Value::Object(_), Some(key)) if key == MERGE => open.merged.push(node.value),
            (Value::Object(fields), Some(key)) => drop(fields.insert(key, node.value)),
            _ => return Err("a field's name is no text".to_owned()),
        }
        Ok(())
    }
}

fn merge(fields: &mut Map<String, Value>, from: Value) -> Result<(), String> {
    match from {
        Value::Object(more) => more.into_iter().for_each(|(name, value)| {
            fields.entry(name).or_insert(value);
        }),
        Value::Array(all) => all.into_iter().try_for_each(|more| merge(fields, more))?,
        _ => return Err(format!("`{MERGE}` stands before what is no object")),
    }
    Ok(())
}

/// What a text without quotes means.
fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text)?.map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

/// The number that a text is; `None` when it is none.
fn number(text: &str) -> Result<Option<Number>, String> {
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(Number::from);
    if let Some(digits) = text.strip_prefix("0x") {
        return Ok(radix(digits, 16));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return Ok(radix(digits, 8));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&digits) {
        return Err(format!("`{text}` has no form in JSON"));
    }
    let is_number = digits.trim_start_matches('.').starts_with(|first: char| first.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    if !is_number {
        return Ok(None);
    }
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    Ok(whole.ok().or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, value: &Value) {
        assert_eq!(read(text).as_ref(), Ok(value), "{text}");
    }

    #[test]
    fn yaml_reads_as_the_json_that_it_means() {
        check("a: 1\nb: [x, 'y', \"z\"]\nc:\n  - d: ~\n", &json!({"a": 1, "b": ["x", "y", "z"], "c": [{"d": null}]}));
        check(
            "responses:\n  200:\n    description: |\n      ok\n      go\n",
            &json!({"responses": {"200": {"description": "ok\ngo\n"}}}),
        );
        check(
            "[yes, 3.1.0, 0x1f, -1.5e3, '1', !!str 2, 18446744073709551615]",
            &json!(["yes", "3.1.0", 31, -1500.0, "1", "2", u64::MAX]),
        );
        check(
            "base: &b {a: 1, c: 2}\nmore:\n  <<: *b\n  a: 9\n",
            &json!({"base": {"a": 1, "c": 2}, "more": {"a": 9, "c": 2}}),
        );
        check("{\"plain\": {\"json\": [true, null]}}", &json!({"plain": {"json": [true, null]}}));
    }

    fn check_refused(text: &str, why: &str) {
        let error = read(text).expect_err(why);
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_would_grow_beyond_all_bounds_is_refused() {
        let laughs =
            (1..10).map(|level| format!("l{level}: &l{level} [{}]\n", vec![format!("*l{}", level - 1); 10].join(",")));
        check_refused(&format!("l0: &l0 [lol]\n{}", laughs.collect::<String>()), "more than 100000 values");
        check_refused(&"[".repeat(100), "64 deep");
        check_refused(&"- ".repeat(100), "64 deep");
        let ladder = (1..80).map(|level| format!("l{level}: &l{level} [*l{}]\n", level - 1));
        check_refused(&format!("l0: &l0 [lol]\n{}", ladder.collect::<String>()), "64 deep");
        check_refused("a: &a [*a]", "has not ended");
    }

    #[test]
    fn what_json_cannot_say_is_told_with_its_line() {
        check_refused("a: 1\na: 2\n", "`a` comes twice at line 2");
        check_refused("? [a]\n: b\n", "no text");
        check_refused("a: .nan", "no form in JSON");
        check_refused("a: 1\n---\nb: 2\n", "second document");
        check_refused("", "no document");
        check_refused("a: [1", "line");
    }
}
