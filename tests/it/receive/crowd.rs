//! The same request a thousand times at once, through a crash; and a full disk.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::world::connect;

/// Sends the same request from many threads; gives how many got 200, and how many no answer.
fn crowd(door: &Door, body: &[u8], times: usize) -> (usize, usize) {
    let bytes = request(&door.path, body, &door.proof(body));
    let (kept, lost, left) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(times));
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    match try_exchange(&door.world.url, &bytes) {
                        200 => kept.fetch_add(1, Ordering::Relaxed),
                        0 => lost.fetch_add(1, Ordering::Relaxed),
                        status => panic!("{status}"),
                    };
                }
            });
        }
    });
    (kept.into_inner(), lost.into_inner())
}

/// The status of an exchange; 0 when the connection was refused or broken.
#[expect(clippy::disallowed_methods, reason = "a story calls the server as its users do")]
pub fn try_exchange(url: &str, bytes: &[u8]) -> u16 {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()) else {
        return 0;
    };
    let mut text = Vec::new();
    if stream.write_all(bytes).is_err() || stream.read_to_end(&mut text).is_err() {
        return 0;
    }
    String::from_utf8_lossy(&text).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn the_same_request_a_thousand_times_at_once_is_one_event_also_through_a_crash() {
    let (mut door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    door.subscribe(&receiver);
    let body = fintoc("evt_crowd", 1).into_bytes();
    let killer = {
        let pid = rustix::process::Pid::from_child(&door.world.server);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        })
    };
    let (before, lost) = crowd(&door, &body, 1_000);
    killer.join().unwrap().unwrap();
    door.world.kill();
    door.world.restart();
    let (after, lost_after) = crowd(&door, &body, 1_000);
    assert_eq!((before + lost, after, lost_after), (1_000, 1_000, 0));
    let events = door.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0]["duplicates"].as_u64().unwrap() >= u64::try_from(before + after).unwrap() - 1);
    receiver.wait_for(1);
    std::thread::sleep(A_WHILE);
    let received = receiver.received();
    assert!(received.len() <= 2, "the one attempt, and once more when the crash met it: {}", received.len());
    assert!(received.iter().all(|received| received.id() == text(&events[0]["id"]) && received.body == body));
}

#[test]
fn a_slow_sender_holds_nobody_up() {
    use std::io::Write as _;
    let door = Door::open(Provider::Fintoc);
    let mut slow = connect(&door.world.url);
    slow.write_all(format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{", door.path).as_bytes())
        .unwrap();
    assert_eq!(door.send(fintoc("evt_1", 1)).status, 200);
}
