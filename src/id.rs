//! Ids: time-ordered integers inside, typed KSUID text with a keyed check at the edges.

use std::fmt;
use std::hash::Hasher;
use std::sync::atomic::{AtomicI64, Ordering};

use siphasher::sip::SipHasher13;

use crate::digest::hash16;

/// KSUIDs count from here: 2014-05-13T16:53:20Z, in ms since 1970.
const EPOCH_MS: i64 = 1_400_000_000_000;
/// An id is 41 bits of ms, 10 bits of node, 12 bits of sequence.
const MS_BITS: u32 = 41;
const NODE_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;
/// How many bytes a KSUID has.
const KSUID_BYTES: usize = 20;
/// How many base62 characters write them.
const TEXT_CHARS: usize = 27;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62⁵ is the largest power of 62 that fits a 32-bit limb.
const FIVE_DIGITS: u64 = 62 * 62 * 62 * 62 * 62;

/// A kind of id: an integer inside, `<PREFIX><27 characters>` at the edges.
pub trait Id: Copy {
    /// What the text begins with, its underscore included.
    const PREFIX: &'static str;
    /// Takes the integer that [`IdSource::next`] handed out.
    fn new(value: i64) -> Self;
    /// The integer, as stored and indexed.
    fn value(self) -> i64;
    /// When it was handed out, in ms since 1970.
    fn time_ms(self) -> i64 {
        time_ms(self.value())
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn new(value: i64) -> Self {
                Self(value)
            }
            fn value(self) -> i64 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }
    };
}

id!(
    /// One environment (`test`, `live`).
    EnvironmentId, "env_"
);
id!(
    /// One application.
    ApplicationId, "app_"
);
id!(
    /// One endpoint.
    EndpointId, "ep_"
);
id!(
    /// One event; its text is the `webhook-id` of every attempt, but for what came in by a source under a name: [`WebhookId`].
    EventId, "msg_"
);
id!(
    /// One attempt.
    AttemptId, "atmpt_"
);
id!(
    /// One inbound source.
    SourceId, "src_"
);
id!(
    /// One event that is held back, since another came under its id first.
    ConflictId, "conflict_"
);
id!(
    /// One API key.
    KeyId, "key_"
);
id!(
    /// One person who may use the dashboard.
    UserId, "user_"
);
id!(
    /// One line of the audit log.
    EntryId, "audit_"
);
id!(
    /// One long job.
    TaskId, "qtask_"
);

/// What an inbound event is called on the wire: it follows from its source and what tells it apart, and is the same in
/// a database that never saw it before. Its text looks as that of an [`EventId`]; which of the two it is, only the
/// check inside an [`EventId`]'s text tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub(crate) [u8; KSUID_BYTES]);

impl WebhookId {
    /// What an event is called that came in by a source of this name, under this key, as this type.
    pub fn new(source: &[u8], dedup_key: &str, event_type: &str) -> Self {
        let key = key_hash(source, dedup_key);
        let kind = hash16(&[&key[..], event_type.as_bytes()].concat());
        let mut bytes = [0; KSUID_BYTES];
        bytes[..8].copy_from_slice(&key[..8]);
        bytes[8..].copy_from_slice(&kind[..12]);
        Self(bytes)
    }

    /// The half of a hash under which it is indexed.
    pub fn half(&self) -> i64 {
        i64::from_be_bytes(self.0[..8].try_into().expect("eight of twenty"))
    }

    /// Its text, as that of an [`EventId`]: `msg_` and 27 characters.
    pub fn text(&self) -> String {
        written(EventId::PREFIX, self.0)
    }

    /// Reads a text; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        from_base62(text.strip_prefix(EventId::PREFIX)?.as_bytes()).map(Self)
    }
}

impl fmt::Debug for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The hash of what tells an inbound event of a source apart.
pub fn key_hash(source: &[u8], dedup_key: &str) -> [u8; 16] {
    hash16(&[source, dedup_key.as_bytes()].concat())
}

/// When an id was handed out, in ms since 1970.
fn time_ms(value: i64) -> i64 {
    (value >> (NODE_BITS + SEQUENCE_BITS)) + EPOCH_MS
}

/// The lowest id of a millisecond: a time as a bound of an id range. Times that no id can have, before 2014 and
/// after 2084, are the first and the last.
pub fn floor_at(ms: i64) -> i64 {
    (ms - EPOCH_MS).clamp(0, (1 << MS_BITS) - 1) << (NODE_BITS + SEQUENCE_BITS)
}

/// Hands out ids that only grow, whatever the clock does.
#[derive(Debug)]
pub struct IdSource {
    node: i64,
    last: AtomicI64,
}

impl IdSource {
    /// `node` is 0..1024; `last` is the highest id that already exists.
    pub fn new(node: u16, last: i64) -> Self {
        Self { node: i64::from(node) & ((1 << NODE_BITS) - 1), last: AtomicI64::new(last) }
    }

    /// The next id: of this millisecond, or right after the last one when the clock stands or goes back.
    pub fn next<T: Id>(&self, wall_ms: i64) -> T {
        let of_now = floor_at(wall_ms) | (self.node << SEQUENCE_BITS);
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = of_now.max(self.after(last));
            match self.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return T::new(next),
                Err(now) => last = now,
            }
        }
    }

    /// The highest id handed out so far.
    pub fn last(&self) -> i64 {
        self.last.load(Ordering::Relaxed)
    }

    /// The smallest id of this node above `last`: the next sequence, or the next millisecond when it is used up.
    fn after(&self, last: i64) -> i64 {
        let sequence_max = (1 << SEQUENCE_BITS) - 1;
        let base = last & !((1_i64 << (NODE_BITS + SEQUENCE_BITS)) - 1);
        let node = self.node << SEQUENCE_BITS;
        if last < base | node {
            base | node
        } else if last < base | node | sequence_max {
            last + 1
        } else {
            (base + (1 << (NODE_BITS + SEQUENCE_BITS))) | node
        }
    }
}

/// Turns ids into unguessable text and back; one key per database.
#[derive(Clone)]
pub struct IdText {
    key: [u8; 16],
}

impl IdText {
    /// Takes the 16 random bytes kept in the database; with another key every text is another.
    pub fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The text of an id, such as `msg_` + 27 characters that sort as the integers do.
    pub fn of<T: Id>(&self, id: T) -> String {
        written(T::PREFIX, self.ksuid::<T>(id.value()))
    }

    /// What an event is called on the wire: by what follows from what it is, else by its id.
    pub fn webhook_id(&self, event: EventId, named: Option<WebhookId>) -> String {
        named.map_or_else(|| self.of(event), |named| named.text())
    }

    /// Reads a text; `None` for another kind, a typing error or a guess, without any lookup.
    pub fn parse<T: Id>(&self, text: &str) -> Option<T> {
        let ksuid = from_base62(text.strip_prefix(T::PREFIX)?.as_bytes())?;
        let value = i64::from_be_bytes(ksuid[5..13].try_into().ok()?);
        let genuine = value >= 0 && self.ksuid::<T>(value) == ksuid;
        genuine.then(|| T::new(value))
    }

    /// 40 bits of time in 4 ms, the integer, 56 bits of keyed hash.
    fn ksuid<T: Id>(&self, value: i64) -> [u8; KSUID_BYTES] {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(T::PREFIX.as_bytes());
        hasher.write_i64(value);
        let mut bytes = [0; 20];
        bytes[..5].copy_from_slice(&((time_ms(value) - EPOCH_MS) >> 2).to_be_bytes()[3..]);
        bytes[5..13].copy_from_slice(&value.to_be_bytes());
        bytes[13..].copy_from_slice(&hasher.finish().to_be_bytes()[1..]);
        bytes
    }
}

fn written(prefix: &str, ksuid: [u8; KSUID_BYTES]) -> String {
    let mut text = String::with_capacity(prefix.len() + TEXT_CHARS);
    text.push_str(prefix);
    text.extend(base62(ksuid).map(char::from));
    text
}

/// Writes 20 bytes, big-endian, as 27 base62 digits.
fn base62(bytes: [u8; KSUID_BYTES]) -> [u8; TEXT_CHARS] {
    let mut limbs = [0_u32; 5];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(4)) {
        *limb = u32::from_be_bytes(chunk.try_into().expect("chunks of four"));
    }
    let mut text = [b'0'; TEXT_CHARS];
    let mut end = TEXT_CHARS;
    while end > 0 {
        let mut rest = divide(&mut limbs);
        let start = end.saturating_sub(5);
        for digit in text[start..end].iter_mut().rev() {
            *digit = ALPHABET[usize::try_from(rest % 62).expect("below 62")];
            rest /= 62;
        }
        end = start;
    }
    text
}

/// Divides the number by 62⁵ in place and gives the remainder.
fn divide(limbs: &mut [u32; 5]) -> u64 {
    let mut rest = 0;
    for limb in limbs {
        let value = (rest << 32) | u64::from(*limb);
        *limb = u32::try_from(value / FIVE_DIGITS).expect("the remainder is below the divisor");
        rest = value % FIVE_DIGITS;
    }
    rest
}

/// Reads 27 base62 digits; `None` when a character is none, or the number exceeds 20 bytes.
fn from_base62(text: &[u8]) -> Option<[u8; KSUID_BYTES]> {
    if text.len() != TEXT_CHARS {
        return None;
    }
    let mut limbs = [0_u32; 5];
    for &character in text {
        let mut carry = u64::from(digit_value(character)?);
        for limb in limbs.iter_mut().rev() {
            let value = u64::from(*limb) * 62 + carry;
            *limb = u32::try_from(value & 0xffff_ffff).expect("masked");
            carry = value >> 32;
        }
        if carry != 0 {
            return None;
        }
    }
    let mut bytes = [0; 20];
    for (chunk, limb) in bytes.chunks_exact_mut(4).zip(limbs) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    Some(bytes)
}

fn digit_value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'Z' => Some(character - b'A' + 10),
        b'a'..=b'z' => Some(character - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY_MS: i64 = 1_795_305_600_123;

    #[test]
    fn ids_grow_even_when_the_clock_goes_back_or_a_millisecond_is_full() {
        let source = IdSource::new(3, 0);
        let mut last: EventId = source.next(TODAY_MS);
        for step in 0..10_000 {
            let next: EventId = source.next(TODAY_MS - step);
            assert!(next > last && (next.value() >> SEQUENCE_BITS) & 1023 == 3);
            last = next;
        }
        assert!(last.time_ms() - TODAY_MS <= 3);
    }

    #[test]
    fn text_reads_back_and_sorts_as_the_integers_do() {
        let (ids, source) = (IdText::new([7; 16]), IdSource::new(0, 0));
        let mut last = String::new();
        for step in 0..1_000 {
            let id: EventId = source.next(TODAY_MS + step * 3_600_000);
            let text = ids.of(id);
            assert_eq!((text.len(), ids.parse(&text)), (31, Some(id)));
            assert!(text > last);
            last = text;
        }
    }

    #[test]
    fn what_an_event_is_called_follows_from_what_it_is_and_is_no_id_of_ours() {
        let named = WebhookId::new(b"fintoc", "evt_1", "payment_intent.succeeded");
        let text = named.text();
        assert_eq!((text.len(), WebhookId::parse(&text)), (31, Some(named)));
        assert_eq!(text, WebhookId::new(b"fintoc", "evt_1", "payment_intent.succeeded").text());
        assert_eq!(IdText::new([7; 16]).parse::<EventId>(&text), None);
        for other in [
            WebhookId::new(b"fintoc", "evt_1", "payment_intent.failed"),
            WebhookId::new(b"fintoc", "evt_2", "payment_intent.succeeded"),
            WebhookId::new(b"other", "evt_1", "payment_intent.succeeded"),
        ] {
            assert_ne!(other, named);
        }
        let ids = IdText::new([7; 16]);
        let event = EventId::new(floor_at(TODAY_MS));
        assert_eq!((ids.webhook_id(event, None), ids.webhook_id(event, Some(named))), (ids.of(event), text));
    }

    #[test]
    fn a_mistyped_guessed_or_foreign_text_is_no_id() {
        let ids = IdText::new([7; 16]);
        let text = ids.of(EventId::new(floor_at(TODAY_MS)));
        let mistyped = format!("{}{}", &text[..30], if text.ends_with('a') { 'b' } else { 'a' });
        for wrong in [&mistyped, "msg_", "", &text[4..], "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz", "msg_é"] {
            assert_eq!(ids.parse::<EventId>(wrong), None, "{wrong}");
        }
        assert_eq!(ids.parse::<EndpointId>(&text.replace("msg_", "ep_")), None);
        assert_eq!(IdText::new([8; 16]).parse::<EventId>(&text), None);
    }
}
