//! Polling: events fetched in order, again until they are committed.

use super::*;

fn ids(polled: &Value) -> Vec<String> {
    polled["data"].as_array().unwrap().iter().map(|event| text(&event["id"])).collect()
}

#[test]
fn a_consumer_gets_what_follows_again_until_it_commits() {
    let door = Door::open(Provider::Fintoc);
    let poll =
        |rest: &str| door.world.call("GET", &format!("/api/v1/app/{}/poller/{rest}", door.source), "").expect(200);
    let nothing = poll("inbox/consumer/a");
    assert_eq!((&nothing["data"], &nothing["done"]), (&json!([]), &json!(true)));
    for n in 1..=5 {
        assert_eq!(door.send(fintoc(&format!("evt_{n}"), n)).status, 200);
    }
    let first = poll("inbox/consumer/a?limit=2");
    assert_eq!((ids(&first).len(), &first["done"]), (2, &json!(false)));
    assert_eq!(first["data"][0]["payload"]["id"], json!("evt_1"));
    assert_eq!(poll("inbox/consumer/a?limit=2"), first, "not committed");
    let second = poll(&format!("inbox/consumer/a?limit=2&iterator={}", text(&first["iterator"])));
    assert_eq!(second["data"][0]["payload"]["id"], json!("evt_3"));
    assert_eq!(poll("inbox/consumer/a?limit=2"), second, "the first answer is committed");
    assert_eq!(door.get("/stats")["processed"], json!(2));
    let last = poll(&format!("inbox/consumer/a?iterator={}", text(&second["iterator"])));
    assert_eq!((ids(&last).len(), &last["done"]), (1, &json!(true)));
    let end = poll(&format!("inbox/consumer/a?iterator={}", text(&last["iterator"])));
    assert_eq!((&end["data"], &end["iterator"], &end["done"]), (&json!([]), &last["iterator"], &json!(true)));
    assert_eq!(door.get("/stats")["processed"], json!(5));
    assert_eq!(ids(&poll("inbox/consumer/b")).len(), 5, "each consumer has a place of its own");
    assert_eq!(ids(&poll("other/consumer/a")).len(), 5, "in each sink");
}

#[test]
fn a_poller_without_a_consumer_only_follows_its_iterator() {
    let door = Door::open(Provider::Fintoc);
    let poll =
        |rest: &str| door.world.call("GET", &format!("/api/v1/app/{}/poller/{rest}", door.source), "").expect(200);
    for n in 1..=3 {
        assert_eq!(door.send(fintoc(&format!("evt_{n}"), n)).status, 200);
    }
    let first = poll("s?limit=1");
    let rest = poll(&format!("s?iterator={}", text(&first["iterator"])));
    assert_eq!((ids(&first).len(), ids(&rest).len()), (1, 2));
    assert_eq!(poll("s?limit=1"), first);
    assert_eq!(ids(&poll("s?event_type=refund.succeeded")).len(), 0);
    assert_eq!(ids(&poll("s?after=2999-01-01T00:00:00Z")).len(), 0);
}

#[test]
fn a_place_can_be_sought_and_outlives_a_restart() {
    let mut door = Door::open(Provider::Fintoc);
    for n in 1..=3 {
        assert_eq!(door.send(fintoc(&format!("evt_{n}"), n)).status, 200);
    }
    let path = format!("/api/v1/app/{}/poller/inbox/consumer/a", door.source);
    let all = door.world.call("GET", &path, "").expect(200);
    door.world.call("GET", &format!("{path}?iterator={}", text(&all["iterator"])), "").expect(200);
    door.world.kill_and_restart();
    assert_eq!(door.world.call("GET", &path, "").expect(200)["data"], json!([]));
    let sought = door.world.call("POST", &format!("{path}/seek"), json!({"after": "2020-01-01T00:00:00Z"})).expect(200);
    assert!(text(&sought["iterator"]).starts_with("msg_"));
    assert_eq!(ids(&door.world.call("GET", &path, "").expect(200)).len(), 3);
    assert_eq!(door.get("/stats")["processed"], json!(3), "seeking processes nothing and takes nothing back");
    door.world.call("POST", &format!("{path}/seek"), json!({"after": "soon"})).expect(422);
    for name in ["a.b", "%20", &"x".repeat(65)] {
        let answer = door.world.call("GET", &format!("/api/v1/app/{}/poller/{name}", door.source), "");
        assert_eq!(answer.status, 422, "{name}");
    }
}
