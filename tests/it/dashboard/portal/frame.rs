//! Who may show the portal in a frame: the origins that the operator names, nobody unless some are; the operator's own
//! pages never.

use serde_json::json;

use super::super::{ADMIN, PASSWORD, Person, world};
use super::{link, open};
use crate::world::{Receiver, World, program};

/// What a page says about frames: in its policy, and in the older header.
fn framers(person: &Person<'_>, path: &str) -> (String, String) {
    let page = person.get(path);
    let policy = page.header("content-security-policy");
    (
        policy.split_once("frame-ancestors ").expect("every page says it").1.to_owned(),
        page.header("x-frame-options").to_owned(),
    )
}

const NAMED: &str = "https://app.example.com,http://localhost:3000,https://*.example.org";

#[test]
fn the_portal_is_framed_by_those_who_are_named_and_the_dashboard_by_nobody() {
    let flags = ["--portal-frame-ancestors", NAMED, "--admin-email", ADMIN, "--admin-password", PASSWORD];
    let world = World::start_with(&flags);
    let (app, _) = world.subscribe("https://example.com/");
    let cleo = open(&world, &link(&world, &app, &json!({})));
    let home = format!("/portal/app/{app}");
    for path in ["/portal", &home, "/portal/event", "/portal/app/nobody"] {
        assert_eq!(framers(&cleo, path), (NAMED.replace(',', " "), String::new()), "{path}");
    }
    assert_eq!(framers(&Person::new(&world), &home).0, NAMED.replace(',', " "), "also where a link has ended");
    let ana = Person::login(&world, ADMIN);
    for path in ["/login", "/test/", "/test/portal", "/settings/user"] {
        assert_eq!(framers(&ana, path), ("'none'".to_owned(), "DENY".to_owned()), "{path}");
    }
    let script = cleo.get("/portal").header("content-security-policy").contains("script-src 'self'");
    let none = cleo.get(&home).header("content-security-policy").contains("script-src");
    assert!(script && !none, "the page of the link has our script, no other has one");
}

#[test]
fn nobody_frames_it_unless_somebody_is_named() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let cleo = open(&world, &link(&world, &app, &json!({})));
    for path in ["/portal", &format!("/portal/app/{app}")] {
        assert_eq!(framers(&cleo, path), ("'none'".to_owned(), "DENY".to_owned()), "{path}");
    }
}

#[test]
fn in_a_frame_the_cookie_is_kept_apart_for_each_site_and_nobody_logs_out() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let body = format!("key={}", link(&world, &app, &json!({})));
    for (shown_in, attributes) in [("iframe", "SameSite=None; Secure; Partitioned"), ("document", "SameSite=Lax")] {
        let headers = [("origin", "http://x"), ("sec-fetch-dest", shown_in)];
        let entered = world.call_as("", "POST", "/portal", &headers, &body);
        let set = entered.header("set-cookie");
        assert!(set.ends_with(&format!("; HttpOnly; {attributes}")), "{set}");
        let cookie = set.split(';').next().unwrap();
        let headers = [("cookie", cookie), ("sec-fetch-dest", shown_in)];
        let page = world.call_as("", "GET", entered.header("location"), &headers, "");
        assert_eq!((page.status, page.body.contains("Log out")), (200, shown_in == "document"));
    }
    let https = World::start_with(&["--portal-url", "https://hooks.example.com/"]);
    let (app, _) = https.subscribe("https://example.com/");
    let access = https.call("POST", &format!("/api/v1/auth/app-portal-access/{app}"), "{}").expect(200);
    let key = access["token"].as_str().unwrap();
    assert_eq!(access["url"], format!("https://hooks.example.com/portal#key={key}"));
    let entered = https.call_as("", "POST", "/portal", &[("origin", "http://x")], &format!("key={key}"));
    assert!(entered.header("set-cookie").ends_with("; HttpOnly; SameSite=Lax; Secure"), "{entered:?}");
}

#[test]
fn what_is_no_origin_names_nobody() {
    for wrong in [
        "app.example.com",
        "https://a.example/path",
        "*",
        "'self'",
        "https://a.example; script-src *",
        "ftp://a.example",
        "https://u@a.example",
    ] {
        let refused =
            program().args(["serve", "--portal-frame-ancestors", wrong, "--database", "none:"]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("is no origin"), "{wrong}: {said}");
    }
}
