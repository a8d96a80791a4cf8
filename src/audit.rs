//! The audit log: who changed what, when and from where.

use std::net::IpAddr;

use crate::id::{ApplicationId, EntryId, EnvironmentId, KeyId, UserId};

/// How long an entry is kept: 400 days, a year and the time in which somebody looks at it.
pub const KEPT_MS: i64 = 400 * 86_400_000;
/// How many entries are kept at most; the oldest go first.
pub const ENTRIES_MAX: i64 = 1_000_000;
/// The longest name and detail of an entry, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// What an entry can be about: the first word of each [`Deed::what`].
pub const NOUNS: [&str; 14] = [
    "application",
    "attempt",
    "endpoint",
    "environment",
    "event",
    "event_type",
    "key",
    "login",
    "poller",
    "replay",
    "source",
    "task",
    "token",
    "user",
];

/// Who changed something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Actor {
    /// The server itself.
    #[default]
    Server,
    /// Somebody at the server's command line.
    Command,
    /// Somebody who did not come in.
    Stranger,
    /// A user, in the dashboard.
    User(UserId),
    /// The holder of a key.
    Key(KeyId),
    /// The bearer of a token of this application.
    Token(ApplicationId),
    /// The bearer of a Svix token of this environment.
    Environment(EnvironmentId),
}

/// Who changed something, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// From where; `None` for whoever needs no network.
    pub address: Option<IpAddr>,
    /// In which environment; `None` for what belongs to none.
    pub environment: Option<EnvironmentId>,
}

impl By {
    /// The server itself.
    pub fn server() -> Self {
        Self::default()
    }

    /// Somebody at the server's command line.
    pub fn command() -> Self {
        Self { actor: Actor::Command, ..Self::default() }
    }

    /// Somebody who comes in, or does not, from this address.
    pub fn at_the_door(actor: Actor, address: IpAddr) -> Self {
        Self { actor, address: Some(address), environment: None }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deed {
    /// A noun and a verb, such as `endpoint.rotated`.
    pub what: String,
    /// Where; `None` for what belongs to no environment.
    pub environment: Option<EnvironmentId>,
    /// Whose it is.
    pub application: Option<ApplicationId>,
    /// To what: the id of what the noun says.
    pub subject: Option<i64>,
    /// How that is called; of a URL only the host, for paths may open doors.
    pub name: String,
    /// How: the names of what changed, never secrets.
    pub detail: String,
}

impl Deed {
    /// What was done somewhere.
    pub fn new(what: &str, environment: Option<EnvironmentId>) -> Self {
        Self { what: what.to_owned(), environment, ..Self::default() }
    }

    /// To what, and how that is called.
    #[must_use]
    pub fn on(self, subject: i64, name: &str) -> Self {
        Self { subject: Some(subject), ..self }.called(name)
    }

    /// How that is called to which it was done.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        Self { name: brief(name), ..self }
    }

    /// Whose it is.
    #[must_use]
    pub fn of(self, application: ApplicationId) -> Self {
        Self { application: Some(application), ..self }
    }

    /// How it was done.
    #[must_use]
    pub fn by_way_of(self, detail: &str) -> Self {
        Self { detail: brief(detail), ..self }
    }

    /// What it was done to, in a word.
    pub fn noun(&self) -> &str {
        self.what.split('.').next().unwrap_or_default()
    }
}

fn brief(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number: entries are counted from 1.
    pub id: EntryId,
    /// When, in ms since 1970.
    pub at_ms: i64,
    /// Who, and from where.
    pub by: By,
    /// How that one was called then: an address, the beginning of a key, an application's name.
    pub who: String,
    /// What.
    pub deed: Deed,
}

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this environment.
    pub environment: Option<EnvironmentId>,
    /// Those about this noun, or of this noun and verb; empty for all.
    pub what: String,
    /// Those of somebody whose name or address has this in it; empty for all.
    pub who: String,
}

impl Wanted {
    /// Whether an entry is asked for.
    pub fn fits(&self, entry: &Entry) -> bool {
        let Deed { what, environment, .. } = &entry.deed;
        (self.environment.is_none() || self.environment == *environment)
            && (self.what.is_empty() || self.what == *what || self.what == entry.deed.noun())
            && (self.who.is_empty()
                || entry.who.to_lowercase().contains(&self.who.to_lowercase())
                || entry.by.address.is_some_and(|address| address.to_string().contains(&self.who)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    #[test]
    fn what_is_called_at_length_is_cut() {
        let deed = Deed::new("application.created", None).called(&"ä".repeat(201));
        assert_eq!(deed.name, format!("{}…", "ä".repeat(200)));
        assert_eq!(Deed::new("a.b", None).called(&"ä".repeat(200)).name.chars().count(), 200);
    }

    #[test]
    fn an_entry_is_found_by_noun_verb_environment_name_and_address() {
        let by = By::at_the_door(Actor::User(UserId::new(1)), IpAddr::from([192, 0, 2, 1]));
        let deed = Deed::new("endpoint.rotated", Some(EnvironmentId::new(1)));
        let entry = Entry { id: EntryId::new(1), at_ms: 0, by, who: "ana@example.com".to_owned(), deed };
        let fits = |environment: Option<i64>, what: &str, who: &str| {
            let environment = environment.map(EnvironmentId::new);
            Wanted { environment, what: what.to_owned(), who: who.to_owned() }.fits(&entry)
        };
        assert!(fits(None, "", "") && fits(Some(1), "endpoint", "Ana@") && fits(None, "endpoint.rotated", "192.0"));
        assert!(!fits(Some(2), "", "") && !fits(None, "end", "") && !fits(None, "", "192.0.2.2"));
    }
}
