//! Why deliveries of an endpoint fail: its last failures, grouped by what came back, each group to be made again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::amount::amount;
use super::seen::{Seen, answer};
use super::time::moment;
use super::visit::Visit;
use crate::error::Result;
use crate::http::state::Api;
use crate::id::AttemptId;
use crate::replay::Wanted;
use crate::store::{AttemptRow, AttemptsOf, Filter, Page, Store};

/// How many failed attempts are looked at, the newest.
const ATTEMPTS: usize = 250;
/// How much of a response stands for its group, in characters.
const SAMPLE_CHARS_MAX: usize = 200;
/// Causes that can be made again: the word in the form, the hundred of the answer, and for people.
const CAUSES: [(&str, u16, &str); 5] = [
    ("silent", 0, "No answer"),
    ("1xx", 100, "Answers of 1xx"),
    ("3xx", 300, "Redirections"),
    ("4xx", 400, "Refusals, 4xx"),
    ("5xx", 500, "Breakdowns, 5xx"),
];

/// The failed attempts of one cause.
struct Group<'a> {
    newest: &'a AttemptRow,
    /// How many there were of each status.
    codes: BTreeMap<u16, usize>,
}

/// The deliveries that a word of the form means: those that failed for this cause last, whether they wait for a retry or
/// have ended.
pub(super) fn wanted(word: &str) -> Option<Wanted> {
    let (_, class, _) = CAUSES.into_iter().find(|(known, ..)| *known == word)?;
    Some(Wanted { status_class: Some(class), ..Wanted::default() })
}

/// An endpoint's last failures.
pub(super) fn last(store: &dyn Store, of: AttemptsOf) -> Result<Vec<AttemptRow>> {
    let failed = Filter { succeeded: Some(false), ..Filter::default() };
    let page = Page { after: None::<AttemptId>, descending: true, limit: ATTEMPTS };
    Ok(store.attempts(of, page, &failed)?.rows)
}

/// What the endpoint's page says of them; nothing when there are none. `may`: whether this person may replay them now.
pub(super) fn section(api: &Api, visit: &Visit, seen: &Seen, failed: &[AttemptRow], may: bool) -> Markup {
    if failed.is_empty() {
        return html! {};
    }
    let mut groups = BTreeMap::<u16, Group<'_>>::new();
    for row in failed {
        let code = row.attempt.status_code;
        let group = groups.entry(code / 100).or_insert_with(|| Group { newest: row, codes: BTreeMap::new() });
        *group.codes.entry(code).or_default() += 1;
    }
    html! {
        section aria-labelledby="failures-title" {
            h2 #failures-title { "Failures by cause" }
            table {
                caption.unseen { "The last failed attempts by cause" }
                thead { tr { th scope="col" { "Cause" } th scope="col" { "Attempts" } th scope="col" { "The last one" } @if may { th scope="col" { "Failed and waiting" } } } }
                tbody { @for (hundred, group) in &groups { (line(api, visit, seen, (*hundred, group), may)) } }
            }
            p.soft { "Of the last " (amount(failed.len(), "failed attempt")) "." }
        }
    }
}

fn line(api: &Api, visit: &Visit, seen: &Seen, (hundred, group): (u16, &Group<'_>), may: bool) -> Markup {
    let cause = CAUSES.iter().find(|(_, class, _)| class / 100 == hundred);
    let attempt = &group.newest.attempt;
    let text = String::from_utf8_lossy(&attempt.response);
    let sample: String = text.chars().take(SAMPLE_CHARS_MAX).collect();
    let event = visit.path(&format!("event/{}", api.engine.text().of(group.newest.event)));
    html! {
        tr {
            td { @match cause { Some((_, _, text)) => (text), None => { (hundred) "xx" } } }
            td { @for (nth, (code, count)) in group.codes.iter().enumerate() { @if nth > 0 { ", " } (count) " × " (answer(*code)) } }
            td { a href=(event) { (moment(attempt.began_ms())) } @if !sample.is_empty() { br; code { (sample) } } }
            @if may {
                td { @if let Some((word, ..)) = cause {
                    form.row.tight method="post" action={ (seen.path) "/replay" } {
                        input type="hidden" name="which" value=(word);
                        input type="hidden" name="since" value="fortnight";
                        button.second type="submit" { "Replay these" }
                    }
                } }
            }
        }
    }
}
