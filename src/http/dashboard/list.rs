//! Lists: the part that is asked for, and the way to the next one.

use maud::{Markup, html};

use super::visit::Visit;
use crate::error::{Error, Result};
use crate::http::state::Api;
use crate::id::Id;
use crate::store::{Listed, Page};

/// How many rows a page shows.
const ROWS: usize = 50;

/// The part of a list by id that the query's `after` asks for.
pub(super) fn asked<K: Id>(api: &Api, visit: &Visit, descending: bool) -> Result<Page<K>> {
    let text = visit.query();
    let after = Some(text.one("after")).filter(|after| !after.is_empty());
    let after = after.map(|after| api.engine.text().parse(after).ok_or_else(Error::not_found)).transpose()?;
    Ok(Page { after, descending, limit: ROWS })
}

/// The link to the rows behind these; `kept` is what the query says beside.
pub(super) fn more<T, K: Id>(api: &Api, listed: &Listed<T>, id: impl Fn(&T) -> K, kept: &[(&str, &str)]) -> Markup {
    let last = listed.stopped_at.map(K::new).or_else(|| listed.rows.last().map(id));
    let Some(last) = last.filter(|_| !listed.done) else {
        return html! {};
    };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.append_pair("after", &api.engine.text().of(last)).finish();
    html! { p { a href={ "?" (query) } rel="next" { @if listed.stopped_at.is_some() { "Look further" } @else { "More" } } } }
}
