//! One process serves a database, says who it is, and ends when the file is taken from it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::load::Line;
use crate::world::{KEY, PATIENCE, Receiver, World, eventually, now, program};

mod loss;
#[cfg(feature = "peers")]
mod power;
mod purpose;
mod whole;

/// What is taken away is noticed within this, and a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

/// A command that opens this database, on a free port.
fn opens(verb: &str, database: &Path) -> Command {
    let mut command = program();
    command.args([verb, "--listen", "127.0.0.1:0", "--database", &format!("sqlite:{}", database.display())]);
    command.env("POSTHASTE_BOOTSTRAP_KEY", KEY);
    command
}

/// What a command says that must not start; gives its exit code too.
fn refused(command: &mut Command) -> (i32, String) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    ended(child)
}

/// Waits for the end of a process; gives its exit code and what it said on stderr.
fn ended(mut child: Child) -> (i32, String) {
    let reading = child.stderr.take().map(|stderr| std::thread::spawn(|| std::io::read_to_string(stderr)));
    let begun = now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it runs, and should have ended: {child:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let said = reading.map_or_else(String::new, |reading| reading.join().unwrap().unwrap());
    (status.code().unwrap_or(-1), said)
}

#[track_caller]
fn check_names_the_first(world: &World, verb: &str, (code, said): (i32, String)) {
    let pid = format!("(pid {} on ", world.server.id());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for word in ["is in use by", &format!("`posthaste {verb}`"), &pid, host.trim(), "since 20", &world.url] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(code > 0, "{code}");
}

#[test]
fn a_second_server_on_a_database_is_refused_and_told_who_the_first_is() {
    let receiver = Receiver::good();
    let mut world = World::start();
    let (app, _) = world.subscribe(&receiver.url);
    let (folder, file) = (world.dir.path().to_owned(), world.database());
    let (link, far) = (folder.join("link.db"), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink("posthaste.db", &link).unwrap();
    std::os::unix::fs::symlink(&folder, far.path().join("folder")).unwrap();
    for path in [file.clone(), link, far.path().join("folder/posthaste.db"), folder.join("./posthaste.db")] {
        for verb in ["serve", "sandbox"] {
            check_names_the_first(&world, "serve", refused(&mut opens(verb, &path)));
        }
    }
    let relative = refused(opens("serve", Path::new("posthaste.db")).current_dir(&folder));
    check_names_the_first(&world, "serve", relative);
    world.key("viewer", "test"); // takes no lock
    world.publish(&app, "{}");
    receiver.wait_for(1);
    for _ in 0..5 {
        world.kill_and_restart(); // at once
    }
    world.publish(&app, "{}");
    receiver.wait_for(2);
}

#[test]
fn a_server_and_a_second_sandbox_are_refused_the_database_of_a_sandbox() {
    let world = World::sandbox(&[]);
    for verb in ["serve", "sandbox"] {
        check_names_the_first(&world, "sandbox", refused(&mut opens(verb, &world.database())));
    }
}

#[test]
fn of_many_servers_that_start_at_once_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("posthaste.db");
    let mut children: Vec<_> = (0..8)
        .map(|number| {
            let mut command = opens(if number % 2 == 0 { "serve" } else { "sandbox" }, &file);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    eventually(|| {
        let running = children.iter_mut().filter_map(|child| child.try_wait().unwrap().is_none().then_some(())).count();
        (running <= 1).then_some(())
    });
    std::thread::sleep(Duration::from_millis(500)); // the last one does not end either
    let (mut running, mut refused) = (0, 0);
    for mut child in children {
        if child.try_wait().unwrap().is_some() {
            let (code, said) = ended(child);
            assert!(code > 0 && said.contains("is in use by"), "{said}");
            refused += 1;
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            running += 1;
        }
    }
    assert_eq!((running, refused), (1, 7));
}

#[test]
fn whoever_removes_the_lock_of_a_running_server_lets_no_second_one_in() {
    let mut world = World::start();
    let owner = world.dir.path().join("posthaste.db-owner");
    std::fs::remove_file(&owner).unwrap();
    eventually(|| owner.exists().then_some(()));
    std::thread::sleep(Duration::from_millis(100));
    check_names_the_first(&world, "serve", refused(&mut opens("serve", &world.database())));
    assert_eq!(world.terminate().code(), Some(0));
}

#[test]
fn a_database_with_two_names_is_refused() {
    let mut world = World::start();
    world.terminate();
    let other = world.dir.path().join("other.db");
    std::fs::hard_link(world.database(), &other).unwrap();
    for path in [world.database(), other.clone()] {
        let (code, said) = refused(&mut opens("serve", &path));
        assert!(code > 0 && said.contains("2 names") && said.contains("find -samefile"), "{said}");
    }
    std::fs::remove_file(other).unwrap();
    world.restart();
}

/// Takes a file from a server under load: it ends, and nothing that was asked for afterwards was acknowledged.
fn check_ends_without(take: impl FnOnce(&Path), word: &str) -> World {
    let mut world = World::start_logged(&["--allow-network", "127.0.0.0/8"]);
    let receiver = Receiver::good();
    let (app, _) = world.subscribe(&receiver.url);
    let (url, path, over) = (world.url.clone(), format!("/api/v1/app/{app}/msg"), AtomicBool::new(false));
    let publish = || {
        let (mut line, mut accepted, started) = (Line::default(), None, now());
        // a story that fails meanwhile ends too
        while !over.load(Ordering::Relaxed) && started.elapsed() < 2 * PATIENCE {
            let begun = now();
            match line.call(&url, ("POST", &path), &[], r#"{"eventType":"a","payload":{}}"#) {
                Some(answer) if answer.status == 202 => accepted = Some(begun),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        accepted.expect("it was accepted before")
    };
    let (accepted, taken) = std::thread::scope(|scope| {
        let publisher = scope.spawn(publish);
        receiver.wait_for(20);
        take(&world.database());
        let taken = now();
        let status = eventually(|| world.server.try_wait().unwrap());
        assert_eq!(status.code(), Some(1));
        assert!(taken.elapsed() < NOTICED_WITHIN, "it ended {:?} later", taken.elapsed());
        over.store(true, Ordering::Relaxed);
        (publisher.join().unwrap(), taken)
    });
    assert!(accepted < taken, "something was acknowledged {:?} after the file was gone", accepted - taken);
    let log = world.log();
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains(word), "{log}");
    world
}

#[test]
fn a_server_whose_database_is_deleted_acknowledges_nothing_more_and_ends_with_the_reason() {
    for ending in ["", "-wal", "-shm"] {
        let take = |database: &Path| std::fs::remove_file(format!("{}{ending}", database.display())).unwrap();
        check_ends_without(take, &format!("posthaste.db{ending} was deleted while the server ran"));
    }
}

#[test]
fn a_server_whose_database_is_replaced_ends_and_leaves_the_other_as_it_is() {
    let mut other = World::start();
    other.subscribe("http://127.0.0.1:1/");
    other.kill();
    let [file, log] = ["", "-wal"].map(|ending| format!("{}{ending}", other.database().display()));
    let before = [&file, &log].map(|path| std::fs::read(path).unwrap());
    assert!(before[1].len() > 8_192);
    let take = |database: &Path| {
        std::fs::rename(log, format!("{}-wal", database.display())).unwrap();
        std::fs::rename(file, database).unwrap();
    };
    let mut world = check_ends_without(take, "was replaced while the server ran");
    let after = ["", "-wal"].map(|ending| std::fs::read(format!("{}{ending}", world.database().display())).unwrap());
    assert!(before == after, "the one that took its place was written to");
    world.restart(); // what was noted is about the one that was there before
    assert_eq!(world.call("GET", "/api/v1/app", "").expect(200)["data"].as_array().unwrap().len(), 1);
}

/// Nobody asks an idle server for anything, and it ends all the same.
#[test]
fn an_idle_server_notices_that_its_database_is_gone() {
    let mut world = World::start_logged(&[]);
    let taken = now();
    std::fs::remove_file(world.database()).unwrap();
    assert_eq!(eventually(|| world.server.try_wait().unwrap()).code(), Some(1));
    assert!(taken.elapsed() < NOTICED_WITHIN, "{:?}", taken.elapsed());
    assert!(world.log().contains("posthaste.db was deleted while the server ran"), "{}", world.log());
}
