//! Who lives where: applications by id and uid, and the lanes of their endpoints.

use std::collections::HashMap;

use super::pace::Pace;
use crate::application::{Application, ApplicationRef};
use crate::environment::{Environment, MANAGEMENT_ID, ORG_PREFIX};
use crate::id::{ApplicationId, EnvironmentId, Id as _, SourceId};
use crate::name::Metadata;
use crate::provider::Provider;

/// One living application.
#[derive(Debug)]
pub(super) struct Resident {
    environment: EnvironmentId,
    uid: Option<String>,
    /// In whose form its events are delivered.
    pub(super) provider: Provider,
    /// The source whose events it receives; nobody else publishes to it then.
    pub(super) source: Option<SourceId>,
    /// What switches on the types that not every customer is sent.
    pub(super) metadata: Metadata,
    /// The lanes of its living endpoints, in the order of their ids.
    pub(super) lanes: Vec<usize>,
}

/// All living applications.
#[derive(Debug, Default)]
pub(super) struct Directory {
    residents: HashMap<ApplicationId, Resident>,
    uids: HashMap<(EnvironmentId, String), ApplicationId>,
    /// How fast those are sent to that have a rate, and that rate.
    paces: HashMap<ApplicationId, (u32, Pace)>,
    /// The names of environments that Svix tokens name.
    orgs: HashMap<EnvironmentId, String>,
}

impl Directory {
    /// Finds an application of this environment; another's is not found.
    pub(super) fn find(
        &self,
        environment: EnvironmentId,
        application: &ApplicationRef,
    ) -> Option<(ApplicationId, &Resident)> {
        let id = match application {
            ApplicationRef::Id(id) => *id,
            ApplicationRef::Uid(uid) => *self.uids.get(&(environment, uid.clone()))?,
        };
        let resident = self.residents.get(&id)?;
        (resident.environment == environment).then_some((id, resident))
    }

    /// Where an application lives, and its uid.
    pub(super) fn home(&self, application: ApplicationId) -> Option<(EnvironmentId, Option<String>)> {
        let resident = self.residents.get(&application)?;
        Some((resident.environment, resident.uid.clone()))
    }

    /// Takes an environment.
    pub(super) fn settle(&mut self, environment: &Environment) {
        if environment.name.starts_with(ORG_PREFIX) {
            self.orgs.insert(environment.id, environment.name.clone());
        }
    }

    /// How Svix tokens name an environment.
    pub(super) fn org(&self, environment: EnvironmentId) -> Option<&String> {
        self.orgs.get(&environment)
    }

    /// The application of this uid, when it has endpoints.
    pub(super) fn hearer(&self, environment: EnvironmentId, uid: &str) -> Option<ApplicationId> {
        let id = *self.uids.get(&(environment, uid.to_owned()))?;
        self.residents.get(&id).filter(|resident| !resident.lanes.is_empty()).map(|_| id)
    }

    /// Every application that hears of what happens in an environment.
    pub(super) fn hearers(&self) -> Vec<ApplicationId> {
        let all = self.uids.keys().filter(|(environment, _)| environment.value() == MANAGEMENT_ID);
        let mut found: Vec<_> = all.filter_map(|(environment, uid)| self.hearer(*environment, uid)).collect();
        found.sort_unstable();
        found
    }

    /// The application's lanes, to change.
    pub(super) fn lanes_mut(&mut self, application: ApplicationId) -> Option<&mut Vec<usize>> {
        self.residents.get_mut(&application).map(|resident| &mut resident.lanes)
    }

    /// When an endpoint of this application may send again by the application's rate, in ms; `None` for now. Those that
    /// wait take turns.
    pub(super) fn turn(&mut self, application: ApplicationId, now_ms: i64) -> Option<i64> {
        if self.paces.is_empty() {
            return None;
        }
        let (rate, pace) = self.paces.get_mut(&application)?;
        pace.turn(*rate, now_ms)
    }

    /// One more was sent to an endpoint of this application.
    pub(super) fn spend(&mut self, application: ApplicationId, now_ms: i64) {
        if self.paces.is_empty() {
            return;
        }
        if let Some((rate, pace)) = self.paces.get_mut(&application) {
            pace.spend(*rate, now_ms);
        }
    }

    /// Takes a new or changed application.
    pub(super) fn put(&mut self, now_ms: i64, application: &Application) {
        let (old_rate, mut pace) = self.paces.get(&application.id).copied().unwrap_or_default();
        let lanes = self.remove(application.id);
        if let Some(rate) = application.throttle_rate {
            if rate != old_rate {
                pace.change(now_ms);
            }
            self.paces.insert(application.id, (rate, pace));
        }
        if let Some(uid) = &application.uid {
            self.uids.insert((application.environment, uid.clone()), application.id);
        }
        let resident = Resident {
            environment: application.environment,
            uid: application.uid.clone(),
            provider: application.provider,
            source: application.source,
            // only providers ask for it, and memory is the same for all others whatever they keep
            metadata: if application.provider == Provider::Standard {
                Metadata::new()
            } else {
                application.metadata.clone()
            },
            lanes,
        };
        self.residents.insert(application.id, resident);
    }

    /// Forgets an application; gives the lanes it had.
    pub(super) fn remove(&mut self, application: ApplicationId) -> Vec<usize> {
        self.paces.remove(&application);
        let Some(resident) = self.residents.remove(&application) else {
            return Vec::new();
        };
        if let Some(uid) = resident.uid {
            self.uids.remove(&(resident.environment, uid));
        }
        resident.lanes
    }
}
