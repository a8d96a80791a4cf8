//! Load on a server: kept connections that publish, what came of it, and how long a run is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::world::{Answer, KEY, PATIENCE, Received, Receiver, now};

/// How many, or how long: the story's own figure, unless `scripts/soak` asks for another.
pub fn soak(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Whether `scripts/soak` runs the story on a machine of its own: then its figures count, not only its order.
pub fn strict() -> bool {
    std::env::var_os("SOAK_STRICT").is_some()
}

/// Shows a figure of a run: on the terminal of `scripts/soak`, and of whoever asks with `--nocapture`.
#[expect(clippy::print_stdout, reason = "figures are for people")]
pub fn show(figure: &str) {
    println!("{figure}");
}

/// A connection that is kept from call to call, and made anew when it broke.
#[derive(Default)]
pub struct Line {
    url: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Line {
    /// One call as the admin to the server at this URL; `None` when no whole answer came.
    pub fn call(&mut self, url: &str, request: (&str, &str), headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        if self.url != url {
            (self.url, self.stream) = (url.to_owned(), None);
        }
        let mut stream = self.stream.take().or_else(|| dial(url))?;
        let (method, path) = request;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        stream.get_mut().write_all(format!("{head}\r\n{body}").as_bytes()).ok()?;
        let answer = read(&mut stream)?;
        self.stream = Some(stream);
        Some(answer)
    }

    /// Publishes an event; gives its id. Fails the story on any other answer than 202.
    #[track_caller]
    pub fn publish(&mut self, url: &str, app: &str, payload: &str) -> String {
        let body = format!(r#"{{"eventType":"payment.succeeded","payload":{payload}}}"#);
        let answer = self.call(url, ("POST", &format!("/api/v1/app/{app}/msg?with_content=false")), &[], &body);
        answer.expect("an answer").expect(202)["id"].as_str().unwrap().to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "a story calls the server as its users do")]
fn dial(url: &str) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect(url.strip_prefix("http://")?).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(BufReader::new(stream))
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Answer> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let begin = head.len();
        stream.read_line(&mut head).ok().filter(|&bytes| bytes > 0)?;
        let line = head[begin..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: String::from_utf8(body).ok()? })
}

impl Receiver {
    /// How many requests have come so far.
    pub fn count(&self) -> usize {
        self.inbox.0.lock().unwrap().len()
    }

    /// Waits for a request that comes after this moment; gives when the first one came.
    #[track_caller]
    pub fn wait_since(&self, moment: Instant) -> Instant {
        let inbox = self.inbox.0.lock().unwrap();
        let none = |inbox: &mut Vec<Received>| inbox.last().is_none_or(|received| received.at <= moment);
        let (inbox, waited) = self.inbox.1.wait_timeout_while(inbox, PATIENCE, none).unwrap();
        assert!(!waited.timed_out(), "nothing came any more");
        inbox.iter().rev().map(|received| received.at).take_while(|&at| at > moment).last().expect("one came")
    }
}

/// Calls `act` so many times a second for so long, each call at its own time however long the one before took.
pub fn pace(per_second: u32, long: Duration, mut act: impl FnMut(usize, Instant)) {
    let (begun, step) = (now(), Duration::from_secs(1) / per_second);
    let mut number = 0;
    let mut at = begun;
    while at < begun + long {
        std::thread::sleep(at.saturating_duration_since(now()));
        act(number, at);
        number += 1;
        at += step;
    }
}

/// Calls `act` so many times a second for so long over so many lines, each call at its own time while a line is free;
/// gives how long each took from its time on.
pub fn knock(lines: usize, per_second: u32, long: Duration, act: impl Fn(&mut Line, usize) + Sync) -> Vec<Duration> {
    let (begun, next, took) = (now(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let due =
        |number: usize| begun + Duration::from_secs(1) * u32::try_from(number).expect("a story is short") / per_second;
    std::thread::scope(|scope| {
        for _ in 0..lines {
            scope.spawn(|| {
                let mut line = Line::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let at = due(number);
                    if at >= begun + long {
                        return;
                    }
                    std::thread::sleep(at.saturating_duration_since(now()));
                    act(&mut line, number);
                    took.lock().unwrap().push(now().saturating_duration_since(at));
                }
            });
        }
    });
    took.into_inner().unwrap()
}

/// The value that so many percent of the values do not exceed.
pub fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    values[(values.len() * percent).div_ceil(100).clamp(1, values.len()) - 1]
}

/// The middle one of a few figures.
pub fn median(values: &mut [Duration]) -> Duration {
    percentile(values, 50)
}

/// Lets this process, and the servers it starts, hold many sockets.
pub fn many_sockets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("up to the hard limit");
}
