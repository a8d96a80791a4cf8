//! In whose name the portal stands: set over the API or by an operator in the dashboard, seen by customers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::{ADMIN, PASSWORD, Person, alert, world};
use super::{link, open};
use crate::world::{Answer, Receiver, World};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

fn data(media: &str, bytes: &[u8]) -> String {
    format!("data:{media};base64,{}", STANDARD.encode(bytes))
}

/// Where a page shows the logo.
fn logo(page: &Answer) -> &str {
    page.body.split_once("<img src=\"").expect("a logo").1.split('"').next().unwrap()
}

#[test]
fn name_colour_and_logo_are_an_environments_and_customers_see_them() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let settings = |body: serde_json::Value| world.call("PATCH", "/api/v1/environment", body);
    let nothing = json!({"name": null, "colour": null, "logo": null});
    assert_eq!(world.call("GET", "/api/v1/environment", "").expect(200)["portal"], nothing);
    let all = json!({"name": "Acme Pay", "colour": "#ffd400", "logo": data("image/png", PNG)});
    assert_eq!(settings(json!({ "portal": all })).expect(200)["portal"], all);
    let cleo = open(&world, &link(&world, &app, &json!({})));
    let page = cleo.get(&format!("/portal/app/{app}"));
    assert!(page.body.contains("<title>Webhooks · Acme Pay</title>") && page.body.contains(">Test</span>"), "{page:?}");
    let style = cleo.get("/assets/accent/ffd400");
    assert!(
        page.body.contains("href=\"/assets/accent/ffd400\"") && style.header("content-type").starts_with("text/css")
    );
    assert!(style.body.contains("--brand: #ffd400;") && style.body.contains("dark) { :root { --accent: #ffd400;"));
    assert!(!style.body.contains("--accent: #ffd400; --on-accent: #fff;"), "yellow on white cannot be read");
    for wrong in ["", "fff", "ffd40g", "ffd400}", "%22"] {
        assert_eq!(cleo.get(&format!("/assets/accent/{wrong}")).status, 404, "{wrong}");
    }
    let picture = cleo.get(logo(&page));
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    assert!(
        picture.header("content-security-policy").ends_with("sandbox")
            && picture.header("cache-control").contains("immutable")
    );
    assert_eq!(cleo.get(&format!("{}0", logo(&page))).status, 404);
    assert_eq!(
        settings(json!({"portal": {"logo": null}, "schemaValidation": "warn"})).expect(200)["portal"]["colour"],
        "#ffd400"
    );
    assert!(!cleo.get(&format!("/portal/app/{app}")).body.contains("<img"));
    assert_eq!(settings(json!({"portal": {"name": "", "colour": null}})).expect(200)["portal"], nothing);
    let live = world.key("admin", "live");
    let other = crate::world::eventually(|| {
        Some(world.call_as(&live, "GET", "/api/v1/environment", &[], "")).filter(|answer| answer.status == 200)
    });
    assert_eq!(other.expect(200)["portal"], nothing);
}

#[test]
fn what_is_no_name_no_colour_and_no_picture_is_refused_and_changes_nothing() {
    let world = world();
    let large = data("image/png", &[PNG, &vec![0; 65_536]].concat());
    for (portal, field, why) in [
        (json!({"name": "x".repeat(61)}), "name", "at most 60 characters"),
        (json!({"name": "two\nlines"}), "name", "one line"),
        (json!({"colour": "red"}), "colour", "six hexadecimal digits"),
        (json!({"colour": "#fff;}body{"}), "colour", "six hexadecimal digits"),
        (json!({"logo": "https://example.com/logo.png"}), "logo", "data URL"),
        (json!({"logo": data("text/html", b"<b>")}), "logo", "PNG, JPEG, WebP or SVG"),
        (json!({"logo": data("image/jpeg", PNG)}), "logo", "data URL"),
        (json!({ "logo": large }), "logo", "at most 65536"),
    ] {
        let refused =
            world.call("PATCH", "/api/v1/environment", json!({"schemaValidation": "enforce", "portal": portal}));
        let detail = &refused.expect(422)["detail"][0];
        assert_eq!(detail["loc"], json!(["body", "portal", field]));
        assert!(detail["msg"].as_str().unwrap().contains(why), "{detail}");
    }
    let settings = world.call("GET", "/api/v1/environment", "").expect(200);
    assert_eq!(settings, json!({"schemaValidation": "off", "portal": {"name": null, "colour": null, "logo": null}}));
}

#[test]
fn an_export_brings_the_brand_to_another_server() {
    let (one, other) = (World::start(), World::start());
    let portal = json!({"name": "Acme", "colour": "#0a7d5a", "logo": data("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>")});
    one.call("PATCH", "/api/v1/environment", json!({ "portal": portal })).expect(200);
    let export = one.call("POST", "/api/v1/environment/export", "").expect(200);
    other.call("POST", "/api/v1/environment/import", export).expect(204);
    assert_eq!(other.call("GET", "/api/v1/environment", "").expect(200)["portal"], portal);
}

/// Sends a form with a file as browsers do.
fn upload(person: &Person<'_>, fields: &[(&str, &str)], file: &[u8]) -> Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.as_bytes());
    }
    let head = "--b\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    body.extend([head.as_bytes(), file, b"\r\n--b--\r\n"].concat());
    let head = format!(
        "POST /test/portal HTTP/1.1\r\nhost: x\r\nconnection: close\r\norigin: http://x\r\ncookie: {}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n",
        person.cookie,
        body.len()
    );
    person.world.raw(&[head.as_bytes(), &body].concat())
}

#[test]
fn an_admin_sets_it_in_the_dashboard_and_a_viewer_only_sees_it() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    let fields = [("name", "Acme Pay"), ("colour", "#0a7d5a")];
    assert_eq!(upload(&ana, &fields, PNG).header("location"), "/test/portal");
    let page = ana.get("/test/portal");
    assert!(page.body.contains("Saved:") && page.body.contains("value=\"#0a7d5a\""), "{page:?}");
    assert_eq!(ana.get(logo(&page)).status, 200);
    let refused = upload(&ana, &[("name", "Other"), ("colour", "green")], b"");
    assert_eq!(
        (refused.status, alert(&refused)),
        (422, "The colour must be # and six hexadecimal digits, such as #0a7d5a.")
    );
    assert!(refused.body.contains("value=\"green\"") && refused.body.contains("value=\"Other\""));
    assert!(alert(&upload(&ana, &fields, b"GIF89a")).starts_with("The logo must be a PNG"));
    let sent = upload(&ana, &fields, &[PNG, &vec![0; 90_000]].concat());
    assert_eq!(sent.status, 413, "{sent:?}");
    upload(&ana, &[("name", "Acme")], b"");
    let page = ana.get("/test/portal");
    assert!(page.body.contains("value=\"Acme\"") && page.body.contains("<img"), "the logo stays: {page:?}");
    upload(&ana, &[("name", "Acme"), ("no-logo", "yes")], b"");
    assert!(!ana.get("/test/portal").body.contains("<img"));
    ana.follow("/settings/user", &[("email", "vera@example.com"), ("password", PASSWORD), ("role", "viewer")]);
    let vera = Person::login(&world, "vera@example.com");
    let page = vera.get("/test/portal").body;
    assert!(page.contains("Acme") && !page.contains("multipart"), "{page}");
    assert_eq!(upload(&vera, &fields, b"").status, 403);
}
