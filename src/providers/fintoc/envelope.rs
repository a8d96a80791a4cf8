//! `{"id","type","mode","created_at","data","object":"event"}`.

use rand::RngCore;

use crate::error::Result;
use crate::providers::alphabet::{self, BASE62};
use crate::providers::fact::{Fact, Reading};
use crate::providers::json::{Object, quoted, spliced};
use crate::providers::time;
use crate::quarantine::{Kind, Unread};

/// How long the random part of an event's id is, as in the official SDKs' tests.
const ID_CHARS: usize = 16;

/// Understands a body. The id tells events apart (docs.fintoc.com: "save it with the effects"); an older API version
/// writes `createdAt`. Error: a sentence.
pub(in crate::providers) fn read(body: &[u8]) -> Result<Reading<'_>, Unread> {
    let object = Object::parse(body)?;
    let event_type = object.required("type", Kind::NoType)?;
    let id = object.id("id")?.ok_or_else(|| Unread::new(Kind::NoId, "the body has no text `id`"))?.into_owned();
    let created = object.text("created_at").or_else(|| object.text("createdAt"));
    let live = match object.text("mode").as_deref() {
        Some("live") => Some(true),
        Some("test") => Some(false),
        _ => None,
    };
    let occurred_ms = created.and_then(|text| time::read(&text));
    Ok(Reading { event_type, dedup_key: Some(id.clone()), id: Some(id), occurred_ms, live })
}

/// Writes the envelope around a resource.
#[expect(clippy::unnecessary_wraps, reason = "the providers have one signature, and Finix refuses")]
pub(in crate::providers) fn wrap(fact: Fact<'_>, rng: &mut impl RngCore) -> Result<Vec<u8>> {
    let id = alphabet::text(BASE62, ID_CHARS, rng);
    let mode = if fact.live { "live" } else { "test" };
    let head = format!(
        r#"{{"id":"evt_{id}","type":{},"mode":"{mode}","created_at":"{}","data":"#,
        quoted(fact.event_type),
        time::written(fact.at_ms)
    );
    Ok(spliced(&head, fact.payload, r#","object":"event"}"#))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn what_is_wrapped_is_read() {
        let fact = Fact { event_type: "charge.failed", payload: b"{\"a\": 1}", live: true, at_ms: 1_638_913_434_343 };
        let body = wrap(fact, &mut SmallRng::seed_from_u64(1)).expect("Fintoc has an envelope for all");
        let reading = read(&body).expect("our own");
        let id = reading.id.expect("an id");
        let expected = format!(
            r#"{{"id":"{id}","type":"charge.failed","mode":"live","created_at":"2021-12-07T21:43:54.343Z","data":{{"a": 1}},"object":"event"}}"#
        );
        assert_eq!(std::str::from_utf8(&body), Ok(&*expected));
        assert!(id.len() == 20 && reading.dedup_key == Some(id));
        assert_eq!((reading.occurred_ms, reading.live), (Some(1_638_913_434_343), Some(true)));
    }
}
