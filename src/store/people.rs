//! People: users, their sessions, the tests of endpoints that they asked for, and the brand that customers see.

use crate::brand::Brand;
use crate::error::Result;
use crate::id::{EndpointId, EnvironmentId, UserId};
use crate::user::{Session, Test, User, Way};

/// What is asked about people.
pub trait People {
    /// All users.
    fn users(&self) -> Result<Vec<User>>;
    /// A user, by id.
    fn user(&self, id: UserId) -> Result<Option<User>>;
    /// A user, by the e-mail address in lower case.
    fn user_by_email(&self, email: &str) -> Result<Option<User>>;
    /// A session that was not ended; the caller looks at its time.
    fn session(&self, hash: &[u8; 32]) -> Result<Option<Session>>;
    /// The last test of an endpoint.
    fn test(&self, endpoint: EndpointId) -> Result<Option<Test>>;
    /// How an environment's platform looks; as nothing in particular unless somebody said so.
    fn brand(&self, environment: EnvironmentId) -> Result<Brand>;
}

/// What changes with people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeopleChange {
    /// A new user, or one that changed: whose sessions end. Refused: the e-mail address is another's.
    User(User),
    /// A user goes, and the sessions with it. Refused: there is none.
    UserGone(UserId),
    /// Somebody logged in, in this way. Refused: the user or key is gone.
    Session(Session, Way),
    /// Somebody logged out.
    SessionGone([u8; 32]),
    /// Somebody did not come in: nothing changes, but the audit log tells it.
    TurnedAway {
        /// Who it was to be; empty when that was no address.
        email: String,
        /// Whether the failure locks the place out where it came from.
        locked_out: bool,
    },
    /// An endpoint was sent a test.
    Test(Test),
    /// How an environment's platform looks from now on.
    Brand(EnvironmentId, Brand),
}
