//! Webhooks of the small providers: the endpoints of a world's own application, nothing beside them.

use super::ask::Problem;
use super::house::{House, Shared};
use super::post::problem;
use crate::application::Application;
use crate::audit::By;
use crate::endpoint::Endpoint;
use crate::engine::message::NotChanged;
use crate::error::Result;
use crate::store::{Change, Page, Refused, Setting};

/// How many endpoints are read at a time.
const SLICE: usize = 250;
/// How often a change is tried again when another one came first.
const TRIES_MAX: usize = 5;

impl House {
    /// The application that a world's events go to.
    pub(super) async fn application_of(&self, world: &Shared) -> Result<Application, Problem> {
        let mut world = world.lock().await;
        world.application = None; // somebody may have deleted it
        self.application(&mut world).await.map_err(|error| problem(&error))
    }

    async fn known(&self, world: &Shared) -> Result<Option<Application>, Problem> {
        self.known_application(&*world.lock().await).await.map_err(|error| problem(&error))
    }

    /// All webhooks of a world, the newest first.
    pub(super) async fn webhooks(&self, world: &Shared) -> Result<Vec<Endpoint>, Problem> {
        let Some(application) = self.known(world).await?.map(|application| application.id) else {
            return Ok(Vec::new());
        };
        let read = self.read(move |store| {
            let mut all: Vec<Endpoint> = Vec::new();
            loop {
                let page = Page { after: all.last().map(|endpoint| endpoint.id), limit: SLICE, descending: true };
                let listed = store.endpoints(application, page)?;
                all.extend(listed.rows);
                if listed.done {
                    return Ok(all);
                }
            }
        });
        let all = read.await.map_err(|error| problem(&error))?;
        Ok(all.into_iter().filter(|endpoint| !endpoint.direct && endpoint.uid.is_some()).collect())
    }

    /// A webhook by its provider's id. Error: there is none.
    pub(super) async fn webhook(&self, world: &Shared, id: &str) -> Result<Endpoint, Problem> {
        let found = match self.known(world).await? {
            Some(application) => self.endpoint(&application, id).await.map_err(|error| problem(&error))?,
            None => None,
        };
        found.filter(|endpoint| !endpoint.direct).ok_or_else(|| Problem::not_found("webhook", id))
    }

    /// Reads a webhook, changes it, writes it; again when somebody else came first.
    pub(super) async fn change_webhook(
        &self,
        world: &Shared,
        id: &str,
        edit: impl Fn(&mut Endpoint),
    ) -> Result<Endpoint, Problem> {
        for _ in 0..TRIES_MAX {
            let mut endpoint = self.webhook(world, id).await?;
            edit(&mut endpoint);
            endpoint.check().map_err(|error| problem(&error))?;
            endpoint.revision += 1;
            endpoint.updated_ms = self.parts.clock.now().wall_ms;
            let setting = Setting { by: By::server(), change: Change::Endpoint(endpoint.clone()), answer: None };
            match self.parts.engine.change(setting).await {
                Ok(_) => return Ok(endpoint),
                Err(NotChanged::Refused(Refused::Stale)) => {}
                Err(NotChanged::Failed(error)) => return Err(problem(&error)),
                Err(NotChanged::Refused(_)) => break,
            }
        }
        Err(Problem::refused(409, "conflict", "it keeps changing at the same time; try again"))
    }
}
