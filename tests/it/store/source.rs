//! Sources: what reads back, whose change counts, which token leads where, and what deletion closes.

use posthaste::application::{Application, ApplicationRef};
use posthaste::conflict::OnConflict;
use posthaste::inbound::{Algorithm, Credentials, Encoding, Form, Terms};
use posthaste::provider::Provider;
use posthaste::secret::Secret;
use posthaste::source::{Config, DeliverAs, Source, SourceRef, TokenSlot, token_hash};
use posthaste::store::{Change, Page, Refused};

use super::receiving::{a_config, changed, made};
use super::subject::{DAY_MS, Subject, set};

ask! {
    a_change_of_a_source_counts_if_it_saw_the_one_before,
    a_deleted_source_lets_nothing_in_and_its_names_are_free,
    a_source_and_its_application_are_made_together_or_not_at_all,
    a_source_reads_back_whole,
    a_sources_uid_is_taken_while_it_lives,
    a_token_leads_to_its_source_and_to_no_other,
    every_form_of_proof_reads_back,
    sources_are_listed_by_environment,
    the_applications_of_sources_are_found_and_not_listed,
}

fn by_id(subject: &Subject, source: &Source) -> Option<Source> {
    subject.source(source.environment, &SourceRef::Id(source.id)).unwrap()
}

fn by_token(subject: &Subject, token: &str) -> Option<Source> {
    subject.source_by_token(&token_hash(token)).unwrap()
}

fn application(subject: &Subject, own: &Application) -> Option<Application> {
    subject.application(own.environment, &ApplicationRef::Id(own.id)).unwrap()
}

/// The source one change later.
fn next(source: &Source) -> Source {
    Source { revision: source.revision + 1, ..source.clone() }
}

fn a_source_reads_back_whole(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let (first, own) = subject.new_source(environment, Some("fintoc"));
    subject.done(made(&first, &own));
    assert_eq!(by_id(subject, &first).as_ref(), Some(&first));
    assert_eq!(subject.source(environment, &SourceRef::Uid("fintoc".to_owned())).unwrap().as_ref(), Some(&first));
    assert_eq!(subject.source(other, &SourceRef::Id(first.id)).unwrap(), None);
    assert_eq!(subject.source(other, &SourceRef::Uid("fintoc".to_owned())).unwrap(), None);
    assert_eq!(subject.source(environment, &SourceRef::Id(subject.id())).unwrap(), None);
    assert_eq!(application(subject, &own), Some(own));

    let second = Source {
        uid: None,
        name: "Finix".to_owned(),
        metadata: [].into(),
        provider: Provider::Finix,
        config: Config {
            terms: Terms {
                secrets: Vec::new(),
                tolerance_secs: None,
                credentials: Credentials::None,
                requires_signature: false,
                form: Form::default(),
            },
            deliver_as: DeliverAs::Original,
            dedup_days: 1,
            on_conflict: OnConflict::Hold,
            allow_ips: Vec::new(),
        },
        tokens: Vec::new(),
        updated_ms: 7,
        ..next(&first)
    };
    subject.done(changed(&second));
    assert_eq!(by_id(subject, &first), Some(second));
    assert_eq!(subject.source(environment, &SourceRef::Uid("fintoc".to_owned())).unwrap(), None);
}

fn every_form_of_proof_reads_back(subject: &Subject) {
    let (mut source, own) = subject.new_source(subject.make_environment("test"), None);
    subject.done(made(&source, &own));
    let credentials = [Credentials::Bearer { token: Secret::verbatim("t") }, Credentials::None];
    let forms = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512].into_iter().flat_map(|algorithm| {
        [Encoding::Hex, Encoding::Base64].map(|encoding| Form { algorithm, encoding, ..Form::default() })
    });
    for (form, credentials) in forms.zip(credentials.into_iter().cycle()) {
        let terms = Terms { form, credentials, ..a_config().terms };
        source = Source { config: Config { terms, ..a_config() }, ..next(&source) };
        subject.done(changed(&source));
        assert_eq!(by_id(subject, &source).as_ref(), Some(&source));
    }
}

fn a_sources_uid_is_taken_while_it_lives(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let make = |environment, uid| {
        let (source, own) = subject.new_source(environment, uid);
        let refused = subject.refusal(made(&source, &own));
        (source, own, refused)
    };
    let (first, ..) = make(environment, Some("fintoc"));
    let (second, ..) = make(environment, Some("finix"));
    assert_eq!(make(other, Some("fintoc")).2, None);
    assert_eq!(make(environment, None).2, None);
    assert_eq!(make(environment, None).2, None);
    let (rival, own, refused) = make(environment, Some("fintoc"));
    assert_eq!(refused, Some(Refused::Taken));
    assert_eq!((by_id(subject, &rival), application(subject, &own)), (None, None));
    assert_eq!(by_token(subject, &rival.tokens[0].token), None);
    assert_eq!(subject.refusal(changed(&Source { uid: first.uid.clone(), ..next(&second) })), Some(Refused::Taken));
    assert_eq!(by_id(subject, &second), Some(second));
}

fn a_source_and_its_application_are_made_together_or_not_at_all(subject: &Subject) {
    let environment = subject.make_environment("test");
    subject.done(set(Change::Application(subject.new_application(environment, Some("acme")))));
    let (source, own) = subject.new_source(environment, None);
    let nothing = || {
        assert_eq!((by_id(subject, &source), application(subject, &own)), (None, None));
        assert_eq!(by_token(subject, &source.tokens[0].token), None);
        assert_eq!(subject.opening(subject.wall_ms()).unwrap().sources, []);
    };
    assert_eq!(subject.refusal(changed(&source)), Some(Refused::Stale));
    nothing();
    let named = Application { uid: Some("acme".to_owned()), ..own.clone() };
    assert_eq!(subject.refusal(made(&source, &named)), Some(Refused::Taken));
    nothing();
    let twice = Source { tokens: vec![source.tokens[0].clone(), source.tokens[0].clone()], ..source.clone() };
    assert_eq!(subject.refusal(made(&twice, &own)), Some(Refused::Taken));
    nothing();
    subject.done(made(&source, &own));
    assert_eq!(subject.refusal(made(&source, &own)), Some(Refused::Taken));
    assert_eq!((by_id(subject, &source), application(subject, &own)), (Some(source.clone()), Some(own.clone())));
    assert_eq!(subject.opening(subject.wall_ms()).unwrap().sources, [(source.id, source.provider)]);
}

fn a_change_of_a_source_counts_if_it_saw_the_one_before(subject: &Subject) {
    let (first, own) = subject.make_source(subject.make_environment("test"));
    let second = Source { name: "second".to_owned(), ..next(&first) };
    subject.done(changed(&second));
    let unknown = subject.new_source(first.environment, None).0;
    for blind in [second.clone(), Source { revision: 4, ..first.clone() }, next(&unknown)] {
        assert_eq!(subject.refusal(changed(&blind)), Some(Refused::Stale));
    }
    assert_eq!(by_id(subject, &first), Some(second));
    // whose it is stays
    let elsewhere =
        Source { environment: subject.make_environment("live"), application: subject.id(), ..first.clone() };
    subject.done(changed(&Source { revision: 3, ..elsewhere }));
    assert_eq!(by_id(subject, &first), Some(Source { revision: 3, ..first }));
    assert_eq!(application(subject, &own), Some(own));
}

fn a_token_leads_to_its_source_and_to_no_other(subject: &Subject) {
    let environment = subject.make_environment("test");
    let [(first, _), (second, _)] = [(), ()].map(|()| subject.make_source(environment));
    let slot = |token: &str| TokenSlot { token: token.to_owned(), expires_ms: None };
    for source in [&first, &second] {
        for slot in &source.tokens {
            assert_eq!(by_token(subject, &slot.token).as_ref(), Some(source));
        }
    }
    assert_eq!(by_token(subject, "unknown"), None);

    let rotated = Source { tokens: vec![slot("fresh"), first.tokens[0].clone()], ..next(&first) };
    subject.done(changed(&rotated));
    assert_eq!(by_token(subject, "fresh").as_ref(), Some(&rotated));
    assert_eq!(by_token(subject, &first.tokens[0].token).as_ref(), Some(&rotated));
    assert_eq!(by_token(subject, &first.tokens[1].token), None);

    let thief = Source { tokens: vec![slot("own"), slot("fresh")], name: "thief".to_owned(), ..next(&second) };
    assert_eq!(subject.refusal(changed(&thief)), Some(Refused::Taken));
    assert_eq!(by_token(subject, "own"), None);
    assert_eq!(by_token(subject, "fresh"), Some(rotated));
    assert_eq!(by_token(subject, &second.tokens[0].token), Some(second));
}

fn a_deleted_source_lets_nothing_in_and_its_names_are_free(subject: &Subject) {
    let environment = subject.make_environment("test");
    let (source, own) = subject.new_source(environment, Some("fintoc"));
    subject.done(made(&source, &own));
    let endpoint = subject.make_endpoint(&own);
    let bystander = subject.make_endpoint(&subject.make_source(environment).1);
    let event = subject.arrive(&source, "evt_1", "{}").unwrap();
    let deleted = Source { deleted: true, updated_ms: subject.wall_ms() + DAY_MS, ..next(&source) };
    subject.done(changed(&deleted));

    assert_eq!((by_id(subject, &source), application(subject, &own)), (None, None));
    assert_eq!(by_token(subject, &source.tokens[0].token), None);
    assert_eq!(subject.endpoint(own.id, endpoint.id).unwrap(), None);
    assert_eq!(subject.endpoint(bystander.application, bystander.id).unwrap().as_ref(), Some(&bystander));
    assert!(subject.event(own.id, event).unwrap().is_some());
    assert_eq!(subject.stats(&source).accepted, 1);
    assert!(!subject.opening(subject.wall_ms()).unwrap().sources.contains(&(source.id, source.provider)));
    for late in [next(&deleted), Source { deleted: false, ..next(&deleted) }] {
        assert_eq!(subject.refusal(changed(&late)), Some(Refused::Stale));
    }
    assert_eq!(subject.refusal(set(Change::Application(own))), Some(Refused::Stale));

    let (mut again, mut own) = subject.new_source(environment, Some("fintoc"));
    (again.tokens, own.uid) = (source.tokens, own.uid.take());
    subject.done(made(&again, &own));
    assert_eq!(by_token(subject, &again.tokens[0].token), Some(again));
}

fn sources_are_listed_by_environment(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let mut expected: Vec<_> = (0..5)
        .map(|_| {
            subject.make_source(other);
            subject.make_source(environment).0
        })
        .collect();
    let deleted = expected.remove(2);
    subject.done(changed(&Source { deleted: true, ..next(&deleted) }));
    super::lists::check(&expected, |row| row.id, |page| subject.sources(environment, page).unwrap());
}

fn the_applications_of_sources_are_found_and_not_listed(subject: &Subject) {
    let environment = subject.make_environment("test");
    let plain = subject.new_application(environment, Some("acme"));
    subject.done(set(Change::Application(plain.clone())));
    let (_, own) = subject.make_source(environment);
    let page = Page { after: None, descending: true, limit: 10 };
    assert_eq!(subject.applications(environment, page).unwrap().rows, std::slice::from_ref(&plain));
    assert_eq!(application(subject, &own).as_ref(), Some(&own));
    let by_uid = subject.application(environment, &ApplicationRef::Uid(own.uid.clone().unwrap())).unwrap();
    assert_eq!(by_uid.as_ref(), Some(&own));
    assert_eq!(subject.opening(subject.wall_ms()).unwrap().applications, [plain, own.clone()]);
    // it stays a source's, whatever a change of its name says
    subject.done(set(Change::Application(Application { source: None, name: "renamed".to_owned(), ..own.clone() })));
    assert_eq!(application(subject, &own), Some(Application { name: "renamed".to_owned(), ..own }));
}
