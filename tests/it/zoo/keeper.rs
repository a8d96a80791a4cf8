//! The keeper: receivers on raw sockets that do, step by step, what no receiver should do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::world::{eventually, now};

/// One thing that a receiver does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes these bytes again and again, with this pause, until nobody takes them.
    Forever(Vec<u8>, Duration),
    /// Waits.
    Pause(Duration),
    /// Closes with a reset instead of an end.
    Reset,
    /// Closes.
    Close,
    /// Neither reads nor writes until the other side closes.
    Hold,
}

/// How the receivers behave: the cage's name and how many requests came to it before, to steps.
pub type Habits = dyn Fn(&str, usize) -> Vec<Step> + Send + Sync;

/// One request that came.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The first part of its path.
    pub cage: String,
    /// The number of its connection.
    pub connection: usize,
    pub head: String,
    pub at: Instant,
}

/// All receivers behind one port; the path tells them apart.
pub struct Keeper {
    pub url: String,
    book: Arc<Book>,
}

#[derive(Default)]
struct Book {
    connections: AtomicUsize,
    visits: Mutex<Vec<Visit>>,
    ended: Mutex<Vec<usize>>,
}

impl Keeper {
    pub fn start(habits: impl Fn(&str, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (book, habits): (_, Arc<Habits>) = (Arc::new(Book::default()), Arc::new(habits));
        let shared = Arc::clone(&book);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (book, habits) = (Arc::clone(&shared), Arc::clone(&habits));
                std::thread::spawn(move || serve(stream, &book, &*habits));
            }
        });
        Self { url, book }
    }

    /// The requests that came to a cage so far.
    pub fn visits(&self, cage: &str) -> Vec<Visit> {
        self.book.visits.lock().expect("nobody panicked").iter().filter(|visit| visit.cage == cage).cloned().collect()
    }

    /// The requests to a cage, once there are `count`.
    pub fn wait_for(&self, cage: &str, count: usize) -> Vec<Visit> {
        eventually(|| Some(self.visits(cage)).filter(|visits| visits.len() >= count))
    }

    /// Waits until a connection has ended, whoever ended it.
    pub fn wait_for_end(&self, connection: usize) {
        eventually(|| self.book.ended.lock().expect("nobody panicked").contains(&connection).then_some(()));
    }
}

fn serve(stream: TcpStream, book: &Book, habits: &Habits) {
    let connection = book.connections.fetch_add(1, Ordering::Relaxed);
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_head(&mut reader) {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let cage = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        let early = path.ends_with("/early");
        let before = {
            let mut visits = book.visits.lock().expect("nobody panicked");
            let before = visits.iter().filter(|visit| visit.cage == cage).count();
            visits.push(Visit { cage: cage.clone(), connection, head: head.clone(), at: now() });
            before
        };
        if (!early && !skip_body(&mut reader, &head)) || !perform(&mut reader, habits(&cage, before)) {
            break;
        }
    }
    drop(reader);
    book.ended.lock().expect("nobody panicked").push(connection);
}

/// Does the steps; gives whether the connection is still there.
fn perform(reader: &mut BufReader<TcpStream>, steps: Vec<Step>) -> bool {
    for step in steps {
        let stream = reader.get_mut();
        let goes_on = match step {
            Step::Write(bytes) => stream.write_all(&bytes).is_ok(),
            Step::Forever(bytes, pause) => {
                while stream.write_all(&bytes).is_ok() {
                    std::thread::sleep(pause);
                }
                false
            }
            Step::Pause(pause) => {
                std::thread::sleep(pause);
                true
            }
            Step::Reset => {
                socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).expect("a socket");
                false
            }
            Step::Close => false,
            Step::Hold => {
                let _ = reader.read_to_end(&mut Vec::new()); // until the other side gives up
                false
            }
        };
        if !goes_on {
            return false;
        }
    }
    true
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let bytes = reader.read_line(&mut head).ok()?;
        if bytes == 0 {
            return None;
        }
        if head.ends_with("\r\n\r\n") {
            return Some(head);
        }
    }
}

fn skip_body(reader: &mut BufReader<TcpStream>, head: &str) -> bool {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let bytes = length.and_then(|length| length.parse().ok()).expect("every delivery says how long it is");
    reader.read_exact(&mut vec![0; bytes]).is_ok()
}
