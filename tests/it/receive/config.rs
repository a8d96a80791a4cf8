//! Sources: made, shown without their secrets, changed, closed; and who may do so.

use super::*;

#[test]
fn a_source_is_made_read_changed_listed_and_deleted() {
    let world = World::start_with(&["--public-url", "https://hooks.example.com/"]);
    let made = world.call("POST", SOURCES, json!({"name": "Fintoc", "uid": "fin", "type": "fintoc", "config": {"secret": FINTOC}, "metadata": {"a": "b"}})).expect(201);
    assert!(
        text(&made["id"]).starts_with("src_") && text(&made["ingestUrl"]).starts_with("https://hooks.example.com/in/")
    );
    assert_eq!(
        made["config"],
        json!({"toleranceSeconds": 300, "deliverAs": "original", "dedupDays": 35, "onConflict": "hold", "allowIps": []})
    );
    assert_eq!(
        (&made["secretCount"], &made["provider"], &made["metadata"]),
        (&json!(1), &json!("fintoc"), &json!({"a": "b"}))
    );
    let by_uid = world.call("GET", &format!("{SOURCES}/fin"), "").expect(200);
    assert_eq!(by_uid, made);
    let patch = json!({"name": "F", "uid": null, "config": {"secrets": [FINTOC, "whsec_anotheranother"], "toleranceSeconds": 60}});
    let patched = world.call("PATCH", &format!("{SOURCES}/fin"), patch).expect(200);
    assert_eq!((&patched["name"], &patched["uid"], &patched["secretCount"]), (&json!("F"), &Value::Null, &json!(2)));
    let path = format!("{SOURCES}/{}", text(&made["id"]));
    let put = world.call("PUT", &path, json!({"name": "P", "type": "fintoc"})).expect(200);
    assert_eq!(
        (&put["secretCount"], &put["config"]["toleranceSeconds"]),
        (&json!(2), &json!(300)),
        "secrets stay, settings do not"
    );
    assert_eq!(world.call("PUT", &path, json!({"name": "P", "type": "finix"})).status, 422);
    assert_eq!(
        world.call("PUT", &format!("{SOURCES}/new"), json!({"name": "N", "type": "bridge"})).expect(201)["uid"],
        json!("new")
    );
    let list = world.call("GET", &format!("{SOURCES}?limit=1"), "").expect(200);
    assert_eq!((&list["data"][0]["id"], &list["done"]), (&made["id"], &json!(false)));
    world.call("DELETE", &path, "").expect(204);
    world.call("GET", &path, "").expect(404);
    assert_eq!(world.raw(&request(&path_of(&made), b"x", &[])).status, 404, "its door is closed");
}

/// A list with one type that an SDK does not know is none for it: Python's and Go's throw, Rust's too.
#[test]
fn a_source_is_shown_as_a_type_that_sdks_know_and_stays_what_it_is() {
    let world = World::start();
    let agent = |agent: &str, method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        world.call_as(KEY, method, path, &[("user-agent", agent)], &body)
    };
    for (made_as, shown, provider) in [
        ("fintoc", "generic-webhook", "fintoc"),
        ("bridge", "generic-webhook", "bridge"),
        ("finix", "generic-webhook", "finix"),
        ("standard-webhooks", "generic-webhook", "standard"),
        ("svix", "svix", "svix"),
        ("generic-webhook", "generic-webhook", "generic"),
    ] {
        let config = json!({"toleranceSeconds": 60, "allowIps": ["203.0.113.7"]});
        let made = world.call("POST", SOURCES, json!({"name": "a", "type": made_as, "config": config})).expect(201);
        assert_eq!((&made["type"], &made["provider"]), (&json!(shown), &json!(provider)), "{made_as}");
        let path = format!("{SOURCES}/{}", text(&made["id"]));
        let now = |world: &World| world.call("GET", &path, "").expect(200);
        // what was read is written back whole, by somebody who knows all of it
        for method in ["PUT", "PATCH"] {
            let mut same = now(&world);
            world.call(method, &path, &same).expect(200);
            same["updatedAt"] = now(&world)["updatedAt"].clone();
            assert_eq!(now(&world), same, "{method} {made_as}");
        }
        // and by an SDK, which knows neither a provider nor a config of this type
        for (method, config) in [("PUT", None), ("PUT", Some(json!({}))), ("PATCH", None), ("PATCH", Some(json!({})))] {
            let mut body = json!({"name": "b", "type": shown});
            if let Some(config) = config {
                body["config"] = config;
            }
            if shown == "svix" && method == "PUT" {
                body["config"] = made["config"].clone(); // it knows that one, and sends it
            }
            let told = agent("svix-libs/2.9.1/rust", method, &path, &body).expect(200);
            assert_eq!(told["type"], shown);
            assert_eq!(told.get("config").is_some(), shown == "svix", "Rust's takes none for generic-webhook");
            let after = now(&world);
            assert_eq!((&after["provider"], &after["config"]), (&json!(provider), &made["config"]), "{method} {body}");
        }
        for path in [&path, SOURCES] {
            let read = agent("svix-libs/1.90.0/go", "GET", path, &Value::Null).expect(200);
            let row = read.get("data").map_or(&read, |rows| rows.as_array().unwrap().last().unwrap());
            assert_eq!((&row["type"], row.get("config").is_some()), (&json!(shown), shown == "svix"), "{path}");
        }
        // another one is named, and refused
        let other = if provider == "finix" { "bridge" } else { "finix" };
        for body in
            [json!({"name": "a", "type": other}), json!({"name": "a", "type": "generic-webhook", "provider": other})]
        {
            for method in ["PUT", "PATCH"] {
                assert_eq!(world.call(method, &path, &body).status, 422, "{method} {made_as}: {body}");
            }
        }
        assert_eq!(world.call("PATCH", &path, json!({ "provider": other })).status, 422);
        assert_eq!(world.call("PATCH", &path, json!({ "provider": provider })).status, 200);
        let again = world.call("POST", SOURCES, json!({"name": "c", "type": shown, "provider": provider})).expect(201);
        assert_eq!((&again["type"], &again["provider"]), (&json!(shown), &json!(provider)), "made as it is shown");
    }
    for body in [
        json!({"name": "a", "type": "fintoc", "provider": "finix"}),
        json!({"name": "a", "type": "svix", "provider": "fintoc"}),
        json!({"name": "a", "type": "generic-webhook", "provider": "stripe"}),
    ] {
        let refused = world.call("POST", SOURCES, &body).expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "provider"]), "{body}");
    }
}

#[test]
fn the_same_request_with_the_same_key_makes_one_source() {
    let world = World::start();
    let body = json!({"name": "a", "type": "bridge"}).to_string();
    let make = |body: &str| world.call_as(KEY, "POST", SOURCES, &[("idempotency-key", "k1")], body);
    let first = make(&body).expect(201);
    assert_eq!(make(&body).expect(201), first);
    assert_eq!(make(r#"{"name":"b","type":"bridge"}"#).status, 409);
    assert_eq!(world.call("GET", SOURCES, "").expect(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_wrong_config_is_told_what_would_be_right() {
    let world = World::start();
    let cases = [
        ("fintoc", json!({"secrets": [""]}), "secrets"),
        ("bridge", json!({"secrets": ["not-a-uuid"]}), "secrets"),
        ("finix", json!({"secrets": ["3afb"]}), "secrets"),
        ("generic-webhook", json!({"secrets": ["x"]}), "guessed"),
        ("standard-webhooks", json!({"secrets": ["whsec_short"]}), "secrets"),
        ("fintoc", json!({"toleranceSeconds": -1}), "toleranceSeconds"),
        ("fintoc", json!({"dedupDays": 0}), "dedupDays"),
        ("fintoc", json!({"allowIps": ["10.0.0.1/8"]}), "allowIps"),
        ("fintoc", json!({"authentication": {"type": "NONE"}}), "authentication"),
        ("fintoc", json!({"header": "X-A"}), "header"),
        ("finix", json!({"requireSignature": false}), "requireSignature"),
        ("finix", json!({"authentication": {"type": "BASIC"}}), "authentication"),
        ("generic-webhook", json!({"header": "a b"}), "header"),
        ("generic-webhook", json!({"header": "Content-Length"}), "header"),
        ("generic-webhook", json!({"typePath": "type"}), "typePath"),
        ("generic-webhook", json!({"algorithm": "md5"}), "algorithm"),
        ("fintoc", json!({"toleranceSecond": 5}), "toleranceSecond"),
        ("fintoc", json!({"secret": FINTOC, "secrets": [FINTOC]}), "secret"),
        ("fintoc", json!({"secrets": vec![FINTOC; 17]}), "secrets"),
    ];
    for (kind, config, field) in cases {
        let answer = world.call("POST", SOURCES, json!({"name": "a", "type": kind, "config": config})).expect(422);
        assert!(answer["detail"].to_string().contains(field), "{config}: {answer}");
    }
    assert!(
        world.call("POST", SOURCES, json!({"name": "a", "type": "stripe"})).expect(422).to_string().contains("fintoc")
    );
    assert_eq!(world.call("GET", SOURCES, "").expect(200)["data"], json!([]));
}

#[test]
fn what_nobody_sees_in_a_secret_is_named_and_the_secret_is_not() {
    let world = World::start();
    let generic = "s3cr3t-of-ours";
    let padded = |secret: &str, begin: &str, end: &str| json!({"secrets": [format!("{begin}{secret}{end}")]});
    let basic = |name: &str, password: &str| json!({"authentication": {"type": "BASIC", "basic": {"username": name, "password": password}}});
    let bearer = |token: &str| json!({"authentication": {"type": "BEARER", "bearer": {"token": token}}});
    for (kind, config, why) in [
        ("fintoc", padded(FINTOC, "", "\n"), "ends with a newline; leave it out"),
        ("bridge", padded(BRIDGE, "", "\r\n"), "ends with a newline; leave it out"),
        ("finix", padded(FINIX, " ", ""), "begins with a blank; leave it out"),
        ("standard-webhooks", padded(STANDARD, "\t", ""), "begins with a tab; leave it out"),
        ("svix", padded(STANDARD, "", " "), "ends with a blank; leave it out"),
        ("generic-webhook", padded(generic, "", " "), "ends with a blank; leave it out"),
        ("generic-webhook", padded(generic, "", "\0"), "holds a NUL character"),
        ("generic-webhook", padded("", "  ", "\t"), "is blank"),
        ("generic-webhook", padded("", "", ""), "must be a text of 1 to 1024 bytes"),
        ("generic-webhook", padded("k", "", ""), "must have at least 4 bytes; a shorter one is soon guessed"),
        ("generic-webhook", padded("key", "", ""), "must have at least 4 bytes"),
        ("finix", basic("finix", "   "), "the password is blank"),
        ("finix", basic("finix", "s3cr3t\n"), "the password ends with a newline"),
        ("finix", basic("finix ", "s3cr3t"), "the username ends with a blank"),
        ("finix", basic("finix", "x"), "the password must have 4 to 1024 bytes"),
        ("finix", bearer(" "), "the token is blank"),
        ("finix", bearer("s3\0cr3t"), "the token holds a NUL character"),
        ("finix", bearer(""), "the token must have 4 to 1024 bytes"),
    ] {
        let answer = world.call("POST", SOURCES, json!({"name": "a", "type": kind, "config": config})).expect(422);
        let told = answer["detail"][0]["msg"].as_str().unwrap();
        assert!(told.starts_with(why), "{config}: {told}");
        for secret in [FINTOC, BRIDGE, FINIX, STANDARD, generic, "s3cr3t"] {
            assert!(!answer.to_string().contains(secret), "{answer}");
        }
    }
    // those of endpoints are read by the same rule
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201);
    let endpoints = format!("/api/v1/app/{}/endpoint", text(&app["id"]));
    let with = |secret: String| json!({"url": "http://127.0.0.1:1/", "secret": secret});
    let refused = world.call("POST", &endpoints, with(format!("{STANDARD}\n"))).expect(422);
    assert_eq!(refused["detail"][0]["msg"], "ends with a newline; leave it out");
    let endpoint = world.call("POST", &endpoints, with(STANDARD.to_owned())).expect(201);
    let rotate = format!("{endpoints}/{}/secret/rotate", text(&endpoint["id"]));
    let refused = world.call("POST", &rotate, json!({"key": format!(" {STANDARD}")})).expect(422);
    assert_eq!(refused["detail"][0]["msg"], "begins with a blank; leave it out");
}

#[test]
fn a_bridge_secret_that_was_pasted_in_upper_case_verifies() {
    let door = Door::open_with(Provider::Bridge, json!({"secrets": [BRIDGE.to_uppercase()]}));
    assert_eq!(door.send(r#"{"content":{},"timestamp":1,"type":"user.deleted"}"#).status, 200);
}

#[test]
fn secrets_are_replaced_at_once_and_several_count() {
    let door = Door::open_with(Provider::Bridge, json!({"secrets": ["0b1d6f0e-6f0a-4f6e-9a1e-5d2b7c3e8f90", BRIDGE]}));
    let body = |n: u32| format!(r#"{{"content":{{}},"timestamp":{n},"type":"user.deleted"}}"#);
    assert_eq!(door.send(body(1)).status, 200);
    let path = format!("{SOURCES}/{}", door.source);
    door.world
        .call("PATCH", &path, json!({"config": {"secrets": ["0b1d6f0e-6f0a-4f6e-9a1e-5d2b7c3e8f90"]}}))
        .expect(200);
    assert_eq!(door.send(body(2)).status, 401);
    door.world.call("PATCH", &path, json!({"config": {"secret": BRIDGE}})).expect(200);
    assert_eq!(door.send(body(2)).status, 200);
}

#[test]
fn a_new_token_opens_at_once_and_the_old_one_for_a_day_and_the_one_before_no_more() {
    let door = Door::open(Provider::Bridge);
    let body = |n: u32| format!(r#"{{"content":{{}},"timestamp":{n},"type":"user.deleted"}}"#);
    let rotate =
        || path_of(&door.world.call("POST", &format!("{SOURCES}/{}/token/rotate", door.source), "").expect(200));
    let at =
        |path: &str, n: u32| door.world.raw(&request(path, body(n).as_bytes(), &door.proof(body(n).as_bytes()))).status;
    let second = rotate();
    assert_eq!((at(&second, 1), at(&door.path, 2)), (200, 200));
    let third = rotate();
    assert_eq!((at(&third, 3), at(&second, 4), at(&door.path, 5)), (200, 200, 404));
}

#[test]
fn neither_secrets_nor_tokens_nor_credentials_stand_in_a_sealed_database() {
    let seal = ["--seal-key", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="];
    let bearer = json!({"type": "BEARER", "bearer": {"token": "t0ken-that-nobody-may-read"}});
    let door = Door::open_in(World::start_with(&seal), Provider::Finix, json!({"authentication": bearer}));
    let rotated = door.world.call("POST", &format!("{SOURCES}/{}/token/rotate", door.source), "").expect(200);
    let tokens = [door.path["/in/".len()..].to_owned(), path_of(&rotated)["/in/".len()..].to_owned()];
    for file in std::fs::read_dir(door.world.dir.path()).unwrap().flatten() {
        let bytes = std::fs::read(file.path()).unwrap();
        for word in tokens.iter().map(String::as_str).chain([FINIX, "t0ken-that-nobody-may-read"]) {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} in {file:?}");
        }
    }
}

#[test]
fn sources_are_their_environments_and_need_an_admin() {
    let door = Door::open(Provider::Fintoc);
    let (viewer, publisher) = (door.world.key("viewer", "test"), door.world.key("publisher", "test"));
    let live = door.world.key("admin", "live");
    let path = format!("{SOURCES}/{}", door.source);
    let status = |key: &str, method: &str, path: &str, body: &str| {
        eventually(|| Some(door.world.call_as(key, method, path, &[], body).status).filter(|status| *status != 401))
    };
    for key in [&viewer, &publisher] {
        assert_eq!(status(key, "GET", &path, ""), 200);
        for (method, path) in [
            ("GET", format!("{path}/refusal")),
            ("PATCH", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/token/rotate")),
            ("POST", SOURCES.to_owned()),
        ] {
            let body = if path == SOURCES { r#"{"name":"a","type":"bridge"}"# } else { "{}" };
            assert_eq!(status(key, method, &path, body), 403, "{method} {path}");
        }
    }
    for (method, rest) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/stats"),
        ("GET", "/quarantine"),
        ("GET", "/refusal"),
        ("GET", "/endpoint"),
    ] {
        assert_eq!(status(&live, method, &format!("{path}{rest}"), "{}"), 404, "{method} {rest}");
    }
    assert_eq!(door.world.call_as("", "GET", &path, &[], "").status, 401);
}

#[test]
fn a_catalogue_is_imported_by_name_and_what_exists_stays() {
    let world = World::start();
    world.call("POST", "/api/v1/event-type", json!({"name": "item.created", "description": "mine"})).expect(201);
    let imported = world.call("POST", "/api/v1/event-type/import/provider", json!({"provider": "bridge"})).expect(200);
    let names =
        |imported: &Value| imported["data"]["modified"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    assert_eq!(names(&imported).len(), 15);
    let mut known: std::collections::BTreeSet<_> = names(&imported).into_iter().collect();
    assert_eq!(world.call("GET", "/api/v1/event-type/item.created", "").expect(200)["description"], json!("mine"));
    world.call("POST", "/api/v1/event-type/import/provider", json!({"provider": "standard"})).expect(422);
    for (provider, count) in [("fintoc", 27), ("finix", 54)] {
        let imported =
            world.call("POST", "/api/v1/event-type/import/provider", json!({"provider": provider})).expect(200);
        assert_eq!(names(&imported).len(), count);
        known.extend(names(&imported));
        let list = world.call("GET", "/api/v1/event-type?limit=250", "").expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), known.len(), "some have one name");
    }
}
