//! The post: what a world told goes to the engine, once each, to the endpoints of the world's own application.

use rand::SeedableRng as _;

use super::ask::Problem;
use super::house::House;
use super::world::{Letter, World};
use crate::application::{Application, ApplicationRef, Wire};
use crate::audit::By;
use crate::endpoint::Endpoint;
use crate::engine::message::NotChanged;
use crate::error::{Error, Kind, Result};
use crate::event::NewEvent;
use crate::http::api::catalogue;
use crate::id::EndpointId;
use crate::name::Metadata;
use crate::provider::Provider;
use crate::providers;
use crate::store::{Change, Refused, Setting, Store};

impl House {
    /// Hands over what was told, in its order; what the engine cannot take now stays for later.
    pub(super) async fn post(&self, world: &mut World) {
        for letter in world.letters() {
            match self.hand_over(world, &letter).await {
                Ok(()) => world.has_taken(&letter),
                Err(error) => {
                    tracing::warn!(world = world.name, %error, "an event waits to be sent");
                    return;
                }
            }
        }
    }

    async fn hand_over(&self, world: &mut World, letter: &Letter) -> Result<()> {
        let application = self.application(world).await?;
        let only = match (&letter.url, &letter.endpoint) {
            (Some(url), _) => Some(self.direct(&application, url).await?),
            (None, Some(uid)) => match self.endpoint(&application, uid).await? {
                Some(endpoint) => Some(endpoint.id),
                None => return Ok(()), // it is gone, and nobody else is meant
            },
            (None, None) => None,
        };
        let body = letter.body.clone().into();
        let event = NewEvent::played(&application, letter.event_type.clone(), letter.uid.clone(), body);
        let answers = self.parts.engine.accept(vec![NewEvent { only, ..event }]).await?;
        match answers.into_iter().next() {
            Some(Err(error)) if error.kind != Kind::Conflict => {
                world.application = None; // somebody may have deleted it
                Err(error)
            }
            _ => Ok(()), // a conflict: it was taken before, and this was not written down
        }
    }

    /// The application that a world's events go to, made when it is first needed.
    pub(super) async fn application(&self, world: &mut World) -> Result<Application> {
        if let Some(application) = &world.application {
            return Ok(application.clone());
        }
        let application = match self.known_application(world).await? {
            Some(application) => application,
            None => self.found(world).await?,
        };
        world.application = Some(application.clone());
        Ok(application)
    }

    /// The application that a world's events go to, as it is now, when there is one.
    pub(super) async fn known_application(&self, world: &World) -> Result<Option<Application>> {
        let (environment, name) = (self.parts.environment, ApplicationRef::Uid(world.name.clone()));
        self.read(move |store| store.application(environment, &name)).await
    }

    async fn found(&self, world: &World) -> Result<Application> {
        let now_ms = self.parts.clock.now().wall_ms;
        // all that a plan switches on is on here: the rules of the sandbox decide what is sent
        let needs = providers::catalogue(world.provider).iter().filter_map(|row| row.needs.clone());
        let application = Application {
            id: self.parts.engine.ids().next(now_ms),
            environment: self.parts.environment,
            uid: Some(world.name.clone()),
            name: format!("sandbox {}", world.name),
            metadata: needs.map(|key| (key, "true".to_owned())).collect::<Metadata>(),
            provider: world.provider,
            source: None,
            throttle_rate: None,
            wire: Wire::default(),
            updated_ms: now_ms,
            deleted: false,
        };
        self.bring_in(world.provider).await?;
        self.set(Change::Application(application.clone())).await?;
        Ok(application)
    }

    /// Makes the event types of a provider's catalogue that are missing, so that endpoints can name them.
    async fn bring_in(&self, provider: Provider) -> Result<()> {
        let (environment, now_ms) = (self.parts.environment, self.parts.clock.now().wall_ms);
        let missing = self.read(move |store| catalogue::missing(store, environment, provider, now_ms)).await?;
        if missing.is_empty() { Ok(()) } else { self.set(Change::Catalogue(missing)).await }
    }

    /// The endpoint for this one URL.
    async fn direct(&self, application: &Application, url: &str) -> Result<EndpointId> {
        let uid = Endpoint::uid_of_url(url);
        if let Some(endpoint) = self.endpoint(application, &uid).await? {
            return Ok(endpoint.id);
        }
        let now_ms = self.parts.clock.now().wall_ms;
        let secret = providers::generate_secret(application.provider, &mut rand::rngs::StdRng::from_os_rng());
        let endpoint = Endpoint {
            direct: true,
            uid: Some(uid),
            description: "the webhookUrl of a link".to_owned(),
            ..Endpoint::new(self.parts.engine.ids().next(now_ms), application, url, secret, now_ms)
        };
        let id = endpoint.id;
        self.set(Change::Endpoint(endpoint)).await?;
        Ok(id)
    }

    /// An endpoint of the application by its uid.
    pub(super) async fn endpoint(&self, application: &Application, uid: &str) -> Result<Option<Endpoint>> {
        let (application, uid) = (application.id, uid.to_owned());
        self.read(move |store| store.endpoint_by_uid(application, &uid)).await
    }

    /// Changes a setting.
    pub(super) async fn set(&self, change: Change) -> Result<()> {
        match self.parts.engine.change(Setting { by: By::server(), change, answer: None }).await {
            Ok(_) => Ok(()),
            Err(NotChanged::Failed(error)) => Err(error),
            Err(NotChanged::Refused(Refused::Full(count))) => {
                Err(Error::conflict(format!("there are {count} webhooks already, as many as this provider allows")))
            }
            Err(NotChanged::Refused(_)) => Err(Error::conflict("it changed at the same time; try again")),
        }
    }

    /// Asks the store on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = std::sync::Arc::clone(&self.parts.store);
        tokio::task::spawn_blocking(move || question(&*store)).await.map_err(Error::internal)?
    }
}

/// A failure of ours in a provider's words.
pub(super) fn problem(error: &Error) -> Problem {
    match error.kind {
        Kind::Overloaded | Kind::Internal => {
            tracing::error!(detail = error.detail, "a request to the sandbox failed");
            Problem::unavailable()
        }
        Kind::Conflict => Problem::refused(409, "conflict", error.detail.clone()),
        _ => Problem {
            param: error.fields.first().and_then(|field| field.path.last().cloned()),
            ..Problem::refused(400, "invalid_parameter", error.detail.clone())
        },
    }
}
