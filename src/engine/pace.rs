//! A pace: so many attempts a second, kept by one number that says when the next is allowed.

/// Who was woken late may catch up with so much of its rate, in µs.
const CATCH_UP_US: i64 = 20_000;

/// When the next attempt is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    next_us: i64,
    /// When the last of those who wait together is to ask again.
    promised_us: i64,
}

impl Pace {
    /// When one more may be sent, in ms; `None` for now.
    pub(super) fn until(&self, now_ms: i64) -> Option<i64> {
        (self.next_us > now_ms * 1_000).then(|| in_ms(self.next_us))
    }

    /// The same where many wait together: each is told a later time than the one before, so that they take turns.
    pub(super) fn turn(&mut self, rate: u32, now_ms: i64) -> Option<i64> {
        self.until(now_ms)?;
        self.promised_us = (self.promised_us + step_us(rate)).max(self.next_us);
        Some(in_ms(self.promised_us))
    }

    /// Another rate counts from now on: what the one before would have kept waiting does not wait for it.
    pub(super) fn change(&mut self, now_ms: i64) {
        self.next_us = self.next_us.min(now_ms * 1_000);
        self.promised_us = self.next_us;
    }

    /// One more was sent.
    pub(super) fn spend(&mut self, rate: u32, now_ms: i64) {
        let step_us = step_us(rate);
        self.next_us = self.next_us.max(now_ms * 1_000 - CATCH_UP_US.max(step_us)) + step_us;
    }
}

fn step_us(rate: u32) -> i64 {
    1_000_000 / i64::from(rate.max(1))
}

fn in_ms(us: i64) -> i64 {
    (us + 999) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of so many is let through within 10 s at 10 a second, when it asks again at the time it is told.
    fn let_through(count: usize) -> Vec<usize> {
        let (mut pace, mut sent) = (Pace::default(), vec![0; count]);
        let mut asks: std::collections::BTreeSet<(i64, usize)> = (0..count).map(|who| (1_000, who)).collect();
        while let Some((at_ms, who)) = asks.pop_first().filter(|(at_ms, _)| *at_ms < 11_000) {
            let again_ms = pace.turn(10, at_ms).unwrap_or_else(|| {
                pace.spend(10, at_ms);
                sent[who] += 1;
                at_ms
            });
            asks.insert((again_ms, who));
        }
        sent
    }

    #[test]
    fn a_rate_is_held_and_those_who_share_it_take_turns() {
        for count in [1, 3, 7, 40] {
            let sent = let_through(count);
            assert!((100..=102).contains(&sent.iter().sum::<usize>()), "{sent:?}");
            let (least, most) = (sent.iter().min().copied(), sent.iter().max().copied());
            assert!(most.unwrap_or_default() - least.unwrap_or_default() <= 3, "{sent:?}");
        }
    }
}
