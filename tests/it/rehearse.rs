//! Rehearsing: any event and flow from the command line, with faults; and receivers graded.

use std::process::{Output, Stdio};
use std::time::Duration;

use posthaste::provider::Provider;
use serde_json::{Value, json};

use crate::receive::{BRIDGE, Door, FINIX, FINTOC, SOURCES, text};
use crate::world::{Behaviour, KEY, Receiver, now, program};

#[cfg(feature = "peers")]
mod naive;

/// Runs the program.
fn posthaste(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

/// The lines of JSON that a command printed.
fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn secret_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Fintoc => FINTOC,
        Provider::Bridge => BRIDGE,
        _ => FINIX,
    }
}

const PLAYED: [Provider; 3] = [Provider::Fintoc, Provider::Bridge, Provider::Finix];

#[test]
fn every_type_and_flow_is_listed_printed_and_the_same_again_with_the_same_seed() {
    for (provider, types) in PLAYED.into_iter().zip([27, 15, 54]) {
        let name = provider.name();
        let listed = lines(&posthaste(&["trigger", name, "--list", "--json"]));
        let of = |kind: &str| {
            listed.iter().filter(|row| row["kind"] == kind).map(|row| text(&row["name"])).collect::<Vec<_>>()
        };
        assert_eq!(of("type").len(), types);
        assert!(of("flow").len() >= 7 && listed.iter().all(|row| text(&row["about"]).len() > 10));
        let print = |what: &[&str], seed: &str| {
            let fixed = ["--seed", seed, "--at", "1795000000", "--secret", secret_of(provider)];
            let output = posthaste(&[&["trigger", name], what, &fixed].concat());
            assert!(output.status.success(), "{output:?}");
            stdout(&output).to_owned()
        };
        for event_type in of("type").iter().step_by(7) {
            let printed = print(&[event_type], "7");
            assert_eq!(printed, print(&[event_type], "7"));
            assert!(event_type == "TEST_EVENT" || printed != print(&[event_type], "8"), "{event_type}");
            let (head, body) = printed.split_once("\n\n").expect("headers, an empty line, the body");
            assert!(head.starts_with("Content-Type: application/json\n") && head.contains("Signature: "), "{head}");
            serde_json::from_str::<Value>(body).expect("JSON");
        }
        for flow in of("flow").iter().step_by(5) {
            assert_eq!(print(&["--flow", flow], "7"), print(&["--flow", flow], "7"));
        }
    }
}

#[test]
fn every_event_of_every_flow_comes_in_by_our_own_door_also_as_documented() {
    for provider in PLAYED {
        let door = Door::open(provider);
        let name = provider.name();
        let mut sent = 0;
        for listed in lines(&posthaste(&["trigger", name, "--list", "--json"])) {
            if listed["kind"] != "flow" {
                continue;
            }
            let flow = text(&listed["name"]);
            for documented in [&[][..], &["--as-documented"]] {
                let url = format!("{}{}", door.world.url, door.path);
                let fixed = ["--to", &url, "--secret", door.secret, "--json"];
                let output = posthaste(&[&["trigger", name, "--flow", &flow], &fixed[..], documented].concat());
                assert!(output.status.success(), "{flow} {output:?}");
                let shown = lines(&output);
                assert!(!shown.is_empty() && shown.iter().all(|line| line["status"] == 200), "{flow} {shown:?}");
                sent += shown.len();
            }
        }
        let stats = door.get("/stats");
        let known = stats["accepted"].as_u64().unwrap() + stats["duplicates"].as_u64().unwrap();
        assert_eq!(
            (known, &stats["quarantined"], &stats["unknownTypes"]),
            (sent as u64, &json!(0), &json!(0)),
            "{stats}"
        );
    }
}

#[test]
fn every_fault_gets_the_answer_it_deserves() {
    let door = Door::open(Provider::Finix);
    let url = format!("{}{}", door.world.url, door.path);
    let fire = |fault: &str, more: &[&str]| {
        let what =
            ["trigger", "finix", "transfer.created", "--to", &url, "--secret", FINIX, "--json", "--fault", fault];
        let output = posthaste(&[&what[..], more].concat());
        assert!(output.status.success(), "{fault}: {output:?}");
        lines(&output)
    };
    let cases = [
        ("duplicate", vec![200, 200]),
        ("drop-then-retry", vec![0, 200]),
        ("stale", vec![401]),
        ("bad-signature", vec![401]),
        ("rotated-key", vec![200]),
        ("oversize", vec![413]),
        ("truncated", vec![400]),
        ("burst", vec![200; 100]),
    ];
    for (fault, expected) in cases {
        let shown = fire(fault, &[]);
        let statuses: Vec<_> = shown.iter().map(|line| line["status"].as_u64().unwrap_or(0)).collect();
        assert_eq!(statuses, expected, "{fault}");
        assert_eq!(shown.last().unwrap()["fault"], json!(fault));
    }
    assert_eq!(door.get("/stats")["accepted"], json!(1 + 1 + 1 + 100));
    assert!(fire("late", &["--speed", "1000"])[0]["status"] == 200);
    let reordered = posthaste(&[
        "trigger",
        "finix",
        "--flow",
        "ach-debit",
        "--fault",
        "reorder",
        "--to",
        &url,
        "--secret",
        FINIX,
        "--json",
    ]);
    let order: Vec<_> = lines(&reordered).iter().map(|line| text(&line["type"])).collect();
    assert_eq!(order[..2], ["transfer.updated", "transfer.created"]);
    assert_eq!(posthaste(&["trigger", "bridge", "item.created", "--fault", "stale"]).status.code(), Some(2));
}

#[test]
fn what_is_set_is_set_before_it_is_signed() {
    let door = Door::open(Provider::Fintoc);
    let url = format!("{}{}", door.world.url, door.path);
    let output = posthaste(&[
        "trigger",
        "fintoc",
        "payment_intent.succeeded",
        "--to",
        &url,
        "--secret",
        FINTOC,
        "--set",
        "/data/amount=1234567",
        "--set",
        "/data/note=ñandú",
        "--set",
        "/mode=live",
        "--repeat",
        "3",
    ]);
    assert!(output.status.success(), "{output:?}");
    let events = door.events();
    assert_eq!(events.len(), 3);
    for event in &events {
        assert_eq!(
            (&event["payload"]["data"]["amount"], &event["payload"]["data"]["note"]),
            (&json!(1_234_567), &json!("ñandú"))
        );
        assert_eq!(event["flags"], json!(["mode_mismatch"]));
    }
}

#[test]
fn a_wrong_use_is_told_what_would_be_right_and_exits_with_2() {
    for arguments in [
        &["trigger", "fintoc"][..],
        &["trigger", "stripe", "a.b"],
        &["trigger", "standard", "a.b"],
        &["trigger", "fintoc", "a.b"],
        &["trigger", "fintoc", "--flow", "nothing"],
        &["trigger", "fintoc", "link.created", "--fault", "gremlins"],
        &["trigger", "fintoc", "link.created", "--set", "no-pointer"],
        &["trigger", "fintoc", "link.created", "--secret", "short"],
        &["trigger", "fintoc", "link.created", "--to", "http://127.0.0.1:9/"],
        &["rehearse", "fintoc", "--to", "https://hooks.example.com/", "--secret", FINTOC],
        &["rehearse", "fintoc", "--to", "http://127.0.0.1:9/", "--secret", FINTOC, "--only", "luck"],
    ] {
        let output = posthaste(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(
        posthaste(&["trigger", "fintoc", "link.created", "--to", "http://127.0.0.1:9/", "--secret", FINTOC])
            .status
            .code(),
        Some(1)
    );
    let nobody = posthaste(&["rehearse", "fintoc", "--to", "http://127.0.0.1:9/", "--secret", FINTOC]);
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
}

#[test]
fn a_wrong_answer_is_a_failure() {
    let receiver = Receiver::start(|_, _| Behaviour::Status(500));
    let output = posthaste(&["trigger", "bridge", "item.created", "--to", &receiver.url, "--secret", BRIDGE]);
    assert_eq!(output.status.code(), Some(1));
    let late = now();
    let taken = Receiver::good();
    let forged = posthaste(&[
        "trigger",
        "bridge",
        "item.created",
        "--to",
        &taken.url,
        "--secret",
        BRIDGE,
        "--fault",
        "bad-signature",
    ]);
    assert_eq!(forged.status.code(), Some(1), "a forged event was taken");
    assert!(late.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_source_of_ours_passes_every_point_and_repetitions_are_proven_to_do_nothing() {
    for provider in PLAYED {
        let (door, receiver) = (Door::open(provider), Receiver::good());
        door.subscribe(&receiver);
        let to = format!("{}{}", door.world.url, door.path);
        let observe = format!("{}{SOURCES}/{}/stats", door.world.url, door.source);
        let junit = door.world.dir.path().join("junit.xml");
        let header = format!("Authorization: Bearer {KEY}");
        let begun = now();
        let output = posthaste(&[
            "rehearse",
            provider.name(),
            "--to",
            &to,
            "--secret",
            door.secret,
            "--observe",
            &observe,
            "--observe-header",
            &header,
            "--json",
            "--junit",
            junit.to_str().unwrap(),
        ]);
        assert!(begun.elapsed() < Duration::from_mins(1));
        let report: Value = serde_json::from_str(stdout(&output)).expect("JSON");
        assert_eq!((output.status.code(), &report["failed"]), (Some(0), &json!(0)), "{report:#}");
        assert_eq!(report["passed"], json!(if provider == Provider::Bridge { 12 } else { 13 }), "{report:#}");
        let junit = std::fs::read_to_string(junit).unwrap();
        assert!(junit.contains(r#"tests="13" failures="0""#) && junit.contains(r#"name="duplicate""#), "{junit}");
    }
}

#[test]
fn the_table_says_what_was_sent_what_came_back_and_what_to_do() {
    let receiver = Receiver::good();
    let output = posthaste(&[
        "rehearse",
        "fintoc",
        "--to",
        &receiver.url,
        "--secret",
        FINTOC,
        "--only",
        "ack,signature-wrong,duplicate",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let table = stdout(&output);
    for words in [
        "✔ ack",
        "✘ signature-wrong",
        "– duplicate",
        "flipped was answered 200; verify",
        "--observe",
        "1 passed, 1 failed, 1 skipped",
    ] {
        assert!(table.replace('\n', " ").contains(words), "{words}: {table}");
    }
}
