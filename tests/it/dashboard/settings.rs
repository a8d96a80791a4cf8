//! The settings of the whole server: keys made, shown once and revoked; the log of who changed what.

use super::{ADMIN, PASSWORD, Person, alert, world};
use crate::world::{KEY, Receiver, World, eventually};

/// Somebody who logged in as a Viewer.
fn vera<'a>(world: &'a World, ana: &mut Person<'_>) -> Person<'a> {
    let fields = [("email", "vera@example.com"), ("password", PASSWORD), ("role", "viewer")];
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

/// What a page's first table says, row by row, its cells with `|` between them.
fn rows(page: &str) -> Vec<String> {
    let table = page.split_once("<tbody>").map_or("", |(_, rest)| rest.split("</tbody>").next().unwrap());
    let cell = |cell: &str| {
        let (_, inner) = cell.split_once('>').unwrap();
        let words = inner.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        words.filter(|word| !word.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
    };
    let row = |row: &str| row.split("<td").skip(1).map(cell).collect::<Vec<_>>().join("|");
    table.split("<tr>").skip(1).map(row).collect()
}

/// The newest entries of the log, without their time.
fn log(person: &Person<'_>, query: &str) -> Vec<String> {
    let page = person.get(&format!("/settings/audit{query}"));
    assert_eq!(page.status, 200, "{page:?}");
    rows(&page.body).iter().map(|row| row.split_once('|').unwrap().1.to_owned()).collect()
}

#[test]
fn the_log_tells_who_did_what_to_what_and_from_where() {
    let world = world();
    let receiver = Receiver::good();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"Acme","uid":"acme"}"#).expect(201)["id"].clone();
    let app = app.as_str().unwrap();
    assert_eq!(
        Person::new(&world).post("/login", &[("email", ADMIN), ("password", "my secret, mistyped")]).status,
        401
    );
    assert_eq!(Person::new(&world).post("/login", &[("email", "my secret"), ("password", PASSWORD)]).status, 401);
    let mut ana = Person::login(&world, ADMIN);
    let fields = [("url", receiver.url.as_str()), ("every", "yes")];
    let made = ana.post(&format!("/test/app/{app}/endpoint/new"), &fields);
    let endpoint = made.header("location").to_owned();
    for action in ["test", "rotate", "pause", "resume"] {
        assert_eq!(ana.post(&format!("{endpoint}/{action}"), &[("type", "svix.ping")]).status, 303, "{action}");
    }
    ana.post(&format!("{endpoint}/replay"), &[("which", "all"), ("since", "hour")]);
    let place = receiver.url.trim_end_matches("/hook");
    let source = r#"{"name":"Fintoc","type":"fintoc","config":{"secrets":["whsec_abcdefghijklmnopqrstuvwxyz"]}}"#;
    world.call("POST", "/ingest/api/v1/source", source).expect(201);
    world.call("PATCH", "/api/v1/environment", r#"{"schemaValidation":"warn"}"#).expect(200);
    assert!(world.beside(&["key", "create", "--role", "viewer", "--name", "Ledger"]).status.success());
    ana.post(&format!("{endpoint}/delete"), &[]);
    let lines = log(&ana, "");
    let told = |line: &str| assert!(lines.iter().any(|known| known.starts_with(line)), "{line}: {lines:#?}");
    told(&format!("ana@example.com user 127.0.0.1|endpoint deleted|{place}|test"));
    told("command line|key created viewer|sk_test_");
    told("sk_test_0123… key 127.0.0.1|environment changed schema validation: warn|–|test");
    told("sk_test_0123… key 127.0.0.1|source created|Fintoc|test");
    told(&format!("ana@example.com user 127.0.0.1|endpoint resumed|{place}|test"));
    told(&format!("ana@example.com user 127.0.0.1|endpoint paused|{place}|test"));
    told(&format!("ana@example.com user 127.0.0.1|endpoint rotated|{place}|test"));
    told(&format!("ana@example.com user 127.0.0.1|endpoint tested|{place}|test"));
    told(&format!("ana@example.com user 127.0.0.1|endpoint created|{place}|test"));
    told("ana@example.com user 127.0.0.1|replay begun|endpoint.bulk-replay|test");
    told("ana@example.com user 127.0.0.1|login opened by password|–|–");
    told("stranger 127.0.0.1|login refused|ana@example.com|–");
    told("stranger 127.0.0.1|login refused|–|–");
    told("sk_test_0123… key 127.0.0.1|application created|Acme|test");
    told("server|user created admin|ana@example.com|–");
    assert_eq!(log(&ana, "?what=login&who=127.0.0.1").len(), 3, "a filter narrows it");
    assert_eq!(log(&ana, "?what=login&environment=test"), [""; 0]);
    assert!(ana.get("/settings/audit").body.contains(&format!("href=\"{endpoint}\"")), "and leads there");
    assert!(alert(&ana.get("/settings/audit?what=hook")).contains("use one of application, attempt"));
    keeps_secrets(&world);
}

/// No secret, and no text that may be one, stands in the log.
fn keeps_secrets(world: &World) {
    let db = rusqlite::Connection::open(world.database()).unwrap();
    let sql = "select group_concat(who || name || detail || what || coalesce(address, ''), ' ') from audit";
    let all: String = db.query_row(sql, (), |row| row.get(0)).unwrap();
    for secret in ["my secret", PASSWORD, KEY, "whsec_", "$argon2"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn a_lock_out_is_told_once_and_a_flood_of_failures_does_not_fill_the_log() {
    let world = world();
    let ana = Person::login(&world, ADMIN);
    for _ in 0..15 {
        Person::new(&world).post("/login", &[("key", "sk_test_wrong")]);
    }
    let lines = log(&ana, "?what=login.refused");
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert_eq!(log(&ana, "?what=login.locked_out"), ["stranger 127.0.0.1|login locked out|–|–"]);
}

#[test]
fn the_log_is_paged_and_for_admins_alone() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    for nth in 0..60 {
        world.call("POST", "/api/v1/app", format!(r#"{{"name":"app {nth}"}}"#)).expect(201);
    }
    let first = ana.get("/settings/audit?what=application");
    assert_eq!(rows(&first.body).len(), 50);
    let (_, more) = first.body.split_once("<p><a href=\"").expect("there is more");
    let more = more.split('"').next().unwrap().replace("&amp;", "&");
    let rest = log(&ana, &more);
    assert_eq!(rest.len(), 10, "{rest:?}");
    assert!(rest[9].contains("|app 0|"), "{rest:?}");
    let mut vera = vera(&world, &mut ana);
    assert_eq!(vera.get("/settings/audit").status, 403);
    vera.post("/logout", &[]);
    vera.post("/login", &[("key", KEY)]);
    assert_eq!(vera.get("/settings/audit").status, 403, "a key sees its own environment");
}

#[test]
fn the_api_tells_the_log_of_its_environment() {
    let world = world();
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/hook?key=secret");
    let event = world.publish(&app, "{}");
    let resend = format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend");
    world.attempts(&app, &event, 1);
    world.call("POST", &resend, "").expect(202);
    let token = world.call("POST", &format!("/api/v1/auth/app-portal-access/{app}"), "{}").expect(200);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let body = r#"{"description":"mine"}"#;
    world.call_as(token["token"].as_str().unwrap(), "PATCH", &path, &[], body).expect(200);
    let list = world.call("GET", "/api/v1/audit?limit=2", "").expect(200);
    let newest = &list["data"][0];
    for (field, value) in [
        ("action", "endpoint.changed"),
        ("actor", "token"),
        ("actorId", &app),
        ("actorName", "acme"),
        ("address", "127.0.0.1"),
        ("appId", &app),
        ("subjectId", &endpoint),
        ("subjectName", "http://127.0.0.1:1"),
        ("detail", "description"),
    ] {
        assert_eq!(newest[field], value, "{field}: {newest}");
    }
    let resent = &list["data"][1];
    assert_eq!((resent["action"].as_str(), resent["subjectId"].as_str()), (Some("event.resent"), Some(&*event)));
    let next = format!("/api/v1/audit?iterator={}", list["iterator"].as_str().unwrap());
    let rest = world.call("GET", &next, "").expect(200);
    let actions: Vec<_> = rest["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["endpoint.created", "application.created", "key.created", "environment.created"]);
    let keys = world.call("GET", "/api/v1/audit?what=key", "").expect(200);
    assert_eq!(keys["data"].as_array().unwrap().len(), 1);
    assert_eq!(world.call("GET", "/api/v1/audit?what=hook", "").status, 422);
    let live = world.key("admin", "live");
    eventually(|| (world.call_as(&live, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
    let other = world.call_as(&live, "GET", "/api/v1/audit", &[], "").expect(200);
    assert!(!other.to_string().contains(&app), "{other}");
}

#[cfg(feature = "peers")]
mod browser {
    use super::super::browser::tell;
    use super::super::{ADMIN, PASSWORD, world};

    #[test]
    fn keys_come_and_go() {
        tell("settings.mjs", "keys", &world(), &[ADMIN, PASSWORD]);
    }

    #[test]
    fn the_log_is_read() {
        let world = world();
        world.subscribe("http://127.0.0.1:1/");
        tell("settings.mjs", "audit", &world, &[ADMIN, PASSWORD]);
    }
}

/// What the flags decide is said where webhooks are made and looked at, to operators and to customers.
#[test]
fn the_pages_say_and_obey_what_the_server_decides_for_webhooks() {
    let flags = ["--https-only", "--default-signature", "ed25519", "--retry-schedule", "5,300,7200"];
    let people = ["--allow-network", "127.0.0.0/8", "--admin-email", ADMIN, "--admin-password", PASSWORD];
    let world = World::start_with(&[&people[..], &flags].concat());
    let app = world.call("POST", "/api/v1/app", r#"{"name":"Acme"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let token = super::portal::link(&world, &app, &serde_json::json!({}));
    for (mut person, base) in
        [(Person::login(&world, ADMIN), "/test"), (super::portal::open(&world, &token), "/portal")]
    {
        let form = format!("{base}/app/{app}/endpoint/new");
        assert!(person.get(&form).body.contains("It must begin with https://."), "{base}");
        let refused = person.post(&form, &[("url", "http://1.1.1.1/"), ("every", "yes")]);
        assert_eq!(refused.status, 422);
        assert!(alert(&refused).contains("must begin with https://"), "{}", alert(&refused));
        let page = person.follow(&form, &[("url", "HTTPS://1.1.1.1"), ("every", "yes")]).body;
        let key = whole(&page).expect("it is shown").to_owned();
        assert!(key.starts_with("whpk_") && page.contains("The public key"), "{page}");
        for shown in ["https://1.1.1.1/", "3, after 5 s, 5 min, 2 h", "ed25519"] {
            assert!(page.contains(shown), "{base} {shown}: {page}");
        }
        let id = page.split("id=\"id\"").nth(1).unwrap().split("</code>").next().unwrap();
        let id = id.rsplit('>').next().unwrap();
        let here = format!("{base}/app/{app}/endpoint/{id}");
        let rotated = person.follow(&format!("{here}/rotate"), &[]).body;
        let rotated = whole(&rotated).expect("it is shown");
        assert!(rotated.starts_with("whpk_") && rotated != key, "{rotated}");
        let saved = person.follow(&format!("{here}/edit"), &[("url", "HTTPS://1.0.0.1:443/x/../y"), ("every", "yes")]);
        assert!(saved.body.contains("https://1.0.0.1/y"), "{}", saved.body);
        let refused = person.post(&format!("{here}/edit"), &[("url", "http://1.0.0.1/y"), ("every", "yes")]);
        assert_eq!(refused.status, 422);
        let path = format!("/api/v1/app/{app}/endpoint/{id}");
        world.call("PATCH", &path, serde_json::json!({"retrySchedule": []})).expect(200);
        assert!(person.get(&here).body.contains("none: a delivery has one attempt"), "{base}");
        world.call("PATCH", &path, serde_json::json!({"retrySchedule": [90]})).expect(200);
        assert!(person.get(&here).body.contains("1, after 90 s"), "{base}");
    }
}

#[test]
fn what_operational_webhooks_are_told_stands_beside_the_event_types() {
    let world = world();
    let ana = Person::login(&world, ADMIN);
    let page = ana.get("/test/event-type").body;
    assert!(
        page.contains("What operational webhooks are told") && page.contains("message.attempt.exhausted"),
        "{page}"
    );
    let app = world.call("POST", "/api/v1/app", r#"{"name":"Acme"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let cleo = super::portal::open(&world, &super::portal::link(&world, &app, &serde_json::json!({})));
    assert!(!cleo.get("/portal/event-type").body.contains("operational"), "customers have none");
}
