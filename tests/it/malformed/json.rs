//! Malformed JSON (corpus M, JSON 1 to 35): the document must be well-formed, and what is payload goes out as it came.

use super::{Walls, check, head, problem};

/// Documents that are none, by their number in the corpus.
fn no_documents() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let utf16 = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("2", b"  \n\t ".to_vec()),
        ("3", b"{".to_vec()),
        ("4", br#"{"a":1,}"#.to_vec()),
        ("5", b"{}// why".to_vec()),
        ("5, inside", b"{/* why */}".to_vec()),
        ("6", br#"{"a":NaN}"#.to_vec()),
        ("6, and the other", br#"{"a":-Infinity}"#.to_vec()),
        ("13, not an object", deep(129)),
        ("14", deep(100_000)),
        ("14, unclosed", "[{\"a\":".repeat(100_000).into_bytes()),
        ("17, in a key", br#"{"\ud800":1}"#.to_vec()),
        ("19", b"{\"a\":\"\xff\"}".to_vec()),
        ("20", b"{\"a\":\"\xc0\xaf\"}".to_vec()),
        ("21", utf16),
        ("22", "\u{feff}{}".into()),
        ("23", b"[]".to_vec()),
        ("23, a text", br#""a""#.to_vec()),
        ("23, null", b"null".to_vec()),
        ("23, a number", b"1e400".to_vec()),
        ("24", b"{}{}".to_vec()),
        ("25", b"{}\n{}\n".to_vec()),
        ("33", b"{}\0".to_vec()),
        ("single quotes", b"{'a':1}".to_vec()),
        ("a leading zero", br#"{"a":01}"#.to_vec()),
        ("a bare word", br#"{"a":yes}"#.to_vec()),
        ("a raw newline in a text", b"{\"a\":\"\n\"}".to_vec()),
    ]
}

#[test]
fn no_route_takes_what_is_no_json_object() {
    let walls = Walls::start(&[]);
    let endpoint = format!("endpoint/{}", walls.endpoint);
    let below = |rest: &str| walls.path(&format!("{endpoint}{rest}"));
    let routes = [
        ("POST", "/api/v1/app".to_owned()),
        ("POST", "/api/v1/event-type".to_owned()),
        ("POST", walls.path("endpoint")),
        ("PATCH", below("")),
        ("PUT", below("/headers")),
        ("PATCH", below("/headers")),
        ("POST", below("/secret/rotate")),
        ("POST", below("/send-example")),
        ("POST", walls.path("msg")),
        ("POST", walls.path("msg/batch")),
    ];
    let secret = walls.world.call("GET", &below("/secret"), "").expect(200);
    for (case, document) in no_documents() {
        // where no body is needed, null is none
        let needs_one = |path: &str| case != "23, null" || !path.ends_with("/rotate");
        for (method, path) in routes.iter().filter(|(_, path)| needs_one(path)) {
            let head = format!("{}content-length: {}\r\n", head(method, path), document.len());
            let answer = walls.world.raw(&[format!("{head}connection: close\r\n\r\n").as_bytes(), &document].concat());
            assert_eq!(answer.status, 422, "case {case}, {method} {path}: {answer:?}");
            problem(&answer);
        }
    }
    assert_eq!(walls.world.call("GET", &below("/secret"), "").expect(200), secret);
    walls.stand(0, 16);
}

#[test]
fn an_empty_body_lacks_what_its_route_needs() {
    let walls = Walls::start(&[]);
    let post = |path: &str| walls.world.call("POST", path, "");
    check(&post("/api/v1/app"), 422, "body.name", "missing");
    check(&post("/api/v1/event-type"), 422, "body.name", "missing");
    check(&post(&walls.path("endpoint")), 422, "body.url", "missing");
    check(&post(&walls.path(&format!("endpoint/{}/send-example", walls.endpoint))), 422, "body.eventType", "missing");
    check(&post(&walls.path("msg")), 422, "body", "JSON");
    check(&post(&walls.path("msg/batch")), 422, "body", "JSON");
    walls.stand(0, 8);
}

#[test]
fn a_payload_that_is_well_formed_arrives_as_its_own_bytes_whatever_is_in_it() {
    let walls = Walls::start(&["--payload-max", "33554432"]);
    let keys = |count: usize| (0..count).map(|n| format!(r#""{n:x}":0"#)).collect::<Vec<_>>().join(",");
    let deep = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let payloads = [
        r#"{"a":1e999999,"b":-1e-999999}"#.to_owned(),   // 7
        format!(r#"{{"a":{}}}"#, "9".repeat(1_000_000)), // 8
        r#"{"a":[9007199254740993,9223372036854775808,18446744073709551616]}"#.into(), // 9
        r#"{"a":-0,"b":1.10,"c":1E+2,"d":0.1e1}"#.into(), // 10, 11
        r#"{"a":1,"a":2,"b":{"c":1,"c":2}}"#.into(),     // 12
        deep(129),                                       // 13
        deep(100_000),                                   // 14
        format!("{{{}}}", keys(1_000_000)),              // 15
        format!(r#"{{"a":"{}"}}"#, "x".repeat(16 * 1_024 * 1_024)), // 16
        r#"{"a":"\ud800","b":"\udc00\ud800"}"#.into(),   // 17
        r#"{"a":"\u0000","\u0000":1}"#.into(),           // 18
        r#"{"__proto__":{"a":1},"constructor":{"prototype":1},"toString":null}"#.into(), // 26
        format!(r#"{{"{}":1}}"#, "k".repeat(1_048_576)), // 27
        r#"{"amount":"1.10","amount2":1.10,"amount3":110}"#.into(), // 31
        "{\"a\":\"\u{202e}\u{200b}\u{feff}\u{1f4b6}\u{2028}\"}".into(), // 32
        "{ \"b\" :\t1 ,\r\n\"a\": [ ] }".into(),
        r#"{"$serde_json::private::RawValue":"1","$serde_json::private::Number":"1"}"#.into(),
    ];
    for payload in &payloads {
        let event = walls.world.publish(&walls.app, payload);
        let came = walls.receiver.wait_for(1 + payloads.iter().position(|other| other == payload).unwrap() + 1);
        let delivered = came.iter().find(|received| received.id() == event).expect("it came");
        assert!(delivered.body == payload.as_bytes(), "{}", &payload[..payload.len().min(60)]);
        let shown = walls.world.call("GET", &walls.path(&format!("msg/{event}")), "");
        assert!(shown.status == 200 && shown.body.contains(payload), "{}", &payload[..payload.len().min(60)]);
    }
    let listed = walls.world.call("GET", &walls.path("msg?with_content=true"), "");
    assert!(listed.status == 200 && payloads.iter().all(|payload| listed.body.contains(payload)));
    let head = walls.world.call("GET", &walls.path("msg?with_content=false"), "").expect(200);
    assert_eq!(head["data"].as_array().unwrap().len(), payloads.len() + 1);
}

#[test]
fn a_payload_in_plain_text_is_taken_by_its_content() {
    let walls = Walls::start(&[]);
    let body = r#"{"eventType":"a","payload":{"__proto__":{"eventType":1},"later":[[[1]]]}}"#;
    let plain = [("content-type", "text/plain")]; // 34
    walls.world.call_as(crate::world::KEY, "POST", &walls.path("msg"), &plain, body).expect(202);
    walls.stand(1, 8);
}

#[test]
fn a_key_stands_once_in_the_envelope() {
    let walls = Walls::start(&[]);
    for (body, words) in [
        (r#"{"eventType":"a","payload":{},"eventType":"b"}"#, "duplicate field `eventType`"),
        (r#"{"eventType":"a","payload":{},"payload":{"a":1}}"#, "duplicate field `payload`"),
        (r#"{"eventType":"a","payload":{},"data":{}}"#, "duplicate field `payload`"),
        (r#"{"eventType":"a","payload":{},"eventId":"1","eventId":"1"}"#, "duplicate field `eventId`"),
    ] {
        let answer = walls.world.call("POST", &walls.path("msg"), body);
        let (what, sentence) = problem(&answer);
        assert!(answer.status == 422 && what.starts_with("body.") && sentence.contains(words), "{answer:?}");
    }
    let twice = r#"{"url":"http://127.0.0.1/","url":"http://127.0.0.2/"}"#;
    check(&walls.world.call("POST", &walls.path("endpoint"), twice), 422, "body.url", "duplicate field");
    walls.stand(0, 8);
}
