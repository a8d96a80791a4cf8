//! The house: all worlds, their turns, their alarms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as Lock, MutexGuard as Guard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, Notify};

use super::ask::Problem;
use super::world::{Manner, World};
use crate::audit::By;
use crate::clock::Clock;
use crate::egress::probe::Prober;
use crate::engine::run::Engine;
use crate::error::{Error, Result};
use crate::http::state::JudgeUrl;
use crate::id::EnvironmentId;
use crate::provider::Provider;
use crate::store::{Change, Setting, Store};

/// How many worlds there may be: each key that changes something is one.
const WORLDS_MAX: usize = 10_000;
/// How long after a failure an alarm or a letter is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the house is made of.
pub struct Parts {
    /// What accepts its events and changes its settings.
    pub engine: Engine,
    /// Where its resources are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Judges the URLs of its endpoints.
    pub judge_url: JudgeUrl,
    /// Asks endpoints whether anybody is there.
    pub prober: Prober,
    /// Whose applications its worlds are.
    pub environment: EnvironmentId,
    /// How it is played.
    pub manner: Manner,
    /// The URL under which it is reached.
    pub url: String,
}

/// A world that several requests may ask for; one turn at a time.
pub(super) type Shared = Arc<Mutex<World>>;

/// What an alarm lets happen in a world, by its provider's rules.
type Ring = fn(&mut World, &Value);

/// All worlds.
pub struct House {
    pub(super) parts: Parts,
    ring: Ring,
    worlds: Lock<BTreeMap<String, Shared>>,
    /// When something is to happen in which world: an alarm by its id, or the post when that is empty.
    agenda: Lock<BTreeSet<(i64, String, String)>>,
    changed: Notify,
}

impl House {
    /// Takes up what the store kept; what was told and not yet taken is on the agenda.
    pub(super) async fn open(parts: Parts, ring: Ring) -> Result<Arc<Self>> {
        let store = Arc::clone(&parts.store);
        let kept = tokio::task::spawn_blocking(move || store.resources()).await.map_err(Error::internal)??;
        let mut worlds: BTreeMap<String, World> = BTreeMap::new();
        for resource in kept {
            let Some(provider) = provider_of(&resource.world) else {
                continue; // of a provider that this build does not know
            };
            let name = resource.world.clone();
            let world =
                worlds.entry(name).or_insert_with_key(|name| World::new(name.clone(), provider, false, parts.manner));
            if world.take_up(resource.kind, resource.id, &resource.value.unwrap_or_default()).is_none() {
                return Err(Error::internal("a resource of the sandbox is damaged"));
            }
        }
        let (agenda, changed) = Default::default();
        let house = Arc::new(Self { parts, ring, worlds: Lock::default(), agenda, changed });
        for (name, world) in worlds {
            house.note(&world);
            locked(&house.worlds).insert(name, Arc::new(Mutex::new(world)));
        }
        Ok(house)
    }

    /// The world of this name; a new one is kept once something changes in it.
    pub(super) fn world(&self, name: &str, provider: Provider, live: bool) -> Result<Shared, Problem> {
        let mut worlds = locked(&self.worlds);
        if let Some(world) = worlds.get(name) {
            return Ok(Arc::clone(world));
        }
        if worlds.len() >= WORLDS_MAX {
            // worlds that nobody is in and nothing happened in
            worlds.retain(|_, world| {
                Arc::strong_count(world) > 1 || world.try_lock().is_ok_and(|world| !world.is_untouched())
            });
        }
        if worlds.len() >= WORLDS_MAX {
            let message = format!("the sandbox has {WORLDS_MAX} keys, the most it takes; use one of those");
            return Err(Problem::refused(429, "sandbox_full", message));
        }
        let world = Arc::new(Mutex::new(World::new(name.to_owned(), provider, live, self.parts.manner)));
        worlds.insert(name.to_owned(), Arc::clone(&world));
        Ok(world)
    }

    /// All worlds there are.
    pub(super) fn all(&self) -> Vec<Shared> {
        locked(&self.worlds).values().cloned().collect()
    }

    /// One turn: the rule's changes become durable together and are posted, or nothing of it happened.
    pub(super) async fn turn<T>(
        &self,
        world: &Shared,
        rule: impl FnOnce(&mut World) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut world = world.lock().await;
        world.undo(); // of a turn that broke off
        world.now_ms = self.parts.clock.now().wall_ms;
        let done = match rule(&mut world) {
            Ok(done) => self.commit(&mut world).await.map(|()| done),
            Err(problem) => Err(problem),
        };
        if done.is_err() {
            world.undo();
            return done;
        }
        self.post(&mut world).await;
        self.note(&world);
        done
    }

    async fn commit(&self, world: &mut World) -> Result<(), Problem> {
        let changes = world.changes()?;
        if changes.is_empty() {
            return Ok(());
        }
        let setting = Setting { by: By::server(), change: Change::Resources(changes), answer: None };
        self.parts.engine.change(setting).await.map_err(|failed| {
            tracing::error!(?failed, "the sandbox cannot write");
            Problem::unavailable()
        })?;
        world.committed();
        Ok(())
    }

    /// Puts a world's alarms, and its post when some of it is left, on the agenda.
    fn note(&self, world: &World) {
        let alarms = world.alarms().into_iter().map(|alarm| (alarm.at_ms, world.name.clone(), alarm.id));
        let again_ms = self.parts.clock.now().wall_ms + i64::try_from(AGAIN.as_millis()).unwrap_or_default();
        let post = (!world.letters().is_empty()).then(|| (again_ms, world.name.clone(), String::new()));
        locked(&self.agenda).extend(alarms.chain(post));
        self.changed.notify_one();
    }

    /// Lets each alarm ring at its time, for as long as the process lives.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let first = locked(&self.agenda).first().cloned();
            let Some((at_ms, name, alarm)) = first else {
                self.changed.notified().await;
                continue;
            };
            let wait_ms = at_ms - self.parts.clock.now().wall_ms;
            if let Ok(wait_ms @ 1..) = u64::try_from(wait_ms) {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
                    () = self.changed.notified() => {}
                }
                continue;
            }
            locked(&self.agenda).remove(&(at_ms, name.clone(), alarm.clone()));
            let world = locked(&self.worlds).get(&name).cloned();
            let Some(world) = world else {
                continue;
            };
            let rule = |world: &mut World| {
                if let Some(what) = world.ring(&alarm) {
                    (self.ring)(world, &what);
                }
                Ok(()) // without an alarm only the post goes
            };
            if self.turn(&world, rule).await.is_err() {
                tokio::time::sleep(AGAIN).await;
                self.note(&*world.lock().await);
            }
        }
    }
}

fn locked<T>(lock: &Lock<T>) -> Guard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn provider_of(world: &str) -> Option<Provider> {
    let name = world.split('_').next()?;
    [Provider::Fintoc, Provider::Bridge, Provider::Finix].into_iter().find(|provider| provider.name() == name)
}
