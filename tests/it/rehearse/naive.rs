//! A naive handler in Flask: the grades name just what it lacks.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{posthaste, stdout};
use crate::receive::FINTOC;
use crate::world::eventually;

struct Naive(Child);

impl Drop for Naive {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended already
        let _ = self.0.wait();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a story waits for a port to be open")]
fn a_handler_without_verification_and_memory_is_told_just_that() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("target/peers/venv/bin/python"));
    python.arg(root.join("tests/peers/naive.py")).arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let _naive = Naive(python.spawn().expect("scripts/test installs it"));
    eventually(|| TcpStream::connect(("127.0.0.1", port)).ok());
    let (to, observe) = (format!("http://127.0.0.1:{port}/webhooks"), format!("http://127.0.0.1:{port}/stats"));
    let output = posthaste(&["rehearse", "fintoc", "--to", &to, "--secret", FINTOC, "--observe", &observe, "--json"]);
    let report: Value = serde_json::from_str(stdout(&output)).expect("JSON");
    let failed: Vec<_> =
        report["points"].as_array().unwrap().iter().filter(|point| point["result"] == "fail").collect();
    let ids: Vec<_> = failed.iter().map(|point| &point["id"]).collect();
    let expected = ["signature-missing", "signature-wrong", "stale", "duplicate", "oversize"].map(|id| json!(id));
    assert_eq!(ids, expected.iter().collect::<Vec<_>>(), "{report:#}");
    assert!(failed[3]["detail"].as_str().unwrap().contains("processed 2 times"), "{report:#}");
    assert_eq!(output.status.code(), Some(1));
}
