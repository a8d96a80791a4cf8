//! The page `/` of the sandbox: what it is, how to point each SDK at it, what happened lately.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::house::House;
use super::world::EVENT;
use crate::providers::written_moment;

/// How many of the last events are shown.
const LATELY: usize = 40;
/// How much of a world's name is shown: the provider, and enough of the key's hash to tell keys apart.
const NAME_CHARS: usize = 14;
const STYLE: &str = include_str!("page.css");

/// An event that was told.
struct Told {
    at_ms: i64,
    world: String,
    event_type: String,
    id: String,
}

pub(super) async fn page(house: &House) -> String {
    let lately = lately(house).await;
    let url = &house.parts.url;
    let body = html! {
        header {
            h1 { "Posthaste sandbox" }
            p { "A small Fintoc, a small Finix and a small Bridge. Ask them as you would ask the real ones: what they send is signed, retried and ordered as theirs is. Seed " b { (house.parts.manner.seed) } ", waits pass " b { (house.parts.manner.speed) } " times as fast." }
        }
        section {
            h2 { "Fintoc" }
            p { "Any key: " code { "sk_test_…" } " or " code { "sk_live_…" } ". Each is a world of its own." }
            (sample(&format!("client = Fintoc(\"sk_test_mine\")\nclient._client.base_url = \"{url}/fintoc\"\nclient.webhook_endpoints.create(url=…, enabled_events=[\"account.refresh_intent.succeeded\"])")))
            (sample(&format!("require(\"fintoc/build/main/lib/constants\").API_BASE_URL = \"{url}/fintoc\"; // before new Fintoc(…)")))
            p { "A person at the widget, and a refresh that ends in three ways:" }
            (sample(&format!("curl {url}/fintoc/sandbox/links -H 'Authorization: sk_test_mine' -d '{{\"outcomes\":[\"succeeded\",\"failed\",\"rejected\"]}}'\ncurl {url}/fintoc/v1/refresh_intents -H 'Authorization: sk_test_mine' -d '{{\"link_token\":\"…\"}}'")))
        }
        section {
            h2 { "Finix" }
            p { "Any user and password; users that begin with " code { "core_" } " are Core customers." }
            (sample(&format!("finix.Configuration(environment=\"{url}/finix\", username=\"USmine\", password=\"any\")\ncurl -u USmine:any {url}/finix/webhooks -d '{{\"url\":\"http://127.0.0.1:3000/\"}}'\ncurl -u USmine:any -X POST {url}/finix/sandbox/flows/dispute-won")))
        }
        section {
            h2 { "Bridge" }
            p { "Its webhooks are endpoints of the application " code { "bridge" } " in Posthaste's own API, ten at most." }
            (sample(&format!("curl {url}/api/v1/app/bridge/endpoint -H \"Authorization: Bearer $KEY\" -d '{{\"url\":\"http://127.0.0.1:3000/\"}}'\ncurl -X POST {url}/bridge/sandbox/items")))
        }
        section {
            h2 { "Lately" }
            @if lately.is_empty() {
                p { "Nothing has been sent yet." }
            } @else {
                table {
                    thead { tr { th { "When" } th { "World" } th { "Event" } th { "Id" } } }
                    tbody {
                        @for told in &lately {
                            tr {
                                td { time { (written_moment(told.at_ms)) } }
                                td { (told.world) }
                                td { (told.event_type) }
                                td { code { (told.id) } }
                            }
                        }
                    }
                }
            }
        }
    };
    document(&body).into_string()
}

fn sample(text: &str) -> Markup {
    html! { pre { code { (text) } } }
}

fn document(body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Posthaste sandbox" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}

/// The last events of all worlds, the newest first.
async fn lately(house: &House) -> Vec<Told> {
    let mut lately = Vec::new();
    for world in house.all() {
        let world = world.lock().await;
        lately.extend(world.list(EVENT).into_iter().take(LATELY).map(|event| Told {
            at_ms: event["at_ms"].as_i64().unwrap_or_default(),
            world: world.name.chars().take(NAME_CHARS).collect(),
            event_type: event["type"].as_str().unwrap_or_default().to_owned(),
            id: event["id"].as_str().unwrap_or_default().to_owned(),
        }));
    }
    lately.sort_by_key(|told| std::cmp::Reverse(told.at_ms));
    lately.truncate(LATELY);
    lately
}
