//! `/app`: applications.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::endpoint::set;
use super::{Api, catalogue, empty, not_changed};
use crate::application::{Application, ApplicationRef, Wire};
use crate::engine::message::NotChanged;
use crate::environment;
use crate::error::{Error, Result};
use crate::http::call::{Call, answer, present};
use crate::http::page::{Asked, time};
use crate::http::problem::text;
use crate::id::{ApplicationId, EnvironmentId, Id as _, IdText};
use crate::key::Action;
use crate::name::Metadata;
use crate::provider::Provider;
use crate::store::{Change, LOOKED_UP_ROWS_MAX, Listed, Page, Reach, Refused, Store};

const UID_TAKEN: &str = "an application with this uid exists already; choose another";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationIn {
    name: String,
    pub(super) uid: Option<String>,
    metadata: Option<Metadata>,
    provider: Option<String>,
    rate_limit: Option<u16>,
    throttle_rate: Option<u16>,
    wire_headers: Option<String>,
}

/// Absent keeps, null unsets, a value sets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationPatch {
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    uid: Option<Option<String>>,
    metadata: Option<Metadata>,
    provider: Option<String>,
    #[serde(default, deserialize_with = "present")]
    throttle_rate: Option<Option<u16>>,
    #[serde(default, deserialize_with = "present")]
    rate_limit: Option<Option<u16>>,
    wire_headers: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationOut {
    id: String,
    uid: Option<String>,
    name: String,
    metadata: Metadata,
    provider: &'static str,
    rate_limit: Option<u32>,
    throttle_rate: Option<u32>,
    wire_headers: &'static str,
    created_at: String,
    updated_at: String,
}

fn out(application: Application, ids: &IdText) -> ApplicationOut {
    ApplicationOut {
        id: ids.of(application.id),
        uid: application.uid,
        name: application.name,
        metadata: application.metadata,
        provider: application.provider.name(),
        rate_limit: application.throttle_rate,
        throttle_rate: application.throttle_rate,
        wire_headers: application.wire.name(),
        created_at: time(application.id.time_ms()),
        updated_at: time(application.updated_ms),
    }
}

/// GET `/app`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    let ids = api.engine.text();
    let asked = Asked::read(&call, false, |text| ids.parse(text))?;
    let (environment, page, spared) = (call.caller.environment, asked.page, Spared::read(&call)?);
    let listed = api.read(move |store| kept(store, environment, page, spared)).await?;
    let list = asked.answer_ids(listed, ids, |application| application.id, |application| out(application, ids));
    Ok(answer(StatusCode::OK, &list))
}

/// Which applications a list leaves out, by their endpoints.
#[derive(Clone, Copy)]
struct Spared {
    /// Those that have none.
    without: bool,
    /// Those that have some, all of them disabled.
    disabled: bool,
    /// Those that have some, all of them throw-away receivers of Svix.
    play: bool,
}

impl Spared {
    fn read(call: &Call) -> Result<Self> {
        Ok(Self {
            without: call.query_flag("exclude_apps_with_no_endpoints", false)?,
            disabled: call.query_flag("exclude_apps_with_disabled_endpoints", false)?,
            play: call.query_flag("exclude_apps_with_svix_play_endpoints", false)?,
        })
    }

    fn leaves_out(self, Reach { all, enabled, lasting }: Reach) -> bool {
        match all {
            0 => self.without,
            _ => self.disabled && enabled == 0 || self.play && lasting == 0,
        }
    }
}

/// The applications that are not left out; goes on until the page is full, or [`LOOKED_UP_ROWS_MAX`] were looked at.
fn kept(
    store: &dyn Store,
    environment: EnvironmentId,
    page: Page<ApplicationId>,
    spared: Spared,
) -> Result<Listed<Application>> {
    if !(spared.without || spared.disabled || spared.play) {
        return store.applications(environment, page);
    }
    let (mut rows, mut looked_at, mut next) = (Vec::new(), 0, page);
    loop {
        let listed = store.applications(environment, next)?;
        looked_at += listed.rows.len();
        next.after = listed.rows.last().map(|application| application.id);
        for application in listed.rows {
            if !spared.leaves_out(store.reach(application.id)?) {
                rows.push(application);
            }
        }
        if rows.len() > page.limit || listed.done {
            return Ok(Listed::cut(rows, page.limit));
        }
        if looked_at >= LOOKED_UP_ROWS_MAX || rows.len() == page.limit {
            return Ok(Listed { rows, done: false, stopped_at: next.after.map(ApplicationId::value) });
        }
    }
}

/// POST `/app`: 201, or 200 with the one that has the uid when `get_if_exists`.
pub(super) async fn create(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let get_if_exists = call.query_flag("get_if_exists", false)?;
    let (input, body) = call.json::<ApplicationIn>().await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let application = fresh(&api, &call, input)?;
    application.check()?;
    catalogue::bring_in(&api, &call, application.provider).await?;
    let uid = application.uid.clone();
    let body = text(&out(application.clone(), api.engine.text()));
    match api.change(&call, once, Change::Application(application), (StatusCode::CREATED, body)).await {
        Ok(response) => Ok(response),
        Err(NotChanged::Refused(Refused::Taken)) if get_if_exists => existing(&api, &call, uid).await,
        Err(error) => Err(not_changed(
            error,
            "an application with this uid exists already; choose another, or pass get_if_exists=true",
        )),
    }
}

/// What a request describes, not yet made.
pub(super) fn fresh(api: &Api, call: &Call, input: ApplicationIn) -> Result<Application> {
    let now_ms = api.clock.now().wall_ms;
    let wire = if environment::is_of_svix(call.caller.environment) { Wire::Svix } else { Wire::Webhook };
    Ok(Application {
        id: api.engine.ids().next(now_ms),
        environment: call.caller.environment,
        uid: input.uid,
        name: input.name,
        metadata: input.metadata.unwrap_or_default(),
        throttle_rate: input.throttle_rate.or(input.rate_limit).map(u32::from),
        wire: input.wire_headers.as_deref().map_or(Ok(wire), Wire::parse)?,
        provider: input.provider.as_deref().map_or(Ok(Provider::Standard), Provider::parse)?,
        source: None,
        updated_ms: now_ms,
        deleted: false,
    })
}

/// PUT `/app/{app}`: 200 changed, or 201 made when the path is a uid that nobody has; a uid that is not given is gone.
pub(super) async fn replace(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<ApplicationIn>().await?;
    let (named, environment) = (api.application_ref(call.param("app"))?, call.caller.environment);
    let reference = named.clone();
    let found = api.read(move |store| store.application(environment, &reference)).await?;
    let (status, mut application) = match (found, named) {
        (Some(found), _) => {
            // clients that do not know of providers leave it out
            let provider = input.provider.is_none().then_some(found.provider);
            let wire = input.wire_headers.is_none().then_some(found.wire);
            let given = fresh(&api, &call, input)?;
            let given = Application { source: found.source, provider: provider.unwrap_or(given.provider), ..given };
            let given = Application { wire: wire.unwrap_or(given.wire), ..given };
            (StatusCode::OK, Application { id: found.id, ..given })
        }
        (None, ApplicationRef::Uid(uid)) => {
            let given = fresh(&api, &call, input)?;
            (StatusCode::CREATED, Application { uid: given.uid.clone().or(Some(uid)), ..given })
        }
        (None, ApplicationRef::Id(_)) => return Err(Error::not_found()),
    };
    if application.source.is_some() {
        return Err(of_source());
    }
    application.check()?;
    application.updated_ms = api.clock.now().wall_ms;
    catalogue::bring_in(&api, &call, application.provider).await?;
    let body = text(&out(application.clone(), api.engine.text()));
    let changed = api.change(&call, None, Change::Application(application), (status, body)).await;
    changed.map_err(|error| not_changed(error, UID_TAKEN))
}

/// PATCH `/app/{app}`
pub(super) async fn patch(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<ApplicationPatch>().await?;
    let mut application = api.application(&call).await?;
    if application.source.is_some() {
        return Err(of_source());
    }
    set(&mut application.name, input.name.as_ref());
    set(&mut application.uid, input.uid.as_ref());
    set(&mut application.metadata, input.metadata.as_ref());
    if let Some(rate) = input.throttle_rate.or(input.rate_limit) {
        application.throttle_rate = rate.map(u32::from);
    }
    if let Some(name) = &input.wire_headers {
        application.wire = Wire::parse(name)?;
    }
    if let Some(name) = &input.provider {
        application.provider = Provider::parse(name)?;
    }
    application.check()?;
    catalogue::bring_in(&api, &call, application.provider).await?;
    application.updated_ms = api.clock.now().wall_ms;
    let body = text(&out(application.clone(), api.engine.text()));
    let changed = api.change(&call, None, Change::Application(application), (StatusCode::OK, body)).await;
    changed.map_err(|error| not_changed(error, UID_TAKEN))
}

/// The application that the path names, made as `input` says when there is none. Error: the path is no uid, or
/// another one than `input` has.
pub(super) async fn get_or_make(api: &Api, call: &Call, input: ApplicationIn) -> Result<Application> {
    let (named, environment) = (api.named(call).await?, call.caller.environment);
    let reference = named.clone();
    if let Some(found) = api.read(move |store| store.application(environment, &reference)).await? {
        return Ok(found);
    }
    call.caller.whole_environment()?;
    let ApplicationRef::Uid(uid) = named else {
        return Err(Error::not_found());
    };
    let wrong = |code, message: &str| {
        let mut error = Error::at(&["body", "application", "uid"], message);
        error.code = code;
        Err(error)
    };
    match &input.uid {
        None => {
            return wrong("application_uid_missing", "application_uid_missing: must be the uid in the path; add it");
        }
        Some(given) if *given != uid => {
            return wrong("application_uid_mismatch", "application_uid_mismatch: must be the uid in the path");
        }
        Some(_) => {}
    }
    let application = fresh(api, call, input)?;
    application.check()?;
    catalogue::bring_in(api, call, application.provider).await?;
    match call.change(api, Change::Application(application.clone())).await {
        Ok(()) => Ok(application),
        Err(NotChanged::Refused(Refused::Taken)) => {
            let named = ApplicationRef::Uid(uid);
            api.read(move |store| store.application(environment, &named)).await?.ok_or_else(Error::not_found)
        }
        Err(error) => Err(not_changed(error, UID_TAKEN)),
    }
}

fn of_source() -> Error {
    Error::conflict("this application belongs to its source; change or delete the source")
}

async fn existing(api: &Api, call: &Call, uid: Option<String>) -> Result<Response> {
    let (environment, uid) = (call.caller.environment, ApplicationRef::Uid(uid.unwrap_or_default()));
    let found = api.read(move |store| store.application(environment, &uid)).await?;
    let application = found.ok_or_else(Error::not_found)?;
    Ok(answer(StatusCode::OK, &out(application, api.engine.text())))
}

/// GET `/app/{app}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    Ok(answer(StatusCode::OK, &out(application, api.engine.text())))
}

/// DELETE `/app/{app}`: its events stay, its endpoints get nothing more.
pub(super) async fn delete(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let application = api.application(&call).await?;
    if application.source.is_some() {
        return Err(of_source());
    }
    let deleted = Application { deleted: true, updated_ms: api.clock.now().wall_ms, ..application };
    let changed = api.change(&call, None, Change::Application(deleted), (StatusCode::NO_CONTENT, String::new())).await;
    changed.map(|_| empty()).map_err(|error| not_changed(error, "it is deleted already"))
}
