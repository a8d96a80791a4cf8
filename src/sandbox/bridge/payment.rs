//! Payments, their transactions and links, and transfers: forwards, and final is final.

use rand::Rng as _;
use serde_json::{Map, Value, json};

use super::{Happening, row, status};
use crate::providers;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::world::World;
use crate::signature::hex;

/// How long a reference of the caller's may be.
const REFERENCE_CHARS_MAX: usize = 256;
/// How long the reason of a rejection may be (ISO 20022).
const REASON_CHARS_MAX: usize = 35;
/// The reason that a bank does not tell.
const REASON: &str = "MS03";

/// The caller's reference, or one that is made up.
fn reference(world: &World, ask: &Ask, of: &str) -> Result<String, Problem> {
    let made = || format!("order-{}", world.draw(&format!("the reference of {of}")).random_range(100_000..1_000_000));
    Ok(ask.text("client_reference", REFERENCE_CHARS_MAX)?.unwrap_or_else(made))
}

fn new_uuid(world: &mut World, kind: &str, ask: &Ask) -> String {
    world.new_id(kind, &format!("{kind}/{}", ask.purpose()), providers::uuid)
}

/// POST `/sandbox/links`: a link to pay by; Bridge tells nobody before its status changes.
pub(super) fn create_link(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&["client_reference"])?;
    Ok(Reply::created(new_link(world, ask)?))
}

fn new_link(world: &mut World, ask: &Ask) -> Result<Value, Problem> {
    let id = new_uuid(world, "links", ask);
    let link = json!({
        "payment_link_client_reference": reference(world, ask, &id)?,
        "payment_link_id": id,
        "payment_link_status": "valid",
    });
    row::put(world, "links", &id, &link);
    Ok(link)
}

/// POST `/sandbox/payments`: somebody begins to pay, by this link or by a new one.
pub(super) fn create(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&["payment_link_id", "client_reference"])?;
    if ask.body.contains_key("payment_link_id") && ask.body.contains_key("client_reference") {
        let message = "a payment by a link has the reference of the link; leave `client_reference` out";
        return Err(Problem::field("client_reference", message));
    }
    let known = ask.text("payment_link_id", 64)?.map(|id| row::shown(world, "links", &id)).transpose()?;
    let link = match known {
        Some(link) => link,
        None => new_link(world, ask)?,
    };
    if link["payment_link_status"] != "valid" {
        let message = format!("this link is {} and takes no payment", link["payment_link_status"]);
        return Err(Problem {
            param: Some("payment_link_id".to_owned()),
            ..Problem::refused(409, "link_not_valid", message)
        });
    }
    let transaction = begin(world, ask, Some(&link))?;
    let id = transaction["payment_request_id"].as_str().unwrap_or_default();
    Ok(Reply::created(row::shown(world, "payments", id)?))
}

/// POST `/sandbox/transactions`: a payment without a link; the answer is its transaction.
pub(super) fn create_transaction(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&["client_reference"])?;
    Ok(Reply::created(begin(world, ask, None)?))
}

/// A payment begins: its request, its one transaction, its event.
fn begin(world: &mut World, ask: &Ask, link: Option<&Value>) -> Result<Value, Problem> {
    let [request, transaction] = ["payments", "transactions"].map(|kind| new_uuid(world, kind, ask));
    let end_to_end = hex(&world.draw(&format!("end to end of {transaction}")).random::<[u8; 16]>());
    let reference = match link {
        Some(link) => link["payment_link_client_reference"].clone(),
        None => json!(reference(world, ask, &transaction)?),
    };
    let mut content = Map::new();
    content.insert("client_reference".to_owned(), reference);
    content.insert("end_to_end_id".to_owned(), json!(end_to_end));
    content.extend(link.map(|link| ("payment_link_id".to_owned(), link["payment_link_id"].clone())));
    content.insert("payment_request_id".to_owned(), json!(request));
    content.insert("payment_transaction_id".to_owned(), json!(transaction));
    let content = Value::Object(content);
    let mut shown = content.clone();
    shown["status"] = json!("CREA");
    row::put(world, "payments", &request, &shown);
    row::put(world, "transactions", &transaction, &shown);
    Happening { event_type: "payment.transaction.created", content, row: None }.now(world);
    Ok(shown)
}

/// PATCH `/sandbox/payments/{id}`
pub(super) fn update(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    let payment = row::shown(world, "payments", id)?;
    go_on(world, ask, &payment)
}

/// PATCH `/sandbox/transactions/{id}`: the same, by its other name.
pub(super) fn update_transaction(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    let transaction = row::shown(world, "transactions", id)?;
    go_on(world, ask, &transaction)
}

fn go_on(world: &mut World, ask: &Ask, transaction: &Value) -> Result<Reply, Problem> {
    ask.only(&["status", "status_reason"])?;
    let next = ask.needed_text("status", 16)?;
    status::payment_goes_on(transaction["status"].as_str().unwrap_or_default(), &next)?;
    let reason = ask.text("status_reason", REASON_CHARS_MAX)?;
    if reason.is_some() && next != "RJCT" {
        return Err(Problem::field("status_reason", "`status_reason` goes with the status RJCT alone; leave it out"));
    }
    let mut content = transaction.clone();
    content["status"] = json!(next);
    if next == "RJCT" {
        content["status_reason"] = json!(reason.unwrap_or_else(|| REASON.to_owned()));
    }
    for (kind, id) in [("payments", "payment_request_id"), ("transactions", "payment_transaction_id")] {
        row::put(world, kind, content[id].as_str().unwrap_or_default(), &content);
    }
    Happening { event_type: "payment.transaction.updated", content: content.clone(), row: None }.now(world);
    // a link is completed once the payment is confirmed, whatever the bank makes of it later
    let link = content["payment_link_id"].as_str().and_then(|id| row::shown(world, "links", id).ok());
    let open =
        link.filter(|link| link["payment_link_status"] == "valid" && matches!(next.as_str(), "PDNG" | "ACSC" | "PART"));
    if let Some(link) = open {
        change_link(world, link, "completed");
    }
    Ok(Reply::ok(content))
}

/// PATCH `/sandbox/links/{id}`
pub(super) fn update_link(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    ask.only(&["status"])?;
    let link = row::shown(world, "links", id)?;
    let next = ask.needed_text("status", 16)?;
    status::link_goes_on(link["payment_link_status"].as_str().unwrap_or_default(), &next)?;
    Ok(Reply::ok(change_link(world, link, &next)))
}

fn change_link(world: &mut World, mut link: Value, next: &str) -> Value {
    link["payment_link_status"] = json!(next);
    if next == "completed" {
        link["payment_status"] = json!("initiated_in_success");
    }
    let id = link["payment_link_id"].as_str().unwrap_or_default().to_owned();
    row::put(world, "links", &id, &link);
    Happening { event_type: "payment.link.updated", content: link.clone(), row: None }.now(world);
    link
}

/// POST `/sandbox/transfers`: the events of transfers are named by Bridge's pages only in part.
pub(super) fn create_transfer(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&[])?;
    let id = new_uuid(world, "transfers", ask);
    let account = providers::uuid(&mut world.draw("the account of transfers"));
    let transfer = json!({ "status": "CREA", "transfer_account_id": account, "transfer_id": id });
    row::put(world, "transfers", &id, &transfer);
    Happening { event_type: "transfer.created", content: transfer.clone(), row: None }.now(world);
    Ok(Reply::created(transfer))
}

/// PATCH `/sandbox/transfers/{id}`
pub(super) fn update_transfer(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    ask.only(&["status"])?;
    let mut transfer = row::shown(world, "transfers", id)?;
    let next = ask.needed_text("status", 16)?;
    status::payment_goes_on(transfer["status"].as_str().unwrap_or_default(), &next)?;
    transfer["status"] = json!(next);
    row::put(world, "transfers", id, &transfer);
    Happening { event_type: "transfer.updated", content: transfer.clone(), row: None }.now(world);
    Ok(Reply::ok(transfer))
}
