//! The overview: figures from counters, and which endpoints fail.

use super::{ADMIN, Person, world};
use crate::world::{Behaviour, Receiver, World, eventually};

/// The figure with this name.
fn figure(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("<dt>{name}</dt>")).expect("the figure is there");
    rest.split_once("<dd").unwrap().1.split_once('>').unwrap().1.split('<').next().unwrap().to_owned()
}

#[test]
fn what_was_accepted_delivered_and_what_waits_is_counted() {
    let world = world();
    let (good, broken) = (Receiver::good(), Receiver::start(|_, _| Behaviour::Status(500)));
    let (app, _) = world.subscribe(&good.url);
    world.endpoint(&app, &serde_json::json!({ "url": broken.url }));
    let ana = Person::login(&world, ADMIN);
    let names = ["Accepted in 24 h", "Delivered", "Waiting", "Failed for good", "Oldest undelivered"];
    let figures = || names.map(|name| figure(&ana.get("/test/").body, name));
    assert_eq!(figures(), ["0", "0", "0", "0", "nothing waits"]);
    let page = ana.get("/test/").body;
    assert!(
        page.contains("None: every endpoint") && !page.contains("<svg") && !page.contains("Success rate"),
        "{page}"
    );
    for _ in 0..3 {
        world.publish(&app, "{}");
    }
    eventually(|| {
        let [accepted, delivered, waiting, failed, oldest] = figures();
        // the minute may have passed meanwhile
        let exact = ["&lt; 1 min", "1 min"].contains(&&*oldest);
        (exact && [accepted, delivered, waiting, failed] == ["6", "3", "3", "0"]).then_some(())
    });
    eventually(|| ana.get("/test/").body.contains(&broken.url).then_some(()));
    let page = ana.get("/test/").body;
    assert!(!page.contains(&good.url));
    for picture in [
        "Deliveries by the minute: 6 accepted, 3 delivered, 0 failed for good in the last hour; at most ",
        "Deliveries by the hour; at most ",
    ] {
        assert!(page.contains(&format!("role=\"img\" aria-label=\"{picture}")), "{picture}: {page}");
    }
    assert_eq!(figure(&page, "Success rate"), "100 %");
    for percent in ["50", "95", "99"] {
        let took = figure(&page, &format!("Delivered within, p{percent}"));
        assert!(took.strip_suffix(" ms").is_some_and(|ms| ms.parse::<u32>().is_ok()), "{took}");
    }
    assert!(
        page.contains("of 3 deliveries in the last hour") && page.contains("Most failed attempts in 24 h"),
        "{page}"
    );
    assert!(page.contains("3 of 3</td><td class=\"number\">0 of 3</td>"), "{page}");
    assert!(!page.contains("data-again") && ana.get("/test/?live").body.contains("data-again=\"5\""));
}

#[test]
fn what_happens_in_one_environment_is_not_seen_in_another() {
    let world = world();
    let live = world.key("admin", "live");
    eventually(|| (world.call_as(&live, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
    let publish = |world: &World| {
        let (app, _) = world.subscribe(&Receiver::good().url);
        world.publish(&app, "{}");
    };
    publish(&world);
    let ana = Person::login(&world, ADMIN);
    eventually(|| (figure(&ana.get("/test/").body, "Accepted in 24 h") == "1").then_some(()));
    let page = ana.get("/live/").body;
    assert_eq!(figure(&page, "Accepted in 24 h"), "0");
    assert!(page.contains("<body class=\"live\">") && !ana.get("/test/").body.contains("<body class"));
    for path in ["/prod/", "/org_other/"] {
        assert_eq!(ana.get(path).status, 404, "{path}");
    }
}
