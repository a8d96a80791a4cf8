//! Times and spans, as pages write them.

use jiff::Timestamp;
use maud::{Markup, html};

/// A day, such as 2026-11-25.
pub(super) fn day(ms: i64) -> String {
    text(ms).chars().take(10).collect()
}

/// A moment in UTC, such as 2026-11-25 08:30:00, for people and for machines.
pub(super) fn moment(ms: i64) -> Markup {
    let text = text(ms);
    let shown = text.replacen('T', " ", 1).chars().take(19).collect::<String>();
    html! { time datetime=(text) title="UTC" { (shown) } }
}

fn text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

/// How long, in the largest unit that says enough: 3 s, 5 min, 2 h, 4 d.
pub(super) fn span(ms: i64) -> String {
    match ms.max(0) / 1_000 {
        secs @ 0..60 => format!("{secs} s"),
        secs @ 60..3_600 => format!("{} min", secs / 60),
        secs @ 3_600..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} d", secs / 86_400),
    }
}

/// How long something took: in ms, and in [`span`]'s units from ten seconds on.
pub(super) fn duration(ms: i64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { span(ms) }
}
