//! Svix's Rust SDK, unmodified, goes through what it can ask of us; every answer is as the document says, and every
//! delivery verifies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use svix::api::{
    ApplicationListOptions, BackgroundTaskListOptions, EndpointListOptions, MessageAttemptListByEndpointOptions,
    MessageCreateOptions, MessageListOptions, Svix, SvixOptions,
};
use svix::error::{Error, Result};
use svix::models::{
    AppPortalAccessIn, ApplicationIn, ApplicationPatch, BackgroundTaskType, EndpointHeadersIn, EndpointHeadersPatchIn,
    EndpointIn, EndpointPatch, EndpointSecretRotateIn, EventExampleIn, EventTypeIn, EventTypePatch, IngestSourceIn,
    IngestSourceInConfig, IngestSourceOutConfig, MessageIn, MessagePrecheckIn, MessageStatus,
    OperationalWebhookEndpointIn, OperationalWebhookEndpointSecretIn, RecoverIn, ReplayIn, SvixConfig,
};
use svix::webhooks::Webhook;

use super::watched::Watched;
use crate::replay::now_ms;
use crate::world::{KEY, Receiver, World, eventually, now};

const APP: &str = "acme-rs";
const PATIENCE: Duration = Duration::from_secs(20);

fn client(url: &str) -> (Svix, tokio::runtime::Runtime) {
    let options = SvixOptions { server_url: Some(url.to_owned()), ..SvixOptions::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (Svix::new(KEY.to_owned(), Some(options)), runtime)
}

/// The SDK's one call after an outage of the last hour; gives the id of the background task.
pub fn recover(world: &World, app: &str, endpoint: &str) -> String {
    let (svix, runtime) = client(&world.url);
    let hour_ago = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms().unsigned_abs() - 3_600_000);
    let api = svix.endpoint();
    let recovered = api.recover(app.to_owned(), endpoint.to_owned(), RecoverIn::new(hour_ago.into()), None);
    runtime.block_on(recovered).expect("a task").id
}

fn one(word: &str) -> BTreeSet<String> {
    [word.to_owned()].into()
}

/// The refusal's status and code.
fn refusal<T>(answer: Result<T>) -> (StatusCode, String) {
    match answer.err().expect("a refusal") {
        Error::Http(error) => (error.status, error.payload.expect("JSON").code),
        Error::Validation(error) => (error.status, error.payload.expect("JSON").detail[0].loc.join(".")),
        other => panic!("{other}"),
    }
}

fn verified(receiver: &Receiver, path: &str, count: usize, secret: &str) {
    let mine = || receiver.received().into_iter().filter(|one| one.path.ends_with(path)).collect::<Vec<_>>();
    for received in eventually(|| Some(mine()).filter(|mine| mine.len() >= count)) {
        let headers: HeaderMap = (received.headers.iter())
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect();
        Webhook::new(secret).unwrap().verify(&received.body, &headers).unwrap();
    }
    assert_eq!(mine().len(), count, "{path}");
}

async fn applications(svix: &Svix) -> Result<()> {
    let acme = || ApplicationIn { uid: Some(APP.to_owned()), ..ApplicationIn::new("Acme".to_owned()) };
    let app = svix.application().create(acme(), None).await?;
    assert_eq!(svix.application().get_or_create(acme(), None).await?.id, app.id);
    assert_eq!(svix.application().get(APP.to_owned()).await?.created_at, app.created_at);
    let taken = refusal(svix.application().create(acme(), None).await);
    assert_eq!(taken, (StatusCode::CONFLICT, "conflict".to_owned()));
    let patch = ApplicationPatch { name: Some("Acme Rust".to_owned()), ..ApplicationPatch::default() };
    assert_eq!(svix.application().patch(APP.to_owned(), patch).await?.name, "Acme Rust");
    assert_eq!(svix.application().upsert(APP.to_owned(), acme()).await?.name, "Acme");
    let spare = svix.application().create(ApplicationIn::new("Spare".to_owned()), None).await?;
    let first = ApplicationListOptions { limit: Some(1), ..ApplicationListOptions::default() };
    let page = svix.application().list(Some(first)).await?;
    assert_eq!((page.data.len(), page.done), (1, false));
    let rest = ApplicationListOptions { iterator: page.iterator, ..ApplicationListOptions::default() };
    assert_eq!(svix.application().list(Some(rest)).await?.data[0].id, spare.id);
    svix.application().delete(spare.id.clone()).await?;
    assert_eq!(refusal(svix.application().get(spare.id).await).0, StatusCode::NOT_FOUND);
    Ok(())
}

async fn event_types(svix: &Svix) -> Result<()> {
    for name in ["payment.succeeded", "payment.failed"] {
        let schemas = Some(json!({"1": {"type": "object", "examples": [{"amount": 42}]}}));
        let made = EventTypeIn { schemas, ..EventTypeIn::new(name.to_owned(), "Money".to_owned()) };
        svix.event_type().create(made, None).await?;
    }
    let patch = EventTypePatch { description: Some("Money came".to_owned()), ..EventTypePatch::default() };
    svix.event_type().patch("payment.succeeded".to_owned(), patch).await?;
    assert_eq!(svix.event_type().get("payment.succeeded".to_owned()).await?.description, "Money came");
    assert_eq!(svix.event_type().list(None).await?.data.len(), 2);
    Ok(())
}

async fn endpoints(svix: &Svix, url: &str) -> Result<[String; 2]> {
    let endpoint = svix.endpoint();
    let everything = EndpointIn { headers: Some(BTreeMap::new()), ..EndpointIn::new(format!("{url}/all")) };
    let everything = endpoint.create(APP.to_owned(), everything, None).await?.id;
    let failed = EndpointIn {
        event_types: Some(one("payment.failed")),
        uid: Some("failed".to_owned()),
        throttle_rate: Some(100),
        ..EndpointIn::new(format!("{url}/failed"))
    };
    let failed = endpoint.create(APP.to_owned(), failed, None).await?;
    assert_eq!((failed.event_types, failed.throttle_rate), (Some(one("payment.failed")), Some(100)));
    let named = || (APP.to_owned(), "failed".to_owned());
    let patch = EndpointPatch { description: Some("those that failed".to_owned()), ..EndpointPatch::default() };
    assert_eq!(endpoint.patch(named().0, named().1, patch).await?.description, "those that failed");
    let headers = |value: &str| BTreeMap::from([("x-team".to_owned(), value.to_owned())]);
    endpoint.set_headers(named().0, named().1, EndpointHeadersIn { headers: headers("blue") }).await?;
    let patch = EndpointHeadersPatchIn { headers: headers("red"), ..EndpointHeadersPatchIn::new(BTreeMap::new()) };
    endpoint.patch_headers(named().0, named().1, patch).await?;
    assert_eq!(endpoint.get_headers(named().0, named().1).await?.headers, headers("red"));
    let before = endpoint.get_secret(named().0, named().1).await?.key;
    let rotated = endpoint.rotate_secret(named().0, named().1, EndpointSecretRotateIn::default(), None).await?.key;
    assert_ne!(rotated, before);
    assert_eq!(endpoint.get_secret(named().0, named().1).await?.key, rotated);
    let short = EndpointListOptions { limit: Some(1), ..EndpointListOptions::default() };
    let page = endpoint.list(APP.to_owned(), Some(short)).await?;
    assert_eq!((&page.data[0].id, page.done), (&failed.id, false), "the newest first");
    let wrong = endpoint.create(APP.to_owned(), EndpointIn::new("no url".to_owned()), None).await;
    assert_eq!(refusal(wrong), (StatusCode::UNPROCESSABLE_ENTITY, "body.url".to_owned()));
    Ok([everything, failed.id])
}

async fn events(svix: &Svix) -> Result<String> {
    let event = |kind: &str| MessageIn::new(kind.to_owned(), json!({"amount": 42}));
    // without it, this SDK asks for no content
    let once = || MessageCreateOptions { idempotency_key: Some("one".to_owned()), with_content: Some(true) };
    let first = svix.message().create(APP.to_owned(), event("payment.failed"), Some(once())).await?;
    let again = svix.message().create(APP.to_owned(), event("payment.failed"), Some(once())).await?;
    assert_eq!((first.id.as_str(), &first.payload), (again.id.as_str(), &json!({"amount": 42})));
    let named = MessageIn { event_id: Some("p-1".to_owned()), tags: Some(one("eu")), ..event("payment.succeeded") };
    svix.message().create(APP.to_owned(), named, None).await?;
    assert_eq!(svix.message().get(APP.to_owned(), "p-1".to_owned(), None).await?.tags, Some(one("eu")));
    let tagged = MessageListOptions { tag: Some("eu".to_owned()), ..MessageListOptions::default() };
    assert_eq!(svix.message().list(APP.to_owned(), Some(tagged)).await?.data.len(), 1);
    let wanted = MessagePrecheckIn::new("payment.failed".to_owned());
    assert!(svix.message().precheck(APP.to_owned(), wanted, None).await?.active);
    Ok(first.id)
}

async fn attempts(svix: &Svix, [everything, failed]: &[String; 2], event: &str) -> Result<()> {
    let begun = now();
    let (attempt, app, event) = (svix.message_attempt(), || APP.to_owned(), || event.to_owned());
    // what arrived is written a moment later
    let stats = svix.endpoint();
    while stats.get_stats(app(), everything.clone(), None).await?.success < 2
        || stats.get_stats(app(), failed.clone(), None).await?.success < 1
    {
        assert!(begun.elapsed() < PATIENCE);
    }
    let by_event = attempt.list_by_msg(app(), event(), None).await?.data;
    assert_eq!(by_event.len(), 2);
    assert!(by_event.iter().all(|one| one.status == MessageStatus::Success), "{by_event:?}");
    let here = MessageAttemptListByEndpointOptions {
        status: Some(MessageStatus::Success),
        with_msg: Some(true),
        ..MessageAttemptListByEndpointOptions::default()
    };
    let here = attempt.list_by_endpoint(app(), failed.clone(), Some(here)).await?.data;
    assert_eq!((here.len(), &here[0].msg.as_ref().unwrap().id), (1, &event()));
    assert_eq!(attempt.get(app(), event(), here[0].id.clone(), None).await?.url, here[0].url);
    assert_eq!(attempt.list_attempted_messages(app(), everything.clone(), None).await?.data.len(), 2);
    assert_eq!(attempt.list_attempted_destinations(app(), event(), None).await?.data.len(), 2);
    attempt.resend(app(), event(), failed.clone(), None).await?;
    let mut example = EventExampleIn::new("payment.succeeded".to_owned());
    example.example_index = Some(0);
    svix.endpoint().send_example(app(), failed.clone(), example, None).await?;
    attempt.expunge_content(app(), event(), here[0].id.clone()).await
}

/// Sources of types that no SDK knows are listed beside those that it knows, and stay what they are.
async fn sources(svix: &Svix, world: &World) -> Result<()> {
    let source = svix.ingest().source();
    let path = "/ingest/api/v1/source";
    let made = json!({"name": "bank", "uid": "bank", "type": "fintoc", "config": {"toleranceSeconds": 60}});
    let made = world.call("POST", path, made).expect(201);
    let theirs = IngestSourceInConfig::Svix(SvixConfig::new(format!("whsec_{}", "c2VjcmV0".repeat(4))));
    for (name, config) in [("any", IngestSourceInConfig::GenericWebhook), ("theirs", theirs)] {
        source.create(IngestSourceIn { name: name.to_owned(), uid: None, metadata: None, config }, None).await?;
    }
    let listed = source.list(None).await?.data;
    assert_eq!(listed[0].config, IngestSourceOutConfig::GenericWebhook);
    assert!(matches!(listed[2].config, IngestSourceOutConfig::Svix(_)), "{listed:?}");
    let read = source.get("bank".to_owned()).await?;
    let config = IngestSourceInConfig::GenericWebhook;
    let put = IngestSourceIn { name: "money".to_owned(), uid: read.uid, metadata: Some(read.metadata), config };
    assert_eq!(source.upsert(read.id, put).await?.name, "money");
    let now = world.call("GET", &format!("{path}/bank"), "").expect(200);
    assert_eq!((&now["provider"], &now["config"]), (&made["provider"], &made["config"]));
    for row in listed {
        source.delete(row.id).await?;
    }
    Ok(())
}

async fn beyond(svix: &Svix, [everything, failed]: &[String; 2], event: &str) -> Result<()> {
    let (endpoint, since) = (svix.endpoint(), SystemTime::UNIX_EPOCH);
    let recent = svix.message().get(APP.to_owned(), event.to_owned(), None).await?.timestamp - Duration::from_hours(1);
    endpoint.recover(APP.to_owned(), failed.clone(), RecoverIn::new(recent), None).await?;
    let task = endpoint.replay_missing(APP.to_owned(), everything.clone(), ReplayIn::new(recent), None).await?;
    assert_eq!(svix.background_task().get(task.id.clone()).await?.id, task.id);
    assert!(svix.background_task().list(None).await?.data.iter().any(|one| one.id == task.id));
    let of = |task| BackgroundTaskListOptions { task: Some(task), ..BackgroundTaskListOptions::default() };
    let replays = svix.background_task().list(Some(of(BackgroundTaskType::EndpointReplay))).await?.data;
    assert_eq!(replays.iter().map(|one| &one.id).collect::<Vec<_>>(), [&task.id]);
    assert_eq!(svix.background_task().list(Some(of(BackgroundTaskType::SdkGenerate))).await?.data.len(), 0);
    let old = endpoint.recover(APP.to_owned(), everything.clone(), RecoverIn::new(since.into()), None).await;
    assert_eq!(refusal(old).0, StatusCode::UNPROCESSABLE_ENTITY);
    let access = svix.authentication().app_portal_access(APP.to_owned(), AppPortalAccessIn::new(), None).await?;
    let inside = svix.with_token(access.token);
    assert_eq!(inside.authentication().whoami().await?.app_id, Some(svix.application().get(APP.to_owned()).await?.id));
    inside.authentication().logout(None).await?;
    assert_eq!(refusal(inside.application().get(APP.to_owned()).await).0, StatusCode::UNAUTHORIZED);
    let hearer = svix.operational_webhook().endpoint();
    let made = hearer.create(OperationalWebhookEndpointIn::new("http://127.0.0.1:1/".to_owned()), None).await?;
    assert!(hearer.get_secret(made.id.clone()).await?.key.starts_with("whsec_"));
    hearer.rotate_secret(made.id.clone(), OperationalWebhookEndpointSecretIn::default(), None).await?;
    hearer.delete(made.id).await?;
    svix.message().expunge_content(APP.to_owned(), event.to_owned()).await?;
    svix.statistics().aggregate_event_types().await?;
    svix.environment().export(None).await?;
    endpoint.delete(APP.to_owned(), failed.clone()).await?;
    svix.event_type().delete("payment.failed".to_owned(), None).await?;
    svix.health().get().await
}

#[test]
fn the_rust_sdk_finds_what_it_expects_and_every_delivery_verifies() {
    let (watched, receiver) = (Watched::start(), Receiver::good());
    let (svix, runtime) = client(&watched.url);
    let told = || async {
        applications(&svix).await?;
        event_types(&svix).await?;
        let endpoints = endpoints(&svix, &receiver.url).await?;
        let event = events(&svix).await?;
        let endpoint = svix.endpoint();
        let secret = |id: &str| endpoint.get_secret(APP.to_owned(), id.to_owned());
        let secrets = (secret(&endpoints[0]).await?.key, secret(&endpoints[1]).await?.key);
        verified(&receiver, "/all", 2, &secrets.0);
        verified(&receiver, "/failed", 1, &secrets.1);
        attempts(&svix, &endpoints, &event).await?;
        verified(&receiver, "/failed", 3, &secrets.1);
        sources(&svix, watched.world()).await?;
        beyond(&svix, &endpoints, &event).await
    };
    runtime.block_on(told()).unwrap();
    watched.check(60);
}
