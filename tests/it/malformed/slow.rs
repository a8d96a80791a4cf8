//! Slow and broken clients: nobody else waits for them, and they are let go after their time.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::{Walls, event, head};
use crate::world::{KEY, connect, eventually, now};

/// How long anybody else may wait for an answer: far below the 30 s that a hanging client has, far above what a
/// machine that is busy with other tests needs.
const ANSWER_MAX: Duration = Duration::from_secs(10);

fn send(walls: &Walls, text: &str) -> TcpStream {
    let mut stream = connect(&walls.world.url);
    stream.write_all(text.as_bytes()).expect("it listens");
    stream
}

/// A publish whose body is announced and does not come whole.
fn half(walls: &Walls, headers: &str) -> String {
    format!("{}{headers}content-length: {}\r\n\r\n{{", head("POST", &walls.path("msg")), event().len())
}

#[track_caller]
fn others_are_answered(walls: &Walls, events: usize) {
    for _ in 0..events {
        let begun = now();
        walls.world.publish(&walls.app, "{}");
        assert!(begun.elapsed() < ANSWER_MAX, "an answer took {:?}", begun.elapsed());
    }
}

#[test]
fn clients_that_hang_hold_nobody_up_and_are_let_go_after_30_s() {
    let walls = Walls::start(&[]);
    let begun = now();
    let mut bodies: Vec<_> = (0..100).map(|_| send(&walls, &half(&walls, ""))).collect(); // 29, 31
    let mut heads: Vec<_> = (0..100).map(|_| send(&walls, &head("POST", &walls.path("msg")))).collect(); // 30
    let idle: Vec<_> = (0..100).map(|_| send(&walls, "")).collect();
    others_are_answered(&walls, 20);
    let keyed = [("idempotency-key", "k")];
    let _hangs = send(&walls, &half(&walls, "idempotency-key: k\r\n"));
    walls.world.call_as(KEY, "POST", &walls.path("msg"), &keyed, &event()).expect(202);
    heads[0].write_all(b"x-more: 1\r\n").expect("it is still open"); // another header gains no time
    bodies[0].write_all(b"\"").expect("it is still open");
    for stream in bodies.iter_mut().chain(&mut heads).chain(&mut idle.into_iter().collect::<Vec<_>>()) {
        stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a socket");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it is closed");
        let refused = text.is_empty() || text.starts_with("HTTP/1.1 408") || text.starts_with("HTTP/1.1 400");
        assert!(refused && begun.elapsed() > Duration::from_secs(29), "{:?}: {text}", begun.elapsed());
    }
    assert!(begun.elapsed() < Duration::from_secs(38), "{:?}", begun.elapsed());
    walls.stand(21, 8);
}

#[test]
fn clients_that_break_off_leave_nothing_behind() {
    let walls = Walls::start(&[]);
    let whole = format!("{}content-length: {}\r\n\r\n", head("POST", &walls.path("msg")), event().len()) + &event();
    for bytes in 0..whole.len() {
        let stream = send(&walls, &whole[..bytes]);
        if bytes % 2 == 0 {
            stream.shutdown(Shutdown::Both).expect("it is open");
        }
    }
    let mut closed = send(&walls, &half(&walls, ""));
    closed.shutdown(Shutdown::Write).expect("it is open");
    let mut text = String::new();
    closed.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("broke off"), "{text}");
    others_are_answered(&walls, 5);
    walls.stand(5, 8);
}

#[test]
fn clients_that_never_read_their_answers_hold_nobody_up() {
    let walls = Walls::start(&[]);
    let list = format!("{}\r\n", head("GET", &walls.path("msg"))).repeat(200);
    let mut deaf: Vec<_> = (0..20).map(|_| connect(&walls.world.url)).collect();
    for stream in &mut deaf {
        stream.set_write_timeout(Some(Duration::from_millis(10))).expect("a socket");
        while stream.write_all(list.as_bytes()).is_ok() {} // until the server takes no more from it
    }
    others_are_answered(&walls, 20);
    drop(deaf);
    eventually(|| (walls.world.rss_kib() < walls.rss_kib + 32 * 1_024).then_some(()));
    walls.stand(20, 32);
}

#[test]
fn a_large_batch_of_one_does_not_hold_up_the_others() {
    let walls = Walls::start(&["--payload-max", "16000000"]);
    let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(8_400_000));
    let batch = format!(r#"{{"messages":[{{"eventType":"a","payload":{payload}}},{}]}}"#, event());
    let answer = walls.world.call("POST", &walls.path("msg/batch"), &batch).expect(202);
    assert!(answer["data"].as_array().unwrap().iter().all(|part| part["status"] == 202), "{answer}");
    others_are_answered(&walls, 2);
    let thousand = format!(r#"{{"messages":[{}]}}"#, vec![event(); 1_000].join(","));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| walls.world.call("POST", &walls.path("msg/batch"), &thousand).expect(202));
        }
    });
    walls.receiver.wait_for(1 + 2 + 2 + 6_000);
    assert_eq!(walls.world.log(), "");
}
