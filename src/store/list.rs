//! Lists: what part of one is asked for, what it is narrowed to, and what is answered.

use crate::attempt::Attempt;
use crate::delivery::{Delivery, Standing};
use crate::error::Result;
use crate::event::Event;
use crate::id::{AttemptId, EndpointId, EventId, Id, IdText, WebhookId};
use crate::ordering::OrderKey;

/// How many rows a filtered list looks at before it answers with what it has.
pub const SCAN_ROWS_MAX: usize = 5_000;
/// The same for lists of attempts and deliveries that are narrowed by their events: each row costs a second look.
pub const LOOKED_UP_ROWS_MAX: usize = 1_000;

/// How many bytes of bodies one list answers: they stand in memory some four times while it is written, on machines of
/// 128 MiB.
const LISTED_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// How many rows with bodies (1 MiB each at most, or two of them) are read at a time.
const BODIES_TOGETHER: usize = 4;

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// Go on behind this one.
    pub after: Option<K>,
    /// Highest first.
    pub descending: bool,
    /// At most so many.
    pub limit: usize,
}

impl<K: Ord> Page<K> {
    /// The rows that this page and those behind it show, in its order, of a list that is there whole: `rows` ascend.
    pub fn of<T>(&self, rows: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<T> {
        let is_behind = |row: &T, after: &K| if self.descending { key(row) < *after } else { key(row) > *after };
        let behind = |row: &T| self.after.as_ref().is_none_or(|after| is_behind(row, after));
        let mut rows: Vec<T> = rows.into_iter().filter(behind).collect();
        if self.descending {
            rows.reverse();
        }
        rows
    }
}

impl<K: Id> Page<K> {
    /// The same page in plain numbers.
    pub(super) fn numbers(self) -> Page<i64> {
        Page { after: self.after.map(K::value), descending: self.descending, limit: self.limit }
    }
}

/// What a list of events or attempts is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these types; empty for all.
    pub event_types: Vec<String>,
    /// Events on this channel.
    pub channel: Option<String>,
    /// Ids below this one.
    pub below: Option<i64>,
    /// Ids above this one.
    pub above: Option<i64>,
    /// Attempts that succeeded, or that did not.
    pub succeeded: Option<bool>,
    /// Attempts whose status is in this hundred (200 for 2xx, 0 for none).
    pub status_class: Option<u16>,
    /// Attempts at this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Events with this tag.
    pub tag: Option<String>,
    /// Deliveries that stand in one of these ways; empty for all.
    pub standing: Vec<Standing>,
}

impl Filter {
    /// Whether it asks for something of events.
    pub fn is_of_events(&self) -> bool {
        !self.event_types.is_empty() || self.channel.is_some() || self.tag.is_some()
    }

    /// Whether a delivery that stands so is asked for.
    pub fn stands(&self, standing: Standing) -> bool {
        self.standing.is_empty() || self.standing.contains(&standing)
    }

    /// How many rows of attempts or deliveries are looked at.
    pub(crate) fn attempt_rows_max(&self) -> usize {
        if self.is_of_events() { LOOKED_UP_ROWS_MAX } else { SCAN_ROWS_MAX }
    }
}

/// How many living endpoints an application has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// All of them.
    pub all: u64,
    /// Those that are not disabled.
    pub enabled: u64,
    /// Those that are no throw-away receivers of Svix: whose URL does not begin with [`SVIX_PLAY`].
    pub lasting: u64,
}

/// How the URLs begin of the throw-away receivers that Svix gives to whoever tries it.
pub const SVIX_PLAY: &str = "https://play.svix.com/";

/// A list answer.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// What was found, in the order asked for.
    pub rows: Vec<T>,
    /// Whether the list ended.
    pub done: bool,
    /// Where a filtered list stopped looking, when that is not its last row.
    pub stopped_at: Option<i64>,
}

impl<T> Listed<T> {
    /// Of rows that were looked for until there were more than the page holds, or the list ended: it goes on when there
    /// are more.
    pub fn cut(mut rows: Vec<T>, limit: usize) -> Self {
        let done = rows.len() <= limit;
        rows.truncate(limit);
        Self { rows, done, stopped_at: None }
    }

    /// A page of rows that hold bodies, read a few at a time until their bytes are 2 MiB; it holds one at
    /// least, and the list goes on behind it. `of` gives a row's key and its bytes.
    pub fn gather<K: Copy>(
        mut page: Page<K>,
        next: impl Fn(Page<K>) -> Result<Self>,
        of: impl Fn(&T) -> (K, usize),
    ) -> Result<Self> {
        let (mut rows, mut sum) = (Vec::new(), 0);
        loop {
            let limit = (page.limit - rows.len()).min(BODIES_TOGETHER);
            let some = next(Page { limit, ..page })?;
            for row in some.rows {
                let (key, bytes) = of(&row);
                sum += bytes;
                if sum > LISTED_BYTES_MAX && !rows.is_empty() {
                    return Ok(Self { rows, done: false, stopped_at: None });
                }
                page.after = Some(key);
                rows.push(row);
            }
            if some.done || rows.len() == page.limit {
                return Ok(Self { rows, done: some.done, stopped_at: None });
            }
        }
    }

    /// The same list of something else.
    pub fn try_map<U>(self, row: impl FnMut(T) -> Result<U>) -> Result<Listed<U>> {
        let rows = self.rows.into_iter().map(row).collect::<Result<_>>()?;
        Ok(Listed { rows, done: self.done, stopped_at: self.stopped_at })
    }

    /// A list of nothing.
    pub fn empty() -> Self {
        Self::cut(Vec::new(), 0)
    }
}

/// An attempt with what it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// What was to be delivered.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The attempt.
    pub attempt: Attempt,
    /// What the event is called on the wire; `None` when that is its id.
    pub webhook_id: Option<WebhookId>,
}

impl AttemptRow {
    /// What the event is called on the wire.
    pub fn called(&self, ids: &IdText) -> String {
        ids.webhook_id(self.event, self.webhook_id)
    }
}

/// An event that was attempted at an endpoint, and where its delivery stands.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRow {
    /// The event.
    pub event: Event,
    /// Its delivery.
    pub delivery: Delivery,
    /// Its first attempt there: the order of the list.
    pub first: AttemptId,
}

/// The deliveries of one key that wait for one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Their key.
    pub key: OrderKey,
    /// The event whose turn it is.
    pub head: EventId,
    /// Where its delivery stands.
    pub delivery: Delivery,
    /// When it was first attempted, in ms since 1970; `None` before.
    pub tried_ms: Option<i64>,
    /// How many wait behind it.
    pub waiting: u64,
}

/// Whose attempts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptsOf {
    /// An event's.
    Event(EventId),
    /// An endpoint's.
    Endpoint(EndpointId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_bodies_is_read_a_few_at_a_time_and_cut_short_when_they_are_large() {
        let gather = |rows: &[i64], bytes: usize, limit: usize| {
            let next = |page: Page<i64>| {
                assert!(page.limit <= BODIES_TOGETHER);
                Ok(Listed::cut(page.of(rows.iter().copied(), |row| *row), page.limit))
            };
            let page = Page { after: None, descending: true, limit };
            let listed = Listed::gather(page, next, |row| (*row, bytes)).expect("a list");
            assert!(listed.rows.is_sorted_by(|one, other| one > other));
            (listed.rows.len(), listed.done)
        };
        let rows: Vec<i64> = (0..25).collect();
        for (bytes, limit, shown) in [
            (1, 50, (25, true)),
            (1, 25, (25, true)),
            (1, 24, (24, false)),
            (LISTED_BYTES_MAX / 12, 50, (12, false)),
            (LISTED_BYTES_MAX + 1, 50, (1, false)),
        ] {
            assert_eq!(gather(&rows, bytes, limit), shown, "{bytes} {limit}");
        }
        assert_eq!(gather(&[], 1, 50), (0, true));
    }

    #[test]
    fn a_page_goes_on_behind_its_row_either_way_and_says_whether_more_follows() {
        let check = |after: Option<i64>, descending: bool, limit: usize, shown: &[i64], done: bool| {
            let page = Page { after, descending, limit };
            let listed = Listed::cut(page.of([1, 3, 5, 7], |row| *row), limit);
            assert_eq!((&listed.rows[..], listed.done, listed.stopped_at), (shown, done, None), "{page:?}");
        };
        check(None, false, 3, &[1, 3, 5], false);
        check(None, false, 4, &[1, 3, 5, 7], true);
        check(Some(3), false, 4, &[5, 7], true);
        check(Some(4), true, 1, &[3], false);
        check(Some(3), true, 1, &[1], true);
        check(Some(1), true, 1, &[], true);
    }
}
