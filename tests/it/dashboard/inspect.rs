//! Inspectors: a URL for anybody, what came to it for whoever is logged in, an answer as told; also from our own engine.

use std::time::Duration;

use serde_json::json;

use super::{ADMIN, PASSWORD, Person, alert, world};
use crate::world::{Answer, World, eventually, now};

/// Makes an inspector; gives the path of its URL.
fn inspector(person: &mut Person<'_>, fields: &[(&str, &str)]) -> String {
    let made = person.post("/inspect", fields);
    let path = made.header("location").to_owned();
    assert!(made.status == 303 && path.ends_with("/seen"), "{made:?}");
    path.trim_end_matches("/seen").to_owned()
}

/// A request by somebody with no key and no cookie.
fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    world.call_as("", method, path, headers, body)
}

#[test]
fn whatever_comes_is_shown_and_answered_as_told() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    let path = inspector(&mut ana, &[("name", "Try"), ("status", "422"), ("body", "<b>no</b>")]);
    assert!(ana.get(&format!("{path}/seen")).body.contains("Nothing came yet"));
    let headers = [("content-type", "application/json"), ("x-note", "hello"), ("authorization", "Bearer opens")];
    let body = r#"{"id":1,"link_token":"opens too"}"#;
    let answer = send(&world, "PUT", &format!("{path}?a=1"), &headers, body);
    assert_eq!((answer.status, answer.body.as_str()), (422, "<b>no</b>"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert!(answer.header("content-security-policy").contains("sandbox"), "nothing of ours is at its mercy");
    assert_eq!(send(&world, "GET", &path, &[], "").status, 422);
    let page = ana.get(&format!("{path}/seen")).body;
    assert!(page.contains("PUT 1") && page.contains("GET 2") && page.contains("not checked"), "{page}");
    assert!(page.contains(&format!("{}{path}", world.url)) && !page.contains("http-equiv=\"refresh\""), "{page}");
    let page = ana.get(&format!("{path}/seen?again=yes")).body;
    assert!(page.contains("http-equiv=\"refresh\""), "where somebody asks for it: {page}");
    let page = ana.get(&format!("{path}/seen/1")).body;
    for shown in ["x-note", "hello", "&quot;id&quot;: 1", "127.0.0.1", "Show all values"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("opens"), "{page}");
    let page = ana.get(&format!("{path}/seen/1?values=shown")).body;
    assert!(page.contains("Bearer opens") && page.contains("opens too") && page.contains("a=1"), "{page}");
    assert_eq!(ana.get(&format!("{path}/seen/3")).status, 404);
    assert!(ana.follow(&format!("{path}/delete"), &[]).body.contains("The inspector is deleted"));
    assert_eq!((send(&world, "POST", &path, &[], "").status, ana.get(&format!("{path}/seen")).status), (404, 404));
}

#[test]
fn a_signature_is_checked_as_its_provider_signs() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    let secret = "whsec_abcdefghijklmnopqrstuvwxyz";
    let path = inspector(&mut ana, &[("provider", "fintoc"), ("secret", secret)]);
    let body = r#"{"id":"evt_1","type":"link.created","data":{}}"#;
    let file = world.dir.path().join("body.json");
    std::fs::write(&file, body).unwrap();
    let signed = world_sign(&file, secret);
    let (name, value) = signed.split_once(": ").unwrap();
    assert_eq!(send(&world, "POST", &path, &[(name, value)], body).status, 200);
    send(&world, "POST", &path, &[(name, value)], &format!("{body} "));
    send(&world, "POST", &path, &[], body);
    let page = ana.get(&format!("{path}/seen")).body;
    let verdicts: Vec<_> = page.split("data-label=\"Signature\">").skip(1).map(|row| row.split('<').nth(1)).collect();
    assert_eq!(
        verdicts,
        [
            Some("span class=\"bad\">missing header"),
            Some("span class=\"bad\">bad signature"),
            Some("span class=\"good\">genuine")
        ]
    );
    assert!(!page.contains(secret));
}

/// The header that `posthaste sign` makes for a file.
fn world_sign(file: &std::path::Path, secret: &str) -> String {
    let mut command = crate::world::program();
    let made = command.args(["sign", "fintoc", "--secret", secret]).arg(file).output().unwrap();
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_answer_waits_as_long_as_told() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    let path = inspector(&mut ana, &[("delay", "1"), ("status", "204"), ("body", "not sent")]);
    let begun = now();
    let answer = send(&world, "POST", &path, &[], "{}");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_webhook_of_our_own_engine_can_be_looked_at_and_no_other_path_of_ours_is_called() {
    // no network is opened: the path alone is what lets it through
    let flags = ["--admin-email", ADMIN, "--admin-password", PASSWORD];
    let world = World::start_with(&flags);
    let mut ana = Person::login(&world, ADMIN);
    let app = world.call("POST", "/api/v1/app", r#"{"name":"Acme"}"#).expect(201)["id"].clone();
    let app = app.as_str().unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let path = inspector(&mut ana, &[("provider", "standard"), ("secret", secret)]);
    for other in
        ["/api/v1/app", "/", "/inspect", "/inspect/../api/v1/app", &format!("{path}/seen"), &format!("{path}/..")]
    {
        let endpoint = json!({ "url": format!("{}{other}", world.url) });
        let refused = world.call("POST", &format!("/api/v1/app/{app}/endpoint"), &endpoint);
        assert_eq!(refused.status, 422, "{other}: {refused:?}");
        assert!(refused.body.contains("Posthaste itself listens there"), "{refused:?}");
    }
    world.endpoint(app, &json!({ "url": format!("{}{path}", world.url), "secret": secret }));
    world.publish(app, r#"{"amount":4990}"#);
    let page = eventually(|| Some(ana.get(&format!("{path}/seen")).body).filter(|page| page.contains("POST 1")));
    assert!(page.contains("genuine"), "{page}");
    assert!(ana.get(&format!("{path}/seen/1")).body.contains("&quot;amount&quot;: 4990"));
}

#[test]
fn inspectors_have_limits_and_only_an_admin_makes_them() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    for (name, value, why) in [
        ("status", "700", "The status must be 200 to 599."),
        ("status", "ok", "The status must be a whole number."),
        ("delay", "31", "The delay must be 0 to 30 seconds."),
        ("provider", "acme", "is no provider"),
        ("provider", "fintoc", "The secret "),
    ] {
        let page = ana.follow("/inspect", &[(name, value)]);
        assert!(alert(&page).contains(why), "{}", alert(&page));
    }
    let path = inspector(&mut ana, &[]);
    let large = "x".repeat(1_024 * 1_024 + 1);
    assert_eq!(send(&world, "POST", &path, &[], &large).status, 413);
    assert_eq!(send(&world, "POST", "/inspect/abc", &[], "").status, 404);
    for _ in 1..20 {
        inspector(&mut ana, &[]);
    }
    assert!(alert(&ana.follow("/inspect", &[])).starts_with("There are 20 inspectors already"));
    let fields = [("email", "vera@example.com"), ("password", PASSWORD), ("role", "viewer")];
    ana.follow("/settings/user", &fields);
    send(&world, "POST", &path, &[("x-api-key", "opens")], r#"{"token":"opens"}"#);
    let mut vera = Person::login(&world, "vera@example.com");
    assert_eq!((vera.post("/inspect", &[]).status, vera.post(&format!("{path}/delete"), &[]).status), (403, 403));
    assert!(vera.get("/inspect").body.contains("Making one takes an Admin"));
    let page = vera.get(&format!("{path}/seen/1?values=shown")).body;
    assert!(page.contains("x-api-key") && !page.contains("opens") && !page.contains("Show all"), "{page}");
    for path in ["/inspect".to_owned(), format!("{path}/seen"), format!("{path}/seen/1")] {
        assert_eq!(Person::new(&world).get(&path).status, 303, "{path} takes a login");
    }
}

#[cfg(feature = "peers")]
mod browser {
    use super::super::browser::tell;
    use super::super::{ADMIN, PASSWORD, world};

    #[test]
    fn a_webhook_is_seen_before_a_line_is_written() {
        tell("settings.mjs", "inspect", &world(), &[ADMIN, PASSWORD]);
    }
}
