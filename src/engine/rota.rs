//! The rota: applications send in turn, however many endpoints they have, and none takes all slots (deficit round robin).

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::id::ApplicationId;

/// How many bytes an application may send when its turn comes; what it sends beyond is taken off its next turns.
const TURN_BYTES: i64 = 4_096;
/// What an attempt counts for at least, and at most: connections cost, too, and no body keeps anybody out for long.
const ATTEMPT_BYTES: std::ops::RangeInclusive<i64> = TURN_BYTES..=16 * TURN_BYTES;

/// Where an application stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// It has nothing to send.
    #[default]
    Away,
    /// It waits for its turn.
    Waiting,
    /// It has its share of the slots.
    Crowded,
}

/// One application's part.
#[derive(Debug, Default)]
struct Sender {
    /// Its lanes that may send, in turn.
    lanes: VecDeque<usize>,
    place: Place,
    /// How many bytes it may still send in this turn; below zero it owes them.
    credit: i64,
    in_flight: usize,
}

/// All applications that ever had an endpoint, by a number that never changes while the process lives.
#[derive(Debug, Default)]
pub(super) struct Rota {
    all: Vec<Sender>,
    numbers: HashMap<ApplicationId, usize>,
    /// Who waits for a turn, the next one first.
    turns: VecDeque<usize>,
    crowded: BTreeSet<usize>,
    /// Whom of the crowded the next free slot wakes: this one or who comes after.
    woken: usize,
}

impl Rota {
    /// The number of an application.
    pub(super) fn enroll(&mut self, application: ApplicationId) -> usize {
        *self.numbers.entry(application).or_insert_with(|| {
            self.all.push(Sender::default());
            self.all.len() - 1
        })
    }

    /// A lane of this application may send.
    pub(super) fn push(&mut self, sender: usize, lane: usize) {
        let here = &mut self.all[sender];
        here.lanes.push_back(lane);
        if here.place == Place::Away {
            here.place = Place::Waiting;
            here.credit = (here.credit + TURN_BYTES).min(TURN_BYTES);
            self.turns.push_back(sender);
        }
    }

    /// The lane that may send next. An application has at most as many slots as are free for others.
    pub(super) fn next(&mut self, free: usize) -> Option<usize> {
        loop {
            let sender = *self.turns.front()?;
            let here = &mut self.all[sender];
            if here.in_flight >= free {
                here.place = Place::Crowded;
                self.crowded.insert(sender);
                self.turns.pop_front();
            } else if here.lanes.is_empty() {
                here.place = Place::Away;
                self.turns.pop_front();
            } else if here.credit <= 0 && self.turns.len() > 1 {
                here.credit += TURN_BYTES;
                self.turns.rotate_left(1);
            } else {
                return here.lanes.pop_front();
            }
        }
    }

    /// An attempt of this application begins, with a body of so many bytes.
    pub(super) fn take_slot(&mut self, sender: usize, bytes: usize) {
        let alone = self.turns.len() <= 1;
        let here = &mut self.all[sender];
        here.in_flight += 1;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX).clamp(*ATTEMPT_BYTES.start(), *ATTEMPT_BYTES.end());
        here.credit = if alone { 0 } else { here.credit - bytes }; // nobody is owed anything when nobody waits
    }

    /// One ended. Its application may go on, and one other that had its share looks whether that has grown.
    pub(super) fn free_slot(&mut self, sender: usize) {
        self.all[sender].in_flight -= 1;
        if self.crowded.is_empty() {
            return;
        }
        self.wake(sender);
        if let Some(&other) = self.crowded.range(self.woken..).next().or_else(|| self.crowded.first()) {
            self.woken = other + 1;
            self.wake(other);
        }
    }

    fn wake(&mut self, sender: usize) {
        if self.crowded.remove(&sender) {
            self.all[sender].place = Place::Waiting;
            self.turns.push_back(sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    /// Applications with so many lanes each, all of which always have something to send.
    struct Field {
        rota: Rota,
        senders: Vec<usize>,
        /// Of each lane.
        owners: Vec<usize>,
    }

    impl Field {
        fn of(lanes: &[usize]) -> Self {
            let mut rota = Rota::default();
            let senders: Vec<_> = (1..).zip(lanes).map(|(id, _)| rota.enroll(ApplicationId::new(id))).collect();
            let owners: Vec<_> = senders.iter().zip(lanes).flat_map(|(&sender, &count)| vec![sender; count]).collect();
            owners.iter().enumerate().for_each(|(lane, &sender)| rota.push(sender, lane));
            Self { rota, senders, owners }
        }

        /// Sends so often at most with so many slots; gives how often each application did. Attempts end at once, or never.
        fn send(&mut self, times: usize, slots: usize, bytes: &[usize], ends: bool) -> Vec<usize> {
            let mut sent = vec![0; self.senders.len()];
            for time in 0..times {
                let free = if ends { slots } else { slots - time };
                let Some(lane) = (free > 0).then(|| self.rota.next(free)).flatten() else {
                    return sent;
                };
                let sender = self.owners[lane];
                self.rota.take_slot(sender, bytes[sender]);
                sent[sender] += 1;
                if ends {
                    self.rota.free_slot(sender);
                }
                self.rota.push(sender, lane);
            }
            sent
        }
    }

    #[test]
    fn applications_take_turns_however_many_endpoints_they_have() {
        let mut field = Field::of(&[1, 300, 20]);
        let sent = field.send(3_000, 4_096, &[100, 100, 100], true);
        assert!(sent.iter().all(|&times| (998..=1_002).contains(&times)), "{sent:?}");
    }

    #[test]
    fn who_sends_large_bodies_has_fewer_turns_and_one_alone_owes_nothing() {
        let mut field = Field::of(&[1, 1]);
        let sent = field.send(1_100, 4_096, &[100, 40_960], true);
        assert!((995..=1_005).contains(&sent[0]), "{sent:?}");
        let mut field = Field::of(&[1, 0]);
        field.send(1_000, 4_096, &[1_000_000, 100], true);
        field.owners.push(1);
        field.rota.push(1, 1);
        let sent = field.send(40, 4_096, &[100, 100], true);
        assert!((19..=21).contains(&sent[0]), "nothing is held against who was alone: {sent:?}");
    }

    #[test]
    fn one_application_leaves_half_of_the_slots_to_others_and_has_all_its_share_again() {
        let mut field = Field::of(&[5_000]);
        assert_eq!(field.send(5_000, 4_096, &[0], false), [2_048], "all that are free besides its own");
        let late = field.rota.enroll(ApplicationId::new(9));
        field.owners.push(late);
        field.rota.push(late, 5_000);
        assert_eq!(field.rota.next(2_048), Some(5_000), "who comes last finds room");
        field.rota.take_slot(late, 0);
        assert_eq!(field.rota.next(2_047), None);
        field.rota.free_slot(late);
        assert_eq!(field.rota.next(2_048), None, "its share has not grown");
        field.rota.free_slot(0);
        assert!(field.rota.next(2_049).is_some());
    }
}
