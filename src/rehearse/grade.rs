//! Grading: everything a provider sends, and everything that can go wrong, played at a receiver point by point.

use std::sync::Arc;

use super::fault::Fault;
pub use super::observe::Observer;
pub use super::point::{Grade, Mark, Point};
use super::salvo::{BURST, Battery, Proof, Shot, Shown, load};
use crate::egress::probe::Unreachable;
use crate::provider::Provider;
use crate::providers::{self, Play, Scene};

/// An answer is fast when nineteen of twenty come within this many ms: providers give up on slower ones.
const FAST_MS_MAX: u64 = 1_000;
/// How many events show how fast answers come.
const FAST_EVENTS: usize = 20;

/// Grades one receiver.
pub struct Grader {
    /// Sends.
    pub battery: Arc<Battery>,
    /// Whose events.
    pub provider: Provider,
    /// What they are made from.
    pub play: Play,
    /// Asks what the receiver made of them, when it can be asked.
    pub observer: Option<Observer>,
    /// How many events were made so far: no two points send the same.
    pub nth: u64,
}

type Graded = Result<(Mark, String), Unreachable>;

impl Grader {
    /// Grades one point. Error: nobody is there.
    pub async fn grade(&mut self, point: Point) -> Result<Grade, Unreachable> {
        let (result, detail) = match point {
            Point::Ack => self.ack().await?,
            Point::Fast => self.fast().await?,
            Point::SignatureMissing => self.refuses("without a signature", Proof::Missing).await?,
            Point::SignatureWrong => self.refuses("with one bit of its signature flipped", Proof::Wrong).await?,
            Point::Stale if self.provider == Provider::Bridge => {
                (Mark::Skipped, "Bridge signs no time: de-duplicate, and let in its addresses alone".to_owned())
            }
            Point::Stale => self.refuses("signed 301 s ago", Proof::Stale).await?,
            Point::Duplicate => self.duplicate().await?,
            Point::UnknownType => self.unknown_type().await?,
            Point::OutOfOrder => self.out_of_order().await?,
            Point::Truncated => self.truncated().await?,
            Point::Oversize => self.oversize().await?,
            Point::Burst => self.burst().await?,
            Point::Catalogue => self.catalogue().await?,
            Point::Flows => self.flows().await?,
        };
        Ok(Grade { id: point.id(), result, detail })
    }

    /// An event that was not sent before.
    fn next(&mut self) -> Scene {
        let rows = providers::catalogue(self.provider);
        // not the first one, which for Fintoc goes to no endpoint
        let row = &rows[rows.len() / 2];
        self.event(&row.event_type.clone())
    }

    fn event(&mut self, event_type: &str) -> Scene {
        self.nth += 1;
        providers::example(self.provider, event_type, self.nth, &self.play)
            .expect("every type of a catalogue is played")
    }

    async fn send(&self, shot: Shot) -> Result<Shown, Unreachable> {
        self.battery.one(1, &shot).await
    }

    /// Sends shots one after the other; gives those that did not get what they should, and how many there were.
    async fn send_all(&self, shots: Vec<Shot>) -> Result<(usize, Vec<Shown>), Unreachable> {
        let (mut count, mut wrong) = (0, Vec::new());
        let volleys = shots.into_iter().map(|shot| vec![Shot { wait_ms: 0, ..shot }]).collect();
        let seen = |shown: Shown| {
            count += 1;
            if !shown.right {
                wrong.push(shown);
            }
        };
        self.battery.fire(volleys, seen).await?;
        Ok((count, wrong))
    }

    async fn ack(&mut self) -> Graded {
        let scene = self.next();
        let shown = self.send(Shot::of(scene)).await?;
        let sent = format!("a signed {} was answered {}", shown.event_type, said(shown.status));
        if shown.right {
            return Ok((Mark::Pass, sent));
        }
        let advice = "answer 2xx as soon as it is kept; check the URL, and that the secret here is the receiver's";
        Ok((Mark::Fail, format!("{sent}; {advice}")))
    }

    async fn fast(&mut self) -> Graded {
        let shots: Vec<_> = (0..FAST_EVENTS).map(|_| Shot::of(self.next())).collect();
        let mut took = Vec::new();
        let volleys = shots.into_iter().map(|shot| vec![Shot { wait_ms: 0, ..shot }]).collect();
        self.battery.fire(volleys, |shown| took.push(shown.ms)).await?;
        took.sort_unstable();
        let slow = took[took.len() * 19 / 20 - 1];
        let sent = format!("nineteen of {} answers came within {slow} ms", took.len());
        if slow <= FAST_MS_MAX {
            return Ok((Mark::Pass, sent));
        }
        Ok((Mark::Fail, format!("{sent}, {FAST_MS_MAX} are borne; answer first, work afterwards")))
    }

    async fn refuses(&mut self, how: &str, proof: Proof) -> Graded {
        let fault = Shot::with(self.next(), Fault::BadSignature);
        let shown = self.send(Shot { proof, ..fault }).await?;
        let sent = format!("an event {how} was answered {}", said(shown.status));
        if shown.right {
            return Ok((Mark::Pass, sent));
        }
        let advice = match proof {
            Proof::Stale => "refuse signed times more than 300 s away with 4xx",
            _ => "verify the signature over the raw bytes before anything else, and answer 4xx when it is not right",
        };
        Ok((Mark::Fail, format!("{sent}; {advice}")))
    }

    async fn duplicate(&mut self) -> Graded {
        let Some(observer) = self.observer.clone() else {
            let answered = self.send_twice().await?;
            let detail = format!("{answered}; what it did is not observable, name a URL with --observe");
            return Ok((Mark::Skipped, detail));
        };
        let before = match observer.settled(&self.battery.prober, 0, 0).await {
            Ok(before) => before,
            Err(why) => return Ok((Mark::Fail, why)),
        };
        let answered = self.send_twice().await?;
        let counted = match observer.settled(&self.battery.prober, before, 1).await {
            Ok(counted) => counted,
            Err(why) => return Ok((Mark::Fail, why)),
        };
        let detail = format!("{answered}, and processed {counted} times");
        if counted == 1 && answered.ends_with("2xx both times") {
            return Ok((Mark::Pass, detail));
        }
        let advice =
            "answer 2xx to a repetition and do nothing: keep each event's id with its effect, in one transaction";
        Ok((Mark::Fail, format!("{detail}; {advice}")))
    }

    async fn send_twice(&mut self) -> Result<String, Unreachable> {
        let scene = self.next();
        let (_, wrong) = self.send_all(vec![Shot::of(scene.clone()), Shot::of(scene)]).await?;
        Ok(match wrong.first() {
            None => "the same event, sent twice, was answered 2xx both times".to_owned(),
            Some(shown) => format!("the same event, sent twice, was once answered {}", said(shown.status)),
        })
    }

    async fn unknown_type(&mut self) -> Graded {
        let scene = self.next();
        let unheard = match self.provider {
            Provider::Finix => [("/entity", "unheard_of"), ("/type", "created")],
            _ => [("/type", "unheard.of"), ("/type", "unheard.of")],
        };
        let mut body = scene.body.clone();
        for (pointer, value) in unheard {
            body = providers::set(&body, pointer, value).expect("every envelope has a type");
        }
        let scene = Scene { event_type: "unheard.of".to_owned(), body, ..scene };
        let shown = self.send(Shot::of(scene)).await?;
        let sent = format!("an event of a type that nobody has heard of was answered {}", said(shown.status));
        if shown.right {
            return Ok((Mark::Pass, sent));
        }
        Ok((Mark::Fail, format!("{sent}; providers add types at any time: keep what is new, and answer 2xx")))
    }

    async fn out_of_order(&mut self) -> Graded {
        let some = self.played(false).into_iter().filter(|scenes| (2..=6).contains(&scenes.len()));
        let shots = some.flat_map(|scenes| scenes.into_iter().rev()).map(Shot::of).collect();
        self.all_taken(shots, "of flows played backwards", "take events in any order, the newest state wins").await
    }

    async fn truncated(&mut self) -> Graded {
        let scene = self.next();
        let shown = self.send(Shot::with(scene, Fault::Truncated)).await?;
        let sent = format!("a body shorter than its Content-Length was answered {}", said(shown.status));
        // a connection that is closed without an answer refuses, too
        if shown.right || shown.status.is_none() {
            return Ok((Mark::Pass, sent));
        }
        Ok((Mark::Fail, format!("{sent}; take a body only when all of it has come")))
    }

    async fn oversize(&mut self) -> Graded {
        let scene = self.next();
        let shown = self.send(Shot::with(scene, Fault::Oversize)).await?;
        let sent = format!("a body of 1 MiB and one byte was answered {}", said(shown.status));
        if shown.right || shown.status.is_none() {
            return Ok((Mark::Pass, sent));
        }
        Ok((Mark::Fail, format!("{sent}; limit the size of bodies (413): nobody sends you a mebibyte")))
    }

    async fn burst(&mut self) -> Graded {
        let volleys = load((0..BURST).map(|_| self.next()).collect(), &[Fault::Burst]);
        let mut wrong = Vec::new();
        self.battery.fire(volleys, |shown| wrong.extend((!shown.right).then_some(shown))).await?;
        Ok(told(BURST, &wrong, "sent at once", "queue what you cannot work on at once, and answer 2xx"))
    }

    async fn catalogue(&mut self) -> Graded {
        let names: Vec<_> = providers::catalogue(self.provider).iter().map(|row| row.event_type.clone()).collect();
        let shots = names.iter().map(|name| Shot::of(self.event(name))).collect();
        self.all_taken(shots, "one of each type", "take every type, also those you do not use").await
    }

    async fn flows(&mut self) -> Graded {
        let both = [false, true].map(|as_documented| self.played(as_documented));
        let shots = both.into_iter().flatten().flatten().map(Shot::of).collect();
        let sent = "of all business flows, as they are sent today and with the documentation's oddities";
        self.all_taken(shots, sent, "parse leniently, keep what you do not understand, and answer 2xx").await
    }

    /// Every flow, with values that were not sent before.
    fn played(&mut self, as_documented: bool) -> Vec<Vec<Scene>> {
        let flows = providers::flows(self.provider).into_iter();
        let play = |flow: providers::FlowName| {
            self.nth += 1;
            let play = Play { seed: self.play.seed.wrapping_add(self.nth), as_documented, ..self.play };
            providers::play(self.provider, flow.name, &play).unwrap_or_default()
        };
        flows.map(play).collect()
    }

    async fn all_taken(&self, shots: Vec<Shot>, sent: &str, advice: &str) -> Graded {
        let (count, wrong) = self.send_all(shots).await?;
        Ok(told(count, &wrong, sent, advice))
    }
}

fn told(count: usize, wrong: &[Shown], sent: &str, advice: &str) -> (Mark, String) {
    let Some(first) = wrong.first() else {
        return (Mark::Pass, format!("all {count} events {sent} were answered 2xx"));
    };
    let (event_type, status) = (&first.event_type, said(first.status));
    let detail = format!(
        "{} of {count} events {sent} were not answered 2xx, the first a {event_type} that got {status}; {advice}",
        wrong.len()
    );
    (Mark::Fail, detail)
}

fn said(status: Option<u16>) -> String {
    status.map_or_else(|| "nothing".to_owned(), |status| status.to_string())
}
