//! Who calls: by a key, read from the store again when the last look is half a second old; by a token that was signed
//! here; by a Svix token, when the server knows the secret that those are signed with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::task::spawn_blocking;

use super::pace::Paces;
use crate::audit::By;
use crate::clock::{Clock, Now};
use crate::engine::message::NotChanged;
use crate::engine::run::Engine;
use crate::environment::{self, Environment};
use crate::error::{Error, Result};
use crate::event_type;
use crate::id::{ApplicationId, EnvironmentId, Id as _, KeyId};
use crate::jwt::{JwtSecret, Subject};
use crate::key::{self, Caller, Keyring, Known};
use crate::store::{Change, Op, Refused, Setting, Store};
use crate::token::{self, Signer};

/// A revoked key stops working, and a new one works, within this time and the read that follows it.
const LOOK_MS: i64 = 500;
/// How exactly it is known when a key was last used.
const USED_MS: i64 = 60_000;
/// How many environments of Svix tokens are remembered.
const ORGS_MAX: usize = 10_000;

/// How tokens are read and how often callers may ask.
pub struct Admission {
    /// Signs the tokens of applications.
    pub signer: Signer,
    /// What Svix tokens are signed with.
    pub jwt: Option<JwtSecret>,
    /// How many requests a second each key may make that has no rate of its own.
    pub rate: Option<u32>,
}

/// The keys as last read, and what else tells who calls.
pub(super) struct Auth {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    engine: Engine,
    admission: Admission,
    last: Mutex<Option<(i64, Arc<Keyring>)>>,
    /// When each key was last used, as far as it is written down.
    used: Mutex<HashMap<KeyId, i64>>,
    paces: Paces,
    /// Environments by the name in Svix tokens.
    orgs: Mutex<HashMap<String, EnvironmentId>>,
}

impl Auth {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, engine: Engine, admission: Admission) -> Self {
        let (last, used, orgs) = Default::default();
        Self { store, clock, engine, admission, last, used, paces: Paces::default(), orgs }
    }

    /// The signer of tokens.
    pub(super) fn signer(&self) -> &Signer {
        &self.admission.signer
    }

    /// Takes a request's headers. Error: 401 that says what would be right, 429.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller> {
        self.of_text(bearer(headers)?).await
    }

    /// Takes the token that a link to the portal carries. Error: 401, also for what is no token of an application; 429.
    pub(super) async fn of_link(&self, text: &str) -> Result<Caller> {
        let caller = self.of_text(text).await?;
        if caller.application().is_some() && caller.capabilities().is_some() {
            return Ok(caller);
        }
        Err(key::refused("this is a key, and no link to the portal"))
    }

    async fn of_text(&self, text: &str) -> Result<Caller> {
        let now = self.clock.now();
        if text.starts_with(token::PREFIX) {
            return self.of_token(text, now).await;
        }
        if let Some(secret) = &self.admission.jwt
            && !text.starts_with(key::PREFIX)
        {
            return self.of_svix(secret.verify(text, now.wall_ms.div_euclid(1_000))?, text, now).await;
        }
        let keyring = self.keyring(now).await?;
        let known = keyring.find(text)?;
        if let Some(rate) = known.rate.or(self.admission.rate) {
            self.paces.take(known.id.value(), rate, now.steady_ms)?;
        }
        self.note_use(known.id, now.wall_ms);
        Ok(known.caller.clone())
    }

    /// Whose key this text is. Error: 401.
    pub(super) async fn of_key(&self, text: &str) -> Result<Known> {
        let now = self.clock.now();
        let keyring = self.keyring(now).await?;
        let known = keyring.find(text)?;
        self.note_use(known.id, now.wall_ms);
        Ok(known.clone())
    }

    /// A key that works still, by its id.
    pub(super) async fn key(&self, id: KeyId) -> Result<Option<Known>> {
        Ok(self.keyring(self.clock.now()).await?.by_id(id).cloned())
    }

    async fn of_token(&self, text: &str, now: Now) -> Result<Caller> {
        let claims = self.admission.signer.read(text);
        let claims = claims.ok_or_else(|| key::refused("this token was not made here; ask for a new one"))?;
        if now.wall_ms >= claims.expires_ms {
            return Err(key::refused("this token has ended; ask for a new one"));
        }
        let session = claims.session.clone();
        self.check_ended(claims.application(), text, claims.issued_ms, session.as_deref()).await?;
        self.keep_pace(claims.application(), now)?;
        Ok(Caller::of_token(claims))
    }

    fn keep_pace(&self, application: ApplicationId, now: Now) -> Result<()> {
        let rate = self.admission.rate;
        rate.map_or(Ok(()), |rate| self.paces.take(application.value(), rate, now.steady_ms))
    }

    /// A deleted application's tokens, and those that ended before their time, open nothing.
    async fn check_ended(
        &self,
        application: ApplicationId,
        text: &str,
        issued_ms: i64,
        session: Option<&str>,
    ) -> Result<()> {
        let ended = self.read(move |store| store.ended_tokens(application)).await?;
        let (hash, now_ms) = (token::hash(text), self.clock.now().wall_ms);
        if ended.iter().any(|ended| ended.covers(&hash, issued_ms, session, now_ms)) {
            return Err(key::refused("this token was ended; ask for a new one"));
        }
        Ok(())
    }

    async fn of_svix(&self, subject: Subject, text: &str, now: Now) -> Result<Caller> {
        match subject {
            Subject::Environment { org } => {
                let environment = self.environment(&org, now).await?;
                if let Some(rate) = self.admission.rate {
                    self.paces.take(environment.value(), rate, now.steady_ms)?;
                }
                Ok(Caller::of_environment(environment))
            }
            Subject::Application { org, application, feature_flags, issued_ms } => {
                let bad =
                    || Error::new(crate::error::Kind::Invalid, "bad token", "the token's `sub` is no application");
                let application = self.engine.text().parse(&application).ok_or_else(bad)?;
                let environment = self.environment(&org, now).await?;
                self.check_ended(application, text, issued_ms, None).await?;
                self.keep_pace(application, now)?;
                Ok(Caller::of_application(environment, application, feature_flags))
            }
        }
    }

    /// The environment of this name, made when it is the first token that names it.
    async fn environment(&self, org: &str, now: Now) -> Result<EnvironmentId> {
        if let Some(known) = self.orgs().get(org) {
            return Ok(*known);
        }
        let mut found = self.find_environment(org).await?;
        if found.is_none() {
            let id = if org == environment::MANAGEMENT {
                EnvironmentId::new(environment::MANAGEMENT_ID)
            } else {
                self.engine.ids().next(now.wall_ms)
            };
            let change = Change::Environment(Environment { id, name: org.to_owned() });
            match self.engine.change(Setting { by: By::server(), change, answer: None }).await {
                Ok(_) => found = Some(id),
                Err(NotChanged::Refused(Refused::Taken)) => found = self.find_environment(org).await?,
                Err(NotChanged::Failed(error)) => return Err(error),
                Err(NotChanged::Refused(refused)) => return Err(Error::internal(format!("{refused:?}"))),
            }
        }
        let found = found.ok_or_else(|| Error::internal("an environment that was just made is not there"))?;
        if org == environment::MANAGEMENT {
            self.put_operational(found, now.wall_ms).await?;
        }
        let mut orgs = self.orgs();
        if orgs.len() >= ORGS_MAX {
            orgs.clear();
        }
        orgs.insert(org.to_owned(), found);
        Ok(found)
    }

    /// Makes the event types that are missing of what is told in the management's environment: its callers look there
    /// for what an endpoint may name.
    async fn put_operational(&self, management: EnvironmentId, now_ms: i64) -> Result<()> {
        let missing = self.read(move |store| {
            let mut missing = event_type::operational(management, now_ms);
            let known = missing.iter().map(|row| Ok(store.event_type(management, &row.name)?.is_some()));
            let mut known = known.collect::<Result<Vec<_>>>()?.into_iter();
            missing.retain(|_| known.next() == Some(false));
            Ok(missing)
        });
        let missing = missing.await?;
        if missing.is_empty() {
            return Ok(());
        }
        let change = Change::Catalogue(missing);
        match self.engine.change(Setting { by: By::server(), change, answer: None }).await {
            Ok(_) | Err(NotChanged::Refused(Refused::Taken)) => Ok(()),
            Err(NotChanged::Failed(error)) => Err(error),
            Err(NotChanged::Refused(refused)) => Err(Error::internal(format!("{refused:?}"))),
        }
    }

    async fn find_environment(&self, org: &str) -> Result<Option<EnvironmentId>> {
        let all = self.read(Store::environments).await?;
        Ok(all.into_iter().find(|environment| environment.name == org).map(|environment| environment.id))
    }

    fn orgs(&self) -> MutexGuard<'_, HashMap<String, EnvironmentId>> {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that a key was used, at most once a minute.
    fn note_use(&self, key: KeyId, now_ms: i64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let last_ms = used.entry(key).or_insert(i64::MIN);
        if now_ms.saturating_sub(*last_ms) < USED_MS {
            return;
        }
        *last_ms = now_ms;
        let engine = self.engine.clone();
        tokio::spawn(async move {
            if let Err(failed) = engine.record(Op::Used { key, at_ms: now_ms }).await {
                tracing::warn!(?failed, "the use of a key could not be written down");
            }
        });
    }

    async fn keyring(&self, now: Now) -> Result<Arc<Keyring>> {
        if let Some((read_ms, keyring)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && now.steady_ms - read_ms < LOOK_MS
        {
            return Ok(Arc::clone(keyring));
        }
        let keys = self.read(Store::keys).await?;
        let keyring = Arc::new(Keyring::new(&keys, now.wall_ms));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now.steady_ms, Arc::clone(&keyring)));
        Ok(keyring)
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        spawn_blocking(move || question(&*store)).await.map_err(Error::internal)?
    }
}

/// The key or token that a request carries. Error: 401 that says what would be right.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let header = given.next().map(|value| value.to_str().unwrap_or_default());
    if given.next().is_some() {
        return Err(key::refused("the Authorization header is there twice; send one"));
    }
    key::bearer(header)
}
