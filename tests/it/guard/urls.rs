//! The numbered corpus of URLs (1 to 99): what their text alone decides, and what must pass.

use super::{closed, opened, refusal, socket, target};
use posthaste::egress::guard::{Guard, PORTS_WITHOUT_HTTP};

/// Case number, what stands between `http://` and `/hooks`, the code it is refused with.
const HOSTS: &[(u8, &str, &str)] = &[
    // IPv4, in every spelling that the URL standard knows.
    (1, "127.0.0.1", "blocked_address"),
    (2, "127.1", "blocked_address"),
    (3, "127.255.255.254", "blocked_address"),
    (4, "2130706433", "blocked_address"),
    (5, "0x7f000001", "blocked_address"),
    (6, "0x7f.1", "blocked_address"),
    (7, "0177.0.0.1", "blocked_address"),
    (8, "017700000001", "blocked_address"),
    (9, "0x7f.0x0.0x0.0x1", "blocked_address"),
    (10, "127.0.0.1.", "blocked_address"),
    (11, "0", "blocked_address"),
    (12, "0.0.0.0", "blocked_address"),
    (13, "0x", "blocked_address"),
    (14, "0.1.2.3", "blocked_address"),
    (15, "10.0.0.1", "blocked_address"),
    (16, "172.16.0.1", "blocked_address"),
    (17, "172.31.255.255", "blocked_address"),
    (18, "192.168.0.1", "blocked_address"),
    (19, "169.254.169.254", "blocked_address"),
    (20, "0xa9fea9fe", "blocked_address"),
    (21, "0251.0376.0251.0376", "blocked_address"),
    (22, "2852039166", "blocked_address"),
    (23, "169.254.170.2", "blocked_address"),
    (24, "100.64.0.1", "blocked_address"),
    (25, "100.100.100.200", "blocked_address"),
    (26, "100.127.255.255", "blocked_address"),
    (27, "192.0.0.192", "blocked_address"),
    (28, "192.0.2.1", "blocked_address"),
    (29, "192.88.99.1", "blocked_address"),
    (30, "198.18.0.1", "blocked_address"),
    (31, "198.19.255.255", "blocked_address"),
    (32, "198.51.100.1", "blocked_address"),
    (33, "203.0.113.1", "blocked_address"),
    (34, "224.0.0.1", "blocked_address"),
    (35, "239.255.255.250", "blocked_address"),
    (36, "240.0.0.1", "blocked_address"),
    (37, "255.255.255.255", "blocked_address"),
    (38, "168.63.129.16", "blocked_address"),
    // Unicode and percent signs.
    (39, "１２７.0.0.1", "bad_url"),
    (40, "①②⑦.⓪.⓪.①", "bad_url"),
    (41, "127。0。0。1", "bad_url"),
    (42, "%31%32%37.0.0.1", "blocked_address"),
    (43, "127%2e0.0.1", "blocked_address"),
    (44, "l\u{200b}ocalhost", "bad_url"),
    (45, "ⓛocalhost", "bad_url"),
    (46, "ex\u{ad}ample.internal", "bad_url"),
    // IPv6, with every form that carries an IPv4 address.
    (47, "[::]", "blocked_address"),
    (48, "[::1]", "blocked_address"),
    (49, "[0:0:0:0:0:0:0:1]", "blocked_address"),
    (50, "[::ffff:127.0.0.1]", "blocked_address"),
    (51, "[::ffff:7f00:1]", "blocked_address"),
    (52, "[::ffff:a9fe:a9fe]", "blocked_address"),
    (53, "[::127.0.0.1]", "blocked_address"),
    (54, "[::ffff:0:127.0.0.1]", "blocked_address"),
    (55, "[::5efe:7f00:1]", "blocked_address"),
    (55, "[2606:4700::200:5efe:7f00:1]", "blocked_address"),
    (56, "[64:ff9b::7f00:1]", "blocked_address"),
    (57, "[64:ff9b::a9fe:a9fe]", "blocked_address"),
    (58, "[64:ff9b:1::a9fe:a9fe]", "blocked_address"),
    (59, "[2002:7f00:1::]", "blocked_address"),
    (60, "[2002:a9fe:a9fe::]", "blocked_address"),
    (61, "[2001:0:7f00:1::]", "blocked_address"),
    (62, "[fe80::1]", "blocked_address"),
    (63, "[fe80::1%25eth0]", "bad_url"),
    (64, "[fe80::1%eth0]", "bad_url"),
    (65, "[fec0::1]", "blocked_address"),
    (66, "[fc00::1]", "blocked_address"),
    (67, "[fd00:ec2::254]", "blocked_address"),
    (68, "[fd20:ce::254]", "blocked_address"),
    (69, "[ff02::1]", "blocked_address"),
    (70, "[ff0e::1]", "blocked_address"),
    (71, "[100::1]", "blocked_address"),
    (72, "[2001:db8::1]", "blocked_address"),
    (73, "[3fff::1]", "blocked_address"),
    (74, "[5f00::1]", "blocked_address"),
    (75, "[1::1]", "blocked_address"),
    (76, "[v1.fe80::a]", "bad_url"),
    // Userinfo, and texts that two parsers read in two ways.
    (77, "user@127.0.0.1", "bad_url"),
    (77, "@public.example", "bad_url"),
    (78, "public.example@127.0.0.1", "bad_url"),
    (79, "127.0.0.1#@public.example", "blocked_address"),
    (80, "public.example\\@127.0.0.1", "bad_url"),
    (85, "127.0.0.1\t", "bad_url"),
    (86, "127.0.0.1\n.public.example", "bad_url"),
    (87, "\x00127.0.0.1", "bad_url"),
    (88, "127.0.0.1%00.public.example", "bad_url"),
    (89, "127.0.0.1%0d%0aHost:x", "bad_url"),
    (90, "[::1]:80@public.example", "bad_url"),
    // Ports.
    (97, "1.1.1.1:0", "bad_port"),
    (97, "public.example:0", "bad_port"),
    (98, "1.1.1.1:65536", "bad_url"),
    (99, "1.1.1.1:22", "bad_port"),
    (99, "1.1.1.1:25", "bad_port"),
    (99, "1.1.1.1:6379", "bad_port"),
    (99, "public.example:5432", "bad_port"),
];

/// Case number, a whole URL, the code it is refused with.
const URLS: &[(u8, &str, &str)] = &[
    (81, "http:\\\\127.0.0.1\\", "bad_url"),
    (82, "http:127.0.0.1", "blocked_address"),
    (83, "http:///127.0.0.1", "blocked_address"),
    (84, "//127.0.0.1/", "bad_url"),
    (91, "file:///etc/passwd", "bad_url"),
    (92, "gopher://127.0.0.1:6379/_x", "bad_url"),
    (93, "ftp://public.example/", "bad_url"),
    (94, "javascript:alert(1)", "bad_url"),
    (95, "data:text/plain,x", "bad_url"),
    (96, "unix:/run/docker.sock", "bad_url"),
];

#[test]
fn every_url_of_the_corpus_is_refused_by_its_text() {
    let hosts = HOSTS.iter().flat_map(|(case, host, code)| {
        ["http", "https"].map(|scheme| (case, format!("{scheme}://{host}/hooks"), code))
    });
    let urls = URLS.iter().map(|(case, url, code)| (case, (*url).to_owned(), code));
    for (case, url, code) in hosts.chain(urls) {
        let refused = refusal(&closed(), &url);
        assert_eq!(refused.code(), *code, "case {case}, {url:?}: {refused}");
    }
}

#[test]
fn its_own_listener_is_refused_by_url_in_an_opened_network() {
    let own = ["0.0.0.0:8071", "[::]:8072"].map(socket);
    let guard = Guard::new(vec![super::network("127.0.0.0/8")], own.to_vec());
    for url in ["http://127.0.0.1:8071/", "http://127.1:8072/", "http://LocalHost:8071/"] {
        assert_eq!(refusal(&guard, url).code(), "blocked_address", "case 99, {url}");
    }
    assert!(guard.target("http://127.0.0.1:8073/").is_ok());
}

#[test]
fn what_is_public_passes() {
    let longest_name = format!("{}.{}", ["a".repeat(63).as_str(); 3].join("."), "b".repeat(61));
    assert_eq!(longest_name.len(), 253);
    for host in [
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "168.63.129.17",
        "[2606:4700::1111]",
        "[64:ff9b::101:101]",
        "[::ffff:1.1.1.1]",
        "xn--bcher-kva.example",
        "under_score.example",
        "receiver",
        &longest_name,
    ] {
        for url in [format!("http://{host}/"), format!("https://{host}:8443/a?b#c")] {
            assert!(closed().target(&url).is_ok(), "{url}");
        }
    }
    for longer in [format!("{longest_name}c"), format!("{}.example", "a".repeat(64))] {
        assert_eq!(refusal(&closed(), &format!("http://{longer}/")).code(), "bad_url");
    }
}

#[test]
fn a_name_that_resolvers_read_differently_is_refused() {
    for host in ["a..b", ".", ".a", "a..", "-a.example", "a-.example", "a!b.example", "a*b.example", "a,b"] {
        let url = format!("https://{host}/");
        assert_eq!(refusal(&closed(), &url).code(), "bad_url", "{url}");
    }
}

#[test]
fn ports_without_http_wait_for_the_address_once_a_network_is_open() {
    let guard = opened(&["10.0.0.0/8"]);
    for port in PORTS_WITHOUT_HTTP {
        let to = |host: &str| guard.target(&format!("http://{host}:{port}/"));
        assert!(to("10.0.0.1").is_ok(), "{port}");
        assert_eq!(to("1.1.1.1").expect_err("public").code(), "bad_port", "{port}");
        assert!(to("receiver.example").is_ok(), "{port}");
        let answers = ["1.1.1.1".parse().expect("an address")];
        let refused = guard.addresses("receiver.example", &answers, *port);
        assert_eq!(refused.expect_err("public").code(), "bad_port", "{port}");
    }
}

#[test]
fn a_target_says_what_the_request_needs() {
    let target = target("HTTPS://Receiver.Example.:443/a/../b?c=d#e");
    assert!(target.https());
    assert_eq!(target.host(), "receiver.example");
    assert_eq!(target.literal(), None);
    assert_eq!(target.port(), 443);
    assert_eq!(target.authority(), "receiver.example");
    assert_eq!(target.path_and_query(), "/b?c=d");
}
