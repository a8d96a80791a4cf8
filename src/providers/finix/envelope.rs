//! `{"type","entity","occurred_at","_embedded":{"<plural>":[…]}[,"id"][,"system_generated_idempotency_id"]}`.

use rand::RngCore;

use super::CATALOGUE;
use crate::error::{Error, Result};
use crate::providers::fact::{Fact, Reading, fit, hashed_content};
use crate::providers::json::{Object, quoted, spliced, utf8};
use crate::providers::{alphabet, catalogue, time};
use crate::quarantine::{Kind, Unread};

/// How an event's id begins; `system_generated_idempotency_id` is the rest.
pub(super) const ID_PREFIX: &str = "event_";
/// How long that rest is.
pub(super) const ID_CHARS: usize = 22;

/// Understands a body. Where an event has an id, id and kind tell it apart (its own pages show one id on two kinds);
/// where it has none, all that it says does. Error: a sentence.
pub(in crate::providers) fn read(body: &[u8]) -> Result<Reading<'_>, Unread> {
    let object = Object::parse(body)?;
    let event_type = format!("{}.{}", object.required("entity", Kind::NoType)?, object.required("type", Kind::NoType)?);
    let bare = object.id("system_generated_idempotency_id")?.map(|bare| format!("{ID_PREFIX}{bare}"));
    let id = object.id("id")?.map(String::from).or(bare);
    let dedup_key = match &id {
        Some(id) => format!("{id}/{}", fit(&event_type)),
        None => hashed_content(utf8(body)?)?,
    };
    let occurred_ms = object.text("occurred_at").and_then(|text| time::read(&text));
    Ok(Reading { event_type: event_type.into(), dedup_key: Some(dedup_key), id, occurred_ms, live: None })
}

/// Writes the envelope around a resource. Error: a type that is not `entity.change`.
pub(in crate::providers) fn wrap(fact: Fact<'_>, rng: &mut impl RngCore) -> Result<Vec<u8>> {
    let halves = fact.event_type.rsplit_once('.').filter(|(entity, change)| !entity.is_empty() && !change.is_empty());
    let Some((entity, change)) = halves else {
        let form = "must be an entity and what became of it, with a dot between them, such as `transfer.created`";
        return Err(Error::field("eventType", form));
    };
    let plural = catalogue::find(&CATALOGUE, fact.event_type).and_then(|row| row.plural.clone());
    let plural = plural.unwrap_or_else(|| format!("{entity}s"));
    let [entity, change, plural] = [entity, change, &plural].map(quoted);
    let occurred = time::written_zoneless(fact.at_ms);
    let id = alphabet::text(alphabet::BASE58, ID_CHARS, rng);
    let head = format!(r#"{{"type":{change},"entity":{entity},"occurred_at":"{occurred}","_embedded":{{{plural}:["#);
    let end = format!(r#"]}},"id":"{ID_PREFIX}{id}","system_generated_idempotency_id":"{id}"}}"#);
    Ok(spliced(&head, fact.payload, &end))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn what_is_wrapped_is_read_and_needs_a_dot() {
        let rng = &mut SmallRng::seed_from_u64(1);
        let fact = Fact { event_type: "identity.created", payload: b"{}", live: true, at_ms: 1_587_942_023_460 };
        let body = wrap(fact, rng).expect("a catalogued type");
        let reading = read(&body).expect("our own");
        let id = reading.id.expect("an id");
        let bare = id.strip_prefix("event_").expect("Finix's prefix");
        let expected = format!(
            r#"{{"type":"created","entity":"identity","occurred_at":"2020-04-26T23:00:23.46","_embedded":{{"identitys":[{{}}]}},"id":"{id}","system_generated_idempotency_id":"{bare}"}}"#
        );
        assert_eq!(std::str::from_utf8(&body), Ok(&*expected));
        assert!(bare.len() == 22 && reading.dedup_key == Some(format!("{id}/identity.created")));
        let unlisted = wrap(Fact { event_type: "gateway_integration.updated", ..fact }, rng).expect("it has a dot");
        assert!(String::from_utf8(unlisted).expect("text").contains(r#""_embedded":{"gateway_integrations":[{}]}"#));
        for wrong in ["identity", ".created", "identity.", "."] {
            assert!(wrap(Fact { event_type: wrong, ..fact }, rng).is_err(), "{wrong}");
        }
    }
}
