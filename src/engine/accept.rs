//! Accepting: the only place that appends events.

use super::core::Core;
use super::group::Entry;
use crate::clock::Now;
use crate::error::Error;
use crate::event::{Event, NewEvent};
use crate::fan_out;
use crate::store::NewRow;

impl<R> Core<R> {
    /// Gives a request's events their ids and endpoints, and puts them into the next commit together.
    pub(super) fn accept(&mut self, now: Now, events: Vec<NewEvent>, reply: R) {
        let mut rows = Vec::with_capacity(events.len());
        let entries = events.into_iter().map(|event| self.admit(now, event, &mut rows)).collect();
        self.groups.wait_events(reply, rows, entries);
    }

    fn admit(&mut self, now: Now, new: NewEvent, rows: &mut Vec<NewRow>) -> Entry {
        let Some((application, resident)) = self.directory.find(new.environment, &new.application) else {
            return Entry::Refused(Error::not_found());
        };
        let wants = |lane: &usize| match new.only {
            Some(only) => self.lanes[*lane].endpoint.id == only,
            None => fan_out::wants(&self.lanes[*lane].endpoint, &new.event_type, &new.channels),
        };
        let lanes: Vec<usize> = resident.lanes.iter().copied().filter(wants).collect();
        let mut once = new.once;
        if let Some(brief) = once.as_mut().filter(|once| once.brief) {
            if let Some((first, _)) = self.recent.find(brief, now.steady_ms) {
                return Entry::Repeat(*brief, first);
            }
            brief.brief = self.recent.has_room(now.steady_ms);
        }
        let id = self.ids.next(now.wall_ms);
        if let Some(brief) = once.filter(|once| once.brief) {
            self.recent.keep(&brief, id, now.steady_ms);
        }
        if let Ok(count @ 1..) = u32::try_from(lanes.len()) {
            self.open.insert(id, count);
        }
        let endpoints: Vec<_> = lanes.iter().map(|&lane| self.lanes[lane].endpoint.id).collect();
        let event = Event {
            id,
            application,
            event_type: new.event_type,
            channels: new.channels,
            uid: new.uid,
            body: new.body,
            sha256: new.sha256,
        };
        rows.push(NewRow { event, fan_out: fan_out::pack(&endpoints), once });
        Entry::New { position: rows.len() - 1, lanes }
    }
}
