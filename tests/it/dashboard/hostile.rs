//! Strangers' texts: wherever a page shows one it stays a text, whatever it says; and no page of a stranger posts here.

use std::collections::BTreeSet;

use posthaste::provider::Provider;
use serde_json::json;

use super::{ADMIN, PASSWORD, Person, world};
use crate::receive;
use crate::world::{Answer, Behaviour, KEY, Receiver, World};

/// Where the pages and their routes stand.
const ROUTES: &str = include_str!("../../../src/http/dashboard/mod.rs");
/// How many fail to come in: one more would lock out whoever comes from the same address.
const TURNED_AWAY: usize = 9;
/// The elements that pages of ours consist of.
const ELEMENTS: [&str; 62] = [
    "a",
    "b",
    "body",
    "br",
    "button",
    "caption",
    "circle",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "form",
    "g",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "img",
    "input",
    "label",
    "legend",
    "li",
    "line",
    "link",
    "main",
    "meta",
    "nav",
    "noscript",
    "ol",
    "option",
    "p",
    "path",
    "polyline",
    "pre",
    "progress",
    "rect",
    "section",
    "select",
    "small",
    "span",
    "strong",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "textarea",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
    "video",
];

/// Twenty-five texts that run as scripts, leave their element, call other servers or disguise themselves where they
/// are not escaped.
fn hostile() -> Vec<String> {
    let spelled = [
        ("\\u001b", "\u{1b}"),
        ("\\u0007", "\u{7}"),
        ("\\u202e", "\u{202e}"),
        ("\\u2028", "\u{2028}"),
        ("\\u2029", "\u{2029}"),
    ];
    let spell = |line: &str| spelled.iter().fold(line.to_owned(), |text, (from, to)| text.replace(from, to));
    include_str!("hostile.txt").lines().map(spell).collect()
}

/// The text without what names may not have.
fn name(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// The text without what URLs and addresses may not have.
fn graphic(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() && !"\\@#".contains(*letter)).collect()
}

/// The pages of a world in which every stranger is hostile.
struct House {
    world: World,
    receiver: Receiver,
    cookie: String,
    paths: Vec<String>,
    /// What a customer saw while everything was called so.
    seen: Vec<(String, Answer)>,
}

impl House {
    fn build() -> Self {
        let flags = ["--admin-email", ADMIN, "--admin-password", PASSWORD, "--allow-network", "127.0.0.0/8"];
        let issuer = ["--oidc-issuer", "http://127.0.0.1:1", "--oidc-client-id", "posthaste"];
        let world = World::start_with(&[&flags[..], &issuer].concat());
        let all: &'static str = Box::leak(hostile().join(" ").into_boxed_str());
        let answer = format!("HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n{all}", all.len());
        let answer: &'static str = Box::leak(answer.into_boxed_str());
        let receiver = Receiver::start(move |_, _| Behaviour::Bytes(answer));
        let mut house = Self { world, receiver, cookie: String::new(), paths: Vec::new(), seen: Vec::new() };
        let mut ana = Person::login(&house.world, ADMIN);
        let inspector = ana.post("/inspect", &[("name", &name(&hostile()[0]))]).header("location").to_owned();
        for (nth, text) in hostile().iter().enumerate() {
            let mut paths = furnish(&house.world, &house.receiver.url, text);
            house.seen.extend(customer(&house.world, text, &paths));
            paths.extend(settings(&mut ana, text));
            if nth < TURNED_AWAY {
                let email = format!("{}@example.com", graphic(text));
                Person::new(&house.world).post("/setup", &[("email", &email)]);
            }
            paths.extend(inspected(&house.world, &inspector, nth + 1, text));
            house.paths.extend(paths);
        }
        for path in [
            "/test/",
            "/test/app",
            "/test/event",
            "/test/source",
            "/test/event-type",
            "/test/portal",
            "/test/replay",
            "/settings/user",
        ] {
            house.paths.push(path.to_owned());
        }
        house.paths.extend(["/settings/key", "/settings/audit", "/inspect", &inspector].map(str::to_owned));
        house.cookie.clone_from(&ana.cookie);
        house
    }

    fn ana(&self) -> Person<'_> {
        Person { world: &self.world, cookie: self.cookie.clone() }
    }
}

/// An application, a webhook, an event with an attempt, a source and an event type that are called so; gives their pages.
fn furnish(world: &World, receiver: &str, text: &str) -> Vec<String> {
    let app = world.call("POST", "/api/v1/app", json!({ "name": name(text) })).expect(201)["id"].clone();
    let app = app.as_str().unwrap();
    let endpoint = json!({ "url": format!("{receiver}/{}", graphic(text)), "description": name(text) });
    let endpoint = world.endpoint(app, &endpoint);
    let payload = json!({ "note": text, text: 1 });
    let event = world.publish(app, &payload.to_string());
    world.attempts(app, &event, 1);
    let source = furnish_source(world, text);
    let event_type =
        json!({ "name": format!("type.{app}"), "description": name(text), "schemas": { "1": { "title": text } } });
    world.call("POST", "/api/v1/event-type", event_type).expect(201);
    let here = format!("/test/app/{app}");
    let pages = ["", "/endpoint/new"].map(|rest| format!("{here}{rest}"));
    let of_endpoint = ["", "/edit"].map(|rest| format!("{here}/endpoint/{endpoint}{rest}"));
    [
        pages.to_vec(),
        of_endpoint.to_vec(),
        vec![format!("/test/event/{event}"), format!("/test/event/{event}?values=shown")],
        vec![format!("/test/source/{source}")],
    ]
    .concat()
}

/// A source that is called so, with a conflict and a body in quarantine that say so; gives its id.
fn furnish_source(world: &World, text: &str) -> String {
    let config = json!({ "secrets": [receive::FINTOC] });
    let source = json!({ "name": name(text), "type": "fintoc", "config": config });
    let made = world.call("POST", "/ingest/api/v1/source", source).expect(201);
    let source = made["id"].as_str().unwrap().to_owned();
    let event = |amount: u8| json!({ "id": text, "type": text, "data": { "note": text, "amount": amount } });
    let path = format!("/ingest/api/v1/source/{source}/import");
    let held = world.call("POST", &path, json!([event(1), event(2)])).expect(200);
    assert_eq!(held["data"][1]["status"], "conflict", "{held}");
    let proof = receive::proof(Provider::Fintoc, receive::FINTOC, text.as_bytes(), receive::now_secs());
    let request = receive::request(&receive::path_of(&made), text.as_bytes(), &proof);
    assert_eq!(world.raw(&request).status, 400);
    source
}

/// A portal that is called so, as the customer of that application sees it.
fn customer(world: &World, text: &str, operators: &[String]) -> Vec<(String, Answer)> {
    let brand: String = name(text).chars().take(60).collect();
    world.call("PATCH", "/api/v1/environment", json!({ "portal": { "name": brand.trim() } })).expect(200);
    let app = operators[0].rsplit('/').next().unwrap();
    let cookie = link(world, app);
    let pages = ["/portal", "/portal/app", "/portal/event", "/portal/event-type"].map(str::to_owned);
    let own = operators.iter().filter(|path| !path.starts_with("/test/source/"));
    let paths = own.map(|path| path.replacen("/test/", "/portal/", 1));
    let see = |path: String| {
        let answer = world.call_as("", "GET", &path, &[("cookie", &cookie)], "");
        (path, answer)
    };
    pages.into_iter().chain(paths).map(see).collect()
}

/// The cookie of somebody who opened a link to an application's portal.
fn link(world: &World, app: &str) -> String {
    let access = world.call("POST", &format!("/api/v1/auth/app-portal-access/{app}"), "{}").expect(200);
    format!("posthaste_portal={}", access["token"].as_str().unwrap())
}

/// A user and a key that are called so, and pages that are asked for with it.
fn settings(ana: &mut Person<'_>, text: &str) -> Vec<String> {
    let email = format!("{}@example.com", graphic(text));
    ana.post("/settings/user", &[("email", &email), ("password", PASSWORD), ("role", "viewer")]);
    let label: String = name(text).chars().take(64).collect();
    ana.post("/settings/key", &[("name", &label), ("environment", "test"), ("role", "viewer")]);
    let asked = |path: &str, field: &str| {
        format!("{path}?{}", url::form_urlencoded::Serializer::new(String::new()).append_pair(field, text).finish())
    };
    let onward: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    vec![
        asked("/login", "next"),
        format!("/login/oidc?next=/{onward}"),
        asked("/login/oidc/back", "error"),
        asked("/test/event", "find"),
        asked("/test/event", "text"),
        asked("/settings/audit", "who"),
        asked("/settings/audit", "environment"),
    ]
}

/// A request that says so wherever it can; gives its page.
fn inspected(world: &World, inspector: &str, number: usize, text: &str) -> Vec<String> {
    let path = inspector.trim_end_matches("/seen");
    let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let header: String = text.chars().filter(|letter| letter.is_ascii() && !letter.is_control()).collect();
    let body = if number.is_multiple_of(2) { text.to_owned() } else { json!({ text: text }).to_string() };
    let answer = world.call_as("", "POST", &format!("{path}?{query}"), &[("x-note", &header)], &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    ["", "?values=shown"].map(|rest| format!("{inspector}/{number}{rest}")).to_vec()
}

/// The text that a browser shows for a page's source.
fn unescaped(page: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    signs.iter().fold(page.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Every tag of a page is one of ours, with attributes that run nothing and lead nowhere else.
#[track_caller]
fn check_inert(path: &str, answer: &Answer) {
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && policy.contains("form-action 'self'"), "{path}: {policy}");
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    // some pages load a script, a file of ours
    let loads = policy.contains("script-src 'self'");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    let elements: BTreeSet<&str> = ELEMENTS.into_iter().collect();
    for tag in answer.body.split('<').skip(1).filter(|tag| !tag.starts_with("!DOCTYPE")) {
        let tag = tag.trim_start_matches('/');
        let element: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_ours = loads && (tag.starts_with("script src=\"/assets/") || tag == "script>");
        assert!(elements.contains(element.as_str()) || is_ours, "{path}: <{tag}");
        let (mut rest, mut attributes) = (&tag[element.len()..], Vec::new());
        while let Some((before, after)) = rest.split_once('"') {
            if before.contains('>') {
                break;
            }
            let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{path}: <{tag}"));
            attributes.push((before.trim().trim_end_matches('=').to_owned(), value));
            rest = after;
        }
        for (attribute, value) in attributes {
            let attribute = attribute.split_whitespace().last().unwrap_or_default().to_owned();
            assert!(
                !attribute.starts_with("on") && !["style", "srcdoc"].contains(&attribute.as_str()),
                "{path}: <{tag}"
            );
            let leads = ["href", "src", "action", "formaction"].contains(&attribute.as_str());
            let here = value.starts_with('/') && !value.starts_with("//")
                || value.starts_with(['?', '#'])
                || value == "data:,";
            assert!(!leads || here, "{path}: <{tag}");
        }
    }
}

/// As an endpoint's URL is kept that has the text in it.
fn in_a_url(text: &str) -> String {
    let url = String::from(url::Url::parse(&format!("http://a/{}", graphic(text))).unwrap());
    url.strip_prefix("http://a/").unwrap().to_owned()
}

#[test]
fn a_strangers_text_is_a_text_on_every_page() {
    let texts = hostile();
    assert_eq!(texts.len(), 25);
    let house = House::build();
    let ana = house.ana();
    let (mut shown, mut pages) = (String::new(), 0);
    for path in &house.paths {
        let page = ana.get(path);
        // the issuer is away, and whoever comes back too often without having begun is locked out
        let is_page = matches!(page.status, 200 | 404) || path.starts_with("/login/oidc") && page.status >= 400;
        assert!(is_page, "{path}: {page:?}");
        check_inert(path, &page);
        shown.push_str(&unescaped(&page.body));
        pages += 1;
    }
    for (path, page) in &house.seen {
        assert!(page.status == 200 || page.status == 303, "{path}: {page:?}");
        if page.status == 200 {
            check_inert(path, page);
            pages += 1;
        }
    }
    assert!(pages > 450, "{pages}");
    for text in &texts {
        for text in [name(text), in_a_url(text)] {
            assert!(shown.matches(&text).count() >= 5, "it is on a page indeed: {text}");
        }
    }
}

/// The routes of the dashboard and the portal that a method reaches, as they are written.
fn routes(method: &str) -> Vec<String> {
    let of = |route: &str| -> Vec<String> {
        let (place, handlers) = route.split_once(',').unwrap();
        let written = place.split('"').nth(1).unwrap_or("/portal");
        match (handlers.contains(method), place.starts_with("&at(")) {
            (false, _) => Vec::new(),
            (true, true) => vec![format!("/{{env}}/{written}"), format!("/portal/{written}")],
            (true, false) => vec![written.to_owned()],
        }
    };
    ROUTES.split(".route(").skip(1).flat_map(of).collect()
}

#[test]
fn no_page_is_left_out_of_these_stories() {
    let house = House::build();
    let of_this = |path: &str| {
        let path = path.split('?').next().unwrap();
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let is_like = |route: &String| {
            let wanted: Vec<&str> = route.split('/').collect();
            let fits = |(wanted, part): (&&str, &&str)| wanted.starts_with('{') || wanted == part;
            wanted.len() == parts.len() && wanted.iter().zip(&parts).all(fits)
        };
        routes("get(").into_iter().filter(is_like).min_by_key(|route| route.matches('{').count())
    };
    let paths = house.paths.iter().chain(house.seen.iter().map(|(path, _)| path));
    let visited: BTreeSet<String> = paths.filter_map(|path| of_this(path)).collect();
    // one leads on to another page, one is there while nobody administers the server, two are no pages
    let elsewhere = ["/", "/setup", "/portal/logo/{environment}/{mark}", "/assets/accent/{colour}"];
    for route in routes("get(").into_iter().filter(|route| !elsewhere.contains(&route.as_str())) {
        assert!(visited.contains(&route), "{route}: let a hostile text be shown there, too");
    }
}

#[test]
fn no_form_of_another_origin_reaches_any_route() {
    let world = world();
    let receiver = Receiver::good();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    let mut ana = Person::login(&world, ADMIN);
    ana.post("/settings/user", &[("email", "vera@example.com"), ("password", PASSWORD), ("role", "viewer")]);
    let id = |page: &str, end: &str| {
        let body = ana.get(page).body;
        let path = body.split('"').find(|path| path.starts_with(page) && path.ends_with(end)).unwrap();
        path.split('/').nth_back(1).unwrap().to_owned()
    };
    let (user, key) = (id("/settings/user", "/delete"), id("/settings/key", "/revoke"));
    let inspector = ana.post("/inspect", &[]).header("location").to_owned();
    let filled = |route: &str| {
        let path = route.replace("{env}", "test").replace("{app}", &app).replace("{ep}", &endpoint);
        let path = path.replace("{msg}", &event).replace("{user}", &user).replace("{key}", &key);
        let path = path.replace("{task}", "qtask_1");
        let path = path.replace("{source}", "src_1").replace("{conflict}", "conflict_1");
        let path = path.replace("{token}", inspector.split('/').nth(2).unwrap());
        assert!(!path.contains('{'), "{path}: say what stands there");
        path
    };
    let fields = [
        ("email", "eve@example.com"),
        ("password", PASSWORD),
        ("role", "admin"),
        ("url", &receiver.url),
        ("every", "yes"),
    ];
    let posts = routes("post(");
    assert!(posts.len() >= 32, "{posts:?}");
    let both = format!("{}; {}", ana.cookie, link(&world, &app));
    let ana = Person { world: &world, cookie: both };
    for route in posts {
        let path = filled(&route);
        for origin in ["https://evil.example", "null", "http://x.evil.example", "http://x:1", "x", ""] {
            let refused = ana.post_from(origin, &path, &fields);
            assert_eq!(refused.status, 403, "{origin:?} {path}: {refused:?}");
            assert!(refused.body.contains("did not come from a page of this server"), "{path}: {refused:?}");
        }
        let bare = world.call_as("", "POST", &path, &[("cookie", &ana.cookie)], "");
        assert_eq!(bare.status, 403, "without an Origin {path}: {bare:?}");
    }
    let audit = ana.get("/settings/audit").body;
    for done in ["deleted", "rotated", "paused", "revoked", "resent", "login closed", "eve@example.com"] {
        assert!(!audit.contains(done), "{done}: {audit}");
    }
    assert_eq!((ana.get(&inspector).status, world.call("GET", "/api/v1/app", "").status), (200, 200), "{KEY}");
}

#[cfg(feature = "peers")]
mod browser {
    use super::super::browser::tell;
    use super::super::{ADMIN, PASSWORD};
    use super::House;

    #[test]
    fn a_browser_runs_none_of_it() {
        let house = House::build();
        // of each kind of page a few: a browser takes its time
        let some: Vec<&str> = house
            .paths
            .iter()
            .enumerate()
            .filter(|(nth, _)| nth % 5 == 0 || *nth > 290)
            .map(|(_, path)| path.as_str())
            .collect();
        tell("settings.mjs", "hostile", &house.world, &[ADMIN, PASSWORD, &some.join("\n")]);
    }
}
