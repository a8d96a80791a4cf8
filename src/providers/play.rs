//! Playing: every event and every flow of a provider, made up anew, in its own form and ready to sign.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::RngCore;

use super::alphabet;
use super::flow::{self, Documented, Flow, Step};
use super::template::{Cast, Filler, IdForm};
use super::tree::Tree;

/// How to play.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// What the values are made from: the same seed makes the same ones.
    pub seed: u64,
    /// When the first event happens, in ms since 1970.
    pub at_ms: i64,
    /// Whether it is of the live mode.
    pub live: bool,
    /// With the oddities of the provider's documentation, instead of what its traffic most likely looks like.
    pub as_documented: bool,
    /// How many times faster than written the time between two events passes: 1, but for the sandbox.
    pub speed: u32,
}

impl Play {
    /// How long a wait is here, in ms.
    fn wait_ms(&self, step: &Step) -> i64 {
        step.wait_ms / i64::from(self.speed.max(1))
    }
}

/// One event that is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The catalogue's name of its kind.
    pub event_type: String,
    /// The resource.
    pub payload: Bytes,
    /// The resource in the provider's envelope, ready to sign.
    pub body: Bytes,
    /// The event's id, where it has one.
    pub id: Option<String>,
    /// How long after the event before it is sent, in ms.
    pub wait_ms: i64,
}

/// A flow that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowName {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens in it, in a sentence.
    pub about: &'static str,
}

/// What a provider has to play with.
pub(super) struct Stage {
    /// Its flows by name; the first line of each is a comment that says what happens.
    pub flows: &'static [(&'static str, &'static str)],
    /// The kinds of event that no flow has, and those that have a better example than a flow's.
    pub single: &'static str,
    /// Its resources' shapes by name.
    pub shapes: &'static [(&'static str, &'static str)],
    pub ids: IdForm,
    /// Writes the envelope.
    pub wrap: fn(&Occurrence<'_>, &mut Filler<'_>) -> Vec<u8>,
}

/// What is to be put into an envelope; the moment is the filler's.
pub(super) struct Occurrence<'a> {
    pub event_type: &'a str,
    pub payload: &'a str,
    pub live: bool,
    /// What is odd about it, if it is to be odd.
    pub documented: Option<&'a Documented>,
}

/// What can be played here.
pub(super) fn flows(stage: &Stage) -> Vec<FlowName> {
    let about = |text: &'static str| text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
    stage.flows.iter().map(|&(name, text)| FlowName { name, about: about(text) }).collect()
}

/// The events of a flow in their order; `None` when there is no such flow.
pub(super) fn play(stage: &Stage, name: &str, play: &Play) -> Option<Vec<Scene>> {
    let (_, text) = stage.flows.iter().find(|(flow, _)| *flow == name)?;
    let flow = Flow::parse(text);
    let filler = Filler::new(play.seed, name, stage.ids, play.live, play.at_ms);
    Some(Performance { stage, flow: &flow, play, cast: Cast::new(), filler }.scenes(flow.step.len(), false))
}

/// An event of this kind, the `nth` of its kind; `None` when there is no such kind.
pub(super) fn example(stage: &Stage, event_type: &str, nth: u64, play: &Play) -> Option<Scene> {
    let named = format!("type = \"{event_type}\"");
    let texts = std::iter::once(stage.single).chain(stage.flows.iter().map(|(_, text)| *text));
    let (flow, at) = texts.filter(|text| text.contains(&named)).find_map(|text| {
        let flow = Flow::parse(text);
        let places: Vec<_> = (0..flow.step.len()).filter(|&at| flow.step[at].event_type == event_type).collect();
        let turn = nth.checked_rem(u64::try_from(places.len()).ok()?)?;
        let at = places[usize::try_from(turn).ok()?];
        Some((flow, at))
    })?;
    let before_ms: i64 = flow.step[..=at].iter().map(|step| play.wait_ms(step)).sum();
    let scope = format!("{event_type}/{nth}");
    let filler = Filler::new(play.seed, &scope, stage.ids, play.live, play.at_ms - before_ms);
    let scenes = Performance { stage, flow: &flow, play, cast: Cast::new(), filler }.scenes(at + 1, true);
    scenes.into_iter().next_back().map(|scene| Scene { wait_ms: 0, ..scene })
}

/// A resource of this shape, made up anew; `scope` says what for, so that another has other values. `None` when there
/// is no such shape.
pub(super) fn shape(stage: &Stage, name: &str, scope: &str, play: &Play) -> Option<Bytes> {
    let (_, text) = stage.shapes.iter().find(|(shape, _)| *shape == name)?;
    let shape = Tree::parse(text).expect("a shape of ours is JSON");
    let mut filler = Filler::new(play.seed, scope, stage.ids, play.live, play.at_ms);
    Some(filler.fill(&shape, &Cast::new()).written().into())
}

/// An id after its prefix.
pub(super) fn id(stage: &Stage, prefix: &str, rng: &mut impl RngCore) -> String {
    prefix.to_owned() + &alphabet::text(stage.ids.alphabet, stage.ids.chars, rng)
}

/// A flow while it is played.
struct Performance<'a> {
    stage: &'a Stage,
    flow: &'a Flow,
    play: &'a Play,
    cast: Cast,
    filler: Filler<'a>,
}

impl Performance<'_> {
    /// Plays the first so many steps. Whoever asked for one kind gets that kind, whatever the documentation calls it.
    fn scenes(mut self, steps: usize, kinds_are_fixed: bool) -> Vec<Scene> {
        let flow = self.flow;
        flow.step[..steps].iter().map(|step| self.scene(step, kinds_are_fixed)).collect()
    }

    fn scene(&mut self, step: &Step, kind_is_fixed: bool) -> Scene {
        let wait_ms = self.play.wait_ms(step);
        self.filler.at_ms += wait_ms;
        let documented = Some(self.flow.documented(step)).filter(|_| self.play.as_documented);
        let resource = self.resource(step, documented);
        let payload = resource.written();
        self.cast.insert(step.resource.clone(), resource);
        let shown = documented.and_then(|documented| documented.event_type.as_ref()).filter(|_| !kind_is_fixed);
        let event_type = shown.unwrap_or(&step.event_type);
        let occurrence = Occurrence { event_type, payload: &payload, live: self.play.live, documented };
        let mut body = (self.stage.wrap)(&occurrence, &mut self.filler);
        let text = std::str::from_utf8(&body).expect("we wrote text");
        let mut envelope = Tree::parse(text).expect("we wrote JSON");
        if let Some(documented) = documented.filter(|documented| !documented.body.is_empty()) {
            self.change(&mut envelope, &documented.body);
            body = envelope.written().into();
        }
        let id = envelope.text("/id").map(str::to_owned);
        let event_type = event_type.clone();
        Scene { event_type, payload: payload.into(), body: body.into(), id, wait_ms }
    }

    /// The resource as the step leaves it.
    fn resource(&mut self, step: &Step, documented: Option<&Documented>) -> Tree {
        let mut resource = match &step.shape {
            Some(shape) => self.made(shape, step),
            None => self.changed(step),
        };
        if let Some(documented) = documented {
            self.change(&mut resource, &documented.set);
        }
        resource
    }

    /// A resource from its shape; what the step sets is set before the sums are worked out.
    fn made(&mut self, shape: &str, step: &Step) -> Tree {
        let text = self.stage.shapes.iter().find(|(name, _)| *name == shape).map(|(_, text)| *text);
        let text = text.expect("a flow of ours names shapes of ours");
        let mut shape = Tree::parse(text).expect("a shape of ours is JSON");
        for (pointer, value) in &step.set {
            shape.set(pointer, flow::value(value)).expect("a shape of ours has what its flow sets");
        }
        self.filler.fill(&shape, &self.cast)
    }

    /// A resource as it was, with what the step changes.
    fn changed(&mut self, step: &Step) -> Tree {
        let mut resource = self.cast.get(&step.resource).expect("a flow of ours makes what it changes").clone();
        self.touch(&mut resource);
        self.change(&mut resource, &step.set);
        resource
    }

    /// Whatever changes says when: `updated_at` is written anew, a little before the event and with as many digits as
    /// before.
    fn touch(&mut self, resource: &mut Tree) {
        let Some(before) = resource.text("/updated_at") else {
            return;
        };
        let digits = before.rsplit_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('Z').len());
        let now = self.filler.fill(&Tree::Text(format!("{{time:{digits}-60ms}}")), &self.cast);
        resource.set("/updated_at", now).expect("it stands there");
    }

    fn change(&mut self, tree: &mut Tree, changes: &BTreeMap<String, toml::Value>) {
        for (pointer, value) in changes {
            let value = self.filler.fill_in(&flow::value(value), tree, &self.cast);
            tree.set(pointer, value).expect("a resource of ours has what its flow sets");
        }
    }
}
