//! The world of a story: a real server process, a real database file, receivers on real sockets.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The admin key of every world.
pub const KEY: &str = "sk_test_0123456789abcdefghijklmnopqrstuvwxyz";
/// How long a story waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server and where it keeps things.
pub struct World {
    pub dir: TempDir,
    pub url: String,
    pub server: Child,
    /// What it printed before it listened.
    pub said: Vec<String>,
    verb: &'static str,
    flags: Vec<String>,
    wrapper: Vec<String>,
}

impl World {
    /// Starts a server on an empty database; endpoints may be on this machine.
    pub fn start() -> Self {
        Self::start_with(&["--allow-network", "127.0.0.0/8"])
    }

    /// Starts a server with these flags beside the usual ones.
    pub fn start_with(flags: &[&str]) -> Self {
        Self::start_under(&[], tempfile::tempdir().expect("a temporary folder"), flags)
    }

    /// Starts a server in this folder, under a command that becomes it (strace, nsenter); none when that is empty.
    pub fn start_under(wrapper: &[&str], dir: TempDir, flags: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let (wrapper, flags) = (owned(wrapper), owned(flags));
        let (server, url, said) = launch(&mut command("serve", &database(dir.path()), &flags, &wrapper));
        Self { dir, url, server, said, verb: "serve", flags, wrapper }
    }

    /// Starts a sandbox with these flags beside the usual ones.
    pub fn sandbox(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>();
        let (server, url, said) = launch(&mut command("sandbox", &database(dir.path()), &flags, &[]));
        Self { dir, url, server, said, verb: "sandbox", flags, wrapper: Vec::new() }
    }

    /// Starts a server whose log, panics included, [`Self::log`] shows.
    pub fn start_logged(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = std::fs::File::create(dir.path().join("log")).expect("a file");
        Self::start_telling(dir, log.into(), flags)
    }

    /// Starts a server in this folder whose log goes there.
    pub fn start_telling(dir: TempDir, log: Stdio, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>();
        let (server, url, said) = launch(command("serve", &database(dir.path()), &flags, &[]).stderr(log));
        Self { dir, url, server, said, verb: "serve", flags, wrapper: Vec::new() }
    }

    /// What a server started by [`Self::start_logged`] logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).expect("it was started with its log kept")
    }

    /// Runs the program beside the server, on its database.
    pub fn beside(&self, arguments: &[&str]) -> Output {
        let database = format!("sqlite:{}", self.database().display());
        program().args(arguments).args(["--database", &database]).output().expect("the program starts")
    }

    /// Makes a key.
    pub fn key(&self, role: &str, environment: &str) -> String {
        let made = self.beside(&["key", "create", "--role", role, "--environment", environment]);
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stdout).expect("text").trim().to_owned()
    }

    /// How much memory the server holds.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Ends the server as a power cut ends a process, and starts it anew on the same database.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends the server with SIGKILL.
    pub fn kill(&mut self) {
        self.server.kill().expect("it runs");
        self.server.wait().expect("it ended");
    }

    /// Starts a server on the same database.
    pub fn restart(&mut self) {
        (self.server, self.url, self.said) = launch(&mut self.command());
    }

    /// Starts a server on the same database, with these flags beside those that it had.
    pub fn restart_with(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self.restart();
    }

    /// The server's command line, to be started on the same database.
    pub fn command(&self) -> Command {
        command(self.verb, &database(self.dir.path()), &self.flags, &self.wrapper)
    }

    /// Asks the server to end; gives its exit code.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.server);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.server.wait().expect("it ended")
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        database(self.dir.path())
    }

    /// One call as the admin; the body may be anything that shows itself as text.
    #[expect(clippy::needless_pass_by_value, reason = "stories pass texts and JSON as they write them")]
    pub fn call(&self, method: &str, path: &str, body: impl ToString) -> Answer {
        self.call_as(KEY, method, path, &[], &body.to_string())
    }

    /// One call with this key and these headers.
    #[expect(clippy::too_many_arguments, reason = "a call is just these")]
    pub fn call_as(&self, key: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !key.is_empty() {
            write!(head, "authorization: Bearer {key}\r\n").expect("text grows");
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("text grows");
        }
        self.raw(format!("{head}\r\n{body}").as_bytes())
    }

    /// Sends bytes as they are and reads to the end.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(&self.url, bytes)
    }

    /// Makes an application with an endpoint at this URL; gives both ids.
    pub fn subscribe(&self, url: &str) -> (String, String) {
        let app = self.call("POST", "/api/v1/app", r#"{"name":"acme"}"#).expect(201)["id"].as_str().unwrap().to_owned();
        let endpoint = self.endpoint(&app, &serde_json::json!({ "url": url }));
        (app, endpoint)
    }

    /// Makes an endpoint; gives its id.
    pub fn endpoint(&self, app: &str, settings: &Value) -> String {
        let answer = self.call("POST", &format!("/api/v1/app/{app}/endpoint"), settings);
        answer.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Publishes an event with this payload; gives its id.
    pub fn publish(&self, app: &str, payload: &str) -> String {
        let body = format!(r#"{{"eventType":"payment.succeeded","payload":{payload}}}"#);
        // as text: a payload may be JSON that no number or text type of ours can hold
        let answer = self.call("POST", &format!("/api/v1/app/{app}/msg"), body);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body.split('"').nth(3).expect("an id comes first").to_owned()
    }

    /// The attempts of an event, once there are `count`.
    pub fn attempts(&self, app: &str, event: &str, count: usize) -> Vec<Value> {
        eventually(|| {
            let list = self.call("GET", &format!("/api/v1/app/{app}/attempt/msg/{event}"), "").expect(200);
            let attempts = list["data"].as_array().unwrap().clone();
            (attempts.len() >= count).then_some(attempts)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill(); // it may have ended already
        let _ = self.server.wait();
    }
}

fn database(dir: &Path) -> PathBuf {
    dir.join("posthaste.db")
}

/// The program under test, with nothing of the caller's configuration.
pub fn program() -> Command {
    program_under(&[])
}

fn program_under(wrapper: &[String]) -> Command {
    let mut words = wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_posthaste")]);
    let mut command = Command::new(words.next().expect("the program at least"));
    command.args(words);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POSTHASTE_")) {
        command.env_remove(name);
    }
    command
}

fn command(verb: &str, database: &Path, flags: &[String], wrapper: &[String]) -> Command {
    let mut command = program_under(wrapper);
    command.args([verb, "--listen", "127.0.0.1:0", "--database"]).env("POSTHASTE_LOG", "warn");
    command.arg(format!("sqlite:{}", database.display())).args(flags).env("POSTHASTE_BOOTSTRAP_KEY", KEY);
    command
}

fn launch(command: &mut Command) -> (Child, String, Vec<String>) {
    let mut server = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut said = Vec::new();
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let url = lines.find_map(|line| {
        let line = line.expect("text");
        let url = line.strip_prefix("listening on ").map(str::to_owned);
        said.push(line);
        url
    });
    (server, url.expect("the server says where it listens"), said)
}

#[expect(clippy::disallowed_methods, reason = "a story calls the server as its users do")]
pub fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.strip_prefix("http://").expect("http")).expect("the server listens")
}

/// Sends bytes to a server as they are and reads to the end.
pub fn exchange(url: &str, bytes: &[u8]) -> Answer {
    let mut stream = connect(url);
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let _ = stream.write_all(bytes); // a refused request may be cut off
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    Answer::parse(&text)
}

/// A test's own watch.
#[expect(clippy::disallowed_methods, reason = "a story waits on the real clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks again until there is an answer; fails the story after 30 s.
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// 0 when the connection was closed without one.
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The body as JSON; fails the story when the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { serde_json::from_str(&self.body).expect("JSON") }
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// One request that a receiver got.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Received {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// The event's id.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Whether one of the signatures is by this secret.
    pub fn signed_by(&self, secret: &str) -> bool {
        let secret = posthaste::secret::Secret::parse(secret).expect("a secret");
        let (timestamp, signatures) = (self.header("webhook-timestamp"), self.header("webhook-signature"));
        posthaste::signature::verify(&[secret], self.id(), timestamp, signatures, &self.body)
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers with this status.
    Status(u16),
    /// Answers with these bytes and closes.
    Bytes(&'static str),
    /// Never answers, keeps the connection open.
    Hang,
    /// Closes without an answer.
    Close,
}

/// A receiver of webhooks on a real socket: one thread a connection.
pub struct Receiver {
    pub url: String,
    pub inbox: Arc<(Mutex<Vec<Received>>, Condvar)>,
}

impl Receiver {
    /// Answers 200 to everything.
    pub fn good() -> Self {
        Self::start(|_, _| Behaviour::Status(200))
    }

    /// Behaves as told; the first argument counts the requests before this one.
    pub fn start(behave: impl Fn(usize, &Received) -> Behaviour + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1", behave)
    }

    /// The same at an address of this machine.
    pub fn start_at(address: &str, behave: impl Fn(usize, &Received) -> Behaviour + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let inbox = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (shared, behave) = (Arc::clone(&inbox), Arc::new(behave));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, behave) = (Arc::clone(&shared), Arc::clone(&behave));
                std::thread::spawn(move || serve(stream, &shared, &*behave));
            }
        });
        Self { url, inbox }
    }

    /// What has come so far.
    pub fn received(&self) -> Vec<Received> {
        self.inbox.0.lock().unwrap().clone()
    }

    /// Waits until `count` requests have come; gives them all.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let inbox = self.inbox.0.lock().unwrap();
        let (inbox, waited) = self.inbox.1.wait_timeout_while(inbox, PATIENCE, |inbox| inbox.len() < count).unwrap();
        assert!(!waited.timed_out(), "{} of {count} requests came", inbox.len());
        inbox.clone()
    }
}

fn serve(stream: TcpStream, inbox: &(Mutex<Vec<Received>>, Condvar), behave: &dyn Fn(usize, &Received) -> Behaviour) {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read_request(&mut reader) {
        let count = {
            let mut inbox = inbox.0.lock().unwrap();
            inbox.push(received.clone());
            inbox.len() - 1
        };
        inbox.1.notify_all();
        let answer = match behave(count, &received) {
            Behaviour::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok"),
            Behaviour::Bytes(bytes) => {
                let _ = reader.get_mut().write_all(bytes.as_bytes());
                return;
            }
            Behaviour::Hang => {
                let _ = reader.read_to_end(&mut Vec::new()); // until the other side gives up
                return;
            }
            Behaviour::Close => return,
        };
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let received = Received { path, headers, body: Vec::new(), at: now() };
    let length = received.header("content-length");
    let mut body = vec![0; if length.is_empty() { 0 } else { length.parse().ok()? }];
    reader.read_exact(&mut body).ok()?;
    Some(Received { body, ..received })
}
