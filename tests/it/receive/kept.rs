//! What is kept, how often, and what is said of it.

use super::*;

#[test]
fn an_event_comes_in_once_and_is_told_by_its_source_key_and_repetitions() {
    let door = Door::open(Provider::Fintoc);
    let body = fintoc("evt_00000001", 5);
    for _ in 0..3 {
        let answer = door.send(&body);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    let events = door.events();
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    assert_eq!((&event["eventType"], &event["dedupKey"]), (&json!("payment_intent.succeeded"), &json!("evt_00000001")));
    assert_eq!((&event["duplicates"], &event["flags"], &event["source"]), (&json!(2), &json!([]), &json!(door.source)));
    let stats = door.get("/stats");
    assert_eq!((&stats["accepted"], &stats["duplicates"], &stats["conflicts"]), (&json!(1), &json!(2), &json!(0)));
    assert_eq!((&stats["gapSuspected"], &stats["gap"]), (&json!(false), &Value::Null));
}

#[test]
fn another_body_under_the_same_id_is_kept_and_flagged_and_each_body_once() {
    let door = Door::open_with(Provider::Fintoc, json!({"onConflict": "deliver"}));
    let receiver = Receiver::good();
    door.subscribe(&receiver);
    for amount in [1, 2, 1, 2] {
        assert_eq!(door.send(fintoc("evt_same", amount)).status, 200);
    }
    let events = door.events();
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["flags"], &events[1]["flags"]), (&json!(["id_conflict"]), &json!([])));
    let bodies: Vec<_> = receiver.wait_for(2).iter().map(|received| received.body.clone()).collect();
    assert!(
        bodies.contains(&fintoc("evt_same", 1).into_bytes()) && bodies.contains(&fintoc("evt_same", 2).into_bytes())
    );
    let stats = door.get("/stats");
    assert_eq!((&stats["accepted"], &stats["duplicates"], &stats["conflicts"]), (&json!(2), &json!(2), &json!(1)));
}

#[test]
fn unknown_types_and_live_events_at_a_test_source_are_kept_and_flagged() {
    let door = Door::open(Provider::Fintoc);
    let unknown = fintoc("evt_1", 1).replace("payment_intent.succeeded", "payment_intent.teleported");
    let live = fintoc("evt_2", 1).replace(r#""mode":"test""#, r#""mode":"live""#);
    let odd = fintoc("evt_3", 1).replace("payment_intent.succeeded", "a b/é");
    for body in [&unknown, &live, &odd] {
        assert_eq!(door.send(body).status, 200);
    }
    let events = door.events();
    assert_eq!(
        (&events[2]["eventType"], &events[2]["flags"]),
        (&json!("payment_intent.teleported"), &json!(["unknown_type"]))
    );
    assert_eq!(events[1]["flags"], json!(["mode_mismatch"]));
    assert_eq!(events[0]["flags"], json!(["unknown_type"]));
    assert_eq!(events[0]["payload"]["type"], json!("a b/é"), "the bytes are as they came");
    assert_eq!(door.get("/stats")["unknownTypes"], json!(2));
}

#[test]
fn bridge_events_are_told_apart_by_their_content_and_its_test_is_never_a_repetition() {
    let door = Door::open(Provider::Bridge);
    let one = r#"{"content":{"account_id":1,"balance":1678.12,"item_id":2},"timestamp":1612782588323,"type":"item.account.updated"}"#;
    let respelled = r#"{ "type":"item.account.updated", "timestamp":1612782588323, "content":{"item_id":2,"balance":1678.12,"account_id":1} }"#;
    let later = one.replace("588323", "588324");
    for body in [one, respelled, &later, one] {
        assert_eq!(door.send(body).status, 200);
    }
    assert_eq!(door.events().len(), 2, "written in another way it is the same event, at another time it is not");
    for _ in 0..3 {
        let test = r#"{"content":{"item_id":1234567890,"status":0,"user_uuid":"9a95b38f-f98b-417a-988b-9d0d584893e7"},"timestamp":1611681789,"type":"TEST_EVENT"}"#;
        assert_eq!(door.send(test).status, 200);
    }
    let events = door.events();
    assert_eq!((events.len(), &events[0]["dedupKey"]), (5, &Value::Null));
}

#[test]
fn finix_pings_are_answered_at_any_time_and_leave_no_trace_but_a_count() {
    let door = Door::open_with(Provider::Finix, json!({"secrets": []}));
    for body in ["", "{}", " \r\n", "{ }", "{}\n", "null", "\tnull\n"] {
        assert_eq!(door.post(body.as_bytes(), &[]).status, 200, "{body:?}");
    }
    for body in ["[]", "{}{}", "nullx", r#"{"a":1}"#, &" ".repeat(2_000)] {
        assert_eq!(door.post(body.as_bytes(), &[]).status, 401, "{body:?}");
    }
    let event = r#"{"type":"created","entity":"transfer","occurred_at":"2026-01-01T00:00:00.1","_embedded":{"transfers":[{"id":"TR1"}]}}"#;
    assert_eq!(door.send(event).status, 401, "a source without secrets lets nothing else in");
    let path = format!("{SOURCES}/{}", door.source);
    door.world.call("PATCH", &path, json!({"config": {"secrets": [FINIX]}})).expect(200);
    assert_eq!((door.send(event).status, door.post(b"{}", &[]).status), (200, 200));
    let stats = door.get("/stats");
    assert_eq!(
        (&stats["pings"], &stats["accepted"], &stats["refused"]["bad_secret"]),
        (&json!(8), &json!(1), &json!(6))
    );
    assert_eq!(door.events()[0]["eventType"], json!("transfer.created"));
    assert_eq!(door.world.call("POST", &door.path, "").status, 200, "also with an Authorization header");
}

#[test]
fn what_is_genuine_and_not_understood_is_refused_and_kept_once_for_each_body() {
    let door = Door::open(Provider::Fintoc);
    for body in ["{", r#"{"id":"evt_1","object":"event"}"#, "{", "null"] {
        assert_eq!(door.send(body).expect(400)["code"], json!("malformed_body"), "{body}");
    }
    let list = door.get("/quarantine");
    let kept = list["data"].as_array().unwrap();
    assert_eq!((kept.len(), &list["done"]), (3, &json!(true)));
    let first = kept.iter().find(|kept| kept["body"] == "{").unwrap();
    assert_eq!((&first["count"], &first["bodyBase64"]), (&json!(2), &json!("ew==")));
    assert!(!text(&first["reason"]).is_empty() && text(&first["sha256"]).len() == 64);
    assert_eq!((door.get("/stats")["quarantined"].as_u64(), door.events().len()), (Some(3), 0));
    assert_eq!(door.post(b"{", &[]).status, 401, "unsigned it leaves no trace");
    assert_eq!(door.get("/quarantine")["data"].as_array().unwrap().len(), 3);
}

#[test]
fn counts_and_memory_of_repetitions_outlive_a_crash() {
    let mut door = Door::open(Provider::Fintoc);
    assert_eq!(door.send(fintoc("evt_1", 1)).status, 200);
    assert_eq!(door.post(b"forged", &[]).status, 401);
    eventually(|| (door.refusals("missing_header") == 1).then_some(()));
    door.world.kill_and_restart();
    assert_eq!(door.send(fintoc("evt_1", 1)).status, 200);
    let stats = door.get("/stats");
    assert_eq!((&stats["accepted"], &stats["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(stats["refused"]["missing_header"], json!(1));
}

#[test]
fn an_outage_longer_than_the_provider_tries_is_told() {
    let mut door = Door::open(Provider::Finix);
    let at = |door: &Door| {
        let database = rusqlite::Connection::open(door.world.database()).unwrap();
        database.query_row("select alive_ms from engine", (), |row| row.get::<_, Option<i64>>(0)).unwrap()
    };
    let alive_ms = eventually(|| at(&door));
    door.world.kill();
    for (minutes, suspected) in [(20, false), (21, true)] {
        let database = rusqlite::Connection::open(door.world.database()).unwrap();
        database.execute("update engine set alive_ms = ?1", (alive_ms - minutes * 60_000,)).unwrap();
        drop(database);
        door.world.restart();
        eventually(|| (door.get("/stats")["gapSuspected"] == json!(suspected)).then_some(()));
        door.world.kill();
    }
    door.world.restart();
    assert_eq!(door.get("/stats")["gap"]["reason"], json!("outage"));
}

/// It was told once, to whatever state the disk was in, and nothing else knows of it once the server lives again.
#[test]
fn an_outage_is_told_though_nothing_could_be_written_when_it_ended() {
    let mut door = Door::open(Provider::Finix);
    let database = rusqlite::Connection::open(door.world.database()).unwrap();
    let alive_ms =
        || database.query_row("select alive_ms from engine", (), |row| row.get::<_, Option<i64>>(0)).unwrap();
    eventually(alive_ms);
    door.world.kill();
    // a used-up counter is as full as a disk can be
    let full = "update engine set alive_ms = alive_ms - 3600000;
        create table counter (id integer primary key autoincrement);
        insert into counter values (9223372036854775807);
        create trigger fails before insert on source_tally begin insert into counter values (null); end";
    database.execute_batch(full).unwrap();
    let before = alive_ms();
    door.world.restart();
    std::thread::sleep(A_WHILE);
    assert_eq!(alive_ms(), before, "a crash now must not hide the outage from the next start");
    database.execute_batch("drop trigger fails").unwrap();
    eventually(|| (door.get("/stats")["gapSuspected"] == json!(true)).then_some(()));
    eventually(|| (alive_ms() != before).then_some(()));
}
