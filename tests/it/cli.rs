//! The command line: where settings come from, what is refused in words, keys beside a server, the first start.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use crate::world::{Answer, KEY, World, eventually, exchange, program};

/// A `serve` of its own, with its first lines.
struct Server {
    child: Child,
    lines: Vec<String>,
}

impl Server {
    /// Starts and waits until it listens.
    fn start(database: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program();
        command.args(["serve", "--log", "error", "--database", &format!("sqlite:{}", database.display())]);
        let mut child =
            command.args(arguments).envs(variables.iter().copied()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            lines.push(line.expect("text"));
            if lines.last().is_some_and(|line| line.starts_with("listening on ")) {
                return Self { child, lines };
            }
        }
        panic!("it ended: {:?}", child.wait());
    }

    fn url(&self) -> &str {
        self.lines.last().expect("it listens").strip_prefix("listening on ").expect("the last line")
    }

    /// A request such as `GET /api/v1/app`.
    fn ask(&self, key: &str, request: &str, body: &str) -> Answer {
        let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\n");
        exchange(self.url(), format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
    }

    fn lists(&self, key: &str) -> u16 {
        self.ask(key, "GET /api/v1/app", "").status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

/// Runs a command line that ends by itself.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually(|| child.try_wait().expect("it is ours"));
    }));
    let _ = child.kill(); // it may have ended already
    assert!(ended.is_ok(), "{arguments:?} did not end");
    child.wait_with_output().expect("it ended")
}

/// It ends with 2, says these words on stderr and nothing on stdout.
#[track_caller]
fn refuses(arguments: &[&str], variables: &[(&str, &str)], words: &[&str]) {
    let output = run(arguments, variables);
    let said = String::from_utf8(output.stderr).expect("text");
    let told = words.iter().all(|word| said.contains(word)) && said.starts_with("error: ");
    assert!(output.status.code() == Some(2) && told && output.stdout.is_empty(), "{arguments:?} {words:?}: {said}");
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("posthaste.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\npayload_max = 1000\nallow-network = [\"10.0.0.0/8\", \"127.0.0.0/8\"]\nrole = \"admin\"\n").unwrap();
    let file = file.to_str().unwrap();
    let variable = [("POSTHASTE_PAYLOAD_MAX", "2000"), ("POSTHASTE_BOOTSTRAP_KEY", KEY), ("POSTHASTE_CONFIG", file)];
    let check = |arguments: &[&str], variables: &[(&str, &str)], expected: usize| {
        let server = Server::start(&dir.path().join("posthaste.db"), arguments, variables);
        let call = |path: &str, body: &str| server.ask(KEY, &format!("POST {path}"), body);
        call("/api/v1/app?get_if_exists=true", r#"{"name":"a","uid":"a"}"#);
        let body = format!(r#"{{"eventType":"a","payload":{{"a":"{}"}}}}"#, "x".repeat(5_000));
        let refused = call("/api/v1/app/a/msg", &body).expect(413)["detail"].to_string();
        assert!(refused.contains(&format!("at most {expected} ")), "{refused}");
        for url in ["http://10.1.2.3/", "http://127.0.0.1:1/"] {
            call("/api/v1/app/a/endpoint", &format!(r#"{{"url":"{url}"}}"#)).expect(201);
        }
    };
    check(&["--config", file], &variable[1..2], 1_000);
    check(&[], &variable[1..], 1_000);
    check(&[], &variable, 2_000);
    check(&["--payload-max", "3000"], &variable, 3_000);
    check(&["--payload-max=3000"], &variable, 3_000);
}

/// Each of the flags for endpoints, as the file and the variables say it: seen in the first answers.
#[test]
fn flags_for_endpoints_are_keys_and_variables_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("posthaste.toml");
    std::fs::write(&file, "https_only = true\ndefault-signature = \"ed25519\"\nretry_schedule = []\n").unwrap();
    let file = file.to_str().unwrap();
    let check = |name: &str, arguments: &[&str], variables: &[(&str, &str)], https_only: bool, key: &str| {
        let variables = [variables, &[("POSTHASTE_BOOTSTRAP_KEY", KEY)]].concat();
        let server =
            Server::start(&dir.path().join(name), &[&["--listen", "127.0.0.1:0"], arguments].concat(), &variables);
        server.ask(KEY, "POST /api/v1/app", r#"{"name":"a","uid":"a"}"#).expect(201);
        let make =
            |url: &str| server.ask(KEY, "POST /api/v1/app/a/endpoint", &format!(r#"{{"url":"{url}","uid":"e"}}"#));
        if https_only {
            make("http://1.1.1.1/").expect(422);
        }
        make(if https_only { "https://1.1.1.1/" } else { "http://1.1.1.1/" }).expect(201);
        let secret = server.ask(KEY, "GET /api/v1/app/a/endpoint/e/secret", "").expect(200)["key"].to_string();
        assert!(secret.starts_with(key), "{name} {secret}");
    };
    check("file", &["--config", file], &[], true, "\"whpk_");
    check("none", &[], &[], false, "\"whsec_");
    check("flags", &["--https-only", "--default-signature=hmac", "--config", file], &[], true, "\"whsec_");
    let variables = [
        ("POSTHASTE_HTTPS_ONLY", "true"),
        ("POSTHASTE_DEFAULT_SIGNATURE", "ed25519"),
        ("POSTHASTE_RETRY_SCHEDULE", "1,2"),
    ];
    check("variables", &[], &variables, true, "\"whpk_");
    check("off", &["--config", file], &[("POSTHASTE_HTTPS_ONLY", "false")], false, "\"whpk_");
    let help = run(&["serve", "--help"], &[]).stdout;
    let help = String::from_utf8(help).unwrap();
    for flag in ["--https-only", "--default-signature", "--retry-schedule", "POSTHASTE_RETRY_SCHEDULE"] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn what_is_unknown_is_an_error_that_says_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = dir.path().join(format!("{}.toml", text.len()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = |text: &str, words: &[&str]| refuses(&["serve", "--config", &file(text)], &[], words);
    config("listn = \"127.0.0.1:0\"", &["unknown key `listn`", ".toml", "did you mean `listen`?"]);
    config("xyzzy = 1", &["unknown key `xyzzy`", "known are:", "payload-max"]);
    config("[serve]\nlisten = \"127.0.0.1:0\"", &["unknown key `serve`"]);
    config("config = \"other.toml\"", &["unknown key `config`"]);
    config("payload_max = { bytes = 1 }", &["key `payload_max`", "a text, a number"]);
    config("https_only = \"yes\"", &["key `https_only` must be true or false"]);
    config("retry_schedule = [5, 0]", &["--retry-schedule must be at most 30 waits"]);
    config("payload_max = 0", &["--payload-max", "'0'"]);
    config("listen = \"here\"\n# later", &["--listen", "'here'"]);
    config("listen 127.0.0.1", &["--config", "TOML"]);
    refuses(&["serve", "--config", "/nowhere/posthaste.toml"], &[], &["/nowhere/posthaste.toml", "No such file"]);
    refuses(
        &["serve"],
        &[("POSTHASTE_LISTN", "x")],
        &["unknown variable `POSTHASTE_LISTN`", "did you mean `POSTHASTE_LISTEN`?"],
    );
    refuses(&["key", "list"], &[("POSTHASTE_XYZZY", "1")], &["unknown variable `POSTHASTE_XYZZY`"]);
    refuses(&["serve", "--listn", "127.0.0.1:0"], &[], &["'--listn'", "'--listen'"]);
    refuses(&["serv"], &[], &["'serv'", "'serve'"]);
    refuses(&["serve", "here"], &[], &["'here'"]);
}

#[test]
fn serve_refuses_what_it_cannot_do_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("sqlite:{}", dir.path().join(name).display());
    std::fs::write(dir.path().join("text.db"), "this is no database, but quite a long text".repeat(100)).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("other.db")).unwrap();
    other.execute_batch("create table theirs (id integer)").unwrap();
    let check = |flag: &str, value: &str, words: &[&str]| {
        let sound = ["serve", "--listen", "127.0.0.1:0", "--database", &path("fine.db")];
        let arguments = [&sound[..], &[flag, value]].concat();
        let arguments: Vec<_> = if flag == "--database" || flag == "--listen" {
            vec!["serve", flag, value] // given twice would be another error
        } else {
            arguments
        };
        refuses(&arguments, &[], words);
    };
    check("--database", "postgres://localhost/x", &["postgres://localhost/x", "sqlite:FILE"]);
    check("--database", "posthaste.db", &["sqlite:FILE"]);
    check("--database", "sqlite:", &["sqlite:FILE"]);
    check("--database", &path("no/such/folder.db"), &["cannot open", "folder must exist"]);
    check("--database", &format!("sqlite:{}", dir.path().display()), &["cannot open"]);
    check("--database", &path("text.db"), &["text.db", "not a database"]);
    check("--database", &path("other.db"), &["another program's database"]);
    check("--listen", "nowhere", &["--listen", "'nowhere'"]);
    check("--listen", "127.0.0.1", &["--listen", "'127.0.0.1'"]);
    check("--listen", "127.0.0.1:65536", &["--listen"]);
    check("--allow-network", "10.0.0.0/33", &["--allow-network", "10.0.0.0/33"]);
    check("--allow-network", "10.0.0.0/8,here", &["--allow-network", "here"]);
    check("--log", "loud", &["--log loud", "use error, warn, info, debug"]);
    check("--log", "posthaste=loud", &["--log posthaste=loud"]);
    check("--public-url", "here", &["--public-url"]);
    check("--payload-max", "0", &["--payload-max", "1..=67108864"]);
    check("--payload-max", "1MB", &["--payload-max", "1MB"]);
    check("--bootstrap-key", "sk_prod_x", &["--bootstrap-key", "sk_test_ or sk_live_"]);
    check("--default-signature", "rsa", &["--default-signature", "use hmac or ed25519"]);
    check("--retry-schedule", "5,soon", &["--retry-schedule 5,soon", "5,300,1800", "`none`"]);
    check("--retry-schedule", "5,0", &["--retry-schedule must be at most 30 waits of 1 to 86400 seconds"]);
    check("--seal-key", "c2hvcnQ=", &["32 random bytes", "openssl rand -base64 32"]);
}

#[test]
fn a_port_that_is_taken_is_a_failure_and_not_a_usage_error() {
    let world = World::start();
    let address = world.url.strip_prefix("http://").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("posthaste.db").display());
    let output = run(&["serve", "--listen", address, "--database", &database], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains(&format!("cannot listen on {address}")), "{said}");
}

#[test]
fn a_database_of_a_newer_posthaste_is_refused() {
    let mut world = World::start();
    world.kill();
    let database = rusqlite::Connection::open(world.database()).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    drop(database);
    let path = format!("sqlite:{}", world.database().display());
    for arguments in
        [&["serve", "--listen", "127.0.0.1:0", "--database", &path][..], &["key", "list", "--database", &path]]
    {
        refuses(arguments, &[], &["schema 999", "start that version or a newer one"]);
    }
    let database = rusqlite::Connection::open(world.database()).unwrap();
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 999, "it was left as it is");
}

#[test]
fn the_first_start_prints_an_admin_key_once() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("posthaste.db");
    let first = Server::start(&database, &["--listen", "127.0.0.1:0"], &[]);
    assert_eq!(first.lines.len(), 3, "{:?}", first.lines);
    assert!(first.lines[1].starts_with("setup code: "), "{:?}", first.lines);
    let key = first.lines[0].strip_prefix("admin key: ").expect("the first line").to_owned();
    assert!(key.starts_with("sk_test_") && key.len() == 8 + 43, "{key}");
    assert_eq!(first.lists(&key), 200);
    drop(first);
    let second = Server::start(&database, &["--listen", "127.0.0.1:0"], &[]);
    assert_eq!(second.lines.len(), 2, "there is no Admin still: {:?}", second.lines);
    assert_eq!(second.lists(&key), 200);
}

#[test]
fn a_bootstrap_key_makes_its_environment_and_itself_once() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("posthaste.db");
    let live = format!("sk_live_{}", "l".repeat(32));
    for _ in 0..2 {
        let server = Server::start(&database, &["--listen", "127.0.0.1:0"], &[("POSTHASTE_BOOTSTRAP_KEY", &live)]);
        let printed = server.lines.iter().any(|line| line.starts_with("admin key"));
        assert!(!printed, "a key that is known is not printed: {:?}", server.lines);
        assert_eq!(server.lists(&live), 200);
        assert_eq!(server.lists(KEY), 401);
    }
    let both = Server::start(&database, &["--listen", "127.0.0.1:0", "--bootstrap-key", KEY], &[]);
    assert_eq!((both.lists(&live), both.lists(KEY)), (200, 200));
    let list = run(&["key", "list", "--database", &format!("sqlite:{}", database.display())], &[]);
    let list = String::from_utf8(list.stdout).unwrap();
    let environments: Vec<_> = list.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(environments, ["live", "test"], "{list}");
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let world = World::start();
    let made = world.beside(&["key", "create", "--role", "viewer"]);
    let (key, told) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    let key = key.trim();
    assert!(key.starts_with("sk_test_") && !key.contains('\n') && !told.contains(key), "{key} {told}");
    assert!(world.key("publisher", "live").starts_with("sk_live_"));
    let list = || String::from_utf8(world.beside(&["key", "list"]).stdout).unwrap();
    let roles: Vec<_> = list().lines().map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect();
    assert_eq!(roles, ["admin", "viewer", "publisher"]);
    let id = told.split_whitespace().next().expect("the id comes first");
    let revoke = |id: &str| world.beside(&["key", "revoke", id]);
    assert!(revoke(id).status.success());
    assert!(list().lines().nth(1).unwrap().contains(" revoked 20"), "{}", list());
    assert_eq!(revoke(id).status.code(), Some(1), "it is revoked already");
    let database = format!("sqlite:{}", world.database().display());
    let refused =
        |arguments: &[&str], words: &[&str]| refuses(&[arguments, &["--database", &database]].concat(), &[], words);
    refused(&["key", "revoke", "key_nobody"], &["`key_nobody` is no key's id", "posthaste key list"]);
    refused(&["key", "revoke", KEY], &["is no key's id"]);
    refused(&["key", "create"], &["--role"]);
    refused(&["key", "create", "--role", "king"], &["`king` is no role", "admin, publisher or viewer"]);
    refused(&["key", "create", "--role", "admin", "--environment", "prod"], &["'prod'", "test, live"]);
}

#[test]
fn another_seal_key_than_the_databases_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("posthaste.db");
    let [ours, theirs] =
        ["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="];
    let variables = [("POSTHASTE_BOOTSTRAP_KEY", KEY), ("POSTHASTE_SEAL_KEY", ours)];
    let server = Server::start(&database, &["--listen", "127.0.0.1:0"], &variables);
    let call = |path: &str, body: &str| server.ask(KEY, &format!("POST {path}"), body).expect(201);
    call("/api/v1/app", r#"{"name":"a","uid":"a"}"#);
    call("/api/v1/app/a/endpoint", r#"{"url":"http://1.1.1.1/","secret":"whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}"#);
    drop(server);
    let bytes = std::fs::read(&database).unwrap();
    assert!(!bytes.windows(12).any(|window| window == b"secretsecret"), "the secret stands in the file");
    let path = format!("sqlite:{}", database.display());
    let serve = ["serve", "--listen", "127.0.0.1:0", "--database", &path];
    for variables in [&[("POSTHASTE_SEAL_KEY", theirs)][..], &[]] {
        let output = run(&serve, variables);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("--seal-key"), "{said}");
    }
    Server::start(&database, &["--listen", "127.0.0.1:0"], &variables);
}
