//! Lists: which part is asked for, and the shape of the answer, both ways.

use jiff::Timestamp;
use serde::Serialize;

use super::call::Call;
use crate::error::{Error, Result};
use crate::id::{Id, IdText, floor_at};
use crate::store::{Filter, Listed, Page};

/// How many rows a list answers by default, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 250;
/// How far back lists of events and attempts go unless told otherwise: 90 days.
const WINDOW_MS: i64 = 90 * 86_400_000;

/// The part of a list that a call asks for.
pub(super) struct Asked<K> {
    /// As the store takes it.
    pub(super) page: Page<K>,
    backwards: bool,
    first: bool,
}

/// A list answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListOut<T> {
    data: Vec<T>,
    done: bool,
    iterator: Option<String>,
    prev_iterator: Option<String>,
}

impl<K> Asked<K> {
    /// Reads `limit`, `iterator` and, for lists that take it, `order`.
    pub(super) fn read(call: &Call, newest_first: bool, parse: impl Fn(&str) -> Option<K>) -> Result<Self> {
        let limit = match call.query_one("limit")? {
            None => LIMIT,
            Some(text) => match text.parse::<usize>() {
                Ok(limit @ 1..=LIMIT_MAX) => limit,
                Ok(limit) if limit > LIMIT_MAX => {
                    return Err(Error::at(&["query", "limit"], format!("Given limit must not exceed {LIMIT_MAX}")));
                }
                _ => return Err(Error::at(&["query", "limit"], format!("must be a number from 1 to {LIMIT_MAX}"))),
            },
        };
        let descending = match call.query_one("order")?.as_deref() {
            None => newest_first,
            Some("ascending") => false,
            Some("descending") => true,
            Some(_) => return Err(Error::at(&["query", "order"], "must be ascending or descending")),
        };
        let iterator = call.query_one("iterator")?.filter(|text| !text.is_empty());
        let (backwards, text) = match iterator.as_deref() {
            Some(text) => text.strip_prefix('-').map_or((false, Some(text)), |text| (true, Some(text))),
            None => (false, None),
        };
        let wrong = || {
            Error::at(
                &["query", "iterator"],
                "is none that this list gave; pass `iterator` or `prevIterator` of an answer back as it was",
            )
        };
        let after = text.map(|text| parse(text).ok_or_else(wrong)).transpose()?;
        let first = after.is_none();
        Ok(Self { page: Page { after, descending: descending != backwards, limit }, backwards, first })
    }

    /// Shapes what the store found; `key` writes a row's iterator.
    pub(super) fn answer<T, O>(
        &self,
        mut listed: Listed<T>,
        key: impl Fn(&T) -> String,
        out: impl FnMut(T) -> O,
    ) -> ListOut<O> {
        if self.backwards {
            listed.rows.reverse();
        }
        let last = listed.rows.last().map(&key);
        let first = listed.rows.first().map(|row| format!("-{}", key(row)));
        let prev_iterator = first.filter(|_| !self.first || !self.backwards);
        ListOut { data: listed.rows.into_iter().map(out).collect(), done: listed.done, iterator: last, prev_iterator }
    }
}

impl<K: Id> Asked<K> {
    /// As [`Self::answer`], for lists by id: a filtered one may go on where it stopped looking.
    pub(super) fn answer_ids<T, O>(
        &self,
        listed: Listed<T>,
        ids: &IdText,
        id: impl Fn(&T) -> K,
        out: impl FnMut(T) -> O,
    ) -> ListOut<O> {
        let stopped_at = listed.stopped_at;
        let mut answer = self.answer(listed, |row| ids.of(id(row)), out);
        if let Some(stopped_at) = stopped_at {
            answer.iterator = Some(ids.of(K::new(stopped_at)));
        }
        answer
    }
}

/// Reads `before`, `after`, `event_types`, `channel`, `tag`. The window lies between the two times, 90 days back where no
/// `after` is given; an iterator walks on whatever they say.
pub(super) fn filter(call: &Call, now_ms: i64) -> Result<Filter> {
    let walking = call.query_one("iterator")?.is_some_and(|text| !text.is_empty());
    let (before, after) = (moment(call, "before")?, moment(call, "after")?);
    let mut filter = Filter { channel: call.query_one("channel")?, tag: call.query_one("tag")?, ..Filter::default() };
    for list in call.query("event_types") {
        filter.event_types.extend(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
    }
    if !walking {
        filter.below = before.map(floor_at);
        filter.above = Some(after.map_or_else(|| floor_at(now_ms - WINDOW_MS), |after| floor_at(after + 1)) - 1);
    }
    Ok(filter)
}

pub(super) fn moment(call: &Call, name: &str) -> Result<Option<i64>> {
    let Some(text) = call.query_one(name)? else {
        return Ok(None);
    };
    at_moment(&["query", name], &text).map(Some)
}

/// Reads a time, in ms since 1970. Error: the place of the request that holds none.
pub(super) fn at_moment(place: &[&str], text: &str) -> Result<i64> {
    read_time(text).ok_or_else(|| Error::at(place, "must be a time such as 2026-11-22T08:30:00Z"))
}

/// Reads RFC 3339, and the way in which chrono, and so Svix's Rust clients, print a time: a blank before the zone, and
/// `UTC` for the zone.
pub(super) fn read_time(text: &str) -> Option<i64> {
    let written = match (text.strip_suffix("UTC"), text.rsplit_once(' ')) {
        (Some(moment), _) => format!("{}Z", moment.strip_suffix(' ').unwrap_or(moment)),
        (None, Some((moment, zone))) if zone.starts_with(['+', '-']) => format!("{moment}{zone}"),
        _ => text.to_owned(),
    };
    written.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// A time as the API writes it: RFC 3339 in UTC with ms.
pub(super) fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_rfc_3339_and_as_chrono_prints_it() {
        for text in [
            "2026-11-30T18:57:41Z",
            "2026-11-30T18:57:41.000Z",
            "2026-11-30t18:57:41z",
            "2026-11-30 18:57:41Z",
            "2026-11-30 18:57:41 UTC",
            "2026-11-30 18:57:41.000000000 UTC",
            "2026-11-30T18:57:41UTC",
            "2026-11-30 18:57:41 +00:00",
            "2026-11-30T19:57:41+01:00",
            "2026-11-30 13:57:41 -05:00",
        ] {
            assert_eq!(read_time(text), Some(1_796_065_061_000), "{text}");
        }
        for text in ["", "UTC", " UTC", "2026-11-30", "2026-11-30 18:57:41", "2026-11-30 18:57:41 CET", "18:57:41 UTC"]
        {
            assert_eq!(read_time(text), None, "{text}");
        }
    }
}
