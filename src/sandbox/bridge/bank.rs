//! Users, their connections to banks ("items"), and the accounts these show.

use jiff::Timestamp;
use rand::Rng as _;
use serde_json::{Value, json};

use super::{Happening, row, status};
use crate::providers;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::world::World;

/// How many accounts a connection shows by default, and at most.
const ACCOUNTS: i64 = 2;
const ACCOUNTS_MAX: i64 = 10;
/// How many transactions a refresh may bring to an account.
const TRANSACTIONS_MAX: i64 = 10_000;
/// The largest balance that can be set, in units of the currency, either way.
const BALANCE_MAX: f64 = 1e9;
/// How long a bank's consent holds: 90 days.
const CONSENT_MS: i64 = 90 * 86_400_000;
/// When stray events of what was deleted still come, in ms.
const STRAYS_MS: [i64; 2] = [60_000, 600_000];
/// How long the steps of a connection take, in ms: until the first account, between two, until the first refresh, until
/// the full one, until an account is up to date.
const FIRST_ACCOUNT_MS: i64 = 9_000;
const NEXT_ACCOUNT_MS: i64 = 1_100;
const REFRESHED_MS: i64 = 1_900;
const FULLY_REFRESHED_MS: i64 = 41_000;
const UPDATED_MS: i64 = 1_000;

/// POST `/sandbox/users`
pub(super) fn create_user(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&[])?;
    Ok(Reply::created(new_user(world, &ask.purpose())))
}

fn new_user(world: &mut World, purpose: &str) -> Value {
    let id = world.new_id("users", purpose, providers::uuid);
    let user = json!({ "user_uuid": id });
    row::put(world, "users", &id, &user);
    user
}

/// A number with so many digits that nothing of the kind has.
fn new_number(world: &mut World, kind: &str, digits: u32, purpose: &str) -> i64 {
    let range = 10_i64.pow(digits - 1)..10_i64.pow(digits);
    let text = world.new_id(kind, purpose, |rng| rng.random_range(range.clone()).to_string());
    text.parse().expect("digits")
}

/// POST `/sandbox/items`: a user connects a bank, one of their own or a new one. Its accounts and refreshes follow, each
/// at its time; without accounts the user left before the end.
pub(super) fn create_item(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&["user_uuid", "accounts"])?;
    let accounts = ask.number("accounts", 0..=ACCOUNTS_MAX)?.unwrap_or(ACCOUNTS);
    let id = new_number(world, "items", 7, &ask.purpose());
    let user = match ask.text("user_uuid", 64)? {
        Some(id) => row::shown(world, "users", &id)?,
        None => new_user(world, &format!("the user of item {id}")),
    };
    let item = json!({
        "account_types": "payment",
        "item_id": id,
        "status_code": status::JUST_ADDED,
        "status_code_info": status::of_item(status::JUST_ADDED)?,
        "user_uuid": user["user_uuid"],
    });
    row::put(world, "items", &id.to_string(), &item);
    let content = json!({ "item_id": id, "user_uuid": user["user_uuid"] });
    Happening { event_type: "item.created", content, row: None }.now(world);
    if accounts > 0 {
        connect(world, &item, accounts);
    }
    Ok(Reply::created(item))
}

/// What follows once a user has typed in the credentials of a bank.
fn connect(world: &mut World, item: &Value, count: i64) {
    let mut accounts = Vec::new();
    let mut at_ms = FIRST_ACCOUNT_MS;
    for nth in 0..count {
        let account = new_account(world, item, &format!("account {nth} of item {}", item["item_id"]));
        appeared(&account).later(world, at_ms);
        accounts.push(account);
        at_ms += NEXT_ACCOUNT_MS;
    }
    at_ms += REFRESHED_MS - NEXT_ACCOUNT_MS;
    let refresh = Refresh { trigger: "connect".to_owned(), full: false, code: status::OK };
    refresh.of(world, item, at_ms).later(world, at_ms);
    at_ms += FULLY_REFRESHED_MS;
    Refresh { full: true, ..refresh }.of(world, item, at_ms).later(world, at_ms);
    for account in accounts {
        at_ms += UPDATED_MS;
        let new = world.draw(&format!("connect/{}", account["account_id"])).random_range(1..=40);
        updated(&account, [new, 0, 0]).later(world, at_ms);
    }
}

/// An account that is still to appear.
fn new_account(world: &mut World, item: &Value, purpose: &str) -> Value {
    let id = new_number(world, "accounts", 8, purpose);
    let cents: i32 = world.draw(&format!("the balance of {id}")).random_range(10_000..900_000);
    let balance = f64::from(cents) / 100.0;
    let account =
        json!({ "account_id": id, "balance": balance, "item_id": item["item_id"], "user_uuid": item["user_uuid"] });
    row::announce(world, "accounts", &id.to_string(), &account);
    account
}

fn appeared(account: &Value) -> Happening<'static> {
    let id = account["account_id"].to_string();
    Happening {
        event_type: "item.account.created",
        content: account.clone(),
        row: Some(("accounts", id, account.clone())),
    }
}

/// An account is up to date; how many transactions are new, changed, removed.
fn updated(account: &Value, [new, changed, removed]: [i64; 3]) -> Happening<'static> {
    let id = account["account_id"].to_string();
    let content = json!({
        "account_id": account["account_id"],
        "balance": account["balance"],
        "item_id": account["item_id"],
        "nb_deleted_transactions": removed,
        "nb_new_transactions": new,
        "nb_updated_transactions": changed,
        "user_uuid": account["user_uuid"],
    });
    Happening { event_type: "item.account.updated", content, row: Some(("accounts", id, json!({}))) }
}

/// How a connection was brought up to date.
struct Refresh {
    trigger: String,
    full: bool,
    code: i64,
}

impl Refresh {
    /// The event, so much later.
    fn of(&self, world: &World, item: &Value, after_ms: i64) -> Happening<'static> {
        let expires_ms = world.now_ms + world.wait_ms(after_ms) + CONSENT_MS;
        let expires = Timestamp::from_millisecond(expires_ms).unwrap_or_default();
        let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let info = status::of_item(self.code).unwrap_or_default();
        let content = json!({
            "account_types": item["account_types"],
            "authentication_expires_at": expires,
            "full_refresh": self.full,
            "item_id": item["item_id"],
            "refresh_trigger": self.trigger,
            "status_code": self.code,
            "status_code_info": info,
            "user_uuid": item["user_uuid"],
        });
        let set = json!({ "authentication_expires_at": expires, "status_code": self.code, "status_code_info": info });
        let id = item["item_id"].to_string();
        Happening { event_type: "item.refreshed", content, row: Some(("items", id, set)) }
    }
}

/// POST `/sandbox/items/{id}/refresh`: the connection has another status; when that is ok, its accounts follow.
pub(super) fn refresh_item(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    ask.only(&["status_code", "full_refresh", "nb_new_transactions", "refresh_trigger"])?;
    let item = row::shown(world, "items", id)?;
    let code = ask.number("status_code", i64::MIN..=i64::MAX)?.unwrap_or(status::OK);
    status::of_item(code)?;
    let trigger = ask.text("refresh_trigger", 16)?.unwrap_or_else(|| "scheduler".to_owned());
    if !["connect", "scheduler", "api"].contains(&trigger.as_str()) {
        return Err(Problem::field("refresh_trigger", "`refresh_trigger` must be connect, scheduler or api"));
    }
    let new = ask.number("nb_new_transactions", 0..=TRANSACTIONS_MAX)?;
    if new.is_some() && code != status::OK {
        let message = "a refresh brings transactions only with `status_code` 0; leave one of the two out";
        return Err(Problem::field("nb_new_transactions", message));
    }
    let refresh = Refresh { trigger, full: ask.flag("full_refresh")?.unwrap_or(false), code };
    refresh.of(world, &item, 0).now(world);
    let accounts = row::all_of(world, "accounts", &item, false);
    for (nth, account) in (1..).zip(accounts.iter().filter(|_| code == status::OK && new != Some(0))) {
        let purpose = format!("{}/{nth}", ask.purpose());
        let new = new.unwrap_or_else(|| world.draw(&purpose).random_range(1..=40));
        updated(account, [new, 0, 0]).later(world, nth * UPDATED_MS);
    }
    Ok(Reply::ok(row::shown(world, "items", id)?))
}

/// DELETE `/sandbox/items/{id}`: strays about it still come.
pub(super) fn delete_item(world: &mut World, id: &str) -> Result<Reply, Problem> {
    let item = row::shown(world, "items", id)?;
    end_item(world, &item);
    Ok(Reply::nothing())
}

fn end_item(world: &mut World, item: &Value) {
    let accounts = row::all_of(world, "accounts", item, false);
    row::remove(world, "items", &item["item_id"].to_string());
    for account in row::all_of(world, "accounts", item, true) {
        row::remove(world, "accounts", &account["account_id"].to_string());
    }
    let content = json!({ "item_id": item["item_id"], "user_uuid": item["user_uuid"] });
    Happening { event_type: "item.deleted", content, row: None }.now(world);
    for after_ms in STRAYS_MS {
        let refresh = Refresh { trigger: "scheduler".to_owned(), full: false, code: status::OK };
        let refreshed = || refresh.of(world, item, after_ms);
        let stray = accounts.first().map_or_else(refreshed, |account| updated(account, [1, 0, 0]));
        stray.later(world, after_ms);
    }
}

/// DELETE `/sandbox/users/{id}`: all that belongs to the user goes too.
pub(super) fn delete_user(world: &mut World, id: &str) -> Result<Reply, Problem> {
    let user = row::shown(world, "users", id)?;
    for item in row::all_of(world, "items", &user, false) {
        end_item(world, &item);
    }
    row::remove(world, "users", id);
    Happening { event_type: "user.deleted", content: user, row: None }.now(world);
    Ok(Reply::nothing())
}

/// POST `/sandbox/accounts`: a connection shows one more account.
pub(super) fn create_account(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&["item_id", "balance"])?;
    let item = ask.number("item_id", 0..=i64::MAX)?.ok_or_else(|| Problem::missing("item_id"))?;
    let item = row::shown(world, "items", &item.to_string())?;
    let mut account = new_account(world, &item, &ask.purpose());
    if let Some(balance) = balance(ask)? {
        account["balance"] = balance;
    }
    appeared(&account).now(world);
    Ok(Reply::created(account))
}

fn balance(ask: &Ask) -> Result<Option<Value>, Problem> {
    match ask.body.get("balance") {
        None | Some(Value::Null) => Ok(None),
        Some(value) if value.as_f64().is_some_and(|balance| balance.abs() <= BALANCE_MAX) => Ok(Some(value.clone())),
        Some(_) => {
            Err(Problem::field("balance", format!("`balance` must be a number from -{BALANCE_MAX} to {BALANCE_MAX}")))
        }
    }
}

/// PATCH `/sandbox/accounts/{id}`: it has another balance, or other transactions.
pub(super) fn update_account(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    const COUNTS: [&str; 3] = ["nb_new_transactions", "nb_updated_transactions", "nb_deleted_transactions"];
    ask.only(&[&["balance"], &COUNTS[..]].concat())?;
    let mut account = row::shown(world, "accounts", id)?;
    let count = |name| ask.number(name, 0..=TRANSACTIONS_MAX).map(Option::unwrap_or_default);
    let [new, changed, removed] = COUNTS.map(count);
    let set = balance(ask)?.map_or_else(|| json!({}), |balance| json!({ "balance": balance }));
    if let Some(balance) = set.get("balance") {
        account["balance"] = balance.clone();
    }
    let happening = updated(&account, [new?, changed?, removed?]);
    Happening { row: Some(("accounts", id.to_owned(), set)), ..happening }.now(world);
    Ok(Reply::ok(account))
}

/// DELETE `/sandbox/accounts/{id}`: the bank no longer shows it.
pub(super) fn delete_account(world: &mut World, id: &str) -> Result<Reply, Problem> {
    let account = row::shown(world, "accounts", id)?;
    row::remove(world, "accounts", id);
    let content = json!({
        "account_id": account["account_id"],
        "item_id": account["item_id"],
        "user_uuid": account["user_uuid"],
    });
    Happening { event_type: "item.account.deleted", content, row: None }.now(world);
    Ok(Reply::nothing())
}
