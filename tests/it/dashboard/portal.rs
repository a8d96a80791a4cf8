//! The portal: a link opens one application, for as long and as far as it says, and nothing else.

use posthaste::clock::{Clock as _, SystemClock};
use posthaste::id::{EnvironmentId, Id as _, IdText};
use posthaste::secret::Sealer;
use posthaste::store::Store as _;
use posthaste::store::sqlite::Sqlite;
use posthaste::token::{Claims, Grant, Signer};
use serde_json::{Value, json};

use super::{ADMIN, PASSWORD, Person, alert, world};
use crate::world::{Answer, KEY, Receiver, World, eventually};

mod brand;
#[cfg(feature = "peers")]
mod browser;
mod frame;

/// Asks for a link to an application's portal; gives its token.
pub fn link(world: &World, app: &str, grant: &Value) -> String {
    let path = format!("/api/v1/auth/app-portal-access/{app}");
    let access = world.call("POST", &path, grant).expect(200);
    let token = access["token"].as_str().unwrap().to_owned();
    assert_eq!(access["url"], format!("{}/portal#key={token}", world.url));
    token
}

/// Opens a link as its script does.
pub fn open<'a>(world: &'a World, token: &str) -> Person<'a> {
    let mut person = Person::new(world);
    let entered = person.post("/portal", &[("key", token)]);
    assert_eq!(entered.status, 303, "{entered:?}");
    person
}

/// A link of that server which ended an hour ago.
pub fn expired(world: &World, app: &str) -> String {
    let store = Sqlite::open(&world.database(), Sealer::plain()).unwrap();
    let now_ms = SystemClock::start().now().wall_ms;
    let opening = store.opening(now_ms).unwrap();
    let application = IdText::new(opening.id_key).parse(app).expect("an id");
    let grant = Grant { life_secs: Some(3_600), ..Grant::default() };
    let claims = Claims::new(EnvironmentId::new(1), application, grant, (now_ms - 7_200_000, 1)).unwrap();
    Signer::new(&opening.token_key).sign(&claims)
}

/// A customer with one webhook and one event that was delivered: application, endpoint, event.
fn customer(world: &World, receiver: &Receiver) -> [String; 3] {
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, r#"{"amount":4990,"link_token":"opens"}"#);
    world.attempts(&app, &event, 1);
    [app, endpoint, event]
}

/// Everything that a page can be asked to do with a webhook and an event.
fn posts([app, endpoint, event]: &[String; 3]) -> Vec<String> {
    let actions = ["edit", "test", "replay", "pause", "resume", "enable", "rotate", "delete"];
    let webhook = actions.map(|action| format!("/portal/app/{app}/endpoint/{endpoint}/{action}"));
    let others = [format!("/portal/app/{app}/endpoint/new"), format!("/portal/event/{event}/resend")];
    webhook.into_iter().chain(others).collect()
}

/// What every form there takes, and some do not mind.
fn fields<'a>(url: &'a str, endpoint: &'a str) -> [(&'a str, &'a str); 6] {
    [("type", "svix.ping"), ("url", url), ("every", "yes"), ("which", "all"), ("since", "day"), ("endpoint", endpoint)]
}

#[test]
fn a_link_opens_its_application_and_everything_is_done_there() {
    let world = world();
    let receiver = Receiver::good();
    let [app, endpoint, event] = customer(&world, &receiver);
    let mut cleo = Person::new(&world);
    assert!(cleo.get("/portal").body.contains("There is no link here."));
    let entered = cleo.post("/portal", &[("key", &link(&world, &app, &json!({})))]);
    assert_eq!(entered.header("location"), format!("/portal/app/{app}"));
    let set = entered.header("set-cookie");
    assert!(set.contains("; Path=/portal;") && set.contains("; HttpOnly; SameSite=Lax"), "{set}");
    assert!(cleo.get("/portal").body.contains("href=\"/portal/app\""), "it goes on without a link");
    assert_eq!(cleo.get("/portal/app").header("location"), format!("/portal/app/{app}"));
    let home = cleo.get(&format!("/portal/app/{app}")).body;
    assert!(home.contains("<h1>Webhooks</h1>") && home.contains(&receiver.url) && home.contains("acme"), "{home}");
    assert!(home.contains("<title>Webhooks · Webhooks</title>") && !home.contains("Posthaste"), "{home}");
    let made = cleo.post(&format!("/portal/app/{app}/endpoint/new"), &[("url", &receiver.url), ("every", "yes")]);
    let path = made.header("location").to_owned();
    assert!(path.starts_with(&format!("/portal/app/{app}/endpoint/ep_")), "{made:?}");
    let page = cleo.get(&path).body;
    assert!(page.contains("whsec_") && page.contains("not tested") && !page.contains("<dt>Application</dt>"), "{page}");
    assert!(cleo.follow(&format!("{path}/test"), &[("type", "svix.ping")]).body.contains("it took the test"));
    let inside = cleo.post(&format!("{path}/edit"), &[("url", "http://10.0.0.1/"), ("every", "yes")]);
    assert_eq!(alert(&inside), "The callback URL must lead to a public address.");
    assert!(cleo.follow(&format!("{path}/rotate"), &[]).body.contains("whsec_"));
    assert!(cleo.follow(&format!("{path}/pause"), &[]).body.contains("Paused:"));
    assert!(cleo.follow(&format!("{path}/delete"), &[]).body.contains("is deleted."));
    let webhook = format!("/portal/app/{app}/endpoint/{endpoint}");
    let counted = [("which", "all"), ("since", "hour"), ("count", "yes")];
    eventually(|| {
        cleo.follow(&format!("{webhook}/replay"), &counted).body.contains("would make 1 deliv").then_some(())
    });
    assert!(cleo.follow(&format!("{webhook}/replay"), &counted[..2]).body.contains("The replay has begun"));
    let page = cleo.get(&format!("/portal/event/{event}")).body;
    assert!(page.contains("4990") && page.contains(&webhook) && !page.contains("opens"), "{page}");
    assert!(cleo.get(&format!("/portal/event/{event}?values=shown")).body.contains("opens"));
    let sent = cleo.follow(&format!("/portal/event/{event}/resend"), &[("endpoint", &endpoint)]);
    assert!(sent.body.contains("sent again"), "{sent:?}");
    assert!(cleo.get("/portal/event").body.contains(&event));
    assert_eq!(cleo.get(&format!("/portal/event?find={event}")).header("location"), format!("/portal/event/{event}"));
}

#[test]
fn nothing_of_another_application_is_there_nor_anything_of_the_operators() {
    let world = world();
    let receiver = Receiver::good();
    let own = customer(&world, &receiver);
    let rival = customer(&world, &receiver);
    let mut cleo = open(&world, &link(&world, &own[0], &json!({})));
    for query in ["", "?live", "?text=4990", "?status=delivered", "?find=payment.succeeded"] {
        assert!(!cleo.get(&format!("/portal/event{query}")).body.contains(&rival[2]), "{query}");
    }
    let mixed = [own[0].clone(), rival[1].clone(), rival[2].clone()];
    let nobody = ["app_", "ep_", "msg_"].map(|prefix| format!("{prefix}{}", "0".repeat(27)));
    let unknown = cleo.get(&format!("/portal/app/{}", nobody[0]));
    for [app, endpoint, event] in [&rival, &mixed, &nobody, &["rival".to_owned(), rival[1].clone(), nobody[2].clone()]]
    {
        let webhook = format!("/portal/app/{app}/endpoint/{endpoint}");
        let mut pages = vec![webhook.clone(), format!("{webhook}/edit"), format!("/portal/event/{event}")];
        if app != &own[0] {
            pages.extend([format!("/portal/app/{app}"), format!("/portal/app/{app}/endpoint/new")]);
        }
        for path in pages {
            let page = cleo.get(&path);
            assert_eq!((page.status, &page.body), (404, &unknown.body), "{path}");
        }
        for path in posts(&[app.clone(), endpoint.clone(), event.clone()]) {
            if app != &own[0] || !path.ends_with("/endpoint/new") {
                assert_eq!(cleo.post(&path, &fields(&receiver.url, endpoint)).status, 404, "{path}");
            }
        }
    }
    // a webhook of one's own does not make another's event one's own
    let resent = cleo.post(&format!("/portal/event/{}/resend", own[2]), &[("endpoint", &rival[1])]);
    assert_eq!(resent.status, 404, "{resent:?}");
    for path in
        ["/test/", "/test/app", &format!("/test/app/{}", own[0]), "/settings/user", "/test/source", "/test/portal"]
    {
        assert!(cleo.get(path).header("location").starts_with("/login"), "{path}");
    }
    assert_eq!(cleo.get("/portal/source").status, 404);
    let mut ana = Person::login(&world, ADMIN);
    assert_eq!(ana.get(&format!("/portal/app/{}", own[0])).status, 401, "a login is no link");
    let no_link = ana.post("/portal/logout", &[]);
    assert_eq!(no_link.status, 401);
}

#[test]
fn a_link_that_only_looks_touches_nothing_and_one_that_only_tests_does_no_more() {
    let world = world();
    let receiver = Receiver::good();
    let own = customer(&world, &receiver);
    let [app, endpoint, event] = &own;
    let webhook = format!("/portal/app/{app}/endpoint/{endpoint}");
    let mut looks = open(&world, &link(&world, app, &json!({"readOnly": true})));
    for path in [&format!("/portal/app/{app}"), &webhook, &format!("/portal/event/{event}"), "/portal/event"] {
        let page = looks.get(path);
        assert_eq!((page.status, page.body.matches("method=\"post\"").count()), (200, 1), "{path}: to log out alone");
        assert!(!page.body.contains("an Admin"), "{page:?}");
    }
    assert!(!looks.get(&format!("/portal/event/{event}?values=shown")).body.contains("opens"));
    for path in posts(&own) {
        let refused = looks.post(&path, &fields(&receiver.url, endpoint));
        let words = (refused.status, alert(&refused));
        assert_eq!(words, (403, "Your link lets you look at this and not change it."), "{path}");
    }
    assert_eq!(looks.get(&format!("{webhook}/edit")).status, 403);
    let mut tests = open(&world, &link(&world, app, &json!({"capabilities": ["ViewBase", "CreateAttempts"]})));
    assert!(tests.follow(&format!("{webhook}/test"), &[("type", "svix.ping")]).body.contains("it took the test"));
    let page = tests.get(&webhook).body;
    assert!(page.contains("Send a test") && !page.contains("Rotate secret") && !page.contains("Delete"), "{page}");
    let allowed = |path: &String| ["/test", "/replay", "/resend"].iter().any(|end| path.ends_with(end));
    for path in posts(&own).iter().filter(|path| !allowed(path)) {
        assert_eq!(tests.post(path, &fields(&receiver.url, endpoint)).status, 403, "{path}");
    }
    let rotates = link(&world, app, &json!({"capabilities": ["ViewBase", "ManageEndpointSecret"]}));
    let mut rotates = open(&world, &rotates);
    assert!(rotates.follow(&format!("{webhook}/rotate"), &[]).body.contains("whsec_"));
    assert!(!rotates.get(&webhook).body.contains("Delete"));
}

#[test]
fn a_link_that_has_ended_opens_nothing_and_says_so() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let home = format!("/portal/app/{app}");
    let check_ended = |page: &Answer| {
        assert_eq!(page.status, 401, "{page:?}");
        assert!(page.body.contains("<title>This link has ended</title>"), "no word of Posthaste: {page:?}");
        assert!(page.body.contains("<h1>This link has ended</h1>") && alert(page).contains("anew from where"));
    };
    let other = link(&world, &app, &json!({"sessionId": "other"}));
    for end in ["expire-all", "one session", "API logout", "portal logout"] {
        let token = link(&world, &app, &json!({"sessionId": "one"}));
        let mut cleo = open(&world, &token);
        assert_eq!(cleo.get(&home).status, 200);
        let expire = format!("/api/v1/auth/app/{app}/expire-all");
        match end {
            "one session" => drop(world.call("POST", &expire, json!({"sessionIds": ["one"]})).expect(204)),
            "API logout" => drop(world.call_as(&token, "POST", "/api/v1/auth/logout", &[], "").expect(204)),
            "expire-all" => {
                assert_eq!(open(&world, &other).get(&home).status, 200);
                world.call("POST", &expire, "{}").expect(204);
                assert_eq!(Person::new(&world).post("/portal", &[("key", &other)]).status, 401, "all of them");
                // what was issued until that very moment has ended: the next link comes later
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            _ => {
                let stale = cleo.cookie.clone();
                assert!(cleo.post("/portal/logout", &[]).body.contains("You are logged out"));
                assert_eq!(cleo.cookie, "posthaste_portal=");
                cleo.cookie = stale;
                assert_eq!(world.call_as(&token, "GET", &format!("/api/v1/app/{app}"), &[], "").status, 401);
            }
        }
        check_ended(&cleo.get(&home));
        check_ended(&Person::new(&world).post("/portal", &[("key", &token)]));
    }
    check_ended(&Person::new(&world).post("/portal", &[("key", &expired(&world, &app))]));
    let token = link(&world, &app, &json!({}));
    let mut cleo = open(&world, &token);
    let own_key = world.beside(&["key", "create", "--role", "admin", "--app", &app]);
    let own_key = String::from_utf8(own_key.stdout).unwrap();
    for wrong in ["", "appsk_", &format!("{token}A"), &token[..60], KEY, own_key.trim(), "<script>", &"a".repeat(8_000)]
    {
        check_ended(&Person::new(&world).post("/portal", &[("key", wrong)]));
        let person = Person { world: &world, cookie: format!("posthaste_portal={wrong}") };
        assert_eq!(person.get(&home).status, 401, "{wrong}");
    }
    assert_eq!(Person::new(&world).post("/portal", &[("key", &"a".repeat(17_000))]).status, 413);
    assert_eq!(cleo.get(&home).status, 200);
    world.call("DELETE", &format!("/api/v1/app/{app}"), "").expect(204);
    check_ended(&cleo.get(&home));
    check_ended(&cleo.post(&format!("{home}/endpoint/new"), &[("url", "http://127.0.0.1:1/"), ("every", "yes")]));
}

#[test]
fn an_admin_makes_a_link_in_the_dashboard_and_nobody_else_does() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let (page, make) = (format!("/test/app/{app}"), format!("/test/app/{app}/portal"));
    let mut ana = Person::login(&world, ADMIN);
    let shown = ana.follow(&make, &[]).body;
    let (_, token) = shown.split_once("/portal#key=").expect("the link is shown");
    let token = token.split('<').next().unwrap();
    assert!(!ana.get(&page).body.contains("appsk_"), "once");
    let mut cleo = open(&world, token);
    assert_eq!(cleo.get(&format!("/portal/app/{app}")).status, 200);
    assert!(!cleo.get(&format!("/portal/app/{app}")).body.contains("Portal link"));
    assert!(cleo.post(&make, &[]).header("location").starts_with("/login"), "a customer makes none");
    ana.follow("/settings/user", &[("email", "vera@example.com"), ("password", PASSWORD), ("role", "viewer")]);
    let mut vera = Person::login(&world, "vera@example.com");
    assert!(!vera.get(&page).body.contains("Portal link"));
    assert_eq!((vera.post(&make, &[]).status, ana.post_from("http://evil.example", &make, &[]).status), (403, 403));
}

#[test]
fn a_link_is_short_enough_for_browsers_to_keep() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let flags: Vec<_> = (0..50).map(|nth| format!("flag-{nth}-{}", "x".repeat(200))).collect();
    let path = format!("/api/v1/auth/app-portal-access/{app}");
    let refused = world.call("POST", &path, json!({ "featureFlags": flags }));
    assert!(refused.status == 422 && refused.body.contains("a link holds 4000"), "{refused:?}");
    let grant = json!({ "featureFlags": flags[..10].iter().collect::<Vec<_>>() });
    assert!(link(&world, &app, &grant).len() > 2_800);
}

#[test]
fn no_page_of_another_origin_posts_here() {
    let world = world();
    let receiver = Receiver::good();
    let own = customer(&world, &receiver);
    let token = link(&world, &own[0], &json!({}));
    let cleo = open(&world, &token);
    let paths = posts(&own).into_iter().chain(["/portal".to_owned(), "/portal/logout".to_owned()]);
    for path in paths {
        for origin in ["http://evil.example", "null", "https://x.evil.example"] {
            let all: Vec<_> = fields(&receiver.url, &own[1]).into_iter().chain([("key", token.as_str())]).collect();
            let refused = cleo.post_from(origin, &path, &all);
            assert_eq!(refused.status, 403, "{path} {origin}");
            assert!(refused.body.contains("did not come from a page of this server"), "{refused:?}");
            assert_eq!(refused.header("set-cookie"), "");
        }
    }
    assert_eq!(receiver.received().len(), 1, "nothing was sent");
    let list = world.call("GET", &format!("/api/v1/app/{}/endpoint", own[0]), "").expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[test]
fn event_types_with_flags_are_there_for_links_that_carry_one() {
    let world = world();
    let (app, endpoint) = world.subscribe(&Receiver::good().url);
    for (name, flags) in [("a.open", json!([])), ("b.secret", json!(["beta"])), ("c.secret", json!(["gamma"]))] {
        let schemas = json!({"1": {"type": "object", "examples": [{"name": name}]}});
        let made = json!({"name": name, "description": name, "featureFlags": flags, "schemas": schemas});
        world.call("POST", "/api/v1/event-type", made).expect(201);
    }
    let new = format!("/portal/app/{app}/endpoint/new");
    let test = format!("/portal/app/{app}/endpoint/{endpoint}/test");
    for (flags, seen) in [(json!([]), ["a.open"].as_slice()), (json!(["beta"]), &["a.open", "b.secret"])] {
        let mut cleo = open(&world, &link(&world, &app, &json!({ "featureFlags": flags })));
        let pages = ["/portal/event-type", &new, test.trim_end_matches("/test")].map(|path| cleo.get(path).body);
        for name in ["a.open", "b.secret", "c.secret"] {
            let is_seen = seen.contains(&name);
            assert!(pages.iter().all(|page| page.contains(name) == is_seen), "{flags} {name}");
            let asked = cleo.post(&new, &[("url", "http://127.0.0.1:9/"), ("event", name)]);
            assert_eq!(asked.status, if is_seen { 303 } else { 422 }, "{flags} {name}");
            let tested = cleo.follow(&test, &[("type", name)]).body;
            assert_eq!(tested.contains("The test was sent."), is_seen, "{flags} {name}");
        }
    }
}

#[test]
fn what_strangers_write_is_text_in_the_portal_too() {
    const EVIL: &str = r#""'><script>alert(1)</script><img src=x onerror=alert(1)>"#;
    let world = world();
    let receiver = Receiver::good();
    let made = world.call("POST", "/api/v1/app", json!({ "name": EVIL })).expect(201);
    let app = made["id"].as_str().unwrap();
    let url = format!("{}?%22%3E<script>alert(1)</script>", receiver.url);
    let endpoint = world.endpoint(app, &json!({"url": url, "description": EVIL}));
    let kind = json!({"name": "evil.type", "description": EVIL, "groupName": "evil"});
    world.call("POST", "/api/v1/event-type", kind).expect(201);
    let name: String = EVIL.chars().take(60).collect();
    world.call("PATCH", "/api/v1/environment", json!({"portal": {"name": name}})).expect(200);
    let event = world.publish(app, &json!({"note": EVIL, EVIL: 1}).to_string());
    world.attempts(app, &event, 1);
    let cleo = open(&world, &link(&world, app, &json!({})));
    let query: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    for path in [
        &format!("/portal/app/{app}"),
        &format!("/portal/app/{app}/endpoint/{endpoint}"),
        &format!("/portal/app/{app}/endpoint/new?url={query}&description={query}&search={query}&event={query}"),
        "/portal/event",
        &format!("/portal/event?find={query}"),
        &format!("/portal/event/{event}"),
        "/portal/event-type",
        &format!("/portal/event-type?after={query}"),
    ] {
        let page = cleo.get(path);
        assert_eq!(page.status, 200, "{path}");
        for raw in ["<script>", "<img", "onerror=alert(1)>"] {
            assert!(!page.body.contains(raw), "{path}: {raw}");
        }
        let count = |text: &str| page.body.matches(text).count();
        assert_eq!(count("<script"), count("<script src=\"/assets/"), "{path}");
        assert!(page.body.contains("&lt;script"), "{path}: the name is there");
    }
}

#[test]
fn a_links_token_is_in_no_log_and_in_no_address() {
    let flags =
        ["--allow-network", "127.0.0.0/8", "--log", "trace", "--admin-email", ADMIN, "--admin-password", PASSWORD];
    let world = World::start_logged(&flags);
    let receiver = Receiver::good();
    let [app, endpoint, event] = customer(&world, &receiver);
    let token = link(&world, &app, &json!({}));
    let mut cleo = open(&world, &token);
    for path in ["/portal", &format!("/portal/app/{app}"), "/portal/event", &format!("/portal/event/{event}")] {
        let page = cleo.get(path);
        assert!(page.status == 200 && !page.body.contains(&token) && !page.head.contains(&token), "{path}");
    }
    cleo.follow(&format!("/portal/app/{app}/endpoint/{endpoint}/rotate"), &[]);
    cleo.post("/portal/logout", &[]);
    assert_eq!(Person::new(&world).post("/portal", &[("key", &token)]).status, 401);
    let log = eventually(|| Some(world.log()).filter(|log| log.contains("ready")));
    assert!(!log.contains(&token) && !log.contains(&token[6..60]), "{log}");
}
