//! All that the providers' pages show, through their doors: each once, byte for byte, and known again.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// A documented payload.
struct Sample {
    name: String,
    body: Vec<u8>,
    event_type: String,
}

/// The documented payloads of a provider.
fn samples(provider: Provider) -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/samples");
    let mut samples = Vec::new();
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let of = match name.split('_').next().unwrap() {
            "fintoc" => Provider::Fintoc,
            "bridge" => Provider::Bridge,
            number if number.parse::<u32>().is_ok() => Provider::Finix,
            _ => continue,
        };
        if of != provider {
            continue;
        }
        let body = std::fs::read(file.path()).unwrap();
        let json: Value = serde_json::from_slice(&body).unwrap();
        let kind = json["type"].as_str().unwrap();
        let event_type = json["entity"].as_str().map_or_else(|| kind.to_owned(), |entity| format!("{entity}.{kind}"));
        samples.push(Sample { name, body, event_type });
    }
    samples
}

#[test]
fn all_ninety_five_samples_come_in_typed_right_go_out_unchanged_and_are_known_again() {
    let (mut events, mut repetitions) = (0, 0);
    for (provider, count) in [(Provider::Fintoc, 3), (Provider::Bridge, 1), (Provider::Finix, 91)] {
        let (door, receiver, samples) = (Door::open(provider), Receiver::good(), samples(provider));
        assert_eq!(samples.len(), count);
        door.subscribe(&receiver);
        for sample in &samples {
            assert_eq!(door.send(&sample.body).status, 200, "{}", sample.name);
        }
        let listed = door.world.call("GET", &format!("/api/v1/app/{}/msg?limit=250", door.source), "").expect(200);
        let types = |names: Vec<String>| {
            names.into_iter().fold(BTreeMap::new(), |mut counted, name| {
                *counted.entry(name).or_insert(0) += 1;
                counted
            })
        };
        let found = listed["data"].as_array().unwrap().iter().map(|event| text(&event["eventType"])).collect();
        assert_eq!(types(found), types(samples.iter().map(|sample| sample.event_type.clone()).collect()));
        let unknown =
            listed["data"].as_array().unwrap().iter().filter(|event| event["flags"].to_string().contains("unknown"));
        assert_eq!(unknown.count(), 0);
        events += listed["data"].as_array().unwrap().len();
        let received = receiver.wait_for(count);
        for sample in &samples {
            assert!(received.iter().any(|received| received.body == sample.body), "{} was changed", sample.name);
        }
        for sample in &samples {
            assert_eq!(door.send(&sample.body).status, 200);
        }
        repetitions += door.get("/stats")["duplicates"].as_u64().unwrap();
    }
    assert_eq!((events, repetitions), (95, 94), "Bridge's test is never a repetition");
}
