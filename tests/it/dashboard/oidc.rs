//! Single sign-on: who comes in by the issuer that the operator names, and what an issuer may not do.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{ADMIN, PASSWORD, Person, alert, world};
use crate::world::{Answer, Behaviour, Receiver, World, now};

/// What makes an Admin at the start.
const ANA: [&str; 4] = ["--admin-email", ADMIN, "--admin-password", PASSWORD];

/// A server with this issuer.
fn world_of(issuer: &str, flags: &[&str]) -> World {
    let usual = ["--oidc-issuer", issuer, "--oidc-client-id", "posthaste & co"];
    World::start_logged(&[&usual[..], flags].concat())
}

/// A receiver that shows what an issuer shows of itself, and gives tokens that an unknown key has signed.
fn issuer() -> Receiver {
    Receiver::start(|_, received| {
        let host = format!("http://{}", received.header("host"));
        let body = match received.path.as_str() {
            "/jwks" => r#"{"keys":[]}"#.to_owned(),
            "/token" => {
                let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"1"}"#);
                format!(r#"{{"id_token":"{header}.e30.AAAA"}}"#)
            }
            _ => {
                let places = r#""authorization_endpoint":"HOST/auth?kept=1","token_endpoint":"HOST/token","jwks_uri":"HOST/jwks""#;
                format!(r#"{{"issuer":"HOST",{places}}}"#).replace("HOST", &host)
            }
        };
        answer(&format!("200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    })
}

fn answer(text: &str) -> Behaviour {
    Behaviour::Bytes(Box::leak(format!("HTTP/1.1 {text}").into_boxed_str()))
}

/// A receiver's URL as an issuer's.
fn place(receiver: &Receiver) -> &str {
    receiver.url.trim_end_matches("/hook")
}

/// The cookie that an answer sets.
fn cookie(answer: &Answer) -> &str {
    answer.header("set-cookie").split(';').next().unwrap()
}

/// A field of the address that an answer leads to.
fn sent(answer: &Answer, name: &str) -> String {
    let url = url::Url::parse(answer.header("location")).unwrap();
    let value = url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    value.unwrap_or_default()
}

#[test]
fn without_an_issuer_there_is_no_such_way_in() {
    let world = world();
    let nobody = Person::new(&world);
    assert!(!nobody.get("/login").body.contains("single sign-on"));
    for path in ["/login/oidc", "/login/oidc/back?code=a&state=b"] {
        assert_eq!(nobody.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_login_goes_to_the_issuer_with_what_only_its_browser_can_bring_back() {
    let issuer = issuer();
    let world = world_of(place(&issuer), &["--public-url", "https://hooks.example.com", "--oidc-scope", "groups"]);
    let nobody = Person::new(&world);
    assert!(nobody.get("/login?next=/test/app").body.contains("href=\"/login/oidc?next=%2Ftest%2Fapp\""));
    let off = nobody.get("/login/oidc?next=/test/app");
    assert_eq!(off.status, 303, "{off:?}");
    assert_eq!(off.header("location").split('?').next(), Some(format!("{}/auth", place(&issuer)).as_str()));
    for (name, value) in [
        ("kept", "1"),
        ("response_type", "code"),
        ("client_id", "posthaste & co"),
        ("redirect_uri", "https://hooks.example.com/login/oidc/back"),
        ("scope", "openid email groups"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent(&off, name), value, "{name}");
    }
    let set = off.header("set-cookie");
    assert!(set.ends_with("; Path=/login/oidc; Max-Age=600; HttpOnly; SameSite=Lax; Secure"), "{set}");
    for name in ["state", "nonce", "code_challenge"] {
        let value = sent(&off, name);
        assert!(value.len() == 43 && !set.contains(&value), "{name} is drawn from the cookie, and not in it");
    }
    let again = nobody.get("/login/oidc");
    assert!(again.status == 303 && cookie(&again) != cookie(&off) && sent(&again, "state") != sent(&off, "state"));
    let asked: Vec<_> = issuer.received().into_iter().map(|received| received.path).collect();
    assert_eq!(asked, ["/.well-known/openid-configuration", "/jwks"], "it is asked once");
}

#[test]
fn nobody_comes_back_with_what_another_began_and_who_tries_often_waits() {
    let issuer = issuer();
    let world = world_of(place(&issuer), &ANA);
    let begin = || {
        let off = Person::new(&world).get("/login/oidc");
        (cookie(&off).to_owned(), sent(&off, "state"))
    };
    let ((mine, state), (other, _)) = (begin(), begin());
    let back = |cookie: &str, query: &str| {
        let cookie = cookie.to_owned();
        Person { world: &world, cookie }.get(&format!("/login/oidc/back?{query}"))
    };
    let right = format!("code=a&state={state}");
    for (cookie, query) in [(&*other, &*right), ("", &right), (&mine, "code=a&state="), (&mine, "code=a"), (&mine, "")]
    {
        let refused = back(cookie, query);
        assert_eq!(refused.status, 401, "{query}: {refused:?}");
        assert!(alert(&refused).starts_with("This login was begun in another browser"), "{refused:?}");
        assert!(refused.header("set-cookie").starts_with("posthaste_oidc=; "), "{refused:?}");
    }
    let denied = back(&mine, &format!("error=access_denied&state={state}"));
    assert!(alert(&denied).starts_with("Your single sign-on did not let you in"), "{denied:?}");
    assert_eq!(back(&mine, &right).status, 401, "it has come back already");
    assert_eq!(issuer.received().len(), 2, "nothing was asked for");
    let statuses: Vec<u16> = (0..4).map(|_| back("", &right).status).collect();
    assert_eq!(statuses, [401, 401, 401, 429]);
    assert_eq!(Person::new(&world).post("/login", &[("email", ADMIN), ("password", PASSWORD)]).status, 429);
}

#[test]
fn a_code_is_exchanged_with_proof_and_for_an_unknown_key_the_issuer_is_asked_once_more() {
    let issuer = issuer();
    let world = world_of(place(&issuer), &["--oidc-client-secret", "so secret"]);
    for nth in 0..3 {
        let off = Person::new(&world).get("/login/oidc");
        let person = Person { world: &world, cookie: cookie(&off).to_owned() };
        let refused = person.get(&format!("/login/oidc/back?code=a%26b&state={}", sent(&off, "state")));
        assert_eq!(refused.status, 401, "{}", world.log());
        assert!(alert(&refused).starts_with("What your single sign-on said of you does not hold."), "{refused:?}");
        let exchange = issuer.received().into_iter().filter(|received| received.path == "/token").nth(nth).unwrap();
        assert_eq!(
            exchange.header("authorization"),
            format!("Basic {}", STANDARD.encode("posthaste+%26+co:so+secret"))
        );
        let fields: Vec<_> = url::form_urlencoded::parse(&exchange.body).into_owned().collect();
        let [kind, code, back, verifier] = fields.try_into().unwrap();
        assert_eq!((kind.1.as_str(), code.1.as_str()), ("authorization_code", "a&b"));
        assert_eq!(back.1, format!("{}/login/oidc/back", world.url));
        let challenge = posthaste::digest::sha256(verifier.1.as_bytes());
        assert_eq!(URL_SAFE_NO_PAD.encode(challenge), sent(&off, "code_challenge"));
    }
    let keys = issuer.received().iter().filter(|received| received.path == "/jwks").count();
    assert_eq!(keys, 2, "once, and once more");
    assert!(world.log().contains("names a key that the issuer does not show"), "{}", world.log());
}

#[test]
fn an_issuer_that_is_away_keeps_the_server_from_nothing() {
    let world = world_of("http://127.0.0.1:1", &ANA);
    let refused = Person::new(&world).get("/login/oidc?next=/test/app");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(alert(&refused).starts_with("Your single sign-on does not answer as it should."), "{refused:?}");
    assert!(refused.body.contains("name=\"next\" value=\"/test/app\""), "one goes on by password");
    assert!(world.log().contains("http://127.0.0.1:1/.well-known/openid-configuration"), "{}", world.log());
    Person::login(&world, ADMIN);
}

#[test]
fn what_is_no_issuers_answer_is_told_and_not_asked_for_again_at_once() {
    let whole = |body: &str| format!("200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let other = r#"{"issuer":"https://a.example","authorization_endpoint":"","token_endpoint":"","jwks_uri":""}"#;
    for (text, why) in [
        ("302 Found\r\nlocation: /moved\r\ncontent-length: 0\r\n\r\n".to_owned(), "answered 302"),
        ("500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(), "answered 500"),
        (whole("<html>"), "expected value"),
        (whole("{}"), "missing field"),
        (whole(other), "calls itself"),
        (whole(&" ".repeat(256 * 1_024 + 1)), "length limit exceeded"),
    ] {
        let issuer = Receiver::start(move |_, _| answer(&text));
        let world = world_of(place(&issuer), &[]);
        for _ in 0..3 {
            assert_eq!(Person::new(&world).get("/login/oidc").status, 503, "{why}");
        }
        assert_eq!(issuer.received().len(), 1, "{why}");
        assert_eq!(world.log().matches(why).count(), 1, "{why}: {}", world.log());
    }
}

#[test]
fn an_issuer_that_never_answers_is_waited_for_ten_seconds() {
    let issuer = Receiver::start(|_, _| Behaviour::Hang);
    let world = world_of(place(&issuer), &[]);
    let begun = now();
    assert_eq!(Person::new(&world).get("/login/oidc").status, 503);
    assert!(begun.elapsed() > Duration::from_secs(9) && begun.elapsed() < Duration::from_secs(15));
    assert!(world.log().contains("no answer in 10 s"), "{}", world.log());
}

#[cfg(feature = "peers")]
mod browser {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::process::{Child, ChildStdout, Command, Stdio};

    use super::super::browser::tell;
    use super::super::{ADMIN, PASSWORD};
    use super::{ANA, world_of};
    use crate::world::World;

    const SECRET: &str = "a secret: of words & signs";

    /// The certified issuer of `tests/peers/issuer.mjs`.
    struct Issuer {
        node: Child,
        /// What it goes on saying; it ends when nobody listens.
        _said: BufReader<ChildStdout>,
        url: String,
    }

    impl Issuer {
        /// Starts it, with this algorithm and place of claims, and a secret or none, and a server that knows it.
        fn start(words: &[&str], flags: &[&str]) -> (Self, World) {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let mut node = Command::new("node");
            node.arg(root.join("tests/peers/issuer.mjs")).arg(root.join("target/peers/node")).args(words);
            let mut node =
                node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("node starts");
            let (mut said, mut url) = (BufReader::new(node.stdout.take().unwrap()), String::new());
            said.read_line(&mut url).unwrap();
            assert!(!url.is_empty(), "oidc-provider is missing; scripts/test installs it");
            let issuer = Self { node, _said: said, url: url.trim().to_owned() };
            let world = world_of(&issuer.url, flags);
            writeln!(issuer.node.stdin.as_ref().unwrap(), "{}/login/oidc/back", world.url).unwrap();
            (issuer, world)
        }
    }

    impl Drop for Issuer {
        fn drop(&mut self) {
            let _ = self.node.kill(); // it may have ended already
            let _ = self.node.wait();
        }
    }

    const RULES: [&str; 6] =
        ["--oidc-domain", "example.com", "--oidc-admin", "groups=posthaste-admins", "--oidc-scope", "groups"];

    #[test]
    fn people_come_in_by_the_rules_and_nothing_secret_is_written_down() {
        let secret = ["--oidc-client-secret", SECRET, "--log", "debug"];
        let (_issuer, world) = Issuer::start(&["RS256", "userinfo", SECRET], &[&ANA[..], &RULES, &secret].concat());
        tell("oidc.mjs", "rules", &world, &[ADMIN, PASSWORD]);
        let log = world.log();
        assert!(log.contains("single sign-on") && log.contains("access_denied"), "{log}");
        let sqlite = std::fs::read(world.database()).unwrap();
        for hidden in [SECRET, "code=", "eyJ"] {
            assert!(!log.contains(hidden), "{hidden}: {log}");
            assert!(!sqlite.windows(hidden.len()).any(|bytes| bytes == hidden.as_bytes()), "{hidden}");
        }
    }

    #[test]
    fn nobody_comes_in_by_what_is_anothers_or_was_used_and_a_new_key_is_learnt() {
        let (issuer, world) = Issuer::start(&["ES256", "userinfo"], &RULES);
        tell("oidc.mjs", "forged", &world, &[&issuer.url]);
    }

    #[test]
    fn the_first_admin_comes_by_the_issuer_with_all_claims_in_the_token() {
        let (_issuer, world) = Issuer::start(&["EdDSA", "token"], &RULES[2..]);
        tell("oidc.mjs", "first", &world, &[]);
    }
}
