//! Payments: intents, checkouts, payouts, refunds, subscriptions and charges; each a resource with a status, the
//! outcomes that may follow, and the event that tells of each.

use http::Method;
use serde_json::{Map, Value, json};

use crate::providers::written_moment;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::{id, list};
use crate::sandbox::world::{To, World};

/// The largest amount, in a currency's smallest unit.
const AMOUNT_MAX: i64 = 1_000_000_000_000;
/// How long a payment stays open before it ends by itself: 10 minutes.
const PENDING_MS: i64 = 600_000;
/// The longest text of a field, in characters, and how many metadata fields there may be.
const TEXT_CHARS_MAX: usize = 500;
const METADATA_MAX: usize = 50;

/// What may become of a resource.
struct Outcome {
    /// The word in the control's path, and the event's last word.
    name: &'static str,
    /// From which statuses.
    from: &'static [&'static str],
    /// The status afterwards.
    status: &'static str,
    /// Whether an event tells of it.
    told: bool,
}

/// A kind of resource.
struct Kind {
    /// In paths.
    plural: &'static str,
    /// In events, and its shape.
    name: &'static str,
    /// Its first status.
    first: &'static str,
    /// Whether its creation is told, as what.
    created: Option<&'static str>,
    /// The field that gives the reason of a bad end.
    reason: Option<(&'static str, &'static str)>,
    /// Whether callers of the API make it; else only the sandbox's controls do.
    public: bool,
    outcomes: &'static [Outcome],
}

const fn told(name: &'static str, from: &'static [&'static str]) -> Outcome {
    Outcome { name, from, status: name, told: true }
}

const fn untold(name: &'static str, from: &'static [&'static str]) -> Outcome {
    Outcome { name, from, status: name, told: false }
}

/// From docs.fintoc.com: the objects of the API reference and the types of events.
const KINDS: [Kind; 7] = [
    Kind {
        plural: "payment_intents",
        name: "payment_intent",
        first: "created",
        created: None,
        reason: Some(("error_reason", "bank_connection_error")),
        public: true,
        outcomes: &[
            told("succeeded", &["created", "pending"]),
            told("failed", &["created", "pending"]),
            told("rejected", &["created", "pending"]),
            told("expired", &["created", "pending"]),
            told("pending", &["created"]),
        ],
    },
    Kind {
        plural: "checkout_sessions",
        name: "checkout_session",
        first: "created",
        created: None,
        reason: None,
        public: true,
        outcomes: &[
            untold("in_progress", &["created"]),
            told("finished", &["created", "in_progress"]),
            told("expired", &["created"]),
        ],
    },
    Kind {
        plural: "payouts",
        name: "payout",
        first: "in_progress",
        created: Some("created"),
        reason: None,
        public: false,
        outcomes: &[
            told("succeeded", &["in_progress"]),
            told("canceled", &["in_progress"]),
            untold("returned", &["in_progress", "succeeded"]),
        ],
    },
    Kind {
        plural: "refunds",
        name: "refund",
        first: "created",
        created: None,
        reason: Some(("failure_code", "insufficient_funds")),
        public: true,
        outcomes: &[
            told("in_progress", &["created"]),
            told("succeeded", &["created", "in_progress"]),
            told("failed", &["created", "in_progress"]),
            untold("canceled", &["created"]),
        ],
    },
    Kind {
        plural: "subscription_intents",
        name: "subscription_intent",
        first: "created",
        created: None,
        reason: Some(("public_error", "login_invalid_credentials")),
        public: true,
        outcomes: &[told("succeeded", &["created"]), told("failed", &["created"]), told("rejected", &["created"])],
    },
    Kind {
        plural: "subscriptions",
        name: "subscription",
        first: "pending",
        created: None,
        reason: None,
        public: false,
        outcomes: &[
            Outcome { name: "activated", from: &["pending"], status: "active", told: true },
            told("canceled", &["pending", "active"]),
        ],
    },
    Kind {
        plural: "charges",
        name: "charge",
        first: "pending",
        created: None,
        reason: Some(("failure_code", "insufficient_funds")),
        public: true,
        outcomes: &[told("succeeded", &["pending"]), told("failed", &["pending"])],
    },
];

fn find(plural: &str) -> Result<&'static Kind, Problem> {
    KINDS.iter().find(|kind| kind.plural == plural).ok_or_else(Problem::no_route)
}

/// `/v1/{kinds}…`
pub(super) fn answer(world: &mut World, ask: &Ask, plural: &str, rest: &[&str]) -> Result<Reply, Problem> {
    let kind = find(plural)?;
    match (&ask.method, rest) {
        (&Method::POST, []) if kind.public => make(world, ask, kind),
        (&Method::GET, []) => list::page(ask, &world.list(kind.name)),
        (&Method::GET, [id]) => shown(world, kind, id),
        (&Method::POST, [id, "expire"]) => come_to(world, kind, id, "expired", None),
        (&Method::POST, [id, "cancel"]) => come_to(world, kind, id, "canceled", None),
        _ => Err(Problem::no_route()),
    }
}

/// `/sandbox/{kinds}…`: what banks, payers and time would do.
pub(super) fn control(world: &mut World, ask: &Ask, plural: &str, rest: &[&str]) -> Result<Reply, Problem> {
    let kind = find(plural)?;
    match rest {
        [] => make(world, ask, kind),
        [id, outcome] => come_to(world, kind, id, outcome, ask.text("reason", TEXT_CHARS_MAX)?),
        _ => Err(Problem::no_route()),
    }
}

fn shown(world: &World, kind: &Kind, id: &str) -> Result<Reply, Problem> {
    world.get(kind.name, id).cloned().map(Reply::ok).ok_or_else(|| Problem::not_found(kind.name, id))
}

fn make(world: &mut World, ask: &Ask, kind: &Kind) -> Result<Reply, Problem> {
    let wanted = wanted(world, ask, kind)?;
    let mut made = world.make(kind.name, kind.name, &ask.purpose());
    let now = written_moment(world.now_ms);
    for name in ["created_at", "updated_at"] {
        if made.get(name).is_some() {
            made[name] = now.clone().into();
        }
    }
    made["status"] = kind.first.into();
    for name in ["transaction_date", "sender_account", "subscription"] {
        if made.get(name).is_some() && kind.first == "created" {
            made[name] = Value::Null;
        }
    }
    if made.get("customer_email").is_some() {
        made["customer_email"] = Value::Null;
    }
    for (name, value) in wanted {
        made[&name] = value;
    }
    let made_id = made["id"].as_str().unwrap_or_default().to_owned();
    // what the widget or the hosted page is opened with
    if kind.name == "checkout_session" || kind.name.ends_with("_intent") {
        let field = if kind.name == "checkout_session" { "session_token" } else { "widget_token" };
        let token = id(&format!("{made_id}_sec_"), &mut world.draw(&format!("{made_id}/token")));
        made[field] = token.into();
    }
    world.put(kind.name, &made_id, made.clone());
    if let Some(created) = kind.created {
        world.tell(&format!("{}.{created}", kind.name), &made, &made_id, To::All);
    }
    Ok(Reply::created(made))
}

/// What the request sets. Error: the field that breaks a rule.
fn wanted(world: &World, ask: &Ask, kind: &Kind) -> Result<Map<String, Value>, Problem> {
    let mut wanted = Map::new();
    let needs_amount = matches!(kind.name, "payment_intent" | "checkout_session" | "charge");
    match ask.number("amount", 1..=AMOUNT_MAX)? {
        Some(amount) => wanted.insert("amount".to_owned(), amount.into()),
        None if needs_amount => return Err(Problem::missing("amount")),
        None => None,
    };
    if let Some(currency) = ask.text("currency", 3)? {
        if !matches!(currency.to_ascii_uppercase().as_str(), "CLP" | "MXN") {
            return Err(Problem::field("currency", "must be CLP or MXN"));
        }
        wanted.insert("currency".to_owned(), currency.to_ascii_uppercase().into());
    } else if needs_amount && kind.name != "charge" {
        return Err(Problem::missing("currency"));
    }
    if let Some(metadata) = ask.object("metadata")? {
        if metadata.len() > METADATA_MAX {
            return Err(Problem::field("metadata", format!("must have at most {METADATA_MAX} fields")));
        }
        wanted.insert("metadata".to_owned(), metadata.into());
    }
    for name in ["customer_email", "success_url", "cancel_url", "reference_id"] {
        if let Some(text) = ask.text(name, TEXT_CHARS_MAX)? {
            wanted.insert(name.to_owned(), text.into());
        }
    }
    match kind.name {
        "refund" => refunded(world, ask, &mut wanted)?,
        "charge" => charged(world, ask, &mut wanted)?,
        _ => {}
    }
    Ok(wanted)
}

/// A refund is of a payment that succeeded, of its whole amount unless the caller says less.
fn refunded(world: &World, ask: &Ask, wanted: &mut Map<String, Value>) -> Result<(), Problem> {
    let payment_id = ask.needed_text("resource_id", TEXT_CHARS_MAX)?;
    let problem =
        || Problem { param: Some("resource_id".to_owned()), ..Problem::not_found("payment_intent", &payment_id) };
    let payment = world.get("payment_intent", &payment_id).ok_or_else(problem)?;
    if payment["status"] != "succeeded" {
        return Err(Problem::field("resource_id", "must be a payment that succeeded"));
    }
    let paid = payment["amount"].as_i64().unwrap_or_default();
    let amount = wanted.get("amount").and_then(Value::as_i64).unwrap_or(paid);
    if amount > paid {
        return Err(Problem::field("amount", format!("must be at most {paid}, what was paid")));
    }
    wanted.insert("amount".to_owned(), amount.into());
    wanted.insert("currency".to_owned(), payment["currency"].clone());
    wanted.insert("resource_id".to_owned(), payment_id.into());
    wanted.insert("resource_type".to_owned(), "payment_intent".into());
    Ok(())
}

/// A charge is of a subscription that the bank has agreed to.
fn charged(world: &World, ask: &Ask, wanted: &mut Map<String, Value>) -> Result<(), Problem> {
    let id = ask.needed_text("subscription_id", TEXT_CHARS_MAX)?;
    let problem = || Problem { param: Some("subscription_id".to_owned()), ..Problem::not_found("subscription", &id) };
    let subscription = world.get("subscription", &id).ok_or_else(problem)?;
    if subscription["status"] != "active" {
        return Err(Problem::field("subscription_id", "must be a subscription that is active"));
    }
    wanted.insert("subscription".to_owned(), id.into());
    Ok(())
}

/// Lets one of its outcomes happen. Error: no such outcome, or the resource has ended already.
fn come_to(world: &mut World, kind: &Kind, id: &str, word: &str, reason: Option<String>) -> Result<Reply, Problem> {
    let resource = world.get(kind.name, id).ok_or_else(|| Problem::not_found(kind.name, id))?;
    let status = resource["status"].as_str().unwrap_or_default().to_owned();
    let outcome = kind.outcomes.iter().find(|outcome| outcome.name == word).ok_or_else(|| {
        let names: Vec<_> = kind.outcomes.iter().map(|outcome| outcome.name).collect();
        let message = format!("`{word}` is no outcome of a {}; use {}", kind.name, names.join(", "));
        Problem::refused(404, "unknown_outcome", message)
    })?;
    if !outcome.from.contains(&&*status) {
        let message = format!("the {} is {status}; what is {status} never becomes {}", kind.name, outcome.status);
        return Err(Problem { param: Some("status".to_owned()), ..Problem::refused(400, "invalid_status", message) });
    }
    follow(world, kind, id, outcome, reason);
    shown(world, kind, id)
}

fn follow(world: &mut World, kind: &Kind, id: &str, outcome: &Outcome, reason: Option<String>) {
    let now = written_moment(world.now_ms);
    let badly = matches!(outcome.name, "failed" | "rejected");
    if kind.name == "checkout_session" && outcome.name == "finished" {
        pay(world, id, reason.as_deref().unwrap_or("succeeded"));
    }
    if kind.name == "subscription_intent" && outcome.name == "succeeded" {
        enrol(world, id);
    }
    world.change(kind.name, id, |resource| {
        resource["status"] = outcome.status.into();
        if let (Some((field, usual)), true) = (kind.reason, badly) {
            resource[field] = reason.unwrap_or_else(|| usual.to_owned()).into();
        }
        if resource.get("updated_at").is_some() {
            resource["updated_at"] = now.clone().into();
        }
        let dated = match kind.name {
            "payment_intent" => Some("transaction_date"),
            "payout" => Some("succeeded_at"),
            _ => None,
        };
        if let (Some(field), "succeeded") = (dated, outcome.name) {
            resource[field] = now.into();
        }
    });
    if outcome.told {
        let resource = world.get(kind.name, id).cloned().unwrap_or_default();
        world.tell(&format!("{}.{}", kind.name, outcome.name), &resource, id, To::All);
    }
    if outcome.name == "pending" {
        let at_ms = world.now_ms + world.wait_ms(PENDING_MS);
        world.wake(at_ms, &json!({ "do": "settle", "kind": kind.plural, "id": id }));
    }
}

/// What was open ends by itself, unless somebody ended it before.
pub(super) fn settle(world: &mut World, plural: &str, id: &str) {
    let Ok(kind) = find(plural) else {
        return;
    };
    let open = world.get(kind.name, id).is_some_and(|resource| resource["status"] == "pending");
    if let Some(outcome) = kind.outcomes.iter().find(|outcome| outcome.name == "succeeded").filter(|_| open) {
        follow(world, kind, id, outcome, None);
    }
}

/// The payment inside a checkout, which has its own event before the checkout's.
fn pay(world: &mut World, session: &str, status: &str) {
    let shown = world.get("checkout_session", session).cloned().unwrap_or_default();
    let mut payment = world.make("payment_intent", "payment_intent", &format!("{session}/payment"));
    let id = payment["id"].as_str().unwrap_or_default().to_owned();
    for name in ["amount", "currency", "customer_email", "metadata"] {
        payment[name] = shown[name].clone();
    }
    payment["created_at"] = shown["created_at"].clone();
    payment["status"] = "created".into();
    world.put("payment_intent", &id, payment);
    let kind = &KINDS[0];
    let outcome = kind.outcomes.iter().find(|outcome| outcome.name == status).unwrap_or(&kind.outcomes[0]);
    follow(world, kind, &id, outcome, None);
    let payment = world.get("payment_intent", &id).cloned().unwrap_or_default();
    world.change("checkout_session", session, |shown| shown["payment_resource"] = json!({ "payment_intent": payment }));
}

/// The subscription that an enrolment makes; the bank has yet to agree.
fn enrol(world: &mut World, intent: &str) {
    let mut subscription = world.make("subscription", "subscription", &format!("{intent}/subscription"));
    let id = subscription["id"].as_str().unwrap_or_default().to_owned();
    subscription["created_at"] = written_moment(world.now_ms).into();
    subscription["status"] = "pending".into();
    world.put("subscription", &id, subscription.clone());
    world.change("subscription_intent", intent, |shown| shown["subscription"] = subscription);
}
