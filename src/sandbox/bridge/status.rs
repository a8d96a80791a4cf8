//! Statuses: of connections, as codes, and of payments, where final is final.

use crate::sandbox::ask::Problem;

/// What the status code of a connection means (docs.bridgeapi.io, items status).
const ITEM: [(i64, &str); 13] = [
    (0, "ok"),
    (-2, "just_added"),
    (-3, "just_edited"),
    (402, "login_failed"),
    (429, "needs_human_action"),
    (430, "needs_password_rotation"),
    (1003, "could_not_refresh"),
    (1005, "not_supported"),
    (1007, "disabled_temporarily"),
    (1009, "incomplete"),
    (1010, "needs_manual_refresh"),
    (1099, "migration"),
    (1100, "pro_account_locked"),
];
/// A connection that has just been made, and one that works.
pub(super) const JUST_ADDED: i64 = -2;
pub(super) const OK: i64 = 0;

/// How far each status of a payment is; the last three are final (docs.bridgeapi.io, payments statuses).
const PAYMENT: [(&str, u8); 6] = [("CREA", 0), ("ACTC", 1), ("PDNG", 2), ("ACSC", 3), ("RJCT", 3), ("PART", 3)];
/// The same of a payment link (support.bridgeapi.io, payment link statuses).
const LINK: [(&str, u8); 4] = [("valid", 0), ("completed", 1), ("expired", 1), ("revoked", 1)];

/// What a status code of a connection means. Error: it is none, with those that are.
pub(super) fn of_item(code: i64) -> Result<&'static str, Problem> {
    let known = ITEM.iter().find(|(known, _)| *known == code);
    known.map(|(_, info)| *info).ok_or_else(|| {
        let codes = ITEM.map(|(code, info)| format!("{code} {info}")).join(", ");
        Problem::field("status_code", format!("`status_code` must be one of {codes}"))
    })
}

/// Lets a payment go on. Error: another word, backwards, or from a final status.
pub(super) fn payment_goes_on(from: &str, to: &str) -> Result<(), Problem> {
    goes_on(&PAYMENT, from, to)
}

/// Lets a payment link go on. Error: as of a payment.
pub(super) fn link_goes_on(from: &str, to: &str) -> Result<(), Problem> {
    goes_on(&LINK, from, to)
}

fn goes_on(steps: &[(&str, u8)], from: &str, to: &str) -> Result<(), Problem> {
    let rank = |status: &str| steps.iter().find(|(known, _)| *known == status).map(|(_, rank)| *rank);
    let Some(next) = rank(to) else {
        let words = steps.iter().map(|(status, _)| *status).collect::<Vec<_>>().join(", ");
        return Err(Problem::field("status", format!("`status` must be one of {words}")));
    };
    let last = steps.iter().map(|(_, rank)| *rank).max();
    let why = match rank(from) {
        now if now == last => "which is final",
        now if now >= Some(next) => "and does not go back",
        _ => return Ok(()),
    };
    Err(Problem::refused(409, "status_conflict", format!("it is {from} already, {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_goes_forwards_and_its_end_is_final() {
        for (from, to) in [("CREA", "ACTC"), ("ACTC", "PDNG"), ("ACTC", "ACSC"), ("CREA", "RJCT"), ("PDNG", "PART")] {
            assert_eq!(payment_goes_on(from, to), Ok(()), "{from} {to}");
        }
        for (from, to) in [("ACTC", "ACTC"), ("PDNG", "ACTC"), ("ACSC", "PDNG"), ("RJCT", "ACSC"), ("PART", "PART")] {
            assert_eq!(payment_goes_on(from, to).expect_err("refused").status, 409, "{from} {to}");
        }
        assert_eq!(payment_goes_on("CREA", "ACCP").expect_err("refused").param.as_deref(), Some("status"));
        assert!(link_goes_on("valid", "completed").is_ok() && link_goes_on("completed", "expired").is_err());
    }
}
