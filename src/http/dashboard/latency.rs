//! How long deliveries take from acceptance to a receiver's 2xx: what the minutes of the last hour say of it.

use maud::{Markup, html};

use super::amount::amount;
use super::time::duration;
use crate::count::{Minute, Took};

/// What is shown: per cent of all deliveries.
const PERCENTS: [u64; 3] = [50, 95, 99];

/// How long the deliveries of these minutes took, as percentiles; nothing when there were none.
pub(super) fn shown(minutes: &[(i64, Minute)]) -> Markup {
    let mut took = Took::default();
    for (_, counts) in minutes {
        took.merge(&counts.took);
    }
    html! {
        @if took.count() > 0 {
            dl.figures {
                @for percent in PERCENTS {
                    @let ms = took.quantile(percent * 10).map_or(0, i64::from);
                    div { dt { "Delivered within, p" (percent) } dd { (duration(ms)) } }
                }
            }
            p.hint.after {
                "From acceptance to 2xx, retries included, exact to 7 %: of "
                (amount(took.count(), "delivery")) " in the last hour."
            }
        }
    }
}
