//! The API's lists: every filter, forwards and backwards, in the same few milliseconds whatever lies behind.

use std::time::Duration;

use serde_json::Value;

use super::History;
use crate::load::{Line, percentile, show, soak, strict};

/// How many pages are walked in each direction.
const PAGES: u64 = 12;
/// The longest that 99 of 100 answers may take.
const ANSWER_MAX: Duration = Duration::from_millis(20);

/// What each list is narrowed by; `{middle}` is a moment in the middle of the past.
const OF_EVENTS: [&str; 10] = [
    "limit=50",
    "limit=250&with_content=false",
    "order=ascending",
    "event_types=payment.succeeded",
    "event_types=dispute.lost",
    "channel=eu",
    "channel=audit",
    "tag=vip",
    "before={middle}",
    "after={middle}",
];
const OF_DELIVERIES: [&str; 5] = ["limit=50", "status=2", "status=3", "event_types=dispute.lost", "tag=vip"];
const OF_ATTEMPTS: [&str; 6] =
    ["limit=50", "status=2", "status_code_class=500", "event_types=dispute.lost", "channel=eu", "before={middle}"];

#[test]
fn every_list_is_walked_both_ways_at_the_same_pace() {
    let history = History::of(&["--allow-network", "127.0.0.0/8"]);
    let (app, endpoint) = (&history.owners[0].app, &history.owners[0].endpoints[0]);
    let middle = posthaste::providers::written_moment(crate::replay::now_ms() - 15 * 86_400_000);
    let lists = [
        (format!("/api/v1/app/{app}/msg"), &OF_EVENTS[..]),
        (format!("/api/v1/app/{app}/endpoint/{endpoint}/msg"), &OF_DELIVERIES),
        (format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}"), &OF_ATTEMPTS),
    ];
    let (mut line, mut all) = (Line::default(), Vec::new());
    for (path, filters) in &lists {
        for filter in *filters {
            let filter = filter.replace("{middle}", &middle);
            let mut took = Vec::new();
            walk(&history, &mut line, (path, &filter), &mut took);
            let list = path.trim_start_matches(&format!("/api/v1/app/{app}/")).replace(endpoint, "{endpoint}");
            show(&format!("{list}?{filter}: p99 {:?} of {}", percentile(&mut took, 99), took.len()));
            let slowest = percentile(&mut took, 99);
            assert!(!strict() || slowest <= ANSWER_MAX, "{path}?{filter}: p99 {slowest:?}");
            all.extend(took);
        }
    }
    show(&format!("{} answers: p50 {:?}, p99 {:?}", all.len(), percentile(&mut all, 50), percentile(&mut all, 99)));
}

/// Walks so many pages forwards and the same ones backwards: what is found is the same.
fn walk(history: &History, line: &mut Line, (path, filter): (&str, &str), took: &mut Vec<Duration>) {
    let mut get = |iterator: Option<&str>| -> Value {
        let iterator = iterator.map(|iterator| format!("&iterator={iterator}")).unwrap_or_default();
        let (answer, long) = history.get(line, &format!("{path}?{filter}{iterator}"), &[]);
        took.push(long);
        answer.expect(200)
    };
    let mut page = get(None);
    let (mut forth, mut pages) = (ids(&page), 1);
    while page["done"] == false && pages < soak("SOAK_PAGES", PAGES) {
        page = get(page["iterator"].as_str());
        forth.extend(ids(&page));
        pages += 1;
    }
    let mut back = ids(&page);
    // a page that found nothing has no way back; what came before it has been seen
    while let Some(iterator) = page["prevIterator"].as_str().map(str::to_owned)
        && back.len() < forth.len()
    {
        page = get(Some(&iterator));
        back = [ids(&page), back].concat();
        if page["done"] == true {
            break;
        }
    }
    assert!(!forth.is_empty(), "{path}?{filter} finds nothing");
    assert!(back.len() > forth.len() || forth.ends_with(&back), "{path}?{filter}: another way back");
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}
