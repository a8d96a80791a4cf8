//! Who comes in: the first Admin by the setup code, users by password, keys; who fails too often waits.

use super::{ADMIN, PASSWORD, Person, alert, world};
use crate::world::{KEY, World, eventually};

#[test]
fn the_first_admin_is_made_with_the_code_that_serve_printed_once() {
    let mut world = World::start();
    let code = world.said.iter().find_map(|line| line.strip_prefix("setup code: ")).expect("it is printed").to_owned();
    let mut person = Person::new(&world);
    assert_eq!(person.get("/").header("location"), "/setup");
    let fields = |code, password| [("code", code), ("email", " Ana@Example.com"), ("password", password)];
    let refused = person.post("/setup", &fields("wrong", PASSWORD));
    assert_eq!(
        (refused.status, alert(&refused)),
        (422, "The setup code is not the one that the server printed when it started.")
    );
    assert!(
        alert(&person.post("/setup", &fields(&code, "eleven char"))).starts_with("The password must have at least 12")
    );
    assert!(person.cookie.is_empty());
    let made = person.post("/setup", &fields(&code, PASSWORD));
    assert_eq!((made.status, made.header("location")), (303, "/"));
    let set = made.header("set-cookie");
    assert!(set.contains("; HttpOnly; SameSite=Strict") && !set.contains("Secure"), "{set}");
    assert_eq!(person.get("/").header("location"), "/test/");
    assert!(person.get("/test/").body.contains("ana@example.com · admin"));
    assert_eq!(person.get("/setup").header("location"), "/login");
    assert_eq!(Person::new(&world).post("/setup", &fields(&code, PASSWORD)).status, 422, "it worked once");
    let cookie = person.cookie.clone();
    world.kill_and_restart();
    assert!(!world.said.iter().any(|line| line.starts_with("setup code")), "{:?}", world.said);
    let person = Person { world: &world, cookie };
    assert_eq!(person.get("/test/").status, 200, "a session outlives the server");
    Person::login(&world, ADMIN);
}

#[test]
fn a_session_ends_at_the_logout_and_is_on_disk_only_as_a_hash() {
    let world = world();
    let mut person = Person::login(&world, ADMIN);
    let text = person.cookie.split('=').nth(1).unwrap().to_owned();
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [text.as_bytes(), PASSWORD.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
    let page = person.get("/test/");
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<style") && !page.body.contains("<script") && !page.body.contains(" style="));
    let style =
        page.body.split("href=\"").find(|rest| rest.starts_with("/assets/")).unwrap().split('"').next().unwrap();
    assert!(person.get(style).header("cache-control").contains("immutable"));
    let stale = person.cookie.clone();
    assert_eq!(person.post("/logout", &[]).header("location"), "/login");
    for cookie in [stale.as_str(), person.cookie.as_str(), "posthaste_session=x", ""] {
        let person = Person { world: &world, cookie: cookie.to_owned() };
        assert_eq!(person.get("/test/").header("location"), "/login?next=%2Ftest", "{cookie}");
    }
}

#[test]
fn after_the_login_comes_the_page_that_was_asked_for_and_no_other_server() {
    let world = world();
    for (next, location) in [
        ("/settings/user", "/settings/user"),
        ("", "/test/"),
        ("//evil.com", "/test/"),
        ("/\\evil.com", "/test/"),
        ("https://evil.com", "/test/"),
    ] {
        let fields = [("email", ADMIN), ("password", PASSWORD), ("next", next)];
        assert_eq!(Person::new(&world).post("/login", &fields).header("location"), location, "{next}");
    }
}

#[test]
fn ten_failures_lock_an_address_out_even_with_the_right_password() {
    let world = world();
    let mut person = Person::new(&world);
    for nth in 0..10 {
        let wrong = match nth % 3 {
            0 => vec![("email", ADMIN), ("password", "wrong")],
            1 => vec![("email", "nobody@example.com"), ("password", PASSWORD)],
            _ => vec![("key", "sk_test_wrong")],
        };
        assert_eq!(person.post("/login", &wrong).status, 401, "{nth}");
    }
    let locked = person.post("/login", &[("email", ADMIN), ("password", PASSWORD)]);
    assert_eq!(locked.status, 429, "{locked:?}");
    assert!(alert(&locked).ends_with("try again in 10 minutes"), "{}", alert(&locked));
    assert!(person.cookie.is_empty());
}

#[test]
fn a_key_opens_its_own_environment_and_only_as_long_as_it_works() {
    let world = world();
    let live = world.key("viewer", "live");
    eventually(|| (world.call_as(&live, "GET", "/api/v1/app", &[], "").status == 200).then_some(()));
    let mut person = Person::new(&world);
    assert_eq!(person.post("/login", &[("key", &live)]).header("location"), "/live/");
    assert!(person.get("/live/").body.contains("API key · viewer"));
    assert_eq!(person.get("/test/").status, 404);
    assert_eq!(person.get("/settings/user").status, 403);
    let list = world.beside(&["key", "list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    let id = list.lines().find(|line| line.contains("viewer")).unwrap().split(' ').next().unwrap();
    assert!(world.beside(&["key", "revoke", id]).status.success());
    eventually(|| (person.get("/live/").status == 303).then_some(()));
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let scoped = world.beside(&["key", "create", "--role", "admin", "--environment", "test", "--app", &app]);
    let scoped = String::from_utf8(scoped.stdout).unwrap();
    eventually(|| {
        (world.call_as(scoped.trim(), "GET", &format!("/api/v1/app/{app}"), &[], "").status == 200).then_some(())
    });
    let answer = Person::new(&world).post("/login", &[("key", scoped.trim())]);
    assert!(alert(&answer).contains("one application alone"), "{answer:?}");
    assert_eq!(Person::new(&world).post("/login", &[("key", KEY)]).header("location"), "/test/");
}

#[test]
fn admins_manage_users_and_viewers_do_not() {
    let world = world();
    let mut ana = Person::login(&world, ADMIN);
    let add = |email, password, role| [("email", email), ("password", password), ("role", role)];
    let page = ana.follow("/settings/user", &add("Vera@example.com", PASSWORD, "viewer"));
    assert!(page.body.contains("vera@example.com can log in now."), "{page:?}");
    for (fields, why) in [
        (add("vera@example.com", PASSWORD, "viewer"), "another user's already"),
        (add("max@example.com", "short", "viewer"), "at least 12 characters"),
        (add("max@example.com", PASSWORD, "publisher"), "choose admin or viewer"),
        (add("max", PASSWORD, "viewer"), "must be an e-mail address"),
    ] {
        let page = ana.follow("/settings/user", &fields);
        assert!(alert(&page).contains(why), "{}", alert(&page));
    }
    let mut vera = Person::login(&world, "vera@example.com");
    assert!(!vera.get("/test/").body.contains("/settings/user"));
    assert_eq!(vera.get("/settings/user").status, 403);
    assert_eq!(vera.post("/settings/user", &add("max@example.com", PASSWORD, "admin")).status, 403);
    let page = ana.get("/settings/user");
    let delete = page.body.split('"').find(|text| text.ends_with("/delete")).unwrap().to_owned();
    assert_eq!(page.body.matches("/delete\"").count(), 1, "nobody deletes oneself");
    assert_eq!(vera.post(&delete, &[]).status, 403);
    assert!(ana.follow(&delete, &[]).body.contains("deleted and logged out"));
    assert_eq!(vera.get("/test/").status, 303);
    assert!(alert(&ana.follow(&delete, &[])).starts_with("There is nothing here"));
}

#[test]
fn a_form_of_another_origin_changes_nothing() {
    let world = world();
    let ana = Person::login(&world, ADMIN);
    let fields = [("email", "eve@example.com"), ("password", PASSWORD), ("role", "admin")];
    for origin in ["http://evil.com", "null", "http://x.evil.com", "https://x:444", ""] {
        for path in ["/settings/user", "/logout", "/login", "/setup"] {
            assert_eq!(ana.post_from(origin, path, &fields).status, 403, "{origin} {path}");
        }
    }
    assert!(!ana.get("/settings/user").body.contains("eve@example.com"));
}

#[test]
fn paths_that_are_no_environments_are_answered_as_before() {
    let world = world();
    for path in ["/nothing", "/api", "/favicon.ico"] {
        let answer = world.call("GET", path, "");
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/json"), "{path}");
    }
}
