//! `{"content","timestamp","type"}`.

use rand::RngCore;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::providers::fact::{Fact, Reading, hashed_content};
use crate::providers::json::{self, Object, quoted, spliced};
use crate::providers::time;
use crate::quarantine::{Kind, Unread};

/// The event of the dashboard's "Send a test"; it may come any number of times and is a new one each time.
pub(in crate::providers) const TEST_EVENT: &str = "TEST_EVENT";
/// Its body, always the same (docs.bridgeapi.io, secure your webhooks).
const TEST_EVENT_BODY: &str = r#"{"content":{"item_id":1234567890,"status":0,"user_uuid":"9a95b38f-f98b-417a-988b-9d0d584893e7"},"timestamp":1611681789,"type":"TEST_EVENT"}"#;

/// Understands a body. Nothing names an event, so that the hash of what it says does: it survives another order of
/// keys and other spaces. Error: a sentence.
pub(in crate::providers) fn read(body: &[u8]) -> Result<Reading<'_>, Unread> {
    let object = Object::parse(body)?;
    let event_type = object.required("type", Kind::NoType)?;
    let content = object.get("content").ok_or_else(|| Unread::new(Kind::NoContent, "the body has no `content`"))?;
    let timestamp = object.get("timestamp");
    let occurred_ms = timestamp.and_then(moment);
    let mut reading = Reading { event_type, occurred_ms, ..Reading::default() };
    if reading.event_type != TEST_EVENT {
        let timestamp = timestamp.map_or("null", |value| value.get());
        let said = quoted(&reading.event_type);
        let said = format!(r#"{{"content":{},"timestamp":{timestamp},"type":{said}}}"#, content.get());
        reading.dedup_key = Some(hashed_content(&said)?);
    }
    Ok(reading)
}

/// When it happened. Bridge's pages have whole numbers, of seconds and of milliseconds; whoever hands its events on may
/// make another number of them, or a text.
fn moment(timestamp: &RawValue) -> Option<i64> {
    match json::text(timestamp) {
        Some(text) => time::from_number(&text).or_else(|| time::read(&text)),
        None => time::from_number(timestamp.get()),
    }
}

/// Writes the envelope around a resource.
#[expect(clippy::unnecessary_wraps, reason = "the providers have one signature, and Finix refuses")]
pub(in crate::providers) fn wrap(fact: Fact<'_>, _rng: &mut impl RngCore) -> Result<Vec<u8>> {
    if fact.event_type == TEST_EVENT {
        return Ok(TEST_EVENT_BODY.into());
    }
    let end = format!(r#","timestamp":{},"type":{}}}"#, fact.at_ms, quoted(fact.event_type));
    Ok(spliced(r#"{"content":"#, fact.payload, &end))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn what_is_wrapped_is_read_and_the_test_event_is_always_the_same() {
        let rng = &mut SmallRng::seed_from_u64(1);
        let fact = Fact { event_type: "item.created", payload: b"{\"a\": 1.0}", live: true, at_ms: 1_638_913_434_343 };
        let body = wrap(fact, rng).expect("Bridge has an envelope for all");
        assert_eq!(body, br#"{"content":{"a": 1.0},"timestamp":1638913434343,"type":"item.created"}"#);
        let reading = read(&body).expect("our own");
        assert_eq!(reading.occurred_ms, Some(1_638_913_434_343));
        let respelled = br#"{ "type":"item.created", "timestamp":1638913434343, "content":{"a":1.0} }"#;
        assert_eq!(read(respelled), Ok(reading));
        let test = wrap(Fact { event_type: TEST_EVENT, ..fact }, rng).expect("it is constant");
        let reading = read(&test).expect("Bridge's own");
        assert_eq!((reading.dedup_key, reading.occurred_ms), (None, Some(1_611_681_789_000)));
    }

    #[test]
    fn a_timestamp_keeps_its_time_however_it_is_written() {
        for (timestamp, ms) in [
            ("1611681789", Some(1_611_681_789_000)),
            ("1611681789123", Some(1_611_681_789_123)),
            ("1611681789.5", Some(1_611_681_789_500)),
            ("1.611681789e9", Some(1_611_681_789_000)),
            ("1611681789123.0", Some(1_611_681_789_123)),
            (r#""1611681789""#, Some(1_611_681_789_000)),
            (r#""1611681789123""#, Some(1_611_681_789_123)),
            (r#""1611681789.5""#, Some(1_611_681_789_500)),
            (r#""2021-01-26T17:23:09.5Z""#, Some(1_611_681_789_500)),
            (r#""\u0031611681789""#, Some(1_611_681_789_000)),
            ("1e400", None),
            ("-99999999999999999999", None),
            (r#""x""#, None),
            (r#""""#, None),
            ("null", None),
            ("true", None),
            ("[1611681789]", None),
            (r#"{"at":1611681789}"#, None),
        ] {
            let body = format!(r#"{{"content":{{}},"timestamp":{timestamp},"type":"item.created"}}"#);
            let reading = read(body.as_bytes()).expect(timestamp);
            assert_eq!(reading.occurred_ms, ms, "{timestamp}");
        }
        let absent = read(br#"{"content":{},"type":"item.created"}"#).expect("it needs none");
        assert_eq!(absent.occurred_ms, None);
        // what an event is known by is as it was: the hash of the canonical form, the timestamp as it is written there
        let known = r#"{"content":{},"timestamp":1611681789,"type":"item.created"}"#;
        let reading = read(known.as_bytes()).expect("an event");
        assert_eq!(reading.dedup_key, Some(hashed_content(known).expect("JSON")));
    }
}
