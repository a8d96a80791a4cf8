//! Closing: faults stopped and all is quiet; every promise is kept by now, and the disk says so.

use std::collections::BTreeMap;

use super::Ledger;
use super::standing::Kind;
use crate::delivery::{Delivery, Status};
use crate::endpoint::State;
use crate::id::EndpointId;
use crate::store::Store as _;
use crate::store::memory::Memory;

impl Ledger {
    /// The last look.
    pub(in crate::sim) fn close(&mut self, disk: &Memory) {
        self.close_wants();
        self.close_held(disk);
        let mut lines = 0;
        for number in 0..self.events.len() {
            let rows: BTreeMap<EndpointId, Delivery> =
                disk.deliveries(self.events[number].id).unwrap_or_default().into_iter().collect();
            lines += rows.values().filter(|row| row.due_ms.is_some()).count();
            for delivery in self.events[number].deliveries.clone() {
                let endpoint = self.endpoints[self.deliveries[delivery].endpoint].seen.id;
                if let Err(wrong) = self.close_delivery(delivery, rows.get(&endpoint)) {
                    let standing = self.deliveries[delivery].standing;
                    self.blame(format!(
                        "{wrong}: {:?} to {endpoint:?}, {:?}, {standing:?}",
                        self.events[number].id,
                        rows.get(&endpoint)
                    ));
                }
            }
        }
        let waiting = disk.backlog().map_or(0, |backlog| backlog.waiting);
        if waiting != lines.try_into().unwrap_or(u64::MAX) {
            self.blame(format!("the due index holds {waiting} lines for {lines} deliveries that wait"));
        }
        self.close_mark(disk);
        for number in 0..self.endpoints.len() {
            if self.endpoints[number].in_flight > 0 {
                self.blame(format!("endpoint {number} has attempts in flight that will never end"));
            }
            let seen = self.endpoints[number].seen.state;
            self.refresh(disk, number);
            let stored = self.endpoints[number].seen.state;
            if seen != stored && !self.endpoints[number].unborn {
                self.blame(format!("endpoint {number} is {stored:?} on disk, but was {seen:?} for all who asked"));
            }
        }
    }

    fn close_wants(&mut self) {
        for number in 0..self.wants.len() {
            let want = &self.wants[number];
            if !want.settled && !want.given_up && !self.applications[want.draft.application].deleted {
                self.blame(format!("want {number} was never answered"));
            }
        }
    }

    fn close_delivery(&self, number: usize, row: Option<&Delivery>) -> Result<(), &'static str> {
        let book = &self.deliveries[number];
        let state = self.endpoints[book.endpoint].seen.state;
        let row = row.ok_or("I1: a delivery has no row")?;
        let standing = book.standing;
        if !book.unsaved.is_empty() || row.attempts != standing.attempts {
            return Err("I6: attempts are missing on disk");
        }
        let active = self.endpoints[book.endpoint].seen.is_active();
        if active && (standing.kind == Kind::Waiting || row.due_ms.is_some()) {
            return Err("I1: a delivery still waits, though nothing stands in its way");
        }
        if active && standing.kind != Kind::Canceled && book.sends < book.sends_min {
            return Err("a resend was acknowledged and never made");
        }
        if state == State::Deleted && (row.status == Status::Pending || row.due_ms.is_some()) {
            return Err("a delivery to a deleted endpoint was not canceled");
        }
        if row.status == Status::Pending && row.due_ms.is_none() {
            return Err("I1: a delivery waits for nothing");
        }
        Ok(())
    }

    /// Recovery would find nothing, and not look far.
    fn close_mark(&mut self, disk: &Memory) {
        let mark = disk.opening(self.now.wall_ms).map(|opening| opening.mark);
        let last = self.events.iter().rfind(|event| !event.deliveries.is_empty());
        if let (Ok(mark), Some(last)) = (mark, last)
            && mark <= last.id
        {
            let wrong = format!("I13: recovery begins at {mark:?}, though all is written up to {:?}", last.id);
            self.blame(wrong);
        }
    }
}
