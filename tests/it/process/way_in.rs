//! The way in: what a first command, an orchestrator and a slip of the pen meet.

use std::fs;
use std::process::Output;

use crate::world::{KEY, eventually, exchange, program};

/// Runs a command line in an empty folder; gives what it said, and what is in the folder then.
fn alone(arguments: &[&str], variables: &[(&str, &str)]) -> (Output, usize) {
    let dir = tempfile::tempdir().unwrap();
    let output = program().current_dir(&dir).args(arguments).envs(variables.iter().copied()).output().unwrap();
    (output, fs::read_dir(&dir).unwrap().count())
}

#[test]
fn a_key_without_a_database_makes_none_and_says_how() {
    let revoke = ["key", "revoke", "key_nobody"];
    for arguments in [&["key", "list"][..], &["key", "create", "--role", "admin"], &revoke] {
        let (output, files) = alone(arguments, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        for word in
            ["there is no database at /", "/posthaste.db", "posthaste serve", "--database", "POSTHASTE_DATABASE"]
        {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!((output.status.code(), files), (Some(2), 0), "{said}");
    }
}

#[test]
fn what_an_orchestrator_sets_beside_a_service_of_that_name_is_passed_over() {
    let (output, _) = alone(
        &["key", "list"],
        &[
            ("POSTHASTE_SERVICE_HOST", "10.0.0.11"),
            ("POSTHASTE_SERVICE_PORT", "8071"),
            ("POSTHASTE_SERVICE_PORT_HTTP", "8071"),
            ("POSTHASTE_PORT", "tcp://10.0.0.11:8071"),
            ("POSTHASTE_PORT_8071_TCP", "tcp://10.0.0.11:8071"),
            ("POSTHASTE_PORT_8071_TCP_PROTO", "tcp"),
            ("POSTHASTE_PORT_8071_TCP_PORT", "8071"),
            ("POSTHASTE_PORT_8071_TCP_ADDR", "10.0.0.11"),
            ("POSTHASTE_TEST_PORT_53_UDP_ADDR", "10.0.0.12"),
        ],
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no database at"), "{said}");
    for (name, value) in [("POSTHASTE_PORT", "8071"), ("POSTHASTE_PORT_HTTP", "8071"), ("POSTHASTE_HOST", "x")] {
        let (output, _) = alone(&["key", "list"], &[(name, value)]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(&format!("unknown variable `{name}`")), "{said}");
    }
}

/// Starts a server with these arguments and variables in an empty folder; gives where it says that it listens.
fn listens(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut command = program();
    command.current_dir(&dir).arg("serve").args(arguments).env("POSTHASTE_BOOTSTRAP_KEY", KEY);
    command.envs(variables.iter().copied()).stdout(fs::File::create(&out).unwrap());
    let mut server = command.spawn().unwrap();
    let url = eventually(|| {
        let said = fs::read_to_string(&out).unwrap();
        said.lines().find_map(|line| line.strip_prefix("listening on ")).map(str::to_owned)
    });
    let here = url.replace("0.0.0.0", "127.0.0.1");
    let answer = exchange(&here, b"GET /api/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(answer.status, 204);
    url
}

#[test]
fn a_name_or_a_port_alone_is_where_to_listen() {
    assert!(listens(&["--listen", "localhost:0"], &[]).starts_with("http://127.0.0.1:"));
    assert!(listens(&["--listen", ":0"], &[]).starts_with("http://0.0.0.0:"));
}

#[test]
fn an_empty_variable_is_as_absent() {
    let empty = ["CONFIG", "DATABASE", "SEAL_KEY", "PAYLOAD_MAX", "KEY_RATE", "OIDC_ISSUER", "DRAIN_SECONDS", "NOBODY"];
    let names = empty.map(|name| format!("POSTHASTE_{name}"));
    let variables: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(listens(&["--listen", "127.0.0.1:0"], &variables).starts_with("http://127.0.0.1:"));
}

#[test]
fn errors_about_files_and_keys_name_file_flag_and_variable() {
    let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let sound = ["serve", "--listen", "127.0.0.1:0"];
    let check = |more: &[&str], words: &[&str]| {
        let (output, _) = alone(&[&sound[..], more].concat(), &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(words.iter().all(|word| said.contains(word)) && !output.status.success(), "{words:?}: {said}");
    };
    check(&["--database", "sqlite:no/such.db"], &["no/such.db", "--database", "POSTHASTE_DATABASE"]);
    check(&["--seal-key", "short"], &["--seal-key", "POSTHASTE_SEAL_KEY", "openssl rand"]);
    check(&["--config", "no.toml"], &["no.toml", "--config", "POSTHASTE_CONFIG"]);
    check(&["--bootstrap-key", "sk_x"], &["--bootstrap-key", "POSTHASTE_BOOTSTRAP_KEY"]);
    check(&["--jwt-secret", ""], &["--jwt-secret", "POSTHASTE_JWT_SECRET"]);
    let (output, _) = alone(&["reseal", "--new-key", key], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no database at") && output.status.code() == Some(2), "{said}");
    let (output, _) = alone(&["reseal", "--new-key", "short"], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--new-key (POSTHASTE_NEW_KEY)"), "{said}");
}
