//! Sealing: what the operator's key hides, and what happens without it.

use std::path::Path;

use posthaste::error::Kind;
use posthaste::secret::{Sealer, Secret, SecretSlot};
use posthaste::store::Change;
use posthaste::store::sqlite::Sqlite;

use super::a_folder;
use crate::store::subject::{NOON_MS, Subject, set};

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const OTHER_KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
/// A secret, its bytes, and a header's value, all easy to find in a file.
const SECRET: &str = "whsec_c2VjcmV0LWNhbmFyeS1vZi0zMC1ieXRlcy1sb25n";
const SECRET_BYTES: &[u8] = b"secret-canary-of-30-bytes-long";
const HEADER: &str = "Bearer header-canary";

/// Keeps an endpoint with the canaries; gives which of them the files show.
fn shown(sealer: Sealer) -> Vec<&'static str> {
    let (folder, path) = a_folder();
    let subject = Subject::new(Box::new(Sqlite::open(&path, sealer).unwrap()));
    let application = subject.make_application();
    let secrets = vec![SecretSlot::new(Secret::parse(SECRET).unwrap())];
    let headers = [("Authorization".to_owned(), HEADER.to_owned())].into();
    let endpoint = posthaste::endpoint::Endpoint { secrets, headers, ..subject.new_endpoint(&application, None) };
    subject.done(set(Change::Endpoint(endpoint.clone())));
    assert_eq!(subject.endpoint(application.id, endpoint.id).unwrap(), Some(endpoint));
    let mut bytes =
        [path.clone(), folder.path().join("state.db-wal")].map(|path| std::fs::read(path).unwrap()).concat();
    drop(subject);
    bytes.extend(std::fs::read(&path).unwrap());
    let canaries = [
        ("the url", b"receiver.example".as_slice()),
        ("the secret", &SECRET.as_bytes()[6..]),
        ("its bytes", SECRET_BYTES),
        ("the header", HEADER.as_bytes()),
    ];
    canaries
        .into_iter()
        .filter(|(_, canary)| bytes.windows(canary.len()).any(|window| window == *canary))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_sealed_database_shows_neither_secrets_nor_header_values() {
    assert_eq!(shown(Sealer::with_key(KEY).unwrap()), ["the url"]);
    assert_eq!(shown(Sealer::plain()), ["the url", "the secret", "the header"]);
}

#[test]
fn sealed_secrets_open_with_their_own_key_alone() {
    let (_folder, path) = a_folder();
    let with = |sealer| Subject::new(Box::new(Sqlite::open(&path, sealer).unwrap()));
    let subject = with(Sealer::with_key(KEY).unwrap());
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    drop(subject);

    let check = |sealer: Sealer, sentence: &str| {
        let error = Sqlite::open(&path, sealer).err().unwrap();
        assert_eq!((error.kind, error.detail), (Kind::Invalid, format!("{}: {sentence}", path.display())));
    };
    check(
        Sealer::with_key(OTHER_KEY).unwrap(),
        "a sealed value does not open: another key than that of --seal-key (POSTHASTE_SEAL_KEY) sealed it, or it is damaged",
    );
    check(
        Sealer::plain(),
        "the database holds sealed secrets; give the key they were sealed with by --seal-key or POSTHASTE_SEAL_KEY",
    );
    let subject = with(Sealer::with_key(KEY).unwrap());
    assert_eq!(subject.opening(NOON_MS).unwrap().endpoints, [endpoint]);
}

/// An operator may begin to seal later: what was plain reads on, and is sealed with its next change.
#[test]
fn a_plain_database_reads_on_under_a_key() {
    let (_folder, path) = a_folder();
    let plain = open_with(&path, Sealer::plain());
    let application = plain.make_application();
    let endpoint = plain.make_endpoint(&application);
    drop(plain);
    let sealed = open_with(&path, Sealer::with_key(KEY).unwrap());
    assert_eq!(sealed.endpoint(application.id, endpoint.id).unwrap().as_ref(), Some(&endpoint));
    let changed = posthaste::endpoint::Endpoint { revision: 2, ..endpoint };
    sealed.done(set(Change::Endpoint(changed.clone())));
    drop(sealed);
    assert!(open_with(&path, Sealer::plain()).endpoint(application.id, changed.id).is_err());
    assert_eq!(
        open_with(&path, Sealer::with_key(KEY).unwrap()).endpoint(application.id, changed.id).unwrap(),
        Some(changed)
    );
}

fn open_with(path: &Path, sealer: Sealer) -> Subject {
    Subject::new(Box::new(Sqlite::open(path, sealer).unwrap()))
}
