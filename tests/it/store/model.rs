//! Any life whatsoever: two stores that were told the same answer every question alike.

use posthaste::secret::Sealer;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Batch, Store};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;

use super::answers::check_alike;
use super::audit;
use super::subject::{MINUTE_MS, Subject};
use writer::Writer;

mod writer;

/// One thing that happens. Indices choose among what there is; small numbers are uids, names and keys.
#[derive(Clone, Copy, Debug)]
enum Step {
    Environment { live: bool, key: Option<u8> },
    Application { of: Index, fresh: bool, deleted: bool, uid: Option<u8>, key: Option<u8>, provider: usize },
    Endpoint { of: Index, fresh: bool, state: i64, uid: Option<u8>, missed: bool },
    EventType { of: Index, name: usize, archived: bool },
    EventTypes { of: Index, names: u8, gone: bool },
    Catalogue { of: Index },
    Key { of: Index, revoke: bool },
    Source { of: Index, fresh: bool, deleted: bool, uid: Option<u8>, missed: bool },
    Consumer { of: Index, to: Index, name: usize, commits: bool },
    Event { of: Index, wants: u8, kind: usize, uid: Option<u8>, key: Option<(u8, bool, bool)> },
    Arrival { of: Index, wants: u8, key: Option<u8>, body: u8, holds: bool },
    Decide { of: Index, which: Index, release: bool },
    ConflictTold { of: Index },
    Tried { of: Index, status: u16 },
    Park { of: Index },
    Resend { of: Index },
    Cancel { of: Index, count: usize },
    Health { of: Index, failing: bool, state: Option<i64> },
    Mark { of: Index },
    Forget,
    Turned { of: Index, reason: usize },
    Quarantine { of: Index, body: u8 },
    Outage { of: Index },
    Alive,
    Expunge { of: Index, attempt: bool },
    Expire { days: i64 },
    Task { of: Index, ends: bool },
    Validation { of: Index, validation: usize },
    EndTokens { of: Index, which: u8 },
    Used { of: Index },
}

/// Batches, and how many minutes pass before each.
type Life = Vec<(i64, Vec<Step>)>;

fn a_setting() -> impl Strategy<Value = Step> {
    use prop::option::of as maybe;
    let (of, any_bool, seldom) = (any::<Index>, any::<bool>, || prop::bool::weighted(0.1));
    prop_oneof![
        1 => (any_bool(), maybe(0..3_u8)).prop_map(|(live, key)| Step::Environment { live, key }),
        4 => (of(), any_bool(), seldom(), maybe(0..3_u8), maybe(0..3_u8), a_provider())
            .prop_map(|(of, fresh, deleted, uid, key, provider)| Step::Application { of, fresh, deleted, uid, key, provider }),
        8 => (of(), any_bool(), prop_oneof![4 => 0..2_i64, 1 => 0..5_i64], maybe(0..3_u8), seldom())
            .prop_map(|(of, fresh, state, uid, missed)| Step::Endpoint { of, fresh, state, uid, missed }),
        2 => (of(), 0..3_usize, any_bool()).prop_map(|(of, name, archived)| Step::EventType { of, name, archived }),
        1 => of().prop_map(|of| Step::Catalogue { of }),
        1 => (of(), 0..8_u8, any_bool()).prop_map(|(of, names, gone)| Step::EventTypes { of, names, gone }),
        1 => (of(), 0..3_usize).prop_map(|(of, validation)| Step::Validation { of, validation }),
        1 => (of(), 0..6_u8).prop_map(|(of, which)| Step::EndTokens { of, which }),
        2 => (of(), any_bool()).prop_map(|(of, attempt)| Step::Expunge { of, attempt }),
        1 => (0..3_i64).prop_map(|days| Step::Expire { days }),
        2 => (of(), any_bool()).prop_map(|(of, ends)| Step::Task { of, ends }),
        1 => (of(), any_bool()).prop_map(|(of, revoke)| Step::Key { of, revoke }),
        5 => (of(), any_bool(), seldom(), maybe(0..3_u8), seldom())
            .prop_map(|(of, fresh, deleted, uid, missed)| Step::Source { of, fresh, deleted, uid, missed }),
        3 => (of(), of(), 0..2_usize, any_bool())
            .prop_map(|(of, to, name, commits)| Step::Consumer { of, to, name, commits }),
    ]
}

/// Mostly the first, so that most changes of an application are possible.
fn a_provider() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0_usize), 1 => 0..4_usize]
}

fn a_transition() -> impl Strategy<Value = Step> {
    use prop::option::of as maybe;
    let of = any::<Index>;
    prop_oneof![
        6 => (of(), prop::sample::select(vec![0, 200, 404, 500])).prop_map(|(of, status)| Step::Tried { of, status }),
        3 => of().prop_map(|of| Step::Park { of }),
        2 => of().prop_map(|of| Step::Resend { of }),
        1 => (of(), 0..3_usize).prop_map(|(of, count)| Step::Cancel { of, count }),
        2 => (of(), any::<bool>(), maybe(2..4_i64)).prop_map(|(of, failing, state)| Step::Health { of, failing, state }),
        1 => of().prop_map(|of| Step::Mark { of }),
        1 => Just(Step::Forget),
        1 => of().prop_map(|of| Step::Used { of }),
        1 => (of(), 0..10_usize).prop_map(|(of, reason)| Step::Turned { of, reason }),
        1 => (of(), 0..3_u8).prop_map(|(of, body)| Step::Quarantine { of, body }),
        3 => (of(), of(), any::<bool>()).prop_map(|(of, which, release)| Step::Decide { of, which, release }),
        1 => of().prop_map(|of| Step::ConflictTold { of }),
        1 => prop_oneof![of().prop_map(|of| Step::Outage { of }), Just(Step::Alive)],
    ]
}

fn an_arrival() -> impl Strategy<Value = Step> {
    (any::<Index>(), 1..8_u8, prop::option::weighted(0.9, 0..4_u8), 0..6_u8, any::<bool>())
        .prop_map(|(of, wants, key, body, holds)| Step::Arrival { of, wants, key, body, holds })
}

fn an_event() -> impl Strategy<Value = Step> {
    let key = (0..4_u8, any::<bool>(), prop::bool::weighted(0.8));
    (any::<Index>(), 1..8_u8, 0..3_usize, prop::option::weighted(0.3, 0..6_u8), prop::option::weighted(0.3, key))
        .prop_map(|(of, wants, kind, uid, key)| Step::Event { of, wants, kind, uid, key })
}

fn a_life() -> impl Strategy<Value = Life> {
    let minutes = prop_oneof![
        8 => 0..3_i64,
        1 => Just(10),
        1 => Just(16),
        1 => Just(13 * 60),
        1 => prop::sample::select(vec![-20, -8 * 60, -6 * 24 * 60]),
        1 => (1..9_i64).prop_map(|days| days * 24 * 60),
    ];
    let step = prop_oneof![2 => a_setting(), 3 => an_event(), 4 => an_arrival(), 7 => a_transition()];
    let batches = prop::collection::vec((minutes, prop::collection::vec(step, 1..10)), 1..25);
    (any::<Index>(), batches).prop_map(|(of, batches)| [beginning(of), batches].concat())
}

/// Something to begin with: an environment, two applications and two sources, eight endpoints, one after the other.
fn beginning(of: Index) -> Life {
    let environment = Step::Environment { live: false, key: None };
    let application = Step::Application { of, fresh: true, deleted: false, uid: None, key: None, provider: 0 };
    let source = Step::Source { of, fresh: true, deleted: false, uid: None, missed: false };
    let endpoint = Step::Endpoint { of, fresh: true, state: 0, uid: None, missed: false };
    vec![(0, vec![environment]), (0, vec![application, application, source, source]), (0, vec![endpoint; 8])]
}

/// Tells a life to SQLite and to a `peer`, which goes through `again` before each batch; they must agree throughout.
fn check(life: &Life, mut peer: Box<dyn Store>, again: impl Fn(Box<dyn Store>) -> Box<dyn Store>) {
    let subject = Subject::sqlite();
    let mut writer = Writer::new(&subject);
    for (minutes, steps) in life {
        subject.set_clock(subject.wall_ms() + minutes * MINUTE_MS);
        let batch = Batch { wall_ms: subject.wall_ms(), steady_ms: subject.wall_ms(), ops: writer.write(steps) };
        let told = Store::commit(&*subject, &batch).unwrap();
        peer = again(peer);
        let of_peer = peer.commit(&batch).unwrap();
        let (told, of_peer) = (told.get(), of_peer.get());
        assert_eq!((&told.refused, &told.conflicts), (&of_peer.refused, &of_peer.conflicts), "{batch:?}");
        writer.learn(&batch.ops, &told.refused);
    }
    peer = again(peer);
    check_alike(&*subject, &*peer, writer.topics());
    assert_eq!(audit::all(&*subject), audit::all(&*peer));
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]

    #[test]
    fn sqlite_answers_alike_whether_it_stays_open_or_is_opened_anew(life in a_life()) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Box::new(Sqlite::open(&folder.path().join("state.db"), Sealer::plain()).unwrap());
        check(&life, open(), |closed| {
            drop(closed);
            open()
        });
    }

    /// One that indexes each inbound event as it comes: what waits for the index makes no difference.
    #[cfg(feature = "sim")]
    #[test]
    fn the_simulators_store_answers_as_sqlite_does(life in a_life()) {
        check(&life, Box::new(posthaste::store::memory::Memory::new([7; 16], 1)), |open| open);
    }
}
