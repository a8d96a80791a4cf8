//! The documented trees: which keys stand in which order and what they hold, without a single value.

use std::collections::BTreeSet;
use std::fmt;

use posthaste::provider::Provider;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One of the 95 documented samples, as `trees.txt` has it.
pub struct Sample {
    pub number: &'static str,
    pub provider: Provider,
    pub flow: &'static str,
    /// Which step of the flow, from 1.
    pub step: usize,
    pub event_type: &'static str,
    /// The keys of its envelope.
    pub keys: &'static str,
    /// The key that holds the resource.
    pub holder: &'static str,
    /// Whether it happened after (`<`), before (`>`) or as (`=`) the step before it; `.` for the first.
    pub after: &'static str,
    pub tree: &'static str,
}

impl Sample {
    pub fn all() -> Vec<Self> {
        include_str!("trees.txt").lines().map(Self::read).collect()
    }

    fn read(line: &'static str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let [number, provider, flow, step, event_type, keys, holder, after, tree] = words[..] else {
            panic!("{line}");
        };
        let provider = Provider::ALL.into_iter().find(|other| other.name() == provider).unwrap();
        Self { number, provider, flow, step: step.parse().unwrap(), event_type, keys, holder, after, tree }
    }
}

/// The tree of a JSON text: `{id:text,tags:free,amount:number,list:[null]}`.
pub fn tree(json: &[u8]) -> String {
    let Tree { text, .. } = serde_json::from_slice(json).unwrap();
    text
}

/// The keys of a JSON object in the order they stand in.
pub fn keys(json: &[u8]) -> Vec<String> {
    let Tree { keys, .. } = serde_json::from_slice(json).unwrap();
    keys
}

/// Where the values of a tree stand: `/id`, `/list/*/id`.
pub fn paths(tree: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(tree, "", &mut found);
    found
}

/// Notes what stands at the beginning of a text, and gives what comes after it.
fn walk<'a>(tree: &'a str, path: &str, found: &mut BTreeSet<String>) -> &'a str {
    let Some(mut rest) = tree.strip_prefix(['{', '[']) else {
        return &tree[tree.find([',', '}', ']']).unwrap_or(tree.len())..];
    };
    let is_object = tree.starts_with('{');
    while !rest.starts_with(['}', ']']) {
        let (key, value) = if is_object { rest.split_once(':').unwrap() } else { ("*", rest) };
        let path = format!("{path}/{key}");
        rest = walk(value, &path, found).trim_start_matches(',');
        found.insert(path);
    }
    &rest[1..]
}

struct Tree {
    text: String,
    keys: Vec<String>,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(leaf("bool"))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(leaf("number"))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
                Ok(leaf("number"))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(leaf("number"))
            }

            fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
                Ok(leaf("text"))
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(leaf("null"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut inside = Vec::new();
                while let Some(Tree { text, .. }) = list.next_element()? {
                    inside.push(text);
                }
                Ok(leaf(&format!("[{}]", inside.join(","))))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let (mut inside, mut keys) = (Vec::new(), Vec::new());
                while let Some((key, Tree { text, .. })) = map.next_entry::<String, _>()? {
                    let free = matches!(key.as_str(), "tags" | "metadata");
                    inside.push(format!("{key}:{}", if free { "free" } else { &text }));
                    keys.push(key);
                }
                Ok(Tree { text: format!("{{{}}}", inside.join(",")), keys })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn leaf(text: &str) -> Tree {
    Tree { text: text.to_owned(), keys: Vec::new() }
}
