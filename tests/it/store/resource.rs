//! Resources of the sandbox: what is put stands there until it goes, and each world has its own.

use bytes::Bytes;
use posthaste::resource::Resource;
use posthaste::store::Change;

use super::subject::{Subject, set};

ask! {
    a_batch_of_resources_stands_as_its_last_word,
    resources_of_worlds_do_not_meet,
}

/// A resource in a world.
pub fn resource(world: &str, kind: &str, id: &str, value: Option<&str>) -> Resource {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    Resource { world: world.to_owned(), kind: kind.to_owned(), id: id.to_owned(), value }
}

fn a_batch_of_resources_stands_as_its_last_word(subject: &Subject) {
    let [first, second] = ["{\"n\":1}", "{\"n\":2}"].map(|value| resource("a", "link", "one", Some(value)));
    let gone = resource("a", "link", "one", None);
    subject.done(set(Change::Resources(vec![first.clone(), second.clone()])));
    assert_eq!(subject.resources().unwrap(), std::slice::from_ref(&second));
    subject.done(set(Change::Resources(vec![gone.clone()])));
    assert_eq!(subject.resources().unwrap(), []);
    subject.done(set(Change::Resources(vec![gone, first.clone()])));
    assert_eq!(subject.resources().unwrap(), [first]);
    subject.done(set(Change::Resources(Vec::new())));
}

fn resources_of_worlds_do_not_meet(subject: &Subject) {
    let all = [("a", "account", "x"), ("a", "link", "x"), ("a", "link", "y"), ("b", "link", "x")]
        .map(|(world, kind, id)| resource(world, kind, id, Some("{}")));
    subject.done(set(Change::Resources(all.iter().rev().cloned().collect())));
    assert_eq!(subject.resources().unwrap(), all, "in order of world, kind and id");
    subject.done(set(Change::Resources(vec![resource("b", "link", "x", None), resource("c", "link", "x", None)])));
    assert_eq!(subject.resources().unwrap(), all[..3]);
}
