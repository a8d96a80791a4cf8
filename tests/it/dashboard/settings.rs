//! The settings of the whole server: keys made, shown once and revoked.

use super::{ADMIN, Person, alert, world};
use crate::world::{World, eventually};

/// Somebody who logged in as a Viewer.
fn vera<'a>(world: &'a World, ana: &mut Person<'_>) -> Person<'a> {
    let fields = [("email", "vera@example.com"), ("password", super::PASSWORD), ("role", "viewer")];
    ana.follow("/settings/user", &fields);
    Person::login(world, "vera@example.com")
}

/// What a page shows once.
fn whole(page: &str) -> Option<&str> {
    page.split_once("<code class=\"whole\">").map(|(_, rest)| rest.split('<').next().unwrap())
}

#[test]
fn a_key_is_made_shown_once_used_and_revoked() {
    let world = world();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"Acme","uid":"acme"}"#).expect(201)["id"].clone();
    let mut ana = Person::login(&world, ADMIN);
    let fields = [
        ("name", "Ledger"),
        ("environment", "test"),
        ("role", "publisher"),
        ("app", "acme"),
        ("rate", "9"),
        ("days", "30"),
    ];
    let page = ana.follow("/settings/key", &fields).body;
    let text = whole(&page).expect("it is shown").to_owned();
    assert!(text.starts_with("sk_test_"), "{text}");
    let page = ana.get("/settings/key").body;
    assert!(whole(&page).is_none() && !page.contains(&text), "once");
    for shown in ["Ledger", &text[..12], "publisher", ", 9 a second", app.as_str().unwrap(), "never"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    eventually(|| (world.call_as(&text, "GET", "/api/v1/app/acme", &[], "").status == 200).then_some(()));
    assert_eq!(world.call_as(&text, "GET", "/api/v1/app", &[], "").status, 403, "it is for one application");
    eventually(|| (!ana.get("/settings/key").body.contains("never")).then_some(()));
    let listed = String::from_utf8(world.beside(&["key", "list"]).stdout).unwrap();
    let line = listed.lines().find(|line| line.ends_with("  Ledger")).expect("the command line shows it, too");
    assert!(line.contains("  ends 2"), "{line}");
    let revoke = page.split('"').find(|path| path.ends_with("/revoke") && path.contains(&line[..31])).unwrap();
    assert!(ana.follow(revoke, &[]).body.contains("The key is revoked"));
    eventually(|| (world.call_as(&text, "GET", "/api/v1/app/acme", &[], "").status == 401).then_some(()));
    assert!(ana.get("/settings/key").body.contains("revoked 2"));
    assert!(alert(&ana.follow(revoke, &[])).starts_with("There is nothing here"));
}

#[test]
fn the_first_key_of_an_environment_makes_it() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    assert_eq!(ana.get("/live/").status, 404);
    let page = ana.follow("/settings/key", &[("environment", "live"), ("role", "admin")]).body;
    let text = whole(&page).expect("it is shown").to_owned();
    assert!(text.starts_with("sk_live_") && ana.get("/live/").status == 200);
    eventually(|| (world.call_as(&text, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
}

#[test]
fn what_no_key_can_be_is_refused_and_viewers_see_none() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    let long = "a".repeat(65);
    for (name, value, why) in [
        ("environment", "prod", "The environment must be test or live."),
        ("role", "owner", "The role `owner` is no role; use admin, publisher or viewer."),
        ("app", "nobody", "Application `nobody` is no application of that environment."),
        ("rate", "0", "Requests a second must be a whole number of 1 or more, or empty."),
        ("days", "3651", "Days until it ends must be 1 to 3650; leave it out for a key that ends when it is revoked."),
        ("name", &long, "The name must have at most 64 characters, on one line."),
    ] {
        let mut fields = vec![("environment", "test"), ("role", "viewer")];
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value));
        assert_eq!(alert(&ana.follow("/settings/key", &fields)), why);
    }
    let page = ana.get("/settings/key").body;
    assert_eq!(page.matches("/revoke\"").count(), 1, "nothing was made: {page}");
    let revoke = page.split('"').find(|path| path.ends_with("/revoke")).unwrap();
    let mut vera = vera(&world, &mut ana);
    assert!(!vera.get("/test/").body.contains("/settings/key"));
    assert_eq!(vera.get("/settings/key").status, 403);
    assert_eq!(vera.post("/settings/key", &[("environment", "test"), ("role", "admin")]).status, 403);
    assert_eq!(vera.post(revoke, &[]).status, 403);
}

#[test]
fn a_key_ends_by_itself() {
    let world = world();
    let made = world.beside(&["key", "create", "--role", "viewer", "--name", "Brief", "--days", "1"]);
    let text = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let works = || world.call_as(&text, "GET", "/api/v1/app", &[], "").status == 200;
    eventually(|| works().then_some(()));
    // a day passes
    let db = rusqlite::Connection::open(world.database()).unwrap();
    db.execute("update key set expires_ms = expires_ms - 86400000 where name = 'Brief'", ()).unwrap();
    eventually(|| (!works()).then_some(()));
    let listed = String::from_utf8(world.beside(&["key", "list"]).stdout).unwrap();
    assert!(listed.lines().any(|line| line.contains("  ended 2") && line.ends_with("  Brief")), "{listed}");
    let page = Person::login(&world, ADMIN).get("/settings/key").body;
    assert!(page.contains("ended 2") && page.matches("/revoke\"").count() == 1, "{page}");
}

#[cfg(feature = "peers")]
mod browser {
    use super::super::browser::tell;
    use super::super::{ADMIN, PASSWORD, world};

    #[test]
    fn keys_come_and_go() {
        tell("settings.mjs", "keys", &world(), &[ADMIN, PASSWORD]);
    }
}
