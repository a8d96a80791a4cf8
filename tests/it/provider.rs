//! An application with a provider: it is delivered to as that provider delivers.

use posthaste::provider::Provider;
use posthaste::{inbound, providers};
use serde_json::{Value, json};

use crate::receive::{now_secs, text};
use crate::world::{Behaviour, KEY, Received, Receiver, World, eventually};

/// An application of this provider; gives its id.
fn application(world: &World, provider: &str, metadata: &Value) -> String {
    let body = json!({"name": "a", "provider": provider, "metadata": metadata});
    let made = world.call("POST", "/api/v1/app", body).expect(201);
    assert_eq!(made["provider"], json!(provider));
    text(&made["id"])
}

fn publish(world: &World, app: &str, event_type: &str, payload: &str) -> Value {
    let body = format!(r#"{{"eventType":"{event_type}","payload":{payload}}}"#);
    world.call("POST", &format!("/api/v1/app/{app}/msg"), body).expect(202)
}

fn secret(world: &World, app: &str, endpoint: &str) -> String {
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/secret");
    text(&world.call("GET", &path, "").expect(200)["key"])
}

/// What a source with these secrets makes of a delivery.
pub fn verified(provider: Provider, secrets: &[&str], received: &Received) -> Result<inbound::Received, String> {
    let terms = inbound::Terms {
        secrets: secrets.iter().map(|text| providers::parse_secret(provider, text).unwrap()).collect(),
        tolerance_secs: Some(300),
        credentials: inbound::Credentials::None,
        requires_signature: true,
        form: inbound::Form::default(),
    };
    let mut headers = http::HeaderMap::new();
    for (name, value) in &received.headers {
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let body = received.body.clone().into();
    let inbound = inbound::Inbound { headers: &headers, body: &body };
    let verified =
        providers::verify(provider, &terms, inbound, now_secs()).map_err(|refusal| refusal.code().to_owned())?;
    providers::read(&terms, verified).map_err(|unread| unread.detail.into_owned())
}

#[test]
fn each_provider_has_its_envelope_its_signature_and_its_form_of_secret() {
    let world = World::start();
    let payload = r#"{"id":"x_1","amount":1.10}"#;
    let cases = [
        (
            Provider::Fintoc,
            "payment_intent.succeeded",
            r#"{"id":"evt_"#,
            r#"","type":"payment_intent.succeeded","mode":"test","created_at":""#,
        ),
        (
            Provider::Bridge,
            "item.refreshed",
            r#"{"content":{"id":"x_1","amount":1.10},"timestamp":1"#,
            r#","type":"item.refreshed"}"#,
        ),
        (
            Provider::Finix,
            "identity.created",
            r#"{"type":"created","entity":"identity","occurred_at":"2"#,
            r#"","_embedded":{"identitys":[{"id":"x_1","amount":1.10}]},"id":"event_"#,
        ),
    ];
    for (provider, event_type, begins, holds) in cases {
        let receiver = Receiver::good();
        let app = application(&world, provider.name(), &json!({}));
        let endpoint = world.endpoint(&app, &json!({"url": receiver.url, "eventTypes": [event_type]}));
        let key = secret(&world, &app, &endpoint);
        assert!(providers::parse_secret(provider, &key).unwrap().is_verbatim());
        let published = publish(&world, &app, event_type, payload);
        let received = &receiver.wait_for(1)[0];
        let body = String::from_utf8(received.body.clone()).unwrap();
        assert!(body.starts_with(begins) && body.contains(holds), "{body}");
        let shown = world.call("GET", &format!("/api/v1/app/{app}/msg/{}", text(&published["id"])), "").expect(200);
        let wrapped: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&published["payload"], &shown["payload"]), (&wrapped, &wrapped), "shown as it is sent");
        let understood = verified(provider, &[&key], received).unwrap();
        assert_eq!((understood.event_type.as_str(), understood.known), (event_type, true));
        assert_eq!(received.header("webhook-signature"), "");
        assert_eq!(received.id(), text(&published["id"]));
    }
}

#[test]
fn a_retried_publish_gets_the_envelope_that_was_kept() {
    let world = World::start();
    let app = application(&world, "fintoc", &json!({}));
    let body = r#"{"eventType":"refund.succeeded","payload":{"n":1}}"#;
    for key in ["mine", "auto_1"] {
        let publish =
            || world.call_as(KEY, "POST", &format!("/api/v1/app/{app}/msg"), &[("idempotency-key", key)], body);
        let first = publish().expect(202);
        assert!(text(&first["payload"]["id"]).starts_with("evt_"));
        assert_eq!(publish().expect(202), first);
    }
}

#[test]
fn the_eleventh_endpoint_of_a_bridge_application_is_refused_until_one_is_deleted() {
    let world = World::start();
    let app = application(&world, "bridge", &json!({}));
    let path = format!("/api/v1/app/{app}/endpoint");
    let make = || world.call("POST", &path, r#"{"url":"http://127.0.0.1:9/"}"#);
    let first = text(&make().expect(201)["id"]);
    for _ in 2..=10 {
        make().expect(201);
    }
    assert_eq!(make().expect(400)["code"], json!("limit_reached"));
    world.call("DELETE", &format!("{path}/{first}"), "").expect(204);
    make().expect(201);
    assert_eq!(make().status, 400);
}

#[test]
fn link_created_goes_to_the_url_it_is_published_with_and_to_nobody_else() {
    let (world, everything, given) = (World::start(), Receiver::good(), Receiver::good());
    let app = application(&world, "fintoc", &json!({}));
    world.endpoint(&app, &json!({"url": everything.url}));
    let endpoints = format!("/api/v1/app/{app}/endpoint");
    let refused = json!({"url": everything.url, "eventTypes": ["link.created"]});
    assert!(world.call("POST", &endpoints, &refused).expect(422).to_string().contains("link.created"));
    let message = |event_type: &str, url: Option<&str>| {
        let mut body = json!({"eventType": event_type, "payload": {"link_token": "t"}});
        if let Some(url) = url {
            body["url"] = json!(url);
        }
        world.call("POST", &format!("/api/v1/app/{app}/msg"), body)
    };
    assert!(message("link.created", None).expect(422).to_string().contains("url"));
    assert!(message("refund.succeeded", Some(&given.url)).expect(422).to_string().contains("url"));
    assert!(message("link.created", Some("http://10.0.0.1/")).expect(422).to_string().contains("allow"));
    for _ in 0..2 {
        message("link.created", Some(&given.url)).expect(202);
    }
    message("link.created", Some(&given.url.replace("http://", "HTTP://"))).expect(202);
    message("refund.succeeded", None).expect(202);
    given.wait_for(3);
    everything.wait_for(1);
    std::thread::sleep(crate::receive::A_WHILE);
    assert_eq!((given.received().len(), everything.received().len()), (3, 1));
    let listed = world.call("GET", &endpoints, "").expect(200);
    let one = |url: &str| listed["data"].as_array().unwrap().iter().filter(|row| row["url"] == url).count() == 1;
    assert!(one(&given.url) && one(&everything.url), "one URL, however it is spelled: {listed}");
    let endpoint = listed["data"][0]["id"].clone();
    let example = format!("{endpoints}/{}/send-example", text(&endpoint));
    world.call("POST", &example, r#"{"eventType":"link.created"}"#).expect(422);
}

#[test]
fn types_that_not_every_customer_is_sent_need_the_metadata_that_switches_them_on() {
    let world = World::start();
    let cases = [
        ("finix", "application.created", "core"),
        ("fintoc", "account.refresh_intent.movements_removed", "movements_removed"),
        ("fintoc", "account.refresh_intent.failed", "refresh_on_demand"),
        ("fintoc", "account.refresh_intent.rejected", "refresh_on_demand"),
    ];
    for (provider, event_type, switch) in cases {
        let plain = application(&world, provider, &json!({}));
        let body = json!({"eventType": event_type, "payload": {}});
        let refused = world.call("POST", &format!("/api/v1/app/{plain}/msg"), &body).expect(422);
        assert!(refused.to_string().contains(switch), "{refused}");
        let able = application(&world, provider, &json!({switch: "true"}));
        world.call("POST", &format!("/api/v1/app/{able}/msg"), &body).expect(202);
    }
}

#[test]
fn a_provider_is_fixed_once_there_is_something_in_its_form() {
    let world = World::start();
    let put = |uid: &str, provider: &str| {
        world.call("PUT", &format!("/api/v1/app/{uid}"), json!({"name": "n", "uid": uid, "provider": provider}))
    };
    assert_eq!(put("acme", "fintoc").expect(201)["uid"], json!("acme"));
    assert_eq!(put("acme", "finix").expect(200)["provider"], json!("finix"));
    publish(&world, "acme", "transfer.created", "{}");
    assert_eq!(put("acme", "finix").status, 200);
    let unaware = world.call("PUT", "/api/v1/app/acme", r#"{"name":"new name","uid":"acme"}"#).expect(200);
    assert_eq!((&unaware["provider"], &unaware["name"]), (&json!("finix"), &json!("new name")));
    assert_eq!(put("acme", "bridge").expect(409)["code"], json!("conflict"));
    assert_eq!(put("other", "standard").status, 201);
    world.endpoint("other", &json!({"url": "http://127.0.0.1:9/"}));
    assert_eq!(put("other", "fintoc").status, 409);
    for wrong in ["svix", "generic", "stripe", ""] {
        assert_eq!(world.call("POST", "/api/v1/app", json!({"name": "n", "provider": wrong})).status, 422, "{wrong}");
    }
    let plain = world.call("POST", "/api/v1/app", json!({"name": "n"})).expect(201);
    assert_eq!(plain["provider"], json!("standard"));
    assert_eq!(
        world.call("GET", &format!("/api/v1/app/{}", text(&plain["id"])), "").expect(200)["provider"],
        json!("standard")
    );
}

#[test]
fn a_bridge_secret_is_a_uuid_two_sign_for_a_day_and_the_one_before_ends_at_once() {
    let (world, receiver) = (World::start(), Receiver::good());
    let app = application(&world, "bridge", &json!({}));
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url}));
    let rotate =
        || world.call("POST", &format!("/api/v1/app/{app}/endpoint/{endpoint}/secret/rotate"), "{}").expect(204);
    let first = secret(&world, &app, &endpoint);
    rotate();
    let second = secret(&world, &app, &endpoint);
    rotate();
    let third = secret(&world, &app, &endpoint);
    publish(&world, &app, "user.deleted", r#"{"user_uuid":"u"}"#);
    let received = &receiver.wait_for(1)[0];
    assert_eq!(received.header("bridgeapi-signature").split(',').count(), 2);
    let works = |secret: &str| verified(Provider::Bridge, &[secret], received).is_ok();
    assert_eq!((works(&first), works(&second), works(&third)), (false, true, true));
    let body = json!({"url": receiver.url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    assert_eq!(
        world.call("POST", &format!("/api/v1/app/{app}/endpoint"), body).status,
        422,
        "a secret of another form"
    );
}

#[test]
fn bridges_test_is_the_same_bytes_every_time() {
    let (world, receiver) = (World::start(), Receiver::good());
    let app = application(&world, "bridge", &json!({}));
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url}));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    for _ in 0..2 {
        world.call("POST", &path, r#"{"eventType":"TEST_EVENT"}"#).expect(200);
    }
    let constant = r#"{"content":{"item_id":1234567890,"status":0,"user_uuid":"9a95b38f-f98b-417a-988b-9d0d584893e7"},"timestamp":1611681789,"type":"TEST_EVENT"}"#;
    for received in receiver.wait_for(2) {
        assert_eq!(String::from_utf8(received.body).unwrap(), constant);
    }
}

#[test]
fn an_example_of_any_type_of_the_catalogue_is_made_up_and_sent_as_the_provider_sends_it() {
    let (world, receiver) = (World::start(), Receiver::good());
    let app = application(&world, "finix", &json!({}));
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url}));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    world.call("POST", &path, r#"{"eventType":"dispute.created"}"#).expect(200);
    let received = &receiver.wait_for(1)[0];
    let understood = verified(Provider::Finix, &[&secret(&world, &app, &endpoint)], received).unwrap();
    assert_eq!((understood.event_type.as_str(), understood.known), ("dispute.created", true));
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert!(text(&body["_embedded"]["disputes"][0]["id"]).starts_with("DI"));
}

#[test]
fn a_failed_delivery_is_tried_again_by_the_providers_own_ladder_and_signed_anew() {
    let (world, receiver) =
        (World::start(), Receiver::start(|count, _| Behaviour::Status(if count < 2 { 500 } else { 200 })));
    let app = application(&world, "fintoc", &json!({}));
    let endpoint = world.endpoint(&app, &json!({"url": receiver.url}));
    publish(&world, &app, "refund.failed", r#"{"n":1}"#);
    let received = receiver.wait_for(3);
    let waits: Vec<_> = received.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert!((2_990..4_500).contains(&waits[0]) && (5_990..8_000).contains(&waits[1]), "3 s, then 6: {waits:?}");
    let signatures: std::collections::BTreeSet<_> = received.iter().map(|one| one.header("fintoc-signature")).collect();
    assert_eq!(signatures.len(), 3, "the time is of each attempt");
    assert!(received.iter().all(|one| one.body == received[0].body));
    let key = secret(&world, &app, &endpoint);
    assert!(received.iter().all(|one| verified(Provider::Fintoc, &[&key], one).is_ok()));
}

#[test]
fn what_a_provider_application_sends_a_source_of_that_provider_takes() {
    for (provider, kind, event_type) in [
        ("fintoc", "fintoc", "charge.failed"),
        ("bridge", "bridge", "item.created"),
        ("finix", "finix", "dispute.created"),
    ] {
        let world = World::start();
        let app = application(&world, provider, &json!({}));
        let source = world.call("POST", "/ingest/api/v1/source", json!({"name": "s", "type": kind})).expect(201);
        let endpoint = world.endpoint(&app, &json!({"url": "http://127.0.0.1:9/"}));
        let key = secret(&world, &app, &endpoint);
        let source_path = format!("/ingest/api/v1/source/{}", text(&source["id"]));
        world.call("PATCH", &source_path, json!({"config": {"secrets": [key]}})).expect(200);
        // a server does not dial itself: another one carries what this one sent
        let other = World::start();
        let there = application(&other, provider, &json!({}));
        let body = json!({"url": source["ingestUrl"], "secret": key});
        other.call("POST", &format!("/api/v1/app/{there}/endpoint"), body).expect(201);
        publish(&other, &there, event_type, r#"{"n":1}"#);
        let listed = eventually(|| {
            let list = world.call("GET", &format!("/api/v1/app/{}/msg", text(&source["id"])), "").expect(200);
            list["data"].get(0).cloned()
        });
        assert_eq!((&listed["eventType"], &listed["flags"]), (&json!(event_type), &json!([])), "{provider}");
    }
}
