//! What is not let in: forged, stale, unsigned, too large, at a door that nobody opened.

use super::*;

const FIXED: &str = r#"{"code":"unverified","detail":"this request could not be verified"}"#;

#[test]
fn every_refusal_has_one_text_and_its_own_counter_and_leaves_nothing_else() {
    let door = Door::open(Provider::Fintoc);
    let body = fintoc("evt_1", 1).into_bytes();
    let header = |value: &str| vec![("fintoc-signature".to_owned(), value.to_owned())];
    let good = door.proof(&body)[0].1.clone();
    let doubled = [header(&good), header(&good)].concat();
    let now = now_secs();
    let cases = [
        ("missing_header", Vec::new()),
        ("malformed_header", header("nonsense")),
        ("malformed_header", doubled),
        ("unknown_scheme", header(&good.replace("v1=", "v9="))),
        ("bad_signature", header(&format!("{good},v1={}", "0".repeat(64)))),
        ("bad_signature", door.proof(b"another body")),
        ("stale", door.proof_at(&body, now - 302)),
        ("future", door.proof_at(&body, now + 310)),
    ];
    for (reason, headers) in &cases {
        let before = door.refusals(reason);
        let answer = door.post(&body, headers);
        assert_eq!((answer.status, answer.body.as_str()), (401, FIXED), "{reason} {headers:?}");
        assert_eq!(door.refusals(reason), before + 1, "{reason} {headers:?}");
    }
    assert_eq!((door.events().len(), door.get("/stats")["accepted"].as_u64()), (0, Some(0)));
    assert_eq!(door.post(&body, &door.proof_at(&body, now - 295)).status, 200);
}

/// What the door remembers of refused requests, the newest first: reason, address.
fn remembered(door: &Door) -> Vec<(String, String)> {
    let list = door.get("/refusal");
    assert_eq!(list["done"], json!(true));
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["reason"]), text(&row["address"]))).collect()
}

#[test]
fn a_door_remembers_its_last_twenty_refusals_for_its_admins() {
    let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--trust-proxy", "127.0.0.1"]);
    let mut door = Door::open_in(world, Provider::Fintoc, json!({"allowIps": ["203.0.113.0/24", "127.0.0.1"]}));
    let from = |address: &str, name: &str| {
        let headers = [("x-forwarded-for".to_owned(), address.to_owned()), (name.to_owned(), "nonsense".to_owned())];
        assert_eq!(door.post(b"{}", &headers).expect(401), serde_json::from_str::<Value>(FIXED).unwrap());
    };
    let before_ms = now_secs() * 1_000;
    assert_eq!(remembered(&door), []);
    from("198.51.100.9:4711", "x-nothing");
    from("203.0.113.7", "x-nothing");
    from("[2001:db8::1]:443", "x-nothing");
    from("::ffff:203.0.113.8", "fintoc-signature");
    let named =
        |rows: &[(&str, &str)]| rows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(
        remembered(&door),
        named(&[
            ("malformed_header", "203.0.113.8"),
            ("bad_address", "2001:db8::1"),
            ("missing_header", "203.0.113.7"),
            ("bad_address", "198.51.100.9"),
        ])
    );
    let first = door.get("/refusal?limit=1");
    let at: jiff::Timestamp = text(&first["data"][0]["at"]).parse().unwrap();
    assert!((before_ms..before_ms + 60_000).contains(&at.as_millisecond()), "{at}");
    let second = door.get(&format!("/refusal?limit=1&iterator={}", text(&first["iterator"])));
    assert_eq!(second["data"][0]["address"], "2001:db8::1");

    // a flood pushes out what came before it, and no more is kept of it
    for _ in 0..30 {
        from("203.0.113.9", "fintoc-signature");
    }
    assert_eq!(remembered(&door), vec![("malformed_header".to_owned(), "203.0.113.9".to_owned()); 20]);
    assert_eq!((door.refusals("malformed_header"), door.refusals("bad_address")), (31, 2), "all are counted");

    // they are on the disk, and whoever may not manage the environment does not see them
    let path = format!("{SOURCES}/{}/refusal", door.source);
    for role in ["viewer", "publisher"] {
        let key = door.world.key(role, "test");
        let status = || Some(door.world.call_as(&key, "GET", &path, &[], "").status).filter(|status| *status != 401);
        assert_eq!(eventually(status), 403, "{role}");
    }
    door.world.kill_and_restart();
    assert_eq!(remembered(&door).len(), 20);
}

#[test]
fn a_flood_of_signatures_is_not_looked_at() {
    let door = Door::open(Provider::Bridge);
    let body = br#"{"content":{},"timestamp":1612782588323,"type":"user.deleted"}"#;
    let good = door.proof(body)[0].1.clone();
    let many = |count: usize| {
        let bad = format!("v1={}", "00".repeat(32));
        vec![("bridgeapi-signature".to_owned(), vec![bad; count - 1].join(",") + "," + &good)]
    };
    assert_eq!((door.post(body, &many(17)).status, door.post(body, &many(16)).status), (401, 200));
}

#[test]
fn a_finix_source_asks_for_its_credentials_and_may_do_without_a_signature() {
    let basic = json!({"type": "BASIC", "basic": {"username": "fin", "password": "ix:secret"}});
    let door = Door::open_with(Provider::Finix, json!({"authentication": basic}));
    let event = |n: u32| {
        format!(
            r#"{{"type":"updated","entity":"transfer","occurred_at":"2026-01-01T00:00:00.{n}","_embedded":{{"transfers":[{{"id":"TR1"}}]}}}}"#
        )
    };
    let with = |body: &str, authorization: &[&str]| {
        let mut headers = door.proof(body.as_bytes());
        headers.extend(authorization.iter().map(|value| ("authorization".to_owned(), (*value).to_owned())));
        door.post(body.as_bytes(), &headers).status
    };
    let right = "Basic ZmluOml4OnNlY3JldA==";
    assert_eq!(with(&event(1), &[right]), 200);
    for wrong in [&[][..], &["Basic ZmluOng="], &["Bearer ZmluOml4OnNlY3JldA=="], &[right, right], &["Basic"]] {
        assert_eq!(with(&event(2), wrong), 401, "{wrong:?}");
    }
    assert_eq!(door.refusals("bad_credentials"), 5);
    let path = format!("{SOURCES}/{}", door.source);
    let bearer = json!({"config": {"requireSignature": false, "authentication": {"type": "BEARER", "bearer": {"token": "t0ken"}}}});
    door.world.call("PATCH", &path, bearer).expect(200);
    let unsigned = |token: &str| {
        let headers = vec![("authorization".to_owned(), format!("Bearer {token}"))];
        door.post(event(3).as_bytes(), &headers).status
    };
    assert_eq!((unsigned("t0ken"), unsigned("t0kem"), unsigned("t0ken ")), (200, 401, 200));
    assert_eq!(door.get("")["config"]["authentication"], json!({"type": "BEARER"}), "credentials only go in");
}

#[test]
fn too_large_encoded_or_unaddressed_requests_get_a_clear_answer() {
    let door = Door::open(Provider::Fintoc);
    let large = vec![b' '; 1_024 * 1_024 + 1];
    assert_eq!(door.send(&large).expect(413)["code"], json!("payload_too_large"));
    let padded = format!("{}{}", fintoc("evt_1", 1), " ".repeat(1_024 * 1_024 - fintoc("evt_1", 1).len()));
    assert_eq!(door.send(&padded).status, 200, "exactly 1 MiB");
    let body = fintoc("evt_2", 1);
    let mut headers = door.proof(body.as_bytes());
    headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    assert_eq!(door.post(body.as_bytes(), &headers).status, 415);
    for path in ["/in/unknown", "/in/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/in/%00", &door.path.to_lowercase()] {
        let answer = door.world.raw(&request(path, body.as_bytes(), &door.proof(body.as_bytes())));
        assert_eq!(answer.expect(404)["code"], json!("not_found"), "{path}");
    }
    assert_eq!(door.world.call("GET", &door.path, "").expect(405)["code"], json!("method_not_allowed"));
    assert_eq!(door.events().len(), 1);
}

#[test]
fn only_listed_addresses_come_in_also_behind_a_trusted_proxy() {
    let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--trust-proxy", "127.0.0.1"]);
    let door = Door::open_in(world, Provider::Bridge, json!({"allowIps": ["63.32.31.5", "52.0.0.0/8"]}));
    let sent = |n: u32, forwarded: &str| {
        let body = format!(r#"{{"content":{{}},"timestamp":{n},"type":"user.deleted"}}"#);
        let mut headers = door.proof(body.as_bytes());
        if !forwarded.is_empty() {
            headers.push(("x-forwarded-for".to_owned(), forwarded.to_owned()));
        }
        door.post(body.as_bytes(), &headers).status
    };
    assert_eq!((sent(1, "63.32.31.5"), sent(2, "9.9.9.9, 52.1.2.3"), sent(3, "63.32.31.5, 9.9.9.9")), (200, 200, 401));
    assert_eq!((sent(4, ""), sent(5, "63.32.31.6")), (401, 401));
    assert_eq!(door.refusals("bad_address"), 3);
}

#[test]
fn an_address_is_the_same_however_a_proxy_or_a_person_writes_it() {
    let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--trust-proxy", "::ffff:127.0.0.1,10.0.0.9:80"]);
    let listed =
        json!({"allowIps": ["203.0.113.7:443", "[2001:db8::1]", "[2001:db8::2]:1234", "::ffff:198.51.100.0/120"]});
    let door = Door::open_in(world, Provider::Bridge, listed);
    assert_eq!(
        door.get("")["config"]["allowIps"],
        json!(["203.0.113.7/32", "2001:db8::1/128", "2001:db8::2/128", "198.51.100.0/24"])
    );
    let sent = |n: usize, forwarded: &str| {
        let body = format!(r#"{{"content":{{}},"timestamp":{n},"type":"user.deleted"}}"#);
        let mut headers = door.proof(body.as_bytes());
        headers.push(("x-forwarded-for".to_owned(), forwarded.to_owned()));
        door.post(body.as_bytes(), &headers).status
    };
    for (n, (forwarded, status)) in [
        ("203.0.113.7", 200),
        ("203.0.113.7:51000", 200),
        ("::ffff:203.0.113.7", 200),
        ("[::ffff:203.0.113.7]:51000", 200),
        ("2001:db8::1", 200),
        ("[2001:db8::1]", 200),
        ("[2001:db8::2]:1", 200),
        ("198.51.100.77:80", 200),
        ("1.1.1.1, 203.0.113.7:51000, 10.0.0.9:9000", 200),
        ("[2001:db8::3]:1234", 401),
        ("203.0.113.8:443", 401),
        // whoever stands before what cannot be read may be invented
        ("203.0.113.7, unknown", 401),
        ("203.0.113.7, _hidden", 401),
        ("203.0.113.7:51000, 9.9.9.9:443", 401),
        ("203.0.113.7, [fe80::1%1]:443", 401),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(sent(n, forwarded), status, "{forwarded}");
    }
}

#[test]
fn each_bit_of_body_and_signature_counts() {
    let door = Door::open(Provider::Generic);
    let body = b"0123456789abcdef0123456789abcdef";
    let config =
        json!({"config": {"header": "X-Signature", "algorithm": "sha512", "encoding": "base64", "prefix": "s="}});
    door.world.call("PATCH", &format!("{SOURCES}/{}", door.source), config).expect(200);
    let form = posthaste::inbound::Form {
        header: "x-signature".to_owned(),
        algorithm: posthaste::inbound::Algorithm::Sha512,
        encoding: posthaste::inbound::Encoding::Base64,
        prefix: "s=".to_owned(),
        ..Default::default()
    };
    let secret = providers::parse_secret(Provider::Generic, door.secret).unwrap();
    let signature = vec![("x-signature".to_owned(), providers::sign_generic(&form, &secret, body))];
    for bit in (0..body.len() * 8).step_by(7) {
        let mut flipped = body.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(door.post(&flipped, &signature).status, 401, "bit {bit}");
    }
    assert_eq!((door.post(body, &signature).status, door.post(body, &signature).status), (200, 200));
    assert_eq!(door.events().len(), 1);
}
