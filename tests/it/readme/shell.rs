//! A shell that runs what stands in README, with the placeholders filled in and what never ends beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::{eventually, program};

/// What the ports of the page are for: the server, the sandbox, a receiver, the handler of payments.
const PORTS: [&str; 4] = ["8071", "8072", "9000", "9001"];
/// What Fintoc has given to its source.
const SECRET: &str = "whsec_fintoc_0123456789abcdefghijklmnop";
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// What never ends by itself.
const SERVICES: [&str; 4] = ["posthaste serve ", "posthaste sandbox ", "receiver.py ", "handler.py "];
/// How it is remembered that something was seen below a source.
const SOURCE: &str = "source ";
/// How ids and secrets begin whose rest the page leaves to its reader.
const PREFIXES: [&str; 6] = ["sk_test_", "whsec_", "conflict_", "qtask_", "msg_", "ep_"];

/// The reader's shell, and what the reader knows.
pub(super) struct Shell {
    dir: TempDir,
    bash: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    ports: BTreeMap<&'static str, String>,
    /// What was seen last of each prefix; below a source it is another.
    known: BTreeMap<String, String>,
    services: Vec<Child>,
    path: String,
}

impl Drop for Shell {
    fn drop(&mut self) {
        for child in self.services.iter_mut().chain([&mut self.bash]) {
            let _ = child.kill(); // it may have ended already
            let _ = child.wait();
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port().to_string()
}

impl Shell {
    /// A shell in an empty folder beside the examples, in whose path the program under test stands; a refused request
    /// fails there.
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::create_dir_all(dir.path().join("target/release")).unwrap();
        symlink(root().join("examples"), dir.path().join("examples")).unwrap();
        symlink(program().get_program(), bin.join("posthaste")).unwrap();
        symlink(program().get_program(), dir.path().join("target/release/posthaste")).unwrap();
        let others = std::env::var("PATH").unwrap();
        let strict = format!("#!/bin/sh\nPATH='{others}'\nexec curl --fail-with-body --silent --show-error \"$@\"\n");
        fs::write(bin.join("curl"), strict).unwrap();
        fs::set_permissions(bin.join("curl"), fs::Permissions::from_mode(0o755)).unwrap();
        let peers = root().join("target/peers/venv/bin");
        assert!(peers.exists(), "{} is missing; scripts/test installs it", peers.display());
        let path = format!("{}:{}:{others}", bin.display(), peers.display());
        let mut bash = Command::new("bash");
        let mut bash = clean(bash.current_dir(&dir), &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join("errors")).unwrap())
            .spawn()
            .expect("bash");
        let (input, output) = (bash.stdin.take().unwrap(), BufReader::new(bash.stdout.take().unwrap()));
        let ports = PORTS.map(|port| (port, free_port())).into();
        Self { dir, bash, input, output, ports, known: BTreeMap::new(), services: Vec::new(), path }
    }

    /// From now on it is known what stands behind this prefix.
    pub(super) fn know(&mut self, prefix: &str, text: &str) {
        self.known.insert(prefix.to_owned(), text.to_owned());
    }

    /// Runs all lines, and holds what they print against what stands behind them; gives what the last one printed.
    pub(super) fn run(&mut self, block: &str) -> String {
        let mut printed = String::new();
        for line in block.replace("\\\n", " ").lines() {
            let (line, comment) = if line.trim_start().starts_with('#') {
                ("", line)
            } else {
                line.split_once("  #").unwrap_or((line, ""))
            };
            if !line.trim().is_empty() {
                printed = self.line(line.trim());
            }
            for promised in promised(comment) {
                assert!(printed.contains(&promised), "{line} {comment} gave {printed}");
            }
        }
        printed
    }

    fn line(&mut self, line: &str) -> String {
        let below = if line.contains("$IN/") { SOURCE } else { "" };
        let filled = self.fill(line, below);
        if SERVICES.iter().any(|service| filled.contains(service)) {
            return self.serve(&filled);
        }
        let (status, printed) = self.ask(&filled);
        // a receiver that verifies nothing is graded, and fails
        let expected = i32::from(filled.starts_with("posthaste rehearse"));
        let errors = fs::read_to_string(self.dir.path().join("errors")).unwrap();
        assert_eq!(status, expected, "{filled}\n{printed}\n{errors}");
        self.learn(&printed, below);
        if let Some(task) = self.known.get("qtask_").filter(|_| printed.contains("\"status\":\"running\"")).cloned() {
            let ask = format!("call $API/background-task/{task}");
            eventually(|| (!self.ask(&ask).1.contains("\"running\"")).then_some(()));
        }
        printed
    }

    /// A line as a reader types it.
    fn fill(&self, line: &str, below: &str) -> String {
        let mut filled = line.replace("target/release/posthaste serve", "posthaste serve");
        for (port, free) in &self.ports {
            filled = filled.replace(&format!(":{port}"), &format!(":{free}"));
            if filled.ends_with(port) {
                filled = format!("{}{free}", filled.trim_end_matches(port));
            }
        }
        let theirs = filled.contains("\"secrets\"") || filled.contains("--secret");
        for prefix in PREFIXES.into_iter().filter(|prefix| filled.contains(&format!("{prefix}…"))).collect::<Vec<_>>()
        {
            let own =
                self.known.get(&format!("{below}{prefix}")).or_else(|| self.known.get(&format!("{SOURCE}{prefix}")));
            let text =
                if prefix == "whsec_" && theirs { SECRET } else { own.unwrap_or_else(|| panic!("{prefix}: {line}")) };
            filled = filled.replace(&format!("{prefix}…"), text);
        }
        if let Some(token) = self.known.get("link_token") {
            filled = filled.replace("\"link_token\":\"…\"", &format!("\"link_token\":\"{token}\""));
        }
        let receiver = format!("--to http://127.0.0.1:{}/payments", self.ports["9000"]);
        filled = filled.replace("base64,…", &format!("base64,{PICTURE}")).replace("--to …", &receiver);
        filled = filled
            .replace("--secret …", &format!("--secret {}", "0a".repeat(32)))
            .replace("CLIENT_SECRET=…", "CLIENT_SECRET=x");
        assert!(!filled.contains('…'), "nobody knows what to fill in: {filled}");
        filled
    }

    /// Keeps the ids and secrets that an answer shows.
    fn learn(&mut self, printed: &str, below: &str) {
        for prefix in PREFIXES {
            let found = printed.split('"').find(|text| text.starts_with(prefix) && text.len() > prefix.len() + 8);
            if let Some(found) = found {
                self.known.insert(format!("{below}{prefix}"), found.to_owned());
            }
        }
        if let Some(answer) = printed.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()) {
            for name in ["link_token", "ingestUrl"] {
                if let Some(text) = answer[name].as_str() {
                    self.know(name, text);
                }
            }
        }
    }

    /// Runs one line in the shell; gives its status and what it printed.
    fn ask(&mut self, line: &str) -> (i32, String) {
        self.input.write_all(format!("{line}\nprintf '\\n<<%s>>\\n' $?\n").as_bytes()).expect("bash reads");
        let mut printed = String::new();
        loop {
            let mut text = String::new();
            assert!(self.output.read_line(&mut text).expect("text") > 0, "bash ended at {line}");
            let status = text.trim_end().strip_prefix("<<").and_then(|rest| rest.strip_suffix(">>")?.parse().ok());
            if let Some(status) = status {
                return (status, printed);
            }
            printed.push_str(&text);
        }
    }

    /// Starts what never ends, and waits until it answers; gives what it said before.
    fn serve(&mut self, line: &str) -> String {
        let is_ours = line.starts_with("posthaste ");
        let of = |port: &str| format!("{line} --listen 127.0.0.1:{}", self.ports[port]);
        let line = match line {
            _ if line.contains("--oidc-issuer") => format!("{line} --listen 127.0.0.1:0 --database sqlite:other.db"),
            _ if line.starts_with("posthaste serve") => of("8071"),
            _ if is_ours => of("8072"),
            _ => line.to_owned(),
        };
        let mut command = Command::new("bash");
        let command = clean(command.current_dir(&self.dir), &self.path).args(["-c", &format!("exec {line}")]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bash");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        self.services.push(child);
        let mut said = String::new();
        while is_ours && !said.contains("listening on ") {
            assert!(lines.read_line(&mut said).expect("text") > 0, "{line} ended: {said}");
        }
        if !is_ours {
            let port = line.rsplit(' ').next().unwrap().to_owned();
            eventually(|| self.ask(&format!("(: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null")).0.eq(&0).then_some(()));
        }
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new())); // whatever it goes on to say
        said
    }

    /// Lets the source get two events that contradict each other, and writes what it missed into `events.json`.
    pub(super) fn contradict(&mut self) {
        let url = self.known["ingestUrl"].clone();
        for amount in ["1", "2"] {
            let trigger = "posthaste trigger fintoc payment_intent.succeeded --seed 7";
            let sent = format!("{trigger} --to {url} --secret {SECRET} --set /data/amount={amount}");
            assert_eq!(self.ask(&sent).0, 0);
        }
        let listed = "posthaste trigger fintoc payment_intent.succeeded --seed 8 | sed '1,/^$/d' > events.json";
        assert_eq!(self.ask(listed).0, 0);
    }

    /// Runs a script to its end, where the official SDKs are.
    pub(super) fn script(&mut self, program: &str, flags: &[&str], text: &str) {
        let text = text.replace(":8072", &format!(":{}", self.ports["8072"]));
        let peers: PathBuf = root().join("target/peers/node");
        let mut command = Command::new(program);
        let command = clean(command.current_dir(peers), &self.path).env("NO_PROXY", "127.0.0.1").args(flags).arg(&text);
        let output = command.output().expect("it starts");
        assert!(output.status.success() && !output.stdout.is_empty(), "{text}: {output:?}");
    }
}

/// Without what the caller's own configuration says.
fn clean<'a>(command: &'a mut Command, path: &str) -> &'a mut Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POSTHASTE_")) {
        command.env_remove(name);
    }
    command.env("PATH", path)
}

/// The fields that a comment promises of an answer: `"url":` as in JSON, behind an arrow.
fn promised(comment: &str) -> Vec<String> {
    let Some((_, behind)) = comment.split_once('→') else {
        return Vec::new();
    };
    let names = behind.split('"').collect::<Vec<_>>();
    let pairs = names.windows(2).filter(|pair| pair[1].starts_with(':'));
    pairs.map(|pair| format!("\"{}\":", pair[0])).collect()
}
