//! The sink: one thread that answers every delivery with 200 and enters it in the ledger of the current run.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, RwLock};
use std::thread;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::BenchError;
use super::ledger::Ledger;
use super::proc::ThreadCpu;
use super::wire::{Inbox, Parsed, parse_delivery};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The ledger of the current run, shared with every connection.
type Book = Arc<RwLock<Option<Arc<Ledger>>>>;

/// A running sink; it ends when it is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    book: Book,
    cpu: ThreadCpu,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sink {
    /// Starts a sink on a free port of the loopback interface.
    ///
    /// # Errors
    /// When the port, the thread or its runtime cannot be had.
    pub fn start() -> Result<Self, BenchError> {
        let failed = |error: io::Error| BenchError::new(format!("the sink did not start: {error}"));
        let book = Book::default();
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let theirs = Arc::clone(&book);
        let thread = thread::Builder::new()
            .name("bench-sink".into())
            .spawn(move || {
                if let Err(error) = listen(&theirs, stopped, &ready) {
                    // Nobody waits any more when the error comes later than the start.
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(failed)?;
        let (address, cpu) = started.recv().expect("the sink reports that it is ready, or why not").map_err(failed)?;
        Ok(Self { address, book, cpu, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CPU clock of its thread.
    #[must_use]
    pub fn cpu(&self) -> &ThreadCpu {
        &self.cpu
    }

    /// Enters all that arrives from now on in `ledger`.
    pub fn follow(&self, ledger: &Arc<Ledger>) {
        *self.book.write().expect("no connection panics with the book open") = Some(Arc::clone(ledger));
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the sink has been printed by its own thread.
            let _ = thread.join();
        }
    }
}

type Ready = mpsc::Sender<io::Result<(SocketAddr, ThreadCpu)>>;

fn listen(book: &Book, stopped: oneshot::Receiver<()>, ready: &Ready) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let _ = ready.send(Ok((listener.local_addr()?, ThreadCpu::of_this_thread()?)));
        tokio::select! {
            accepted = accept(&listener, book) => accepted,
            _ = stopped => Ok(()),
        }
    })
}

async fn accept(listener: &TcpListener, book: &Book) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(receive(stream, Arc::clone(book)));
    }
}

/// Serves one connection until the peer closes it or breaks the protocol.
async fn receive(mut stream: TcpStream, book: Book) {
    let mut inbox = Inbox::new();
    let mut needed = 1;
    while let Ok(true) = inbox.fill(&mut stream, needed).await {
        let ledger = book.read().expect("nobody panics with the book open").clone();
        let used = match parse_delivery(inbox.filled()) {
            Ok(Parsed::Needs(bytes)) => {
                needed = bytes;
                continue;
            }
            Ok(Parsed::Complete(delivery)) => {
                if let Some(ledger) = ledger {
                    ledger.arrived(&delivery);
                }
                delivery.len
            }
            Err(_) => {
                if let Some(ledger) = ledger {
                    ledger.malformed();
                }
                return;
            }
        };
        inbox.consume(used);
        needed = inbox.filled().len().max(1);
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}
