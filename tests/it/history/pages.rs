//! The dashboard's pages: each is small and quick whatever lies behind, a search's first slice too.

use std::time::Duration;

use super::History;
use crate::dashboard::{ADMIN, PASSWORD, Person};
use crate::load::{Line, median, percentile, show, strict};

/// How often each page is read.
const READINGS: usize = 20;
/// The longest a page may take, and the largest it may be.
const PAGE_MAX: Duration = Duration::from_millis(200);
const PAGE_BYTES_MAX: usize = 100_000;

#[test]
fn every_page_is_small_and_quick() {
    let flags = ["--allow-network", "127.0.0.0/8", "--admin-email", ADMIN, "--admin-password", PASSWORD];
    let history = History::of(&flags);
    let owner = &history.owners[0];
    let failed = format!("/api/v1/app/{}/endpoint/{}/msg?status=2", owner.app, owner.endpoints[0]);
    let failed = history.world.call("GET", &failed, "").expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let ana = Person::login(&history.world, ADMIN);
    let app = format!("/test/app/{}", owner.app);
    let pages = [
        "/test/".to_owned(),
        "/live/".to_owned(),
        "/test/app".to_owned(),
        app.clone(),
        format!("{app}/endpoint/{}", owner.endpoints[0]),
        format!("{app}/endpoint/new"),
        format!("{app}/endpoint/{}/edit", owner.endpoints[0]),
        "/test/event".to_owned(),
        "/live/event".to_owned(),
        "/test/event?live".to_owned(),
        "/test/event?find=dispute.lost".to_owned(),
        "/test/event?text=in+no+payload".to_owned(),
        "/live/event?text=in+no+payload".to_owned(),
        "/test/event?status=failed".to_owned(),
        "/test/event?status=canceled&find=payment.succeeded".to_owned(),
        format!("/test/event/{failed}"),
        "/test/source".to_owned(),
        "/test/event-type".to_owned(),
        "/test/replay".to_owned(),
        "/test/portal".to_owned(),
        "/settings/user".to_owned(),
        "/settings/key".to_owned(),
        "/settings/audit".to_owned(),
        "/inspect".to_owned(),
    ];
    let mut line = Line::default();
    for page in &pages {
        let mut took = Vec::new();
        for _ in 0..READINGS {
            let (answer, long) = history.get(&mut line, page, &[("cookie", &ana.cookie)]);
            assert_eq!(answer.status, 200, "{page}: {answer:?}");
            assert!(answer.body.len() <= PAGE_BYTES_MAX, "{page} has {} bytes", answer.body.len());
            took.push(long);
            if took.len() == READINGS {
                let (usual, slowest) = (median(&mut took), percentile(&mut took, 100));
                show(&format!("{page}: {usual:?}, at most {slowest:?}; {} bytes", answer.body.len()));
                assert!(!strict() || slowest <= PAGE_MAX, "{page} took {slowest:?}");
            }
        }
    }
}
