//! A world: everything that one key of a small provider sees, and what changes in it during one turn.
//!
//! Its rules are pure: they read and write resources, tell events and set alarms, and all of it stands or falls together.

use std::collections::{BTreeMap, HashMap};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::ask::Problem;
use crate::application::Application;
use crate::digest::{hash16, sha256};
use crate::provider::Provider;
use crate::providers::{self, Fact, Play, Scene};
use crate::resource::Resource;

/// How many resources a world keeps, all kinds together.
const RESOURCES_MAX: usize = 200_000;
/// The kinds that are the world's own: itself, what is still to be handed to the engine, what is to happen at its time.
const WORLD: &str = "world";
const LETTER: &str = "letter";
const ALARM: &str = "alarm";
/// The kind of what was told: every event with its body.
pub(super) const EVENT: &str = "event";

/// What a run of the sandbox was told; the same gives the same ids, amounts and outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What every value is made from.
    pub seed: u64,
    /// How many times faster every wait passes.
    pub speed: u32,
    /// With the oddities of the providers' documentation.
    pub as_documented: bool,
}

/// An event that is to be handed to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub number: u64,
    pub event_type: String,
    /// What tells it from all others.
    pub uid: String,
    pub body: String,
    /// The one URL it goes to, instead of to the endpoints that want it.
    pub url: Option<String>,
    /// The uid of the one endpoint it goes to.
    pub endpoint: Option<String>,
}

/// Something that is to happen at its time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alarm {
    pub id: String,
    pub at_ms: i64,
    /// What, in the words of the provider's rules.
    pub what: Value,
}

/// Who an event goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum To<'a> {
    /// The endpoints that want it.
    #[default]
    All,
    /// This URL alone.
    Url(&'a str),
    /// The endpoint with this uid alone.
    Endpoint(&'a str),
}

#[derive(Clone, Debug)]
struct Kept {
    /// The order in which resources were made.
    born: u64,
    value: Value,
}

/// Everything that one key sees.
pub(super) struct World {
    /// Its name in the store, and its application's uid.
    pub name: String,
    pub provider: Provider,
    /// Whether its resources are of the live mode.
    pub live: bool,
    pub manner: Manner,
    /// The moment of this turn, in ms since 1970.
    pub now_ms: i64,
    /// The application that its events go to, once it is known.
    pub application: Option<Application>,
    /// Grows with each reset, so that nothing new has the id of something old.
    round: u64,
    next: u64,
    kinds: BTreeMap<String, BTreeMap<String, Kept>>,
    count: usize,
    /// What this turn changed, and how it was.
    before: Vec<(String, String, Option<Kept>)>,
    /// How many values of a purpose are used, so that they need not be made up again to be passed over.
    used: HashMap<[u8; 16], u64>,
    /// Letters that the engine has taken, to be forgotten with the next commit.
    taken: Vec<String>,
}

impl World {
    /// A world in which nothing has happened.
    pub fn new(name: String, provider: Provider, live: bool, manner: Manner) -> Self {
        Self {
            name,
            provider,
            live,
            manner,
            now_ms: 0,
            application: None,
            round: 0,
            next: 0,
            kinds: BTreeMap::new(),
            count: 0,
            before: Vec::new(),
            used: HashMap::new(),
            taken: Vec::new(),
        }
    }

    /// Takes up a resource that the store kept; nothing when it is not one of ours.
    pub fn take_up(&mut self, kind: String, id: String, value: &[u8]) -> Option<()> {
        let mut kept: Value = serde_json::from_slice(value).ok()?;
        let (born, value) = (kept["n"].as_u64()?, kept["v"].take());
        self.next = self.next.max(born + 1);
        if kind == WORLD {
            self.live = value["live"].as_bool()?;
            self.round = value["round"].as_u64()?;
            // what was made after the last commit of it counts on
            self.next = self.next.max(value["next"].as_u64()?);
        }
        self.count += 1;
        self.kinds.entry(kind).or_default().insert(id, Kept { born, value });
        Some(())
    }

    // --- reading ---

    /// A resource.
    pub fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.kinds.get(kind)?.get(id).map(|kept| &kept.value)
    }

    /// Whether nothing has ever happened here.
    pub fn is_untouched(&self) -> bool {
        self.next == 0
    }

    /// All resources of a kind, the newest first.
    pub fn list(&self, kind: &str) -> Vec<&Value> {
        let mut kept: Vec<_> = self.kinds.get(kind).into_iter().flat_map(BTreeMap::values).collect();
        kept.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.born));
        kept.into_iter().map(|kept| &kept.value).collect()
    }

    /// How long a wait is here, in ms.
    pub fn wait_ms(&self, ms: i64) -> i64 {
        ms / i64::from(self.manner.speed.max(1))
    }

    // --- writing; it counts once the turn is committed ---

    /// Puts a resource under its id, new or changed.
    pub fn put(&mut self, kind: &str, id: &str, value: Value) {
        let rows = self.kinds.entry(kind.to_owned()).or_default();
        let old = rows.get(id).cloned();
        let born = old.as_ref().map_or(self.next, |kept| kept.born);
        if old.is_none() {
            self.next += 1;
            self.count += 1;
        }
        rows.insert(id.to_owned(), Kept { born, value });
        self.before.push((kind.to_owned(), id.to_owned(), old));
    }

    /// Changes a resource in place; `None` when there is none.
    pub fn change<T>(&mut self, kind: &str, id: &str, edit: impl FnOnce(&mut Value) -> T) -> Option<T> {
        let mut value = self.get(kind, id)?.clone();
        let done = edit(&mut value);
        self.put(kind, id, value);
        Some(done)
    }

    /// Takes a resource away.
    pub fn remove(&mut self, kind: &str, id: &str) {
        if let Some(old) = self.kinds.get_mut(kind).and_then(|rows| rows.remove(id)) {
            self.count -= 1;
            self.before.push((kind.to_owned(), id.to_owned(), Some(old)));
        }
    }

    /// A resource of this shape that nothing else has the id of; `purpose` says what for, and the same purpose gives
    /// the same values, one after the other.
    pub fn make(&mut self, kind: &str, shape: &str, purpose: &str) -> Value {
        let play = self.play();
        self.fresh(kind, purpose, |world, nth| {
            let scope = format!("{}/{}/{purpose}/{nth}", world.name, world.round);
            let made = providers::shape(world.provider, shape, &scope, &play).expect("a shape of ours");
            let value: Value = serde_json::from_slice(&made).expect("a shape of ours is JSON");
            (value["id"].as_str().map(str::to_owned), value)
        })
    }

    /// An id that nothing of the kind has.
    pub fn new_id(&mut self, kind: &str, purpose: &str, write: impl Fn(&mut StdRng) -> String) -> String {
        self.fresh(kind, purpose, |world, nth| {
            let id = write(&mut world.draw(&format!("{purpose}/{nth}")));
            (Some(id.clone()), id)
        })
    }

    /// The first of a purpose's values whose id nothing of the kind has.
    fn fresh<T>(&mut self, kind: &str, purpose: &str, make: impl Fn(&Self, u64) -> (Option<String>, T)) -> T {
        let used = hash16(format!("{kind}/{purpose}").as_bytes());
        let mut nth = self.used.get(&used).copied().unwrap_or_default();
        loop {
            let (id, value) = make(self, nth);
            nth += 1;
            if id.is_none_or(|id| self.get(kind, &id).is_none()) {
                self.used.insert(used, nth);
                return value;
            }
        }
    }

    /// Where the values of a purpose come from.
    pub fn draw(&self, purpose: &str) -> StdRng {
        let Self { manner, name, round, .. } = self;
        StdRng::from_seed(sha256(format!("{}/{name}/{round}/{purpose}", manner.seed).as_bytes()))
    }

    /// How the flows of the provider are played in this world now.
    pub fn play(&self) -> Play {
        let Manner { seed, as_documented, speed } = self.manner;
        Play { seed, at_ms: self.now_ms, live: self.live, as_documented, speed }
    }

    /// Tells an event about a resource, in the provider's envelope; gives its id.
    pub fn tell(&mut self, event_type: &str, payload: &Value, purpose: &str, to: To<'_>) -> String {
        let text = payload.to_string();
        let fact = Fact { event_type, payload: text.as_bytes(), live: self.live, at_ms: self.now_ms };
        let unnamed = format!("event_{:x}", self.next); // where the provider gives its events no id
        let (id, body) = self.fresh(EVENT, &format!("{event_type}/{purpose}"), |world, nth| {
            let mut rng = world.draw(&format!("event/{event_type}/{purpose}/{nth}"));
            let body = providers::wrap(world.provider, fact, &mut rng).expect("a type of ours").expect("an envelope");
            let body = String::from_utf8(body.into()).expect("we wrote text");
            let envelope: Value = serde_json::from_str(&body).expect("we wrote JSON");
            let id = envelope["id"].as_str().map_or_else(|| unnamed.clone(), str::to_owned);
            (Some(id.clone()), (id, body))
        });
        self.send(event_type, &id, &body, to);
        id
    }

    /// Tells an event of a flow that is played.
    pub fn tell_scene(&mut self, scene: &Scene) -> String {
        let body = String::from_utf8_lossy(&scene.body).into_owned();
        let id = scene.id.clone().filter(|id| self.get(EVENT, id).is_none());
        let id = id.unwrap_or_else(|| format!("event_{:x}", self.next));
        self.send(&scene.event_type, &id, &body, To::All);
        id
    }

    fn send(&mut self, event_type: &str, id: &str, body: &str, to: To<'_>) {
        let event = json!({ "id": id, "type": event_type, "body": body, "at_ms": self.now_ms });
        self.put(EVENT, id, event);
        let (url, endpoint) = match to {
            To::All => (None, None),
            To::Url(url) => (Some(url), None),
            To::Endpoint(uid) => (None, Some(uid)),
        };
        let letter = json!({ "event": id, "url": url, "endpoint": endpoint });
        self.put(LETTER, &format!("{:016x}", self.next), letter);
    }

    /// Lets something happen at this moment.
    pub fn wake(&mut self, at_ms: i64, what: &Value) {
        let id = format!("{:016x}", self.next);
        self.put(ALARM, &id, json!({ "at_ms": at_ms, "what": what }));
    }

    /// What an alarm is about; it goes with this. `None` when it was called off.
    pub fn ring(&mut self, id: &str) -> Option<Value> {
        let mut alarm = self.get(ALARM, id)?.clone();
        self.remove(ALARM, id);
        Some(alarm["what"].take())
    }

    /// Alarms that are set.
    pub fn alarms(&self) -> Vec<Alarm> {
        let rows = self.kinds.get(ALARM).into_iter().flatten();
        let read = |(id, kept): (&String, &Kept)| {
            Some(Alarm { id: id.clone(), at_ms: kept.value["at_ms"].as_i64()?, what: kept.value["what"].clone() })
        };
        rows.filter_map(read).collect()
    }

    /// What is still to be handed to the engine, in the order in which it was told.
    pub fn letters(&self) -> Vec<Letter> {
        let rows = self.kinds.get(LETTER).into_iter().flatten();
        let read = |(number, kept): (&String, &Kept)| {
            let event = kept.value["event"].as_str()?;
            let told = self.get(EVENT, event)?;
            let text = |value: &Value| value.as_str().map(str::to_owned);
            Some(Letter {
                number: u64::from_str_radix(number, 16).ok()?,
                event_type: text(&told["type"])?,
                uid: if self.round == 0 { event.to_owned() } else { format!("{event}.{}", self.round) },
                body: text(&told["body"])?,
                url: text(&kept.value["url"]),
                endpoint: text(&kept.value["endpoint"]),
            })
        };
        rows.filter_map(read).collect()
    }

    /// The engine has this one.
    pub fn has_taken(&mut self, letter: &Letter) {
        let id = format!("{:016x}", letter.number);
        if let Some(rows) = self.kinds.get_mut(LETTER)
            && rows.remove(&id).is_some()
        {
            self.count -= 1;
            self.taken.push(id);
        }
    }

    /// Begins anew: nothing is left, and nothing to come has an id of what was.
    pub fn reset(&mut self) {
        let all: Vec<_> =
            self.kinds.iter().flat_map(|(kind, rows)| rows.keys().map(|id| (kind.clone(), id.clone()))).collect();
        for (kind, id) in all.iter().filter(|(kind, _)| kind != WORLD) {
            self.remove(kind, id);
        }
        self.round += 1;
        self.used.clear();
    }

    // --- the turn ---

    /// Takes back what this turn changed.
    pub fn undo(&mut self) {
        while let Some((kind, id, old)) = self.before.pop() {
            let rows = self.kinds.entry(kind).or_default();
            if let Some(kept) = old {
                self.count += usize::from(rows.insert(id, kept).is_none());
            } else {
                self.count -= usize::from(rows.remove(&id).is_some());
            }
            self.used.clear();
        }
    }

    /// What this turn changed, to be made durable. Error: the world is full.
    pub fn changes(&mut self) -> Result<Vec<Resource>, Problem> {
        if self.count > RESOURCES_MAX {
            let message = format!("this key has {RESOURCES_MAX} resources, the most the sandbox keeps; reset it");
            return Err(Problem::refused(429, "sandbox_full", message));
        }
        if self.before.is_empty() && self.taken.is_empty() {
            return Ok(Vec::new());
        }
        self.put(WORLD, WORLD, json!({ "live": self.live, "round": self.round, "next": self.next + 1 }));
        let mut touched: Vec<_> = self.before.iter().map(|(kind, id, _)| (kind.clone(), id.clone())).collect();
        touched.sort_unstable();
        touched.dedup();
        let row = |(kind, id): (String, String)| {
            let kept = self.kinds.get(&kind).and_then(|rows| rows.get(&id));
            let value = kept.map(|kept| json!({ "n": kept.born, "v": kept.value }).to_string().into());
            Resource { world: self.name.clone(), kind, id, value }
        };
        let taken = self.taken.iter().map(|id| Resource {
            world: self.name.clone(),
            kind: LETTER.to_owned(),
            id: id.clone(),
            value: None,
        });
        Ok(taken.chain(touched.into_iter().map(row)).collect())
    }

    /// The changes are durable.
    pub fn committed(&mut self) {
        self.before.clear();
        self.taken.clear();
    }
}
