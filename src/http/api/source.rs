//! `/source`: inbound doors.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::endpoint::{TRIES_MAX, set};
use super::source_config::{self, ConfigIn};
use super::source_shown::{self, ConfigOut};
use super::{Api, catalogue, empty, not_changed};
use crate::application::{Application, Wire};
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::event::Once;
use crate::http::call::{Call, answer, present};
use crate::http::page::{Asked, time};
use crate::http::sdk;
use crate::id::{Id as _, SourceId};
use crate::key::Action;
use crate::name::Metadata;
use crate::provider::Provider;
use crate::source::{Source, SourceRef, TokenSlot};
use crate::store::{Answer, Change, Refused, Setting};

/// As what a source is made in this dialect. Of these Svix's SDKs know the last two.
const TYPES: [(&str, Provider); 6] = [
    ("fintoc", Provider::Fintoc),
    ("bridge", Provider::Bridge),
    ("finix", Provider::Finix),
    ("standard-webhooks", Provider::Standard),
    ("svix", Provider::Svix),
    ("generic-webhook", Provider::Generic),
];
/// As what answers show those that Svix's SDKs do not know: for one unknown type they refuse a whole list. They know no
/// `config` of it; Rust's refuses any.
const SHOWN_AS: &str = "generic-webhook";
const UID_TAKEN: &str = "a source with this uid exists already; choose another";

#[derive(Deserialize)]
struct SourceIn {
    name: String,
    uid: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    provider: Option<String>,
    #[serde(default)]
    config: ConfigIn,
    metadata: Option<Metadata>,
}

/// Absent keeps, null unsets, a value sets; so does each key of `config`.
#[derive(Deserialize)]
struct SourcePatch {
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    uid: Option<Option<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    provider: Option<String>,
    #[serde(default)]
    config: ConfigIn,
    metadata: Option<Metadata>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceOut {
    id: String,
    uid: Option<String>,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigOut>,
    secret_count: usize,
    ingest_url: String,
    metadata: Metadata,
    created_at: String,
    updated_at: String,
}

fn out(source: &Source, api: &Api, call: &Call) -> SourceOut {
    let kind = shown_as(source.provider);
    let has_config = kind != SHOWN_AS || !sdk::asks(call.headers());
    let token = source.tokens.first().map_or("", |slot| &slot.token);
    SourceOut {
        id: api.engine.text().of(source.id),
        uid: source.uid.clone(),
        name: source.name.clone(),
        kind,
        provider: source.provider.name(),
        config: has_config.then(|| source_shown::out(source.provider, &source.config)),
        secret_count: source.config.terms.secrets.len(),
        ingest_url: format!("{}/in/{token}", api.public_url),
        metadata: source.metadata.clone(),
        created_at: time(source.id.time_ms()),
        updated_at: time(source.updated_ms),
    }
}

impl SourceIn {
    /// Whether a `config` without a key is meant so. SDKs send none with the type that they are shown.
    fn knows_config(&self) -> bool {
        self.kind != SHOWN_AS || self.provider.is_some() || self.config != ConfigIn::default()
    }
}

/// The type that answers show.
fn shown_as(provider: Provider) -> &'static str {
    if provider == Provider::Svix { "svix" } else { SHOWN_AS }
}

/// The provider of a type. Error: there is none of that name.
fn of_type(kind: &str) -> Result<Provider> {
    let wrong = || {
        let names = TYPES.map(|(name, _)| name).join(", ");
        Error::field("type", format!("`{kind}` is no type of source; use one of {names}"))
    };
    TYPES.iter().find(|(name, _)| *name == kind).map(|(_, provider)| *provider).ok_or_else(wrong)
}

/// The provider that a request means: what it names, else that of its type. Error: they contradict one another; the type
/// may be the one that answers show.
fn meant(kind: &str, named: Option<&str>) -> Result<Provider> {
    let of_type = of_type(kind)?;
    let provider = named.map_or(Ok(of_type), Provider::parse)?;
    if provider != of_type && shown_as(provider) != kind {
        let named = provider.name();
        return Err(Error::field("provider", format!("is `{named}`, and `type` is another's; leave one of them out")));
    }
    Ok(provider)
}

/// How the path names a source. Error: 404 for what can be neither id nor uid.
fn reference(api: &Api, text: &str) -> Result<SourceRef> {
    if text.starts_with(SourceId::PREFIX) {
        return api.engine.text().parse(text).map(SourceRef::Id).ok_or_else(Error::not_found);
    }
    Ok(SourceRef::Uid(text.to_owned()))
}

/// The source in the path. Error: 404, also for another environment's.
pub(super) async fn find(api: &Api, call: &Call) -> Result<Source> {
    call.caller.whole_environment()?;
    look(api, call).await?.ok_or_else(Error::not_found)
}

async fn look(api: &Api, call: &Call) -> Result<Option<Source>> {
    let (environment, source) = (call.caller.environment, reference(api, call.param("source"))?);
    api.read(move |store| store.source(environment, &source)).await
}

/// GET `/source`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    let ids = api.engine.text();
    let asked = Asked::read(&call, false, |text| ids.parse(text))?;
    let (environment, page) = (call.caller.environment, asked.page);
    let listed = api.read(move |store| store.sources(environment, page)).await?;
    let list = asked.answer_ids(listed, ids, |source| source.id, |source| out(&source, &api, &call));
    Ok(answer(StatusCode::OK, &list))
}

/// POST `/source`
pub(super) async fn create(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<SourceIn>().await?;
    let once = call.once(&body)?;
    if let Some(kept) = api.answer_kept(once).await? {
        return made_before(&api, &call, &kept).await;
    }
    let source = fresh(&api, &call, input)?;
    make(&api, &call, source, once).await
}

/// What a request describes, not yet made.
fn fresh(api: &Api, call: &Call, input: SourceIn) -> Result<Source> {
    let (now_ms, provider) = (api.clock.now().wall_ms, meant(&input.kind, input.provider.as_deref())?);
    let mut config = source_config::default(provider);
    input.config.apply(provider, &mut config)?;
    Ok(Source {
        id: api.engine.ids().next(now_ms),
        environment: call.caller.environment,
        uid: input.uid,
        name: input.name,
        metadata: input.metadata.unwrap_or_default(),
        provider,
        application: api.engine.ids().next(now_ms),
        config,
        tokens: vec![TokenSlot::generate(&mut StdRng::from_os_rng())],
        updated_ms: now_ms,
        deleted: false,
        revision: 1,
    })
}

async fn make(api: &Api, call: &Call, source: Source, once: Option<Once>) -> Result<Response> {
    source.check()?;
    source_config::check(source.provider, &source.config)?;
    catalogue::bring_in(api, call, source.provider).await?;
    let id = api.engine.text().of(source.id);
    let application = Application {
        id: source.application,
        environment: source.environment,
        uid: Some(id.clone()),
        name: source.name.clone(),
        metadata: Metadata::new(),
        throttle_rate: None,
        wire: Wire::Webhook,
        provider: Provider::Standard,
        source: Some(source.id),
        updated_ms: source.updated_ms,
        deleted: false,
    };
    // the token is sealed at rest: only whose it is goes with the answer that a retry gets
    let kept = once.map(|once| Answer { once, status: StatusCode::CREATED.as_u16(), body: Bytes::from(id) });
    let change = Change::Source(Box::new(source.clone()), Some(Box::new(application)));
    match api.engine.change(Setting { by: call.by(api), change, answer: kept }).await {
        Ok(_) => Ok(answer(StatusCode::CREATED, &out(&source, api, call))),
        Err(NotChanged::Refused(Refused::Answered(kept))) => made_before(api, call, &kept).await,
        Err(error) => Err(not_changed(error, UID_TAKEN)),
    }
}

/// The source that the same request made before.
async fn made_before(api: &Api, call: &Call, kept: &Answer) -> Result<Response> {
    let (environment, id) = (call.caller.environment, String::from_utf8_lossy(&kept.body).into_owned());
    let source = reference(api, &id)?;
    let source = api.read(move |store| store.source(environment, &source)).await?.ok_or_else(Error::not_found)?;
    Ok(answer(StatusCode::CREATED, &out(&source, api, call)))
}

/// GET `/source/{source}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let source = find(&api, &call).await?;
    Ok(answer(StatusCode::OK, &out(&source, &api, &call)))
}

/// Reads the source in the path, changes it, writes it; again when somebody else came first.
async fn change(api: &Api, call: &Call, edit: impl Fn(&mut Source) -> Result<()>) -> Result<Source> {
    change_once(api, call, None, edit).await
}

/// As [`change`]; a retry of the request with the same key changes nothing more.
async fn change_once(
    api: &Api,
    call: &Call,
    once: Option<Once>,
    edit: impl Fn(&mut Source) -> Result<()>,
) -> Result<Source> {
    let kept = once.map(|once| Answer { once, status: StatusCode::OK.as_u16(), body: Bytes::new() });
    for _ in 0..TRIES_MAX {
        let mut source = find(api, call).await?;
        edit(&mut source)?;
        source.check()?;
        source_config::check(source.provider, &source.config)?;
        source.revision += 1;
        source.updated_ms = api.clock.now().wall_ms;
        let change = Change::Source(Box::new(source.clone()), None);
        match api.engine.change(Setting { by: call.by(api), change, answer: kept.clone() }).await {
            Err(NotChanged::Refused(Refused::Answered(_))) => return find(api, call).await,
            Ok(_) => {
                api.doors.changed(source.id);
                return Ok(source);
            }
            Err(NotChanged::Refused(Refused::Stale)) => {}
            Err(error) => return Err(not_changed(error, UID_TAKEN)),
        }
    }
    Err(Error::conflict("it keeps changing at the same time; try again"))
}

/// Error: a request means another provider than the source has. A type alone may be the one that answers show.
fn keeps_type(source: &Source, kind: Option<&str>, named: Option<&str>) -> Result<()> {
    let meant = match (kind, named) {
        (None, None) => return Ok(()),
        (Some(kind), None) if kind == shown_as(source.provider) => return Ok(()),
        (Some(kind), named) => meant(kind, named)?,
        (None, Some(named)) => Provider::parse(named)?,
    };
    if meant == source.provider {
        return Ok(());
    }
    let field = if named.is_some() { "provider" } else { "type" };
    Err(Error::field(field, "is fixed; make a new source for another"))
}

/// PATCH `/source/{source}`
pub(super) async fn patch(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<SourcePatch>().await?;
    let changed = change(&api, &call, |source| {
        keeps_type(source, input.kind.as_deref(), input.provider.as_deref())?;
        set(&mut source.name, input.name.as_ref());
        set(&mut source.uid, input.uid.as_ref());
        set(&mut source.metadata, input.metadata.as_ref());
        input.config.apply(source.provider, &mut source.config)
    });
    Ok(answer(StatusCode::OK, &out(&changed.await?, &api, &call)))
}

/// PUT `/source/{source}`: 200 changed, or 201 made when the path is a uid that nobody has. Secrets and credentials
/// that are not given stay: nobody can read them back to send them again. So does the whole `config` when it is given by
/// nobody who knows of it.
pub(super) async fn replace(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<SourceIn>().await?;
    if look(&api, &call).await?.is_none() {
        let SourceRef::Uid(uid) = reference(&api, call.param("source"))? else {
            return Err(Error::not_found());
        };
        let given = fresh(&api, &call, input)?;
        return make(&api, &call, Source { uid: given.uid.clone().or(Some(uid)), ..given }, None).await;
    }
    let changed = change(&api, &call, |source| {
        keeps_type(source, Some(&input.kind), input.provider.as_deref())?;
        source.name.clone_from(&input.name);
        source.uid.clone_from(&input.uid);
        source.metadata = input.metadata.clone().unwrap_or_default();
        if input.knows_config() {
            source.config = source_config::keeping_secrets(source.provider, &source.config);
        }
        input.config.apply(source.provider, &mut source.config)
    });
    Ok(answer(StatusCode::OK, &out(&changed.await?, &api, &call)))
}

/// DELETE `/source/{source}`: nothing comes in any more; its events stay.
pub(super) async fn delete(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    change(&api, &call, |source| {
        source.deleted = true;
        Ok(())
    })
    .await?;
    Ok(empty())
}

/// POST `/source/{source}/token/rotate`: a new ingestUrl; the old one works for another 24 hours.
pub(super) async fn rotate_token(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let body = call.nothing().await?;
    let once = call.once(&body)?;
    if api.answer_kept(once).await?.is_some() {
        return read(State(api), call).await; // the token is sealed at rest: none is kept with the answer
    }
    let fresh = TokenSlot::generate(&mut StdRng::from_os_rng());
    let now_ms = api.clock.now().wall_ms;
    let changed = change_once(&api, &call, once, |source| {
        source.rotate_token(fresh.clone(), now_ms);
        Ok(())
    });
    Ok(answer(StatusCode::OK, &out(&changed.await?, &api, &call)))
}
