//! Pictures of what deliveries came to, by the hour and by the minute.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::count::{Counts, Minute};

/// How wide a bar is with the gap behind it, the gap, and how high the highest is, in a picture's own units.
const STEP: i64 = 10;
const GAP: i64 = 2;
const HEIGHT: i64 = 60;

/// The deliveries of these hours, `last` and those before it, each in the hour of its event: what was delivered, what
/// was not.
pub(super) fn hours(rows: &[(i64, Counts)], last: i64, count: i64) -> Markup {
    let highest = rows.iter().map(|(_, counts)| counts.accepted).max().unwrap_or(0);
    if highest == 0 {
        return html! {};
    }
    let first = last - count + 1;
    let bars = html! {
        @for (hour, counts) in rows {
            @let (all, good) = (height(counts.accepted, highest), height(counts.succeeded, highest));
            (bar("missing", (hour - first) * STEP, 0, all))
            (bar("delivered", (hour - first) * STEP, 0, good))
        }
    };
    html! {
        figure {
            (drawing(count, &format!("Deliveries by the hour; at most {highest} in one"), &bars))
            figcaption {
                "The last " (count) " hours: " span.delivered { "delivered" } ", " span.missing { "waiting or failed" }
                ". At most " (highest) " in one hour."
            }
        }
    }
}

/// What was accepted in these minutes, `last` and those before it, what was delivered, and what failed for good, each in
/// its own minute.
pub(super) fn minutes(rows: &[(i64, Minute)], last: i64, count: i64) -> Markup {
    let highest =
        rows.iter().map(|(_, counts)| counts.accepted.max(counts.delivered + counts.failed)).max().unwrap_or(0);
    if highest == 0 {
        return html! {};
    }
    let mut sum = Minute::default();
    for (_, counts) in rows {
        sum.add(counts);
    }
    let Minute { accepted, delivered, failed, .. } = sum;
    let label = format!(
        "Deliveries by the minute: {accepted} accepted, {delivered} delivered, {failed} failed for good in the last hour; \
         at most {highest} in one"
    );
    let first = last - count + 1;
    let bars = html! {
        @for (minute, counts) in rows {
            @let x = (minute - first) * STEP;
            @let (good, bad) = (height(counts.delivered, highest), height(counts.failed, highest));
            (bar("delivered", x, 0, good))
            (bar("missing", x, good, bad))
        }
        path.accepted d=(outline(rows, first, count, highest)) {}
    };
    html! {
        figure {
            (drawing(count, &label, &bars))
            figcaption {
                "The last hour: " span.accepted { "accepted" } " (line), " span.delivered { "delivered" } ", "
                span.missing { "failed for good" } ". At most " (highest) " in one minute."
            }
        }
    }
}

/// So many steps wide, for those who see it and for those who are told.
fn drawing(steps: i64, label: &str, content: &Markup) -> Markup {
    let view = format!("0 0 {} {HEIGHT}", steps * STEP);
    html! { svg viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(label) { (content) } }
}

/// How high so many are when the most are this many; what is there is seen.
fn height(count: i64, highest: i64) -> i64 {
    (count * HEIGHT + highest - 1) / highest
}

/// A bar that stands so far above the ground.
fn bar(class: &str, x: i64, above: i64, height: i64) -> Markup {
    html! {
        @if height > 0 { rect class=(class) x=(x) y=(HEIGHT - above - height) width=(STEP - GAP) height=(height) {} }
    }
}

/// A line of steps, one for each minute.
fn outline(rows: &[(i64, Minute)], first: i64, count: i64, highest: i64) -> String {
    let mut heights = vec![0; usize::try_from(count).unwrap_or(0)];
    for (minute, counts) in rows {
        if let Some(place) = usize::try_from(minute - first).ok().and_then(|place| heights.get_mut(place)) {
            *place = height(counts.accepted, highest);
        }
    }
    let mut path = "M0".to_owned();
    for (place, height) in (1_i64..).zip(heights) {
        let corner = if place == 1 { " " } else { "V" };
        write!(path, "{corner}{}H{}", HEIGHT - height, place * STEP).expect("text grows");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minute_is_a_step_also_one_in_which_nothing_was_accepted() {
        let accepted = |count| Minute { accepted: count, ..Minute::default() };
        let rows = [(7, accepted(1)), (9, accepted(3))];
        assert_eq!(outline(&rows, 7, 4, 3), "M0 40H10V60H20V0H30V60H40");
        assert_eq!((height(1, 1_000), height(0, 1_000), height(1_000, 1_000)), (1, 0, 60));
    }
}
