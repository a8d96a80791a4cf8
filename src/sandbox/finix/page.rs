//! Lists of Finix: cursors that are ids, the newest first (docs.finix.com, pagination).

use serde_json::{Value, json};

use crate::sandbox::ask::{Ask, Problem, Reply};

/// How many rows a page has by default, and at most.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 100;

/// The page that was asked for out of all rows, the newest first. Error: a limit or a cursor that is none.
pub(super) fn answer(ask: &Ask, collection: &str, rows: Vec<Value>) -> Result<Reply, Problem> {
    let limit = limit(ask)?;
    let found = |name: &str| {
        let Some(id) = ask.query(name) else {
            return Ok(None);
        };
        let wrong = || Problem::field(name, format!("`{name}` must be the id of one of the {collection} of this user"));
        rows.iter().position(|row| row["id"] == id).map(Some).ok_or_else(wrong)
    };
    let (begin, end) = match (found("after_cursor")?, found("before_cursor")?) {
        (Some(_), Some(_)) => {
            let message = "`after_cursor` and `before_cursor` exclude one another; send one of them";
            return Err(Problem::field("before_cursor", message));
        }
        (Some(after), None) => (after + 1, after + 1 + limit),
        (None, Some(before)) => (before.saturating_sub(limit), before),
        (None, None) => (0, limit),
    };
    let more = end < rows.len();
    let page: Vec<_> = rows.into_iter().skip(begin).take(end - begin).collect();
    let href = format!("{}/{collection}?limit={limit}", ask.root);
    let mut body = json!({
        "page": { "limit": limit },
        "_embedded": { collection: page },
        "_links": { "self": { "href": href } },
    });
    // left out on the last page: the official SDK goes on for as long as it is there
    let last = body["_embedded"][collection].as_array().and_then(|page| page.last()?["id"].as_str().map(str::to_owned));
    if let Some(last) = last.filter(|_| more) {
        body["page"]["next_cursor"] = json!(last);
        body["_links"]["next"] = json!({ "href": format!("{href}&after_cursor={last}") });
    }
    Ok(Reply::ok(body))
}

fn limit(ask: &Ask) -> Result<usize, Problem> {
    let Some(text) = ask.query("limit") else {
        return Ok(LIMIT);
    };
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| Problem::field("limit", format!("`limit` must be a whole number from 1 to {LIMIT_MAX}")))
}
