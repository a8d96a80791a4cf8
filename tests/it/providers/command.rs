//! `posthaste verify` and `posthaste sign`: what they print and how they end.

use std::io::Write as _;
use std::process::{Output, Stdio};

use posthaste::provider::Provider;
use serde_json::Value;

use super::{OTHERS, json, secret_of};
use crate::world::program;

const BODY: &str = r#"{"id":"evt_1","type":"payout.created","mode":"live","created_at":"2021-12-07T21:43:54.343Z","data":{},"object":"event"}"#;
const AT: &str = "1764064800";

/// Runs a command line whose body comes by stdin.
fn run(arguments: &[&str], variables: &[(&str, &str)], body: &str) -> Output {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let _ = child.stdin.take().expect("piped").write_all(body.as_bytes()); // it may have ended before it read
    child.wait_with_output().expect("it ended")
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The lines that `sign` prints.
fn sign(arguments: &[&str], body: &str) -> Vec<String> {
    let (code, out, errors) = said(&run(&[&["sign"], arguments, &["-"]].concat(), &[], body));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    out.lines().map(str::to_owned).collect()
}

/// What `verify --json` says, with its exit code.
fn verify(arguments: &[&str], headers: &[String], body: &str) -> (Option<i32>, Value) {
    let mut words = [&["verify", "--json"], arguments].concat();
    words.extend(headers.iter().flat_map(|header| ["--header", header]));
    let (code, out, errors) = said(&run(&[&words[..], &["-"]].concat(), &[], body));
    assert!(errors.is_empty() && out.lines().count() == 1, "{out}{errors}");
    (code, json(out.as_bytes()))
}

#[test]
fn what_one_signs_the_other_verifies() {
    for (provider, other) in OTHERS {
        let secrets = ["--secret", secret_of(provider), "--secret", other];
        let signed = sign(&[&[provider.name(), "--at", AT], &secrets[..]].concat(), BODY);
        let proof = [&[provider.name(), "--at", "2025-11-25T10:00:00Z"], &secrets[..2]].concat();
        let (code, told) = verify(&proof, &signed, &BODY.replace(r#""mode""#, r#""mode" "#));
        assert_eq!((code, told["reason"].as_str()), (Some(1), Some("bad_signature")), "{provider:?}");
        let (code, told) = verify(&proof, &signed, BODY);
        let understood = !matches!(provider, Provider::Bridge | Provider::Finix);
        assert_eq!((code, told["valid"].as_bool()), (Some(i32::from(!understood)), Some(understood)), "{provider:?}");
        assert_eq!(told["reason"].as_str(), (!understood).then_some("malformed_body"), "{provider:?}");
    }
    let names = |provider: &str, secret: &str| -> Vec<String> {
        let lines = sign(&[provider, "--secret", secret], "");
        lines.iter().map(|line| line.split_once(": ").unwrap().0.to_owned()).collect()
    };
    assert_eq!(names("fintoc", crate::receive::FINTOC), ["Fintoc-Signature"]);
    assert_eq!(names("bridge", crate::receive::BRIDGE), ["BridgeApi-Signature"]);
    assert_eq!(names("finix", crate::receive::FINIX), ["Finix-Signature"]);
    assert_eq!(names("standard", crate::receive::STANDARD), ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    assert_eq!(names("svix", crate::receive::STANDARD), ["svix-id", "svix-timestamp", "svix-signature"]);
    assert_eq!(names("generic", "x"), ["X-Hub-Signature-256"]);
}

#[test]
fn a_published_vector_is_signed_and_verified_from_a_file() {
    let body = r#"{"content":{"item_id":1234567890,"status":0,"user_uuid":"9a95b38f-f98b-417a-988b-9d0d584893e7"},"timestamp":1611681789,"type":"TEST_EVENT"}"#;
    let header = "BridgeApi-Signature: v1=FAA8ECAC21DA6405D789C76EDB4003756398E7169DACC3FA70CF5919A81374A8";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body.json");
    std::fs::write(&file, body).unwrap();
    let file = file.to_str().unwrap();
    let secret = [("POSTHASTE_SECRET", crate::receive::BRIDGE)];
    let signed = said(&run(&["sign", "bridge", file], &secret, ""));
    assert_eq!(signed, (Some(0), format!("{header}\n"), String::new()));
    let (code, out, _) = said(&run(&["verify", "bridge", "--header", header, file], &secret, ""));
    assert!(code == Some(0) && out.starts_with("valid\n") && out.contains("TEST_EVENT"), "{out}");
}

#[test]
fn every_reason_has_its_word_and_a_sentence() {
    let fintoc = ["fintoc", "--secret", crate::receive::FINTOC, "--at", AT];
    let signed = sign(&fintoc, BODY);
    let at = |at: &'static str| ["fintoc", "--secret", crate::receive::FINTOC, "--at", at];
    let with = |more: &[&'static str]| [&fintoc[..], more].concat();
    let header = |value: &str| vec![format!("Fintoc-Signature: {value}")];
    for (reason, arguments, headers, body) in [
        ("missing_header", with(&[]), vec![], BODY),
        ("malformed_header", with(&[]), header("v1=00"), BODY),
        ("malformed_header", with(&[]), [&signed[..], &signed[..]].concat(), BODY),
        ("unknown_scheme", with(&[]), header("t=1764064800,v0=00"), BODY),
        ("bad_signature", with(&[]), signed.clone(), "{}"),
        ("stale", at("1764065101").to_vec(), signed.clone(), BODY),
        ("future", at("1764064499").to_vec(), signed.clone(), BODY),
        ("bad_credentials", with(&["--bearer", "t"]), signed.clone(), BODY),
        ("bad_credentials", with(&["--basic", "a:b"]), signed.clone(), BODY),
        ("bad_secret", vec!["fintoc", "--secret", "not fintoc's"], signed.clone(), BODY),
        ("malformed_body", with(&[]), sign(&fintoc, "{}"), "{}"),
    ] {
        let (code, told) = verify(&arguments, &headers, body);
        assert_eq!((code, told["reason"].as_str()), (Some(1), Some(reason)));
        assert_eq!(told["valid"], false);
        let mut words = [&["verify"], &arguments[..]].concat();
        words.extend(headers.iter().flat_map(|header| ["--header", header]));
        let (code, out, errors) = said(&run(&[&words[..], &["-"]].concat(), &[], body));
        assert!(code == Some(1) && out.is_empty() && errors.starts_with(&format!("not valid: {reason}: ")), "{errors}");
    }
    for arguments in [
        at("1764065100").to_vec(),
        [&at("9")[..], &["--tolerance", "none"]].concat(),
        [&at("1764065101")[..], &["--tolerance", "301"]].concat(),
    ] {
        let (code, told) = verify(&arguments, &signed, BODY);
        assert_eq!(code, Some(0));
        let expected = serde_json::json!({"valid": true, "reason": null, "type": "payout.created", "id": "evt_1", "dedupKey": "evt_1"});
        assert_eq!(told, expected);
    }
    let authorized = [&signed[..], &["Authorization: Basic YTpi".to_owned()]].concat();
    assert_eq!(verify(&with(&["--basic", "a:b"]), &authorized, BODY).0, Some(0));
    let finix = ["finix", "--secret", crate::receive::FINIX, "--at", AT];
    assert_eq!(verify(&finix, &sign(&finix, ""), "").0, Some(0), "a ping is genuine");
}

#[test]
fn a_generic_sender_has_the_form_that_is_asked_for() {
    let form = ["--signature-header", "X-Sig", "--algorithm", "sha512", "--encoding", "base64", "--prefix", ""];
    let generic = [&["generic", "--secret", "k"], &form[..]].concat();
    let signed = sign(&generic, BODY);
    assert!(signed.len() == 1 && signed[0].starts_with("X-Sig: ") && signed[0].len() == 95, "{signed:?}");
    let (code, told) = verify(&generic, &signed, BODY);
    assert_eq!((code, told["type"].as_str()), (Some(0), Some("webhook")));
    assert_eq!(verify(&["generic", "--secret", "k"], &signed, BODY).1["reason"], "missing_header");
}

#[test]
fn a_wrong_command_line_is_no_verdict() {
    let fintoc = ["verify", "fintoc", "--secret", crate::receive::FINTOC];
    for (arguments, words) in [
        (vec!["verify", "stripe", "--secret", "x", "-"], "`stripe` is no provider"),
        (vec!["verify", "fintoc", "-"], "--secret"),
        ([&fintoc[..], &[]].concat(), "FILE"),
        ([&fintoc[..], &["/nowhere/body.json"]].concat(), "/nowhere/body.json"),
        ([&fintoc[..], &["--header", "Fintoc-Signature", "-"]].concat(), "Name: value"),
        ([&fintoc[..], &["--at", "soon", "-"]].concat(), "seconds since 1970"),
        ([&fintoc[..], &["--tolerance=-1", "-"]].concat(), "--tolerance"),
        ([&fintoc[..], &["--algorithm", "md5", "-"]].concat(), "sha256"),
        (vec!["sign", "fintoc", "--secret", "x", "-"], "--secret must be Fintoc's"),
        (vec!["sign", "standard", "--secret", crate::receive::STANDARD, "--id", "a.b", "-"], "without a dot"),
    ] {
        let (code, out, errors) = said(&run(&arguments, &[], BODY));
        assert!(code == Some(2) && out.is_empty() && errors.contains(words), "{arguments:?}: {errors}");
    }
}
