//! Refresh intents: somebody asks, the bank is visited, each account comes back with its own outcome.
//!
//! From docs.fintoc.com (refresh intents, their errors) and its guide on waiting for the results: one event for each
//! account; the intent succeeds only if every account does; a wait between two only after a success.

use http::Method;
use rand::Rng as _;
use serde_json::{Value, json};

use crate::providers::written_moment;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::{account, id, link, list};
use crate::sandbox::world::{To, World};

const INTENT: &str = "refresh_intent";
/// What only the sandbox knows of an intent: whose it is, which accounts are still out, how they came back.
const VISIT: &str = "refresh_visit";

/// A visit at the bank takes one to three minutes; one that is rejected ends at the door.
const VISIT_MS: std::ops::RangeInclusive<i64> = 60_000..=180_000;
const REJECTED_MS: std::ops::RangeInclusive<i64> = 60_000..=75_000;
/// How long after a success the next may be asked for: 5 minutes, 60 for a historical one, in minutes.
const WAIT_MIN: i64 = 5;
const WAIT_HISTORICAL_MIN: i64 = 60;
const MINUTE_MS: i64 = 60_000;
/// So many rejections within ten minutes and the bank locks its customer out.
const REJECTIONS_MAX: usize = 5;
const REJECTIONS_MS: i64 = 10 * MINUTE_MS;
/// Of a hundred visits that nobody scripted so many fail, and so many are rejected, rightly or not.
const FAILED_PERCENT: u32 = 4;
const REJECTED_PERCENT: u32 = 4;
/// Recurrent updates are at least this far apart, however fast waits pass.
const RECURRENCE_MS_MIN: i64 = 100;
/// How many outcomes a script may name.
const OUTCOMES_MAX: usize = 100;

pub(super) fn answer(world: &mut World, ask: &Ask, rest: &[&str]) -> Result<Reply, Problem> {
    let link = link::asked_for(world, ask)?;
    let own = |intent: &Value| {
        intent["id"].as_str().and_then(|id| world.get(VISIT, id)).is_some_and(|visit| visit["link"] == link.as_str())
    };
    match (&ask.method, rest) {
        (&Method::GET, []) => {
            list::page(ask, &world.list(INTENT).into_iter().filter(|intent| own(intent)).collect::<Vec<_>>())
        }
        (&Method::GET, [id]) => {
            let intent = world.get(INTENT, id).filter(|intent| own(intent)).cloned();
            intent.map(Reply::ok).ok_or_else(|| Problem::not_found(INTENT, id))
        }
        (&Method::POST, []) => create(world, ask, &link),
        _ => Err(Problem::no_route()),
    }
}

/// What a script says of the visits. Error: another word than succeeded, failed, rejected.
pub(super) fn outcomes(ask: &Ask) -> Result<Option<Vec<String>>, Problem> {
    let outcomes = ask.texts("outcomes", OUTCOMES_MAX)?;
    let fits = |all: &Vec<String>| {
        !all.is_empty() && all.iter().all(|outcome| matches!(&**outcome, "succeeded" | "failed" | "rejected"))
    };
    match outcomes {
        Some(outcomes) if !fits(&outcomes) => {
            Err(Problem::field("outcomes", "must be a list of `succeeded`, `failed` and `rejected`, one at least"))
        }
        outcomes => Ok(outcomes),
    }
}

fn create(world: &mut World, ask: &Ask, link: &str) -> Result<Reply, Problem> {
    let kind = ask.text("refresh_type", 20)?.unwrap_or_else(|| "only_last".to_owned());
    if kind != "only_last" && kind != "historical" {
        return Err(Problem::field("refresh_type", "must be `only_last` or `historical`"));
    }
    check(world, link, &kind)?;
    let visits = number(world, link::SCRIPT, link, "visits");
    let purpose = format!("{link}/refresh/{visits}");
    let intent_id = world.new_id(INTENT, &purpose, |rng| id("ri_", rng));
    let intent = json!({
        "id": intent_id, "object": "refresh_intent", "refreshed_object": "link", "refreshed_object_id": link,
        "requires_mfa": null, "status": "created", "created_at": written_moment(world.now_ms), "type": kind,
    });
    let accounts = account::of_link(world, link);
    world.put(INTENT, &intent_id, intent.clone());
    world.put(VISIT, &intent_id, json!({ "link": link, "open": accounts.len().max(1), "came": [] }));
    world.change(link::SCRIPT, link, |script| {
        script["visits"] = (visits + 1).into();
        script["running"] = intent_id.as_str().into();
    });
    world.change(link::LINK, link, |link| link["refresh_status"] = "refreshing".into());
    // each account has its outcome before the visit begins, so that no order of requests can change it
    for account in &accounts {
        set_out(world, &intent_id, account::SCRIPT, account);
    }
    if accounts.is_empty() {
        set_out(world, &intent_id, link::SCRIPT, link);
    }
    Ok(Reply::created(intent))
}

/// Why a refresh must not begin now.
fn check(world: &World, link: &str, kind: &str) -> Result<(), Problem> {
    let script = world.get(link::SCRIPT, link).ok_or_else(|| Problem::not_found("link", link))?;
    if script["locked"] == true {
        let message = "The institution indicated that the credentials are invalid. You need to reconnect the account.";
        return Err(Problem { kind: "link_error", ..Problem::refused(422, "rejected_refresh_intent", message) });
    }
    if script["running"].is_string() {
        let message = format!("There is already a refresh intent in progress for {link}.");
        return Err(Problem::refused(400, "refresh_intent_in_progress", message));
    }
    let minutes = if kind == "historical" { WAIT_HISTORICAL_MIN } else { WAIT_MIN };
    let Some(succeeded_ms) = script["succeeded_ms"].as_i64() else {
        return Ok(());
    };
    if world.now_ms - succeeded_ms >= world.wait_ms(minutes * MINUTE_MS) {
        return Ok(());
    }
    // the missing space is Fintoc's own
    let message =
        format!("This Link was recently refreshed.You have to wait at least {minutes} minutes between refresh intents");
    Err(Problem::refused(429, "rate_limit_exceeded", message))
}

/// Lets one account's visit begin: how it will end is decided, and when.
fn set_out(world: &mut World, intent: &str, script_kind: &str, subject: &str) {
    let visits = number(world, script_kind, subject, "visits");
    let mut rng = world.draw(&format!("{subject}/visit/{intent}"));
    let lot = rng.random_range(0..100_u32);
    let scripted = world.get(script_kind, subject).and_then(|script| {
        let outcomes = script["outcomes"].as_array()?;
        let at = usize::try_from(visits).ok()?.min(outcomes.len().checked_sub(1)?);
        outcomes[at].as_str().map(str::to_owned)
    });
    let outcome = scripted.unwrap_or_else(|| {
        let word = match lot {
            lot if lot < FAILED_PERCENT => "failed",
            lot if lot < FAILED_PERCENT + REJECTED_PERCENT => "rejected",
            _ => "succeeded",
        };
        word.to_owned()
    });
    let takes_ms = rng.random_range(if outcome == "rejected" { REJECTED_MS } else { VISIT_MS });
    if script_kind == account::SCRIPT {
        world.change(script_kind, subject, |script| script["visits"] = (visits + 1).into());
    }
    world.change(VISIT, intent, |visit| visit["outcome"][subject] = outcome.into());
    let at_ms = world.now_ms + world.wait_ms(takes_ms);
    world.wake(at_ms, &json!({ "do": "visit", "intent": intent, "account": subject }));
}

/// The bank has answered for one account, or for a link that has none.
pub(super) fn visited(world: &mut World, intent: &str, subject: &str) {
    let (Some(visit), Some(shown)) = (world.get(VISIT, intent).cloned(), world.get(INTENT, intent).cloned()) else {
        return;
    };
    let link = visit["link"].as_str().unwrap_or_default();
    let outcome = visit["outcome"][subject].as_str().unwrap_or("failed");
    let is_link = subject == link;
    let (came, went) = match outcome {
        "succeeded" if !is_link => account::update(world, subject),
        _ => (0, 0),
    };
    if !link::is_deleted(world, link) {
        tell(world, &shown, link, subject, (outcome, came, went));
    }
    let open = visit["open"].as_u64().unwrap_or(1) - 1;
    world.change(VISIT, intent, |visit| {
        visit["open"] = open.into();
        if let Some(came) = visit["came"].as_array_mut() {
            came.push(outcome.into());
        }
    });
    if open == 0 {
        end(world, intent, link);
    }
}

/// One event for what became of one account; of fiscal links one for the link.
fn tell(world: &mut World, intent: &Value, link: &str, subject: &str, (outcome, came, went): (&str, i64, usize)) {
    let is_link = subject == link;
    if outcome != "succeeded" && (is_link || !link::switched_on(world, link, "on_demand", true)) {
        return;
    }
    let mut data = json!({
        "object": "refresh_intent", "refreshed_object": if is_link { "link" } else { "account" },
        "refreshed_object_id": subject, "status": outcome, "created_at": intent["created_at"], "type": intent["type"],
    });
    if !is_link {
        data["new_movements"] = came.into();
    }
    let intent_id = intent["id"].as_str().unwrap_or_default();
    let scope = if is_link { "link" } else { "account" };
    world.tell(&format!("{scope}.refresh_intent.{outcome}"), &data, &format!("{intent_id}/{subject}"), To::All);
    if went > 0 && link::switched_on(world, link, "movements_removed", false) {
        data["new_movements"] = 0.into();
        let name = "account.refresh_intent.movements_removed";
        world.tell(name, &data, &format!("{intent_id}/{subject}"), To::All);
    }
}

/// All accounts are back: the intent succeeded only if every one did, was rejected only if every one was.
fn end(world: &mut World, intent: &str, link: &str) {
    let came = world.get(VISIT, intent).map(|visit| visit["came"].clone()).unwrap_or_default();
    let all = |word: &str| came.as_array().is_some_and(|came| came.iter().all(|outcome| outcome == word));
    let any_rejected = came.as_array().is_some_and(|came| came.iter().any(|outcome| outcome == "rejected"));
    let status = match () {
        () if all("succeeded") => "succeeded",
        () if all("rejected") => "rejected",
        () => "failed",
    };
    world.change(INTENT, intent, |intent| intent["status"] = status.into());
    let (now_ms, window_ms) = (world.now_ms, world.wait_ms(REJECTIONS_MS));
    world.change(link::SCRIPT, link, |script| {
        script["running"] = Value::Null;
        script["succeeded_ms"] = if status == "succeeded" { now_ms.into() } else { Value::Null };
        let before = script["rejected_ms"].as_array().cloned().unwrap_or_default();
        let mut rejected: Vec<i64> = before.iter().filter_map(Value::as_i64).collect();
        rejected.retain(|at_ms| now_ms - at_ms <= window_ms);
        if any_rejected {
            rejected.push(now_ms);
        }
        script["locked"] = (rejected.len() >= REJECTIONS_MAX).into();
        script["rejected_ms"] = rejected.into();
    });
    let accounts: Vec<_> =
        account::of_link(world, link).iter().filter_map(|id| world.get(account::ACCOUNT, id).cloned()).collect();
    world.change(link::LINK, link, |shown| {
        shown["accounts"] = accounts.into();
        shown["refresh_status"] = if status == "succeeded" { "refreshed" } else { status }.into();
        if status == "succeeded" {
            shown["last_time_refreshed"] = written_moment(now_ms).into();
        }
        shown["status"] = if any_rejected { "login_required" } else { "active" }.into();
    });
    if any_rejected && !link::is_deleted(world, link) {
        let shown = world.get(link::LINK, link).cloned().unwrap_or_default();
        world.tell("link.credentials_changed", &shown, intent, To::All);
    }
}

/// New credentials: what was scripted to be rejected succeeds.
pub(super) fn forgive(script: &mut Value) {
    for outcome in script["outcomes"].as_array_mut().into_iter().flatten() {
        if outcome == "rejected" {
            *outcome = "succeeded".into();
        }
    }
}

/// The next of a link's recurrent updates.
pub(super) fn set_recurrence(world: &mut World, link: &str, secs: i64) {
    let at_ms = world.now_ms + world.wait_ms(secs * 1_000).max(RECURRENCE_MS_MIN);
    world.wake(at_ms, &json!({ "do": "recur", "link": link }));
}

/// The bank's data is updated as it is from time to time: movements come, and nobody is told.
pub(super) fn recur(world: &mut World, link: &str) {
    let secs = number(world, link::SCRIPT, link, "recurrent_secs");
    if link::is_deleted(world, link) || secs == 0 {
        return;
    }
    for account in account::of_link(world, link) {
        account::update(world, &account);
    }
    set_recurrence(world, link, secs);
}

fn number(world: &World, kind: &str, id: &str, name: &str) -> i64 {
    world.get(kind, id).and_then(|value| value[name].as_i64()).unwrap_or_default()
}
