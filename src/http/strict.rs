//! A strict reading of JSON: which fields nobody took, and lists that stand where an object belongs.
//!
//! serde passes over a field that a struct has not, and takes a list for a struct's fields in their order. Here a
//! reader stands around any of its deserializers, hears which fields each struct has, and tells of the others.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// How alike two names are, from 0 to 1 by their edit distance, that one may have been meant for the other.
const LIKENESS_MIN: f64 = 0.6;
/// How many fields that nobody took are remembered of one document.
const STRANGE_MAX: usize = 64;
/// How many characters of such a field's name are kept; a longer one is nobody's slip, and is not compared.
const NAME_CHARS_MAX: usize = 64;
/// How `serde_json` asks for a value as it stands; what is in it is nobody's business.
const AS_IT_STANDS: &str = "$serde_json::private::";
/// What is said of a list where an object belongs.
pub(super) const IS_A_LIST: &str = "is a list; this takes a JSON object";

/// Reads a value; `found` are the fields that nobody took, also when the reading fails.
pub(super) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    found: &RefCell<Vec<Strange>>,
) -> Result<T, D::Error> {
    let place = Place { above: None, step: Step::Whole, found };
    T::deserialize(Strict { inner: deserializer, place: &place, fields: None })
}

/// A field that nobody took.
pub(super) struct Strange {
    /// Where it stands, outermost first.
    pub(super) path: Vec<String>,
    /// The fields that are known there.
    pub(super) known: Vec<&'static str>,
}

impl Strange {
    /// What is wrong with it, and which name was meant.
    pub(super) fn message(&self) -> String {
        let name = self.path.last().map_or("", String::as_str);
        format!("unknown field `{name}`; {}", hint(name, &self.known))
    }
}

/// The known name that was probably meant, else all of them.
pub(crate) fn hint(name: &str, known: &[&str]) -> String {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    let likeness = |other: &&&str| strsim::normalized_damerau_levenshtein(&plain(name), &plain(other));
    let short = name.chars().nth(NAME_CHARS_MAX).is_none();
    let nearest = known.iter().filter(|_| short).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|other| likeness(other) >= LIKENESS_MIN) {
        Some(other) => format!("did you mean `{other}`?"),
        None if known.is_empty() => "none is known here".to_owned(),
        None => format!("known are: {}", known.join(", ")),
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Where the reader is.
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
    found: &'a RefCell<Vec<Strange>>,
}

enum Step<'a> {
    Whole,
    Field(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    fn below<'b>(&'b self, step: Step<'b>) -> Place<'b>
    where
        'a: 'b,
    {
        Place { above: Some(self), step, found: self.found }
    }

    fn path(&self) -> Vec<String> {
        let mut path = self.above.map_or_else(Vec::new, Place::path);
        match self.step {
            Step::Whole => {}
            Step::Field(name) => path.push(name.to_owned()),
            Step::Item(number) => path.push(number.to_string()),
        }
        path
    }

    fn tell(&self, name: &str, known: &'static [&'static str]) {
        let mut found = self.found.borrow_mut();
        if found.len() < STRANGE_MAX {
            let mut path = self.path();
            path.push(shortened(name));
            found.push(Strange { path, known: known.to_vec() });
        }
    }
}

/// The reader around a deserializer, a seed or a visitor; `fields` are those of the struct that is visited.
struct Strict<'a, X> {
    inner: X,
    place: &'a Place<'a>,
    fields: Option<&'static [&'static str]>,
}

impl<'a, X> Strict<'a, X> {
    fn around<Y>(&self, inner: Y, fields: Option<&'static [&'static str]>) -> Strict<'a, Y> {
        Strict { inner, place: self.place, fields }
    }
}

/// Passes a question on, and stands around the visitor of the answer.
macro_rules! ask {
    ($($method:ident($($name:ident: $kind:ty),*), $fields:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.around(visitor, $fields);
            self.inner.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    ask! {
        deserialize_any(), None;
        deserialize_option(), None;
        deserialize_seq(), None;
        deserialize_tuple(len: usize), None;
        deserialize_tuple_struct(name: &'static str, len: usize), None;
        deserialize_map(), None;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]), Some(fields);
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        if name.starts_with(AS_IT_STANDS) {
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        let visitor = self.around(visitor, None);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    /// As it is: what we read in this form are names, without fields.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct identifier
    }
}

/// Passes on what has nothing below it.
macro_rules! visit {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: serde::de::Error>(self, value: $kind) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    visit! {
        visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.around(deserializer, None);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.around(deserializer, None);
        self.inner.visit_newtype_struct(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.fields.is_some() {
            return Err(A::Error::custom(IS_A_LIST));
        }
        self.inner.visit_seq(Items { inner: items, place: self.place, next: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let Self { inner, place, fields } = self;
        inner.visit_map(Entries { inner: entries, place, fields, key: Key(Cow::Borrowed("")) })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.around(deserializer, None);
        self.inner.deserialize(deserializer)
    }
}

/// The items of a list.
struct Items<'a, A> {
    inner: A,
    place: &'a Place<'a>,
    next: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let place = self.place.below(Step::Item(self.next));
        self.next += 1;
        self.inner.next_element_seed(Strict { inner: seed, place: &place, fields: None })
    }
}

/// A key as it was written.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The entries of an object; of a struct's when `fields` are given.
struct Entries<'a, 'de, A> {
    inner: A,
    place: &'a Place<'a>,
    fields: Option<&'static [&'static str]>,
    key: Key<'de>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.inner.next_key::<Key<'de>>()? else {
            return Ok(None);
        };
        if let Some(known) = self.fields.filter(|fields| !fields.contains(&key.0.as_ref())) {
            self.place.tell(&key.0, known);
        }
        self.key = key;
        seed.deserialize(CowStrDeserializer::new(Cow::Borrowed(self.key.0.as_ref()))).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let place = self.place.below(Step::Field(&self.key.0));
        self.inner.next_value_seed(Strict { inner: seed, place: &place, fields: None })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only what is beside it is looked at")]
    struct Outer<'a> {
        event_type: Option<String>,
        inner: Option<Inner>,
        many: Option<Vec<Inner>>,
        named: Option<BTreeMap<String, Inner>>,
        free: Option<Value>,
        #[serde(borrow, alias = "data")]
        raw: Option<&'a RawValue>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only what is beside it is looked at")]
    struct Inner {
        paused: Option<bool>,
    }

    #[track_caller]
    fn strange(text: &str) -> Vec<String> {
        let found = RefCell::default();
        read::<Outer, _>(&mut serde_json::Deserializer::from_str(text), &found).map(|_| ()).expect("JSON");
        found.borrow().iter().map(|strange| format!("{}: {}", strange.path.join("."), strange.message())).collect()
    }

    #[test]
    fn what_nobody_takes_is_told_wherever_it_stands() {
        for (text, told) in [
            (r#"{"event_type":"a"}"#, "event_type: unknown field `event_type`; did you mean `eventType`?"),
            (r#"{"inner":{"pased":true}}"#, "inner.pased: unknown field `pased`; did you mean `paused`?"),
            (r#"{"many":[{},{"x":1}]}"#, "many.1.x: unknown field `x`; known are: paused"),
            (r#"{"named":{"a":{"\u0078":{"y":[]}}}}"#, "named.a.x: unknown field `x`; known are: paused"),
        ] {
            assert_eq!(strange(text), [told], "{text}");
        }
        assert_eq!(strange(r#"{"z":1,"y":2,"inner":{"q":3}}"#).len(), 3);
        let many = (0..100).map(|n| format!(r#""k{n}":0,"#)).collect::<Vec<_>>().concat();
        assert_eq!(strange(&format!(r#"{{{many}"data":{{}}}}"#)).len(), STRANGE_MAX);
    }

    #[test]
    fn what_is_free_is_nobodys_business() {
        assert!(strange(r#"{"free":{"a":[{"b":1}]},"data":{"c":{"d":1}},"inner":null,"many":[]}"#).is_empty());
    }

    #[test]
    fn a_list_is_no_object() {
        for text in [r#"["a"]"#, r#"{"inner":[true]}"#, r#"{"many":[[]]}"#, r#"{"named":{"a":[]}}"#] {
            let read = read::<Outer, _>(&mut serde_json::Deserializer::from_str(text), &RefCell::default());
            let error = read.err().expect(text).to_string();
            assert!(error.starts_with(IS_A_LIST), "{text}: {error}");
        }
    }
}
