//! The portal in a real Chromium: `tests/peers/portal.mjs` tells each story; here its worlds are made.

use serde_json::json;

use super::super::browser::tell;
use super::super::{ADMIN, PASSWORD, world};
use super::{expired, link};
use crate::world::{Behaviour, Receiver, World};

/// A page of a platform: shows in a frame what stands behind the `#` of its own address.
const PLATFORM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!DOCTYPE html><title>Platform</title>\
    <link rel=icon href=data:,><iframe title=Webhooks width=1000 height=700></iframe>\
    <script>document.querySelector('iframe').src = location.hash.slice(1)</script>";
const LOGO: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40' width='40' height='40'><circle cx='20' cy='20' r='18' fill='#ffd400' stroke='#222' stroke-width='3'/></svg>";

/// The link to an application's portal.
fn url(world: &World, app: &str, grant: &serde_json::Value) -> String {
    format!("{}/portal#key={}", world.url, link(world, app, grant))
}

#[test]
fn a_customer_does_everything_in_the_platforms_name() {
    let world = world();
    let receiver = Receiver::good();
    let broken = Receiver::start(|nth, _| Behaviour::Status(if nth == 0 { 503 } else { 200 }));
    let (app, _) = world.subscribe(&broken.url);
    let (rival, _) = world.subscribe(&receiver.url);
    let kind = json!({"name": "payment.succeeded", "description": "Money came in", "schemas": {"1": {"examples": [{"amount": 1}]}}});
    world.call("POST", "/api/v1/event-type", kind).expect(201);
    let logo = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, LOGO);
    let portal = json!({"name": "Acme Pay", "colour": "#ffd400", "logo": format!("data:image/svg+xml;base64,{logo}")});
    world.call("PATCH", "/api/v1/environment", json!({ "portal": portal })).expect(200);
    let event = world.publish(&app, r#"{"amount":4990,"currency":"CLP"}"#);
    world.attempts(&app, &event, 1);
    let link = url(&world, &app, &json!({}));
    tell("portal.mjs", "customer", &world, &[&link, &receiver.url, &format!("/portal/app/{rival}"), &event]);
    receiver.wait_for(2);
    broken.wait_for(2);
}

#[test]
fn a_link_that_only_looks() {
    let world = world();
    let (app, endpoint) = world.subscribe(&Receiver::good().url);
    let link = url(&world, &app, &json!({"readOnly": true}));
    tell("portal.mjs", "read-only", &world, &[&link, &format!("/portal/app/{app}/endpoint/{endpoint}")]);
}

#[test]
fn a_link_past_its_time() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let link = format!("{}/portal#key={}", world.url, expired(&world, &app));
    tell("portal.mjs", "expired", &world, &[&link]);
}

#[test]
fn the_newest_link_counts() {
    let world = world();
    let receiver = Receiver::good();
    let (app, _) = world.subscribe(&receiver.url);
    let rival = world.call("POST", "/api/v1/app", r#"{"name":"rival"}"#).expect(201);
    let other = url(&world, rival["id"].as_str().unwrap(), &json!({}));
    tell("portal.mjs", "another-link", &world, &[&url(&world, &app, &json!({})), &other]);
}

#[test]
fn a_platform_shows_it_in_a_frame_and_a_stranger_cannot() {
    let platform = Receiver::start(|_, _| Behaviour::Bytes(PLATFORM));
    let [named, stranger] =
        ["platform", "stranger"].map(|name| platform.url.replace("127.0.0.1", &format!("{name}.localhost")));
    let origin = named.trim_end_matches("/hook");
    let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--portal-frame-ancestors", origin]);
    let receiver = Receiver::good();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"acme"}"#).expect(201);
    let link = url(&world, app["id"].as_str().unwrap(), &json!({}));
    tell("portal.mjs", "frame", &world, &[&link, &named, &stranger, &receiver.url]);
    receiver.wait_for(1);
}

#[test]
fn an_admin_gives_it_a_name_a_colour_and_a_logo_and_opens_it() {
    let world = world();
    world.subscribe(&Receiver::good().url);
    tell("portal.mjs", "brand", &world, &[ADMIN, PASSWORD, LOGO]);
}

/// A page of a platform: runs the script that stands behind the `#` of its own address.
const SHELL: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!DOCTYPE html><title>Platform</title>\
    <link rel=icon href=data:,><div id=root></div>\
    <script>document.head.append(Object.assign(document.createElement('script'), { src: location.hash.slice(1) }))</script>";

#[test]
fn svix_hooks_for_react_ask_from_a_page_of_another_origin() {
    let platform = Receiver::start(|_, _| Behaviour::Bytes(SHELL));
    let page = platform.url.replace("127.0.0.1", "platform.localhost");
    let origin = page.trim_end_matches("/hook");
    let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--portal-frame-ancestors", origin]);
    let receiver = Receiver::good();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"acme"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let [first, ..] = ["first", "second", "third"]
        .map(|name| world.endpoint(&app, &json!({"url": receiver.url, "description": name})));
    world.call("POST", "/api/v1/event-type", r#"{"name":"order.paid","description":"Paid"}"#).expect(201);
    let event = world.publish(&app, "{}");
    receiver.wait_for(3);
    world.attempts(&app, &event, 3);
    let link = url(&world, &app, &json!({}));
    tell("react.mjs", "hooks", &world, &[&page, &link, &app, &first, &receiver.url, &event]);
    let saved = world.call("GET", &format!("/api/v1/app/{app}/endpoint/{first}"), "").expect(200);
    assert_eq!((&saved["description"], &saved["eventTypes"]), (&json!("Saved by a page"), &json!(null)), "{saved}");
}
