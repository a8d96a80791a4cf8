//! Lists in pages, with the `Link` header by which the SDKs go on (docs.fintoc.com, pagination).

use serde_json::Value;

use crate::sandbox::ask::{Ask, Problem, Reply};

/// How many a page has unless `per_page` says otherwise, and at most.
const PER_PAGE: i64 = 30;
const PER_PAGE_MAX: i64 = 300;

/// The page that is asked for.
pub(super) fn page(ask: &Ask, all: &[&Value]) -> Result<Reply, Problem> {
    let per_page = number(ask, "per_page", PER_PAGE, PER_PAGE_MAX)?;
    let page = number(ask, "page", 1, i64::MAX)?;
    let pages = all.len().div_ceil(per_page).max(1);
    let begin = page.saturating_sub(1).saturating_mul(per_page);
    let shown: Vec<Value> = all.iter().skip(begin).take(per_page).map(|&value| value.clone()).collect();
    let to = |name: &str, page: usize| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(ask.query.iter().filter(|(key, _)| key != "page" && key != "per_page"));
        query.append_pair("page", &page.to_string()).append_pair("per_page", &per_page.to_string());
        format!("<{}/{}?{}>; rel=\"{name}\"", ask.root, ask.path.join("/"), query.finish())
    };
    let mut links = vec![to("first", 1), to("last", pages)];
    if page > 1 {
        links.push(to("prev", page - 1));
    }
    if page < pages {
        links.push(to("next", page + 1));
    }
    Ok(Reply { link: Some(links.join(", ")), ..Reply::ok(shown.into()) })
}

fn number(ask: &Ask, name: &str, default: i64, max: i64) -> Result<usize, Problem> {
    let number = ask.query(name).map_or(Some(default), |text| text.parse().ok());
    let number = number.filter(|number| (1..=max).contains(number)).and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| Problem::field(name, format!("`{name}` must be a whole number from 1 to {max}")))
}
