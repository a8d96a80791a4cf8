//! The first start: the environment, the key and the Admin that are wanted and missing; settings written from beside the
//! engine.

use anyhow::{Context as _, Result};
use rand::distr::Alphanumeric;
use rand::{Rng as _, SeedableRng as _};

use crate::audit::By;
use crate::clock::Clock;
use crate::environment;
use crate::error::Error;
use crate::http::dashboard;
use crate::id::{EnvironmentId, IdSource};
use crate::key::{Grant, Key, KeyText, Role};
use crate::store::{Batch, Change, Op, PeopleChange, Setting, Store};
use crate::user::User;

/// The node number of ids that are handed out beside the engine.
pub(super) const NODE_BESIDE: u16 = 1_023;
/// How many letters and digits a setup code has: 119 bits.
const SETUP_CODE_CHARS: usize = 20;

/// Makes the environment and the admin key that are wanted and missing; gives a key that nobody knows yet.
pub(super) fn prepare(store: &dyn Store, bootstrap: Option<&str>, clock: &dyn Clock) -> Result<Option<KeyText>> {
    let now_ms = clock.now().wall_ms;
    let opening = store.opening(now_ms)?;
    let given = bootstrap.map(KeyText::parse).transpose().context("--bootstrap-key (POSTHASTE_BOOTSTRAP_KEY)")?;
    let made =
        given.is_none().then(|| KeyText::generate(environment::NAMES[0], &mut rand::rngs::StdRng::from_os_rng()));
    if given.is_none() && !opening.environments.is_empty() {
        return Ok(None);
    }
    let text = given.as_ref().or(made.as_ref()).expect("one of the two");
    if !store.keys()?.iter().any(|key| key.hash == text.hash()) {
        create_key(store, By::server(), text, Grant::of(Role::Admin), now_ms)?;
    }
    Ok(made)
}

/// Makes the Admin that is wanted when there is none; gives the code that makes one while there is none still.
pub(super) fn people(store: &dyn Store, admin: Option<(String, &str)>, clock: &dyn Clock) -> Result<Option<String>> {
    if store.users()?.iter().any(|user| user.role == Role::Admin) {
        return Ok(None);
    }
    let Some((email, password)) = admin else {
        let rng = rand::rngs::StdRng::from_os_rng();
        return Ok(Some(rng.sample_iter(Alphanumeric).take(SETUP_CODE_CHARS).map(char::from).collect()));
    };
    let now_ms = clock.now().wall_ms;
    let id = IdSource::new(NODE_BESIDE, store.opening(now_ms)?.last_id).next(now_ms);
    let password = Some(dashboard::password::hash(password)?);
    let user = User { id, email, role: Role::Admin, password, updated_ms: now_ms };
    write(store, By::server(), vec![Change::People(PeopleChange::User(user))], now_ms)?;
    Ok(None)
}

/// The environment whose applications the sandbox's worlds are: the one of test keys, where it exists.
pub(super) fn home(store: &dyn Store, clock: &dyn Clock) -> Result<EnvironmentId> {
    let environments = store.opening(clock.now().wall_ms)?.environments;
    let test = environments.iter().find(|environment| environment.name == environment::NAMES[0]);
    Ok(test.or(environments.first()).context("there is no environment")?.id)
}

/// Writes a key and, when it is missing, its environment.
pub(super) fn create_key(
    store: &dyn Store,
    by: By,
    text: &KeyText,
    grant: Grant,
    now_ms: i64,
) -> crate::error::Result<Key> {
    let opening = store.opening(now_ms)?;
    let environment = environment::named(text.environment());
    let key = text.kept(IdSource::new(NODE_BESIDE, opening.last_id).next(now_ms), environment.id, grant);
    let mut changes = vec![Change::Key(key.clone())];
    if !opening.environments.contains(&environment) {
        changes.insert(0, Change::Environment(environment));
    }
    write(store, by, changes, now_ms)?;
    Ok(key)
}

/// Writes settings from beside the engine.
pub(super) fn write(store: &dyn Store, by: By, changes: Vec<Change>, wall_ms: i64) -> crate::error::Result<()> {
    let ops = changes.into_iter().map(|change| Op::Setting(Box::new(Setting { by, change, answer: None }))).collect();
    let receipt = store
        .commit(&Batch { wall_ms, steady_ms: wall_ms, ops })
        .map_err(|failed| Error::internal(format!("{failed:?}")))?;
    if receipt.get().refused.is_empty() {
        Ok(())
    } else {
        Err(Error::conflict("it exists already, or is gone already"))
    }
}
