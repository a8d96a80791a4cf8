//! `/app/{app}/endpoint`: endpoints.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::handling::{HandlingIn, HandlingOut};
use super::subscription::SubscriptionIn;
use super::{Api, empty, not_changed, operational};
use crate::application::Application;
use crate::endpoint::{Endpoint, Health, State as EndpointState};
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::event::Once;
use crate::handling::Handling;
use crate::http::call::{Call, answer, present};
use crate::http::page::{Asked, time};
use crate::http::problem::text;
use crate::id::{EndpointId, Id as _, IdText};
use crate::key::Action;
use crate::name::Metadata;
use crate::providers;
use crate::secret::SecretSlot;
use crate::store::{Change, Refused};

/// How often a change is tried again when another one came first.
pub(super) const TRIES_MAX: usize = 5;
pub(in crate::http) const UID_TAKEN: &str =
    "an endpoint with this uid exists already in this application; choose another";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointIn {
    url: String,
    uid: Option<String>,
    description: Option<String>,
    disabled: Option<bool>,
    headers: Option<std::collections::BTreeMap<String, String>>,
    metadata: Option<Metadata>,
    secret: Option<String>,
}

/// What PUT takes: no secret and no headers, which have routes of their own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointUpsert {
    url: String,
    uid: Option<String>,
    description: Option<String>,
    disabled: Option<bool>,
    metadata: Option<Metadata>,
}

/// Absent keeps, null unsets, a value sets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointPatch {
    url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    uid: Option<Option<String>>,
    description: Option<String>,
    disabled: Option<bool>,
    metadata: Option<Metadata>,
    secret: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointOut {
    id: String,
    uid: Option<String>,
    url: String,
    description: String,
    disabled: bool,
    event_types: Option<Vec<String>>,
    filter_types: Option<Vec<String>>,
    channels: Option<Vec<String>>,
    metadata: Metadata,
    #[serde(flatten)]
    handling: HandlingOut,
    version: u16,
    created_at: String,
    updated_at: String,
}

pub(super) fn out(endpoint: Endpoint, ids: &IdText) -> EndpointOut {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    EndpointOut {
        id: ids.of(endpoint.id),
        uid: endpoint.uid,
        url: endpoint.url,
        description: endpoint.description,
        disabled: endpoint.state != EndpointState::Enabled,
        event_types: some(endpoint.event_types.clone()),
        filter_types: some(endpoint.event_types),
        channels: some(endpoint.channels),
        metadata: endpoint.metadata,
        handling: endpoint.handling.into(),
        version: u16::try_from(endpoint.revision).unwrap_or(u16::MAX),
        created_at: time(endpoint.id.time_ms()),
        updated_at: time(endpoint.updated_ms),
    }
}

/// The endpoint in the path, of this application. Error: 404.
pub(in crate::http) async fn find(api: &Api, call: &Call, application: &Application) -> Result<Endpoint> {
    look(api, call, application).await?.ok_or_else(Error::not_found)
}

async fn look(api: &Api, call: &Call, application: &Application) -> Result<Option<Endpoint>> {
    let (application, text) = (application.id, call.param("ep").to_owned());
    if text.starts_with(EndpointId::PREFIX) {
        let endpoint = call.id(api, "ep")?;
        api.read(move |store| store.endpoint(application, endpoint)).await
    } else {
        api.read(move |store| store.endpoint_by_uid(application, &text)).await
    }
}

/// Reads the endpoint in the path, changes it, writes it; again when somebody else came first.
pub(in crate::http) async fn change(
    api: &Api,
    call: &Call,
    edit: impl Fn(&mut Endpoint) -> Result<()>,
) -> Result<Endpoint> {
    change_once(api, call, None, edit).await
}

/// As [`change`]; a retry of the request with the same key changes nothing more.
pub(super) async fn change_once(
    api: &Api,
    call: &Call,
    once: Option<Once>,
    edit: impl Fn(&mut Endpoint) -> Result<()>,
) -> Result<Endpoint> {
    let application = api.application(call).await?;
    for _ in 0..TRIES_MAX {
        let mut endpoint = find(api, call, &application).await?;
        edit(&mut endpoint)?;
        endpoint.check()?;
        endpoint.revision += 1;
        endpoint.updated_ms = api.clock.now().wall_ms;
        match api.change(call, once, Change::Endpoint(endpoint.clone()), (StatusCode::OK, String::new())).await {
            Ok(_) => return Ok(endpoint),
            Err(NotChanged::Refused(Refused::Stale)) => {}
            Err(error) => return Err(not_changed(error, UID_TAKEN)),
        }
    }
    Err(Error::conflict("it keeps changing at the same time; try again"))
}

/// GET `/app/{app}/endpoint`: the newest first unless `order` says otherwise, as svix-server lists them.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let ids = api.engine.text();
    let application = api.application(&call).await?.id;
    let asked = Asked::read(&call, true, |text| ids.parse(text))?;
    let page = asked.page;
    let listed = api.read(move |store| store.endpoints(application, page)).await?;
    let list = asked.answer_ids(listed, ids, |endpoint| endpoint.id, |endpoint| out(endpoint, ids));
    Ok(answer(StatusCode::OK, &list))
}

/// POST `/app/{app}/endpoint`
pub(super) async fn create(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::EditEndpoint)?;
    let ((input, subscription, handling), body) =
        call.json_for_three::<EndpointIn, SubscriptionIn, HandlingIn>().await?;
    let (subscription, handling) = (subscription.made()?, handling.apply(&Handling::default())?);
    let application = api.application(&call).await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let endpoint = fresh(&api, &application, input, &subscription, handling)?;
    make(&api, &call, &application, endpoint, once).await
}

/// What a request describes, not yet made.
fn fresh(
    api: &Api,
    application: &Application,
    input: EndpointIn,
    subscription: &SubscriptionIn,
    handling: Handling,
) -> Result<Endpoint> {
    let now_ms = api.clock.now().wall_ms;
    let provider = application.provider;
    let secret = match input.secret.as_deref() {
        Some(text) => providers::parse_secret(provider, text)?,
        None => providers::generate_secret_for(provider, api.rules.default_signature, &mut StdRng::from_os_rng()),
    };
    let mut endpoint = Endpoint {
        id: api.engine.ids().next(now_ms),
        application: application.id,
        provider,
        wire: application.wire,
        direct: false,
        uid: input.uid,
        url: input.url,
        description: input.description.unwrap_or_default(),
        state: if input.disabled == Some(true) { EndpointState::Disabled } else { EndpointState::Enabled },
        event_types: Vec::new(),
        channels: Vec::new(),
        headers: input.headers.unwrap_or_default(),
        handling: Box::new(handling),
        metadata: input.metadata.unwrap_or_default(),
        secrets: vec![SecretSlot::new(secret)],
        health: Health::default(),
        updated_ms: now_ms,
        revision: 1,
    };
    subscription.replace(&mut endpoint);
    Ok(endpoint)
}

async fn make(
    api: &Api,
    call: &Call,
    application: &Application,
    mut endpoint: Endpoint,
    once: Option<Once>,
) -> Result<Response> {
    endpoint.url = check(api, call, application, &endpoint, None).await?;
    let body = text(&out(endpoint.clone(), api.engine.text()));
    api.change(call, once, Change::Endpoint(endpoint), (StatusCode::CREATED, body))
        .await
        .map_err(|error| not_changed(error, UID_TAKEN))
}

/// Checks an endpoint as it is wanted, whose URL was `before`; gives its URL as it is kept. Error: the field.
pub(in crate::http) async fn check(
    api: &Api,
    call: &Call,
    application: &Application,
    endpoint: &Endpoint,
    before: Option<&str>,
) -> Result<String> {
    endpoint.check()?;
    check_event_types(api, call, application, &endpoint.event_types).await?;
    api.endpoint_url(&endpoint.url, before).await
}

/// Every type an endpoint names must exist, and go to endpoints: a typing error would otherwise lose its events silently.
async fn check_event_types(api: &Api, call: &Call, application: &Application, names: &[String]) -> Result<()> {
    if let Some(name) = names.iter().find(|name| providers::goes_to_a_url(application.provider, name)) {
        let detail = format!("names `{name}`, which goes to no endpoint but to the `url` that is published with it");
        return Err(Error::field("eventTypes", detail));
    }
    if call.is_operational() {
        return operational::check_event_types(names);
    }
    let (environment, names) = (call.caller.environment, names.to_vec());
    let flags = call.caller.feature_flags().map(<[String]>::to_vec);
    let missing = api.read(move |store| {
        for name in names {
            let known = store.event_type(environment, &name)?;
            if !known.is_some_and(|known| known.is_shown_to(flags.as_deref())) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    });
    match missing.await? {
        Some(name) => Err(Error::field(
            "eventTypes",
            format!(
                "names `{name}`, which does not exist; create the event type first, or leave the list empty for all"
            ),
        )),
        None => Ok(()),
    }
}

/// GET `/app/{app}/endpoint/{ep}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    let endpoint = find(&api, &call, &application).await?;
    Ok(answer(StatusCode::OK, &out(endpoint, api.engine.text())))
}

/// PUT `/app/{app}/endpoint/{ep}`: 200 changed, or 201 made when the path is a uid that nobody has; a uid that is not
/// given is gone. Secrets and headers stay as they are.
pub(super) async fn replace(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::EditEndpoint)?;
    let ((input, subscription, handling), _) =
        call.json_for_three::<EndpointUpsert, SubscriptionIn, HandlingIn>().await?;
    let (subscription, handling) = (subscription.changed()?, handling.apply(&Handling::default())?);
    let application = api.application(&call).await?;
    let Some(before) = look(&api, &call, &application).await? else {
        let uid = call.param("ep").to_owned();
        if uid.starts_with(EndpointId::PREFIX) {
            return Err(Error::not_found());
        }
        let EndpointUpsert { url, description, disabled, metadata, .. } = input;
        let (headers, secret) = Default::default();
        let uid = input.uid.or(Some(uid));
        let input = EndpointIn { url, uid, description, disabled, headers, metadata, secret };
        let endpoint = fresh(&api, &application, input, &subscription, handling)?;
        return make(&api, &call, &application, endpoint, None).await;
    };
    let url = api.endpoint_url(&input.url, Some(&before.url)).await?;
    check_event_types(&api, &call, &application, &subscription.event_types().unwrap_or_default()).await?;
    let endpoint = change(&api, &call, |endpoint| {
        endpoint.url.clone_from(&url);
        endpoint.uid.clone_from(&input.uid);
        endpoint.description = input.description.clone().unwrap_or_default();
        endpoint.metadata = input.metadata.clone().unwrap_or_default();
        subscription.replace(endpoint);
        *endpoint.handling = handling.clone();
        switch(endpoint, input.disabled.unwrap_or(false));
        Ok(())
    });
    Ok(answer(StatusCode::OK, &out(endpoint.await?, api.engine.text())))
}

fn switch(endpoint: &mut Endpoint, disabled: bool) {
    match disabled {
        true if endpoint.state == EndpointState::Enabled => endpoint.state = EndpointState::Disabled,
        false => endpoint.state = EndpointState::Enabled,
        true => {}
    }
}

/// PATCH `/app/{app}/endpoint/{ep}`
pub(super) async fn patch(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::EditEndpoint)?;
    let ((input, subscription, handling), _) =
        call.json_for_three::<EndpointPatch, SubscriptionIn, HandlingIn>().await?;
    let subscription = subscription.changed()?;
    let application = api.application(&call).await?;
    let url = match &input.url {
        Some(url) => Some(api.endpoint_url(url, Some(&find(&api, &call, &application).await?.url)).await?),
        None => None,
    };
    check_event_types(&api, &call, &application, &subscription.event_types().unwrap_or_default()).await?;
    let secret = input.secret.as_deref().map(|text| providers::parse_secret(application.provider, text)).transpose()?;
    let now_ms = api.clock.now().wall_ms;
    let endpoint = change(&api, &call, |endpoint| {
        set(&mut endpoint.url, url.as_ref());
        set(&mut endpoint.uid, input.uid.as_ref());
        set(&mut endpoint.description, input.description.as_ref());
        set(&mut endpoint.metadata, input.metadata.as_ref());
        subscription.apply(endpoint);
        *endpoint.handling = handling.apply(&endpoint.handling)?;
        if let Some(disabled) = input.disabled {
            switch(endpoint, disabled);
        }
        if let Some(secret) = &secret {
            endpoint.secrets = vec![SecretSlot::since(secret.clone(), now_ms)];
        }
        Ok(())
    });
    Ok(answer(StatusCode::OK, &out(endpoint.await?, api.engine.text())))
}

pub(super) fn set<T: Clone>(field: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        *field = given.clone();
    }
}

/// DELETE `/app/{app}/endpoint/{ep}`: what waits for it is canceled, its history stays.
pub(super) async fn delete(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::EditEndpoint)?;
    change(&api, &call, |endpoint| {
        endpoint.state = EndpointState::Deleted;
        Ok(())
    })
    .await?;
    Ok(empty())
}
