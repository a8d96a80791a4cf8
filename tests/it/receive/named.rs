//! One name for one event: the same after a restore and in a source made anew, and found by every look-up.

use super::*;

fn made(world: &World, uid: &str) -> (String, String) {
    let mut source = json!({"name": "in", "type": "fintoc", "config": {"secrets": [FINTOC]}});
    if !uid.is_empty() {
        source["uid"] = json!(uid);
    }
    let made = world.call("POST", SOURCES, source).expect(201);
    (text(&made["id"]), path_of(&made))
}

fn send(world: &World, path: &str, body: &str) {
    let proof = proof(Provider::Fintoc, FINTOC, body.as_bytes(), now_secs());
    assert_eq!(world.raw(&request(path, body.as_bytes(), &proof)).status, 200);
}

/// What a source's events are called, the newest first.
fn names(world: &World, source: &str) -> Vec<String> {
    let list = world.call("GET", &format!("/api/v1/app/{source}/msg"), "").expect(200);
    list["data"].as_array().unwrap().iter().map(|event| text(&event["id"])).collect()
}

#[test]
fn a_restored_backup_calls_what_comes_again_by_the_same_name() {
    let mut world = World::start();
    let (source, path) = made(&world, "fintoc");
    send(&world, &path, &fintoc("evt_before", 1));
    assert!(world.terminate().success());
    let (database, copy) = (world.database(), world.database().with_extension("copy"));
    let files = |end: &str| (format!("{}{end}", database.display()), format!("{}{end}", copy.display()));
    for (from, to) in ["", "-wal"].map(files) {
        let _ = std::fs::copy(from, to); // a clean stop may leave no log
    }
    world.restart();
    send(&world, &path, &fintoc("evt_after", 2));
    let first = names(&world, &source);
    world.kill();
    for (from, _) in ["", "-wal", "-shm"].map(files) {
        let _ = std::fs::remove_file(&from);
    }
    assert!(world.beside(&["restore", copy.to_str().unwrap()]).status.success());
    world.restart();
    assert_eq!(names(&world, &source), first[1..], "what came after the backup is gone");
    for (id, amount) in [("evt_after", 2), ("evt_before", 1)] {
        send(&world, &path, &fintoc(id, amount));
    }
    assert_eq!(names(&world, &source), first);
}

#[test]
fn a_source_made_anew_goes_on_with_its_names_when_it_has_a_uid() {
    let world = World::start();
    let mut all = Vec::new();
    for uid in ["fintoc", "fintoc", "", ""] {
        let (source, path) = made(&world, uid);
        send(&world, &path, &fintoc("evt_1", 1));
        all.extend(names(&world, &source));
        assert_eq!(world.call("DELETE", &format!("{SOURCES}/{source}"), "").status, 204);
    }
    assert_eq!(all.len(), 4);
    assert_eq!(all[0], all[1]);
    assert!(all[1] != all[2] && all[2] != all[3], "{all:?}");
}

#[test]
fn another_uid_names_only_what_comes_later() {
    let world = World::start();
    let (source, path) = made(&world, "fintoc");
    send(&world, &path, &fintoc("evt_1", 1));
    let before = names(&world, &source);
    world.call("PATCH", &format!("{SOURCES}/{source}"), json!({"uid": "fintoc-chile"})).expect(200);
    send(&world, &path, &fintoc("evt_1", 1));
    send(&world, &path, &fintoc("evt_2", 1));
    let after = names(&world, &source);
    assert_eq!((after.len(), &after[1]), (2, &before[0]));
    let (old, old_path) = made(&world, "fintoc");
    send(&world, &old_path, &fintoc("evt_2", 1));
    assert_ne!(names(&world, &old)[0], after[0]);
}

#[test]
fn an_event_is_found_by_its_name_wherever_one_is_asked_for() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    let endpoint = door.subscribe(&receiver);
    for number in 0..3 {
        assert_eq!(door.send(fintoc(&format!("evt_{number}"), number)).status, 200);
    }
    let names = names(&door.world, &door.source);
    let received: std::collections::BTreeSet<_> =
        receiver.wait_for(3).iter().map(|received| received.id().to_owned()).collect();
    assert_eq!(received, names.iter().cloned().collect());
    let app = format!("/api/v1/app/{}", door.source);
    let get = |rest: &str| door.world.call("GET", &format!("{app}{rest}"), "").expect(200);
    let name = &names[1];
    assert_eq!(get(&format!("/msg/{name}"))["id"], json!(name));
    let attempts = eventually(|| {
        let attempts = get(&format!("/attempt/msg/{name}"));
        (!attempts["data"].as_array().unwrap().is_empty()).then_some(attempts)
    });
    assert_eq!(attempts["data"][0]["msgId"], json!(name));
    assert_eq!(get(&format!("/msg?iterator={name}"))["data"][0]["id"], json!(names[2]));
    assert_eq!(get(&format!("/msg?iterator=-{name}"))["data"][0]["id"], json!(names[0]));
    assert_eq!(get(&format!("/endpoint/{endpoint}/msg?iterator={name}"))["data"][0]["id"], json!(names[2]));
    assert_eq!(get(&format!("/poller/inbox?iterator={name}"))["data"][0]["id"], json!(names[0]));
    assert!(get(&format!("/msg/{name}/endpoint"))["data"][0]["id"] == json!(endpoint));
    let of_endpoint = get(&format!("/attempt/endpoint/{endpoint}?with_msg=true"));
    assert!(names.contains(&text(&of_endpoint["data"][0]["msg"]["id"])));
    door.world.call("POST", &format!("{app}/msg/{name}/endpoint/{endpoint}/resend"), "{}").expect(202);
    assert_eq!(receiver.wait_for(4)[3].id(), name);
    let erased = door.world.call("POST", &format!("{app}/msg/bulk/expunge"), json!({"ids": [name]}));
    if erased.status == 200 {
        assert_eq!(erased.expect(200)["results"][name], json!("expunged"));
    }
    let mistyped = format!("{}{}", &name[..30], if name.ends_with('0') { '1' } else { '0' });
    assert_eq!(door.world.call("GET", &format!("{app}/msg/{mistyped}"), "").status, 404);
    let other = door.world.call("POST", "/api/v1/app", json!({"name": "other", "uid": "other"})).expect(201);
    assert_eq!(door.world.call("GET", &format!("/api/v1/app/{}/msg/{name}", text(&other["id"])), "").status, 404);
}

#[test]
fn a_failing_delivery_is_told_under_its_events_name() {
    let hearer = Receiver::good();
    let world = World::start();
    let kinds = json!(["message.attempt.exhausted"]);
    let path = "/api/v1/operational-webhook/endpoint";
    world.call("POST", path, json!({"url": hearer.url, "eventTypes": kinds})).expect(201);
    let door = Door::open_in(world, Provider::Fintoc, json!({}));
    let dead = json!({"url": "http://127.0.0.1:1/", "retrySchedule": [1]});
    door.world.call("POST", &format!("{SOURCES}/{}/endpoint", door.source), dead).expect(201);
    assert_eq!(door.send(fintoc("evt_1", 1)).status, 200);
    let told: Value = serde_json::from_slice(&hearer.wait_for(1)[0].body).unwrap();
    assert_eq!(told["data"]["msgId"], json!(names(&door.world, &door.source)[0]));
}
