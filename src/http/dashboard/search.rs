//! `/{env}/event`: events, searched by id, type, time, status and payload, a slice at a time; the newest as they come.

use axum::extract::State;
use axum::response::Response;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use url::form_urlencoded::Serializer;

use super::amount::amount;
use super::form::Form;
use super::frame::{Failure, go};
use super::list::asked;
use super::mask;
use super::time::moment;
use super::viewers::VIEWERS_MAX;
use super::visit::Visit;
use crate::delivery::{Delivery, Standing};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::http::api::event::meant;
use crate::http::page::read_time;
use crate::http::state::Api;
use crate::id::{ApplicationId, EndpointId, EventId, Id, floor_at};
use crate::key::Action;
use crate::store::{Filter, Found, Page, Search, Store};

/// How long the text that payloads are searched for may be, in bytes.
const TEXT_BYTES_MAX: usize = 200;
/// How often the newest events are read while somebody looks live, in seconds.
const LIVE_SECS: u8 = 2;
/// How many of the newest are shown then.
const LIVE_ROWS: usize = 25;
/// By which statuses events are found: the word in the form, and for people.
const STATUSES: [(&str, &str, &[Standing]); 6] = [
    ("", "any", &[]),
    ("delivered", "delivered", &[Standing::Success]),
    ("waiting", "waiting", &[Standing::Pending, Standing::Sending]),
    ("retrying", "waiting for a retry", &[Standing::Sending]),
    ("failed", "failed for good", &[Standing::Failed]),
    ("canceled", "canceled", &[Standing::Canceled]),
];

/// What is looked for, as the form says it.
struct Wanted {
    /// The form, as it was filled in.
    form: Form,
    search: Search,
    /// Whether events are gone through that are not shown.
    is_narrow: bool,
    /// How many events the slices before this one went through.
    looked_at: usize,
    /// Whether the next slice is read by itself while nothing is found.
    goes_on: bool,
    /// Whether the newest are shown as they come.
    live: bool,
}

/// An event of the list, and where its deliveries stand.
struct Line {
    event: Event,
    deliveries: Vec<(EndpointId, Option<Delivery>)>,
}

/// GET `/{env}/event`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let form = visit.query();
    let find = form.one("find").trim();
    if find.starts_with(EventId::PREFIX) {
        let (ids, text) = (api.engine.text().clone(), find.to_owned());
        let meant = api.read(move |store| meant(store, &ids, &text)).await?;
        meant.first().ok_or_else(Error::not_found)?;
        return Ok(go(&visit.path(&format!("event/{find}"))));
    }
    let mut wanted = Wanted::read(form, visit.call.caller.application())?;
    let crowded = wanted.live && !api.viewers.enter(visit.session, api.clock.now().steady_ms);
    wanted.live &= !crowded;
    let mut part = asked::<EventId>(&api, &visit, true)?;
    if wanted.live {
        part.limit = LIVE_ROWS;
    }
    let (found, lines) = read(&api, &visit, &wanted, part).await?;
    let next = next(&api, &wanted, &found);
    let mut page = visit.page("Events", "event");
    if wanted.live {
        page.again_secs = Some(LIVE_SECS);
    } else if let (Some(next), true, true) = (&next, wanted.goes_on, lines.is_empty()) {
        (page.again_secs, page.then) = (Some(0), Some(format!("{next}&on=yes")));
    }
    let searches = page.then.is_some();
    let content = html! {
        (form_of(&wanted))
        (way(&wanted))
        @if crowded { p.wait { (VIEWERS_MAX) " people look live already; this picture stands still." } }
        @if lines.is_empty() { p { @if next.is_none() { "No event here." } @else { "None so far." } } }
        @else { (table(&api, &visit, &lines)) }
        (progress(&wanted, &found, next.as_deref(), searches))
    };
    Ok(visit.show(&api, page, &content))
}

impl Wanted {
    /// Reads the form; whoever is let in for one application alone finds no other's events.
    fn read(form: Form, own: Option<ApplicationId>) -> Result<Self> {
        let some = |name: &str| Some(form.one(name).trim().to_owned()).filter(|text| !text.is_empty());
        let text = some("text").map(String::into_bytes);
        if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(Error::field("text", format!("must have {TEXT_BYTES_MAX} bytes at most")));
        }
        let none = || Error::field("status", "is none that the form offers");
        let standing = STATUSES.iter().find(|(word, ..)| *word == form.one("status")).ok_or_else(none)?.2.to_vec();
        let bound = |name: &str| some(name).map(|text| at_minute(name, &text)).transpose();
        let (from_ms, until_ms) = (bound("from")?, bound("until")?);
        let filter = Filter {
            event_types: some("find").into_iter().collect(),
            above: from_ms.map(|ms| floor_at(ms) - 1),
            below: until_ms.map(floor_at),
            standing,
            ..Filter::default()
        };
        let is_narrow = text.is_some() || filter != Filter::default();
        let search = Search { filter, application: own, text };
        let looked_at = form.one("looked").parse().unwrap_or(0);
        let (goes_on, live) = (form.one("on") == "yes", form.has("live") && !is_narrow);
        Ok(Self { form, search, is_narrow, looked_at, goes_on, live })
    }

    /// What is looked for, as a query.
    fn query(&self) -> Serializer<'static, String> {
        let mut query = Serializer::new(String::new());
        let fields = ["find", "text", "status", "from", "until"].map(|name| (name, self.form.one(name)));
        query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
        query
    }
}

/// Reads a minute of UTC as browsers send it, or a time as the API reads it, in ms since 1970.
fn at_minute(name: &str, text: &str) -> Result<i64> {
    if let Some(ms) = read_time(text) {
        return Ok(ms);
    }
    let wrong = |_| Error::field(name, "must be a time such as 2026-11-25T08:30");
    let at: DateTime = text.parse().map_err(wrong)?;
    Ok(at.to_zoned(TimeZone::UTC).map_err(wrong)?.timestamp().as_millisecond())
}

async fn read(api: &Api, visit: &Visit, wanted: &Wanted, part: Page<EventId>) -> Result<(Found, Vec<Line>)> {
    let (environment, search) = (visit.call.caller.environment, wanted.search.clone());
    let (sees_all, now_ms) = (visit.may(Action::SeeSecret), api.clock.now().wall_ms);
    api.read(move |store| {
        let found = store.search(environment, part, &search)?;
        let mut lines = Vec::new();
        for event in &found.listed.rows {
            if let Some(text) = &search.text
                && !is_shown(store, event, text, (sees_all, now_ms))?
            {
                continue;
            }
            lines.push(Line { event: event.clone(), deliveries: store.destinations(event.id)? });
        }
        Ok((found, lines))
    })
    .await
}

/// Whether a text stands in what this person may see of a payload: nobody finds out by searching what is masked.
fn is_shown(store: &dyn Store, event: &Event, text: &[u8], (sees_all, now_ms): (bool, i64)) -> Result<bool> {
    if event.is_expired(now_ms) {
        return Ok(false);
    }
    if sees_all {
        return Ok(true);
    }
    let whole = store.event(event.application, event.id)?;
    let masked = whole.and_then(|event| mask::masked(&event.body));
    Ok(masked.is_none_or(|masked| masked.as_bytes().windows(text.len()).any(|part| part == text)))
}

/// The query of the next slice; `None` at the end.
fn next(api: &Api, wanted: &Wanted, found: &Found) -> Option<String> {
    let listed = &found.listed;
    let last = listed.stopped_at.map(EventId::new).or_else(|| listed.rows.last().map(|event| event.id));
    let last = last.filter(|_| !listed.done)?;
    let mut query = wanted.query();
    query.append_pair("after", &api.engine.text().of(last));
    if wanted.is_narrow {
        query.append_pair("looked", &(wanted.looked_at + found.looked_at).to_string());
    }
    Some(format!("?{}", query.finish()))
}

fn form_of(wanted: &Wanted) -> Markup {
    let form = &wanted.form;
    html! {
        form.row method="get" role="search" {
            label { "Event id or type" input name="find" type="search" value=(form.one("find").trim()); }
            label { "Payload holds" input name="text" type="search" maxlength=(TEXT_BYTES_MAX) value=(form.one("text").trim()); }
            label.short { "Status" select name="status" {
                @for (word, text, _) in STATUSES { option value=(word) selected[word == form.one("status")] { (text) } }
            } }
            label.short { "From, UTC" input name="from" type="datetime-local" value=(form.one("from")); }
            label.short { "Until, UTC" input name="until" type="datetime-local" value=(form.one("until")); }
            input type="hidden" name="on" value="yes";
            button.second type="submit" { "Search" }
        }
    }
}

/// Whether the list moves, and how to change that.
fn way(wanted: &Wanted) -> Markup {
    html! {
        @if wanted.live { p { span.good { "Live" } ": the newest events, read every " (LIVE_SECS) " seconds. " a href="?" { "Stop" } } }
        @else if !wanted.is_narrow && wanted.form.one("after").is_empty() { p { a href="?live" { "Follow live" } } }
        @else { p { a href="?" { "All events, the newest first" } } }
    }
}

fn table(api: &Api, visit: &Visit, lines: &[Line]) -> Markup {
    let ids = api.engine.text();
    html! {
        table {
            caption.unseen { "Events, the newest first" }
            thead { tr { th scope="col" { "Accepted" } th scope="col" { "Type" } th scope="col" { "Deliveries" } th scope="col" { "Event" } } }
            tbody { @for Line { event, deliveries } in lines {
                tr {
                    td { (moment(event.id.time_ms())) }
                    td { (event.event_type) }
                    td { (standing(deliveries)) }
                    td { a href=(visit.path(&format!("event/{}", ids.of(event.id)))) { (event.called(ids)) } }
                }
            } }
        }
    }
}

/// Where an event's deliveries stand, in a word or two: the worst first.
fn standing(deliveries: &[(EndpointId, Option<Delivery>)]) -> Markup {
    let standings = || deliveries.iter().map(|(_, delivery)| Standing::of(*delivery));
    let count = |wanted: &[Standing]| standings().filter(|standing| wanted.contains(standing)).count();
    let waiting = [Standing::Pending, Standing::Sending];
    let all = deliveries.len();
    let (class, word, some) = match [&[Standing::Failed][..], &waiting, &[Standing::Success]].map(count) {
        [0, 0, 0] if all == 0 => ("soft", "nobody wants it", all),
        [0, 0, 0] => ("soft", "canceled", all),
        [0, 0, delivered] => ("good", "delivered", delivered),
        [0, waiting, _] => ("wait", "waiting", waiting),
        [failed, ..] => ("bad", "failed", failed),
    };
    html! { span class=(class) { (word) @if all > 1 { ", " (some) " of " (all) } } }
}

/// How far a search has come, and the way on.
fn progress(wanted: &Wanted, found: &Found, next: Option<&str>, goes_on: bool) -> Markup {
    let back = found.listed.stopped_at.map(EventId::new).or_else(|| found.listed.rows.last().map(|event| event.id));
    let looked_at = wanted.looked_at + found.looked_at;
    html! {
        @if wanted.is_narrow {
            p role="status" {
                @match (next, back) {
                    (Some(_), Some(back)) => { "Searched back to " (moment(back.time_ms())) ": " (amount(looked_at, "event")) "." },
                    _ => { "Searched to the end: " (amount(looked_at, "event")) "." },
                }
            }
        }
        @if let (Some(next), false) = (next, wanted.live) {
            p.row {
                @if goes_on { "It goes on by itself until something is found." a.button.second href=(next) { "Stop" } }
                @else if wanted.is_narrow { a.button.second href={ (next) "&on=yes" } rel="next" { "Search on" } }
                @else { a.button.second href=(next) rel="next" { "Older" } }
            }
        }
    }
}
