//! Users, their sessions, the tests of endpoints, and the brands of environments.

use std::collections::BTreeMap;

use super::Memory;
use crate::brand::Brand;
use crate::error::Result;
use crate::id::{EndpointId, EnvironmentId, KeyId, UserId};
use crate::key::Key;
use crate::store::{FORGET_ROWS_MAX, People, PeopleChange, Refused};
use crate::user::{Holder, Session, Test, User};

#[derive(Default)]
pub(super) struct Tables {
    users: BTreeMap<UserId, User>,
    sessions: BTreeMap<[u8; 32], Session>,
    tests: BTreeMap<EndpointId, Test>,
    brands: BTreeMap<EnvironmentId, Brand>,
}

impl People for Memory {
    fn users(&self) -> Result<Vec<User>> {
        Ok(self.tables().people.users.values().cloned().collect())
    }

    fn user(&self, id: UserId) -> Result<Option<User>> {
        Ok(self.tables().people.user(id).cloned())
    }

    fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        Ok(self.tables().people.users.values().find(|row| row.email == email).cloned())
    }

    fn session(&self, hash: &[u8; 32]) -> Result<Option<Session>> {
        Ok(self.tables().people.sessions.get(hash).cloned())
    }

    fn test(&self, endpoint: EndpointId) -> Result<Option<Test>> {
        Ok(self.tables().people.tests.get(&endpoint).copied())
    }

    fn brand(&self, environment: EnvironmentId) -> Result<Brand> {
        Ok(self.tables().people.brands.get(&environment).cloned().unwrap_or_default())
    }
}

pub(super) fn change(tables: &mut Tables, keys: &BTreeMap<KeyId, Key>, change: &PeopleChange) -> Option<Refused> {
    match change {
        PeopleChange::User(user) => put(tables, user),
        PeopleChange::UserGone(user) => {
            tables.end_sessions(*user);
            tables.users.remove(user).is_none().then_some(Refused::Stale)
        }
        PeopleChange::Session(session, _) => open(tables, keys, session),
        PeopleChange::SessionGone(hash) => {
            tables.sessions.remove(hash);
            None
        }
        PeopleChange::TurnedAway { .. } => None,
        PeopleChange::Test(test) => {
            tables.tests.insert(test.endpoint, *test);
            None
        }
        PeopleChange::Brand(environment, brand) => {
            tables.brands.insert(*environment, brand.clone());
            None
        }
    }
}

/// Makes or changes a user; whoever changed logs in anew.
fn put(tables: &mut Tables, user: &User) -> Option<Refused> {
    if tables.users.values().any(|row| row.id != user.id && row.email == user.email) {
        return Some(Refused::Taken);
    }
    tables.end_sessions(user.id);
    tables.users.insert(user.id, user.clone());
    None
}

impl Tables {
    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    fn end_sessions(&mut self, user: UserId) {
        self.sessions.retain(|_, row| row.holder != Holder::User(user));
    }
}

/// Opens a session of a user or key that is there.
fn open(tables: &mut Tables, keys: &BTreeMap<KeyId, Key>, session: &Session) -> Option<Refused> {
    let is_there = match session.holder {
        Holder::User(user) => tables.users.contains_key(&user),
        Holder::Key(key) => keys.contains_key(&key),
    };
    if !is_there {
        return Some(Refused::Stale);
    }
    if tables.sessions.contains_key(&session.hash) {
        return Some(Refused::Taken);
    }
    tables.sessions.insert(session.hash, session.clone());
    None
}

/// Lets sessions go that have ended.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let mut old: Vec<_> = tables.sessions.values().filter(|row| row.expires_ms <= wall_ms).cloned().collect();
    old.sort_by_key(|row| row.expires_ms);
    for row in old.into_iter().take(FORGET_ROWS_MAX) {
        tables.sessions.remove(&row.hash);
    }
}
