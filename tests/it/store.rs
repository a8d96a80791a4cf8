//! The store's conformance: every question is put to every store and must get the same answer.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails its test")]

/// One test per question and store. A new store is one more module here.
macro_rules! ask {
    ($($question:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[test]
                fn $question() {
                    super::$question(&crate::store::subject::Subject::sqlite());
                }
            )+
        }

        #[cfg(feature = "sim")]
        mod memory {
            $(
                #[test]
                fn $question() {
                    super::$question(&crate::store::subject::Subject::memory());
                }
            )+
        }
    };
}

mod accept;
pub mod answers;
mod application;
mod arrival;
mod attempts;
pub mod audit;
mod background;
mod batch;
pub mod chain;
mod count;
mod delivery;
mod due;
mod endpoint;
mod lists;
mod minute;
mod model;
mod once;
mod opening;
pub mod receiving;
mod recovery;
pub mod refusal;
pub mod replay;
pub mod resource;
pub mod same;
mod scan;
mod search;
mod setting;
mod source;
pub mod subject;
mod tally;
pub mod user;
