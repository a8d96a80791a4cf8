//! Commits: what reached the disk, and whether it says what happened.

use super::standing::{Kind, Standing};
use super::{DeliveryBook, Draft, EventBook, KeyBook, Ledger, Want};
use crate::attempt::Trigger;
use crate::delivery::Status;
use crate::fan_out;
use crate::id::EventId;
use crate::sim::body::want_of;
use crate::store::{Batch, NewRow, Op, Receipt, Tried};

impl Ledger {
    /// A batch is on disk.
    pub(in crate::sim) fn committed(&mut self, batch: &Batch, receipt: &Receipt) {
        let mut refused = receipt.refused.iter().peekable();
        let mut marked = None;
        for (position, op) in batch.ops.iter().enumerate() {
            if let Some((_, refused)) = refused.next_if(|(at, _)| *at == position) {
                if let Some(want) = op.event().and_then(|row| want_of(&row.event.body)) {
                    self.arrival_refused(want, refused);
                }
                continue;
            }
            match op {
                Op::Event(row) | Op::News(row) => self.event_committed(row),
                Op::Tried(tried) => self.tried_committed(tried),
                Op::Park(due) => {
                    self.has_row(due.event, due.endpoint);
                    if let (Some(delivery), Some(due_ms)) =
                        (self.delivery_number(due.event, due.endpoint), due.delivery.due_ms)
                    {
                        let book = &mut self.deliveries[delivery];
                        for standing in [&mut book.standing, &mut book.durable]
                            .into_iter()
                            .filter(|standing| standing.attempts == 0)
                        {
                            standing.latest_ms = due_ms;
                        }
                    }
                }
                Op::Resend { event, endpoint, due_ms, .. } => {
                    self.has_row(*event, *endpoint);
                    if let Some(delivery) = self.delivery_number(*event, *endpoint) {
                        ask_again(&mut self.deliveries[delivery].durable, *due_ms);
                    }
                }
                Op::Health { endpoint, state: Some(state), .. } => {
                    if let Some(&number) = self.endpoint_numbers.get(endpoint) {
                        self.check_switched_off(number, *state);
                        self.switched_off(number);
                    }
                }
                Op::Setting(setting) => {
                    self.skip_committed(setting);
                    self.change_committed(setting);
                }
                Op::Mark { mark, .. } => marked = Some(*mark),
                Op::Cancel { .. }
                | Op::Replay(_)
                | Op::Health { .. }
                | Op::Forget
                | Op::Turned(_)
                | Op::Used { .. }
                | Op::Quarantine(_)
                | Op::Alive(_)
                | Op::Hasten { .. }
                | Op::Outage { .. } => {}
                Op::ConflictTold(conflict) => self.conflict_told(*conflict),
            }
        }
        if let Some(mark) = marked {
            self.check_mark(mark);
        }
        self.check_told();
    }

    /// The core hears that a batch is on disk.
    pub(in crate::sim) fn told(&mut self, batch: &Batch) {
        for event in &mut self.events[self.untold_from..] {
            event.told_ms = self.now.steady_ms;
        }
        self.untold_from = self.events.len();
        self.disk_since_ms.get_or_insert(self.now.steady_ms);
        self.held_known(false);
        for op in &batch.ops {
            match op {
                Op::Resend { event, endpoint, due_ms, .. } => {
                    if let Some(delivery) = self.delivery_number(*event, *endpoint) {
                        let book = &mut self.deliveries[delivery];
                        ask_again(&mut book.standing, *due_ms);
                        book.standing.latest_ms = self.now.steady_ms;
                    }
                }
                Op::Setting(setting) => self.skip_told(setting),
                Op::Health { endpoint, state: Some(state), .. } => {
                    if let Some(&number) = self.endpoint_numbers.get(endpoint) {
                        self.endpoints[number].seen.state = *state;
                    }
                }
                _ => {}
            }
        }
    }

    fn event_committed(&mut self, row: &NewRow) {
        let event = &row.event;
        let want = if self.hears(event.application) {
            self.news_committed(row)
        } else {
            want_of(&event.body).filter(|&want| want < self.wants.len())
        };
        let Some(want) = want else {
            return self.blame(format!("{:?} is stored with a body that nobody sent: {:?}", event.id, event.body));
        };
        if self.events.last().is_some_and(|last| event.id <= last.id) {
            self.blame(format!("{:?} is not above the event before it", event.id));
        }
        let number = self.events.len();
        self.check_once(want, number, event.id);
        if self.wants[want].draft.inbound {
            self.wants[want].draft.body = event.body.clone(); // the spelling that came first
        }
        let first = self.deliveries.len();
        let mut mask = 0;
        for (endpoint, key) in fan_out::unpack_keyed(&row.fan_out).unwrap_or_default() {
            let Some(&endpoint) = self.endpoint_numbers.get(&endpoint) else {
                return self.blame(format!("{:?} goes to {endpoint:?}, which nobody created", event.id));
            };
            mask |= 1 << endpoint;
            self.line_up(want, endpoint, key, &event.body);
            let standing = Standing::fresh();
            let unsaved = Vec::new();
            self.deliveries.push(DeliveryBook {
                event: number,
                endpoint,
                standing,
                durable: standing,
                key,
                ended_ms: i64::MIN,
                flying: false,
                in_turn: false,
                unsaved,
                row: false,
                sends: 0,
                sends_min: 0,
            });
        }
        let Want { must, may, .. } = self.wants[want];
        if must & !mask != 0 || mask & !may != 0 {
            self.blame(format!(
                "I1: {:?} goes to endpoints {mask:b}, but must go to {must:b} and may go to {may:b}",
                event.id
            ));
        }
        let deliveries = first..self.deliveries.len();
        let rowless = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
        self.event_numbers.insert(event.id, number);
        self.events.push(EventBook { id: event.id, want, deliveries, rowless, told_ms: i64::MAX });
    }

    /// A key, a uid or what came in becomes one event.
    fn check_once(&mut self, want: usize, event: usize, id: EventId) {
        let Draft { once, uid, application, inbound, .. } = self.wants[want].draft;
        if let Some(once) = once {
            if let Some(first) = self.remembered(&once) {
                let first = self.events[first].id;
                self.blame(format!("I3: the key of want {want} became {first:?}, and now one more event"));
            }
            let Want { tried_ms, tried_jumps, .. } = self.wants[want];
            self.keys.insert(once.key, KeyBook { at_ms: tried_ms, jumps: tried_jumps, event, brief: once.brief });
        }
        if let Some(first) = uid.and_then(|uid| self.uids.insert((application, uid), event)) {
            let first = self.events[first].id;
            self.blame(format!("I3: the uid of want {want} became {first:?}, and now one more event"));
        }
        if inbound {
            self.arrived(want, event, id);
        }
    }

    fn has_row(&mut self, event: EventId, endpoint: crate::id::EndpointId) {
        let Some(delivery) = self.delivery_number(event, endpoint) else {
            return self.blame(format!("a delivery of {event:?} to {endpoint:?} is on disk, but nobody wanted it"));
        };
        let book = &mut self.deliveries[delivery];
        if !book.row {
            book.row = true;
            self.events[book.event].rowless -= 1;
        }
    }

    fn tried_committed(&mut self, tried: &Tried) {
        self.has_row(tried.event, tried.endpoint);
        let Some(delivery) = self.delivery_number(tried.event, tried.endpoint) else {
            return;
        };
        let book = &mut self.deliveries[delivery];
        if book.unsaved.is_empty() {
            return self.blame(format!(
                "I6: an attempt of {:?} to {:?} is on disk that was never made",
                tried.event, tried.endpoint
            ));
        }
        let (right, hearing) = book.unsaved.remove(0);
        let manual_meanwhile = book.durable.manual && !right.was_manual;
        let skipped = book.durable.kind == Kind::Canceled && right.kind == Kind::Waiting;
        let kind = if skipped { Kind::Canceled } else { right.kind };
        book.durable = Standing { manual: manual_meanwhile, kind, ..right };
        if let Err(what) = compare(tried, &right) {
            self.blame(format!(
                "I6: {:?} to {:?}: {what} on disk is not what happened: {:?}, but {right:?}",
                tried.event, tried.endpoint, tried.delivery
            ));
        }
        if let Some(hearing) = hearing {
            self.attempt_told(hearing, tried);
        }
    }

    /// All deliveries of events below the mark have rows.
    fn check_mark(&mut self, mark: EventId) {
        while self.events.get(self.rowless_from).is_some_and(|event| event.rowless == 0) {
            self.rowless_from += 1;
        }
        if let Some(event) = self.events.get(self.rowless_from).filter(|event| event.id < mark) {
            let wrong = format!("I1: recovery begins at {mark:?}, but {:?} has deliveries without rows", event.id);
            self.blame(wrong);
        }
    }
}

fn ask_again(standing: &mut Standing, due_ms: i64) {
    standing.manual = true;
    standing.earliest_ms = standing.earliest_ms.min(due_ms);
    standing.latest_ms = due_ms;
}

fn compare(tried: &Tried, right: &Standing) -> Result<(), &'static str> {
    let delivery = &tried.delivery;
    let status = match right.kind {
        Kind::Waiting => Status::Pending,
        Kind::Succeeded => Status::Success,
        Kind::Failed => Status::Failed,
        Kind::Canceled => Status::Canceled,
    };
    let due = match delivery.due_ms {
        Some(due_ms) => right.kind == Kind::Waiting && (right.earliest_ms..=right.latest_ms).contains(&due_ms),
        None => right.kind != Kind::Waiting,
    };
    let checks = [
        (delivery.status == status, "the status"),
        (delivery.attempts == right.attempts, "the count of attempts"),
        (delivery.step == right.step, "the step of the ladder"),
        (due, "the due time"),
        (tried.attempt.status_code == right.status, "the response"),
        ((tried.attempt.trigger == Trigger::Manual) == right.was_manual, "who asked for it"),
    ];
    checks.iter().find(|(right, _)| !right).map_or(Ok(()), |(_, what)| Err(*what))
}
