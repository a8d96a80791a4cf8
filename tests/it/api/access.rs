//! Tokens of an application: limited to it, to what they were made for, and to their time.

use serde_json::{Value, json};

use crate::world::{Answer, World, eventually};

/// An application with an endpoint and an event, and another beside it.
struct House {
    world: World,
    app: String,
    other: String,
    endpoint: String,
}

impl House {
    fn start() -> Self {
        let world = World::start();
        let other =
            world.call("POST", "/api/v1/app", r#"{"name":"other"}"#).expect(201)["id"].as_str().unwrap().to_owned();
        let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
        world.publish(&app, "{}");
        Self { world, app, other, endpoint }
    }

    /// A token of the application.
    fn token(&self, grant: Value) -> String {
        let path = format!("/api/v1/auth/app-portal-access/{}", self.app);
        let access = self.world.call("POST", &path, grant).expect(200);
        let token = access["token"].as_str().unwrap().to_owned();
        assert_eq!(access["url"], format!("{}/portal#key={token}", self.world.url));
        token
    }

    #[expect(clippy::needless_pass_by_value, reason = "stories pass JSON as they write it")]
    fn ask(&self, token: &str, method: &str, rest: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.world.call_as(token, method, &format!("/api/v1{rest}"), &[], &body)
    }

    fn own(&self, rest: &str) -> String {
        format!("/app/{}{rest}", self.app)
    }

    fn status(&self, token: &str) -> u16 {
        self.ask(token, "GET", &self.own(""), Value::Null).status
    }
}

#[test]
fn a_token_does_in_its_application_what_its_capabilities_say() {
    let house = House::start();
    let ep = house.own(&format!("/endpoint/{}", house.endpoint));
    let url = json!({"url": "http://127.0.0.1:1/"});
    let rows: [(Value, [u16; 6]); 5] = [
        (json!({}), [200, 200, 204, 201, 200, 200]),
        (json!({"readOnly": true}), [200, 403, 403, 403, 403, 403]),
        (json!({"capabilities": ["ViewBase", "ViewEndpointSecret"]}), [200, 200, 403, 403, 403, 403]),
        (json!({"capabilities": ["ViewBase", "ManageEndpointSecret"]}), [200, 200, 204, 403, 403, 403]),
        (json!({"capabilities": ["ViewBase", "CreateAttempts"]}), [200, 403, 403, 403, 403, 200]),
    ];
    for (grant, expected) in rows {
        let token = house.token(grant.clone());
        let found = [
            house.ask(&token, "GET", &ep, Value::Null),
            house.ask(&token, "GET", &format!("{ep}/secret"), Value::Null),
            house.ask(&token, "POST", &format!("{ep}/secret/rotate"), json!({})),
            house.ask(&token, "POST", &house.own("/endpoint"), url.clone()),
            house.ask(&token, "PATCH", &ep, json!({"description": "x"})),
            house.ask(&token, "POST", &format!("{ep}/send-example"), json!({"eventType": "svix.ping"})),
        ];
        assert_eq!(found.each_ref().map(|answer| answer.status), expected, "{grant}: {found:?}");
    }
}

#[test]
fn what_belongs_to_the_environment_is_closed_to_a_token_and_to_a_key_of_one_application() {
    let house = House::start();
    let token = house.token(json!({}));
    let made = house.world.beside(&["key", "create", "--role", "admin", "--app", &house.app]);
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    eventually(|| (house.status(&key) == 200).then_some(()));
    for proof in [&token, &key] {
        for (method, rest, body) in [
            ("GET", "/app".to_owned(), Value::Null),
            ("POST", "/app".to_owned(), json!({"name": "x"})),
            ("PATCH", house.own(""), json!({})),
            ("DELETE", house.own(""), Value::Null),
            ("POST", "/event-type".to_owned(), json!({"name": "a", "description": ""})),
            ("POST", format!("/auth/app-portal-access/{}", house.app), json!({})),
            ("GET", "/operational-webhook/endpoint".to_owned(), Value::Null),
            ("GET", "/environment".to_owned(), Value::Null),
            ("POST", "/stats/usage/app".to_owned(), json!({})),
            ("POST", house.own("/msg/expunge-all-contents"), Value::Null),
        ] {
            let answer = house.ask(proof, method, &rest, body);
            assert_eq!(answer.status, 403, "{method} {rest}: {answer:?}");
            assert_eq!(answer.expect(403)["code"], "insufficient access");
        }
        for rest in ["", "/endpoint", "/msg", "/endpoint/nobody", "/msg/nobody"] {
            let answer = house.ask(proof, "GET", &format!("/app/{}{rest}", house.other), Value::Null);
            let unknown = house.ask(proof, "GET", &format!("/app/nobody{rest}"), Value::Null);
            assert_eq!((answer.status, &answer.body), (404, &unknown.body), "another's application is unknown");
        }
    }
    let event = json!({"eventType": "a", "payload": {}});
    assert_eq!(house.ask(&token, "POST", &house.own("/msg"), event.clone()).status, 403);
    assert_eq!(
        house.ask(&key, "POST", &house.own("/msg"), event.clone()).status,
        202,
        "a key of the application publishes"
    );
    assert_eq!(house.ask(&key, "POST", &format!("/app/{}/msg", house.other), event).status, 404);
    let list = String::from_utf8(house.world.beside(&["key", "list"]).stdout).unwrap();
    let line = list.lines().find(|line| line.contains(&house.app)).expect("the key names its application");
    let used = || String::from_utf8(house.world.beside(&["key", "list"]).stdout).unwrap();
    eventually(|| used().lines().find(|line| line.contains(&house.app))?.contains("  used 20").then_some(()));
    assert!(line.contains("admin"), "{line}");
}

#[test]
fn a_token_ends_by_itself_by_logout_by_session_and_with_all_others() {
    let house = House::start();
    let expire = |body: Value| {
        let path = format!("/api/v1/auth/app/{}/expire-all", house.app);
        assert_eq!(house.world.call("POST", &path, body).status, 204);
    };
    let [one, of_session, last] = [json!({}), json!({"sessionId": "s1"}), json!({})].map(|grant| house.token(grant));
    let statuses = |tokens: [&str; 3]| tokens.map(|token| house.status(token));
    assert_eq!(statuses([&one, &of_session, &last]), [200; 3]);
    assert_eq!(house.ask(&one, "POST", "/auth/logout", Value::Null).status, 204);
    assert_eq!(statuses([&one, &of_session, &last]), [401, 200, 200]);
    expire(json!({"sessionIds": ["s1", "s2"]}));
    assert_eq!(statuses([&one, &of_session, &last]), [401, 401, 200]);
    expire(json!({"expiry": 3_600}));
    assert_eq!(house.status(&last), 200, "it goes on for another hour");
    expire(json!({}));
    assert_eq!(house.status(&last), 401);
    assert_eq!(house.status(&house.token(json!({}))), 200, "what is made later is another");
    for wrong in [
        json!({"expiry": 60}),
        json!({"expiry": 604_801}),
        json!({"capabilities": ["CreateAttempts"]}),
        json!({"capabilities": ["All"]}),
    ] {
        let path = format!("/api/v1/auth/app-portal-access/{}", house.app);
        assert_eq!(house.world.call("POST", &path, &wrong).status, 422, "{wrong}");
    }
    let forged = format!("{}A", &last[..last.len() - 1]);
    assert_eq!(house.ask(&forged, "GET", &house.own(""), Value::Null).expect(401)["code"], "authentication_failed");
}

#[test]
fn feature_flags_say_which_event_types_a_token_sees_and_may_subscribe_to() {
    let house = House::start();
    for (name, flags) in [
        ("a.open", json!(null)),
        ("b.beta", json!(["beta"])),
        ("c.open", json!(null)),
        ("d.gold", json!(["gold", "beta"])),
    ] {
        let event_type = json!({"name": name, "description": "", "featureFlags": flags});
        house.world.call("POST", "/api/v1/event-type", event_type).expect(201);
    }
    let names = |token: &str, limit: usize| {
        let (mut names, mut iterator) = (Vec::new(), String::new());
        loop {
            let list = house
                .ask(token, "GET", &format!("/event-type?limit={limit}&iterator={iterator}"), Value::Null)
                .expect(200);
            names.extend(list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
            if list["done"] == true {
                return names;
            }
            iterator = list["iterator"].as_str().unwrap().to_owned();
        }
    };
    let plain = house.token(json!({}));
    let gold = house.token(json!({"featureFlags": ["gold"]}));
    for limit in [1, 2, 50] {
        assert_eq!(names(&plain, limit), ["a.open", "c.open"]);
        assert_eq!(names(&gold, limit), ["a.open", "c.open", "d.gold"]);
        assert_eq!(names(crate::world::KEY, limit), ["a.open", "b.beta", "c.open", "d.gold"]);
    }
    assert_eq!(house.ask(&plain, "GET", "/event-type/b.beta", Value::Null).status, 404);
    let subscribe = |token: &str, name: &str| {
        let endpoint = json!({"url": "http://127.0.0.1:1/", "eventTypes": [name]});
        house.ask(token, "POST", &house.own("/endpoint"), endpoint).status
    };
    assert_eq!([subscribe(&plain, "d.gold"), subscribe(&gold, "d.gold"), subscribe(&gold, "b.beta")], [422, 201, 422]);
    assert_eq!(subscribe(crate::world::KEY, "b.beta"), 201, "a key of the environment sees all");
}

#[test]
fn whoami_tells_who_calls() {
    let house = House::start();
    let admin = house.ask(crate::world::KEY, "GET", "/auth/whoami", Value::Null).expect(200);
    let expected = json!({
        "environment": "test", "envId": "test", "role": "admin", "applicationId": null, "appId": null, "streamAppId": null,
        "permissionSource": "RegionalAuthToken", "sessionId": null, "capabilities": null, "featureFlags": null, "expiresAt": null
    });
    assert_eq!(admin, expected);
    let token =
        house.token(json!({"featureFlags": ["beta"], "readOnly": true, "expiry": 3_600, "sessionId": "monday"}));
    let token = house.ask(&token, "GET", "/auth/whoami", Value::Null).expect(200);
    assert_eq!((&token["applicationId"], &token["capabilities"]), (&json!(house.app), &json!(["ViewBase"])));
    assert_eq!((&token["role"], &token["featureFlags"]), (&json!("application-viewer"), &json!(["beta"])));
    assert_eq!((&token["appId"], &token["sessionId"]), (&json!(house.app), &json!("monday")));
    assert_eq!(token["permissionSource"], "SvixJwt");
    assert!(token["expiresAt"].is_string());
}

#[test]
fn a_key_with_a_rate_is_told_to_wait() {
    let house = House::start();
    let made = house.world.beside(&["key", "create", "--role", "viewer", "--per-second", "5"]);
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let refused = eventually(|| {
        let answer = house.world.call_as(&key, "GET", "/api/v1/app", &[], "");
        (answer.status == 429).then_some(answer)
    });
    assert_eq!(refused.expect(429)["code"], "rate_limit");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    eventually(|| (house.world.call_as(&key, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
    assert_eq!(house.world.call("GET", "/api/v1/app", "").status, 200, "others go on");
}
