//! A place between a client and the server that holds every answer against the OpenAPI document.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::openapi::Document;
use crate::world::{World, exchange};

/// Between a client and a server.
pub struct Watched {
    world: World,
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    answers: usize,
    complaints: Vec<String>,
}

impl Watched {
    /// Starts a server whose public URL is this place.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--public-url", &url]);
        let (document, seen, server) =
            (Arc::new(Document::of(&world)), Arc::<Mutex<Seen>>::default(), world.url.clone());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (document, shared, server) = (Arc::clone(&document), Arc::clone(&shared), server.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while pass_on(&mut reader, &server, &document, &shared).is_some() {}
                });
            }
        });
        Self { world, url, seen }
    }

    /// The server behind it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// So many answers at least passed by, and all were as the document says.
    #[track_caller]
    pub fn check(&self, answers_min: usize) {
        let seen = self.seen.lock().unwrap();
        assert!(seen.complaints.is_empty(), "{}", seen.complaints.join("\n"));
        assert!(seen.answers >= answers_min, "only {} answers passed by", seen.answers);
    }
}

/// Passes one request on and its answer back; `None` when the client has gone.
fn pass_on(reader: &mut BufReader<TcpStream>, server: &str, document: &Document, seen: &Mutex<Seen>) -> Option<()> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|&bytes| bytes > 0)?;
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let lower = line.to_ascii_lowercase();
        if line == "\r\n" {
            break;
        }
        if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
        if !lower.starts_with("connection:") && !lower.starts_with("expect:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = [format!("{first}{head}connection: close\r\n\r\n").as_bytes(), &body].concat();
    let answer = exchange(server, &request);
    let mut words = first.split(' ');
    let complaint = document.complaint(words.next()?, words.next()?, answer.status, &answer.body);
    let mut seen = seen.lock().unwrap();
    seen.answers += 1;
    seen.complaints.extend(complaint);
    drop(seen);
    let answer =
        format!("{}\r\n\r\n{}", answer.head.replace("connection: close", "connection: keep-alive"), answer.body);
    reader.get_mut().write_all(answer.as_bytes()).ok()
}
