//! What a benchmark says: the figures of each run, their medians, and both as text.

use std::fmt::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::Plan;
use super::latency::Latencies;
use super::ledger::Faults;
use super::proc::Memory;

/// A whole benchmark, as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was measured.
    pub plan: Plan,
    /// Whether the temporary database lived in memory, where syncs cost nothing.
    pub database_in_memory: bool,
    /// Every run.
    pub runs: Vec<Run>,
    /// The median of each figure over the runs.
    pub medians: Figures,
    /// The same of what was delivered in the order of its keys; only with `--ordered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_medians: Option<Figures>,
    /// The same of what came in by the door of a source; only with `--inbound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound_medians: Option<Figures>,
    /// The faults of all runs together.
    pub faults: Faults,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// What was published.
    #[serde(flatten)]
    pub published: Part,
    /// What was delivered in the order of its keys; only with `--ordered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered: Option<Part>,
    /// What came in by the door of a source; only with `--inbound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Part>,
}

/// What events of one kind came to.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// How fast it was.
    #[serde(flatten)]
    pub figures: Figures,
    /// What was wrong.
    pub faults: Faults,
}

/// How fast a run was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Events accepted, from the first publish to the last answer.
    pub accepted_per_second: f64,
    /// Deliveries, from the first publish to the last arrival.
    pub delivered_per_second: f64,
    /// Requests of the same size straight from generator to sink.
    pub direct_requests_per_second: f64,
    /// CPU time of generator and sink together for each of those.
    pub direct_cpu_us_per_request: f64,
    /// Deliveries per direct request: the server's speed whatever the machine.
    pub ratio_to_direct: f64,
    /// From publishing (or the intended time) to the answer.
    pub accept_ms: Latencies,
    /// From publishing (or the intended time) to the arrival at the sink.
    pub end_to_end_ms: Latencies,
    /// User and system time of the server; absent with `--url`.
    pub server_cpu_us_per_delivery: Option<f64>,
    /// The same for each of what was published in the same run; only of ordered and inbound events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ratio_to_published: Option<f64>,
    /// Resident memory of the server; absent with `--url`.
    pub server_memory: Option<Memory>,
    /// A bare write of 1 KiB and its sync on the database's disk; only with `--rate`, absent with `--url`.
    pub sync_ms: Option<Latencies>,
}

impl Report {
    /// Sums up the runs; there must be one.
    #[must_use]
    pub fn new(plan: Plan, database_in_memory: bool, runs: Vec<Run>) -> Self {
        let published = || runs.iter().map(|run| &run.published);
        let ordered = || runs.iter().filter_map(|run| run.ordered.as_ref());
        let inbound = || runs.iter().filter_map(|run| run.inbound.as_ref());
        Self {
            plan,
            database_in_memory,
            medians: medians(published()),
            ordered_medians: ordered().next().map(|_| medians(ordered())),
            inbound_medians: inbound().next().map(|_| medians(inbound())),
            faults: sum(published().chain(ordered()).chain(inbound())),
            runs,
        }
    }

    /// The medians and the sums of the faults as text.
    #[must_use]
    pub fn summary(&self) -> String {
        let title = format!("median of {} runs, sum of faults", self.plan.runs);
        let mut text = section(&title, &self.medians, &sum(self.runs.iter().map(|run| &run.published)));
        if let Some(medians) = &self.ordered_medians {
            let faults = sum(self.runs.iter().filter_map(|run| run.ordered.as_ref()));
            text.push_str(&section(&format!("ordered, {title}"), medians, &faults));
        }
        if let Some(medians) = &self.inbound_medians {
            let faults = sum(self.runs.iter().filter_map(|run| run.inbound.as_ref()));
            text.push_str(&section(&format!("inbound, {title}"), medians, &faults));
        }
        if self.database_in_memory {
            text.push_str("  note: the database lived in memory (tmpfs), where a sync costs nothing; set TMPDIR\n");
        }
        text
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_flight, size_bytes, endpoints, events, warm_up, runs, .. } = self;
        write!(f, "{runs} × {events} events of {size_bytes} bytes to {endpoints} endpoint(s), ")?;
        if let Some(batch) = self.batch {
            write!(f, "{batch} per request, ")?;
        }
        match self.rate {
            Some(rate) => write!(f, "open loop at {rate}/s over {in_flight} connections")?,
            None => write!(f, "closed loop, {in_flight} in flight")?,
        }
        write!(f, ", after {warm_up} of warm-up")?;
        if let Some(keys) = self.ordered {
            write!(f, "; then as many in the order of {keys} keys")?;
        }
        if self.inbound {
            f.write_str("; then as many by the door of a source")?;
        }
        Ok(())
    }
}

/// A run as text.
#[must_use]
pub fn run(number: usize, run: &Run) -> String {
    let title = format!("run {number}");
    let mut text = section(&title, &run.published.figures, &run.published.faults);
    if let Some(ordered) = &run.ordered {
        text.push_str(&section(&format!("{title}, ordered"), &ordered.figures, &ordered.faults));
    }
    if let Some(inbound) = &run.inbound {
        text.push_str(&section(&format!("{title}, inbound"), &inbound.figures, &inbound.faults));
    }
    text
}

/// How many a second.
#[must_use]
pub fn per_second(count: u64, took: Duration) -> f64 {
    if took.is_zero() {
        return 0.0;
    }
    float(count) / took.as_secs_f64()
}

/// Microseconds for each.
#[must_use]
pub fn per_thing_us(took: Duration, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    took.as_secs_f64() * 1e6 / float(count)
}

fn section(title: &str, figures: &Figures, faults: &Faults) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        writeln!(text, "  {label:<14} {value}").expect("a string takes any text");
    };
    let Figures { direct_requests_per_second, direct_cpu_us_per_request, ratio_to_direct, .. } = figures;
    line("accepted", format!("{:.0}/s", figures.accepted_per_second));
    line(
        "delivered",
        format!(
            "{:.0}/s, {ratio_to_direct:.3} of direct {direct_requests_per_second:.0}/s \
             (generator and sink: {direct_cpu_us_per_request:.1} µs CPU a request)",
            figures.delivered_per_second
        ),
    );
    line("accept ms", latencies(&figures.accept_ms));
    line("end-to-end ms", latencies(&figures.end_to_end_ms));
    if let Some(cpu_us) = figures.server_cpu_us_per_delivery {
        let ratio = figures.cpu_ratio_to_published.map(|ratio| format!(", {ratio:.3} of a published one"));
        line("server", format!("{cpu_us:.1} µs CPU a delivery{}", ratio.unwrap_or_default()));
    }
    if let Some(Memory { peak_mb, end_mb }) = figures.server_memory {
        line("server RSS", format!("{peak_mb:.1} MB at most, {end_mb:.1} MB in the end"));
    }
    if let Some(sync) = &figures.sync_ms {
        line("bare sync ms", latencies(sync));
    }
    line("faults", fault_list(faults));
    format!("{title}\n{text}")
}

fn latencies(latencies: &Latencies) -> String {
    let Latencies { p50, p95, p99, max } = latencies;
    format!("p50 {p50:.2}  p95 {p95:.2}  p99 {p99:.2}  max {max:.2}")
}

fn fault_list(faults: &Faults) -> String {
    let Faults { duplicates, late, missing, wrong_bytes, bad_signatures, refused, overloaded } = faults;
    let mut list = format!(
        "{duplicates} duplicates, {missing} missing, {wrong_bytes} wrong bytes, \
         {bad_signatures} bad signatures, {overloaded} answers 503"
    );
    for (count, what) in [(late, "of an earlier run"), (refused, "refused")] {
        if *count > 0 {
            write!(list, ", {count} {what}").expect("a string takes any text");
        }
    }
    list
}

fn sum<'a>(parts: impl Iterator<Item = &'a Part>) -> Faults {
    parts.fold(Faults::default(), |sum, part| sum.plus(part.faults))
}

fn medians<'a>(parts: impl Iterator<Item = &'a Part>) -> Figures {
    let runs: Vec<&Figures> = parts.map(|part| &part.figures).collect();
    let of = |figure: &dyn Fn(&Figures) -> f64| median(runs.iter().map(|run| figure(run)).collect());
    let latencies = |which: &dyn Fn(&Figures) -> Latencies| Latencies {
        p50: of(&|run| which(run).p50),
        p95: of(&|run| which(run).p95),
        p99: of(&|run| which(run).p99),
        max: of(&|run| which(run).max),
    };
    // What one run has, all have.
    let first = runs[0];
    Figures {
        accepted_per_second: of(&|run| run.accepted_per_second),
        delivered_per_second: of(&|run| run.delivered_per_second),
        direct_requests_per_second: of(&|run| run.direct_requests_per_second),
        direct_cpu_us_per_request: of(&|run| run.direct_cpu_us_per_request),
        ratio_to_direct: of(&|run| run.ratio_to_direct),
        accept_ms: latencies(&|run| run.accept_ms),
        end_to_end_ms: latencies(&|run| run.end_to_end_ms),
        server_cpu_us_per_delivery: first
            .server_cpu_us_per_delivery
            .map(|_| of(&|run| run.server_cpu_us_per_delivery.unwrap_or_default())),
        cpu_ratio_to_published: first
            .cpu_ratio_to_published
            .map(|_| of(&|run| run.cpu_ratio_to_published.unwrap_or_default())),
        server_memory: first.server_memory.map(|_| Memory {
            peak_mb: of(&|run| run.server_memory.unwrap_or_default().peak_mb),
            end_mb: of(&|run| run.server_memory.unwrap_or_default().end_mb),
        }),
        sync_ms: first.sync_ms.map(|_| latencies(&|run| run.sync_ms.unwrap_or_default())),
    }
}

/// The middle value, or the mean of the two in the middle; there must be one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        return values[half];
    }
    f64::midpoint(values[half - 1], values[half])
}

/// Counts here stay below 2^32, which a float holds exactly.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rate: f64) -> Figures {
        Figures {
            accepted_per_second: rate,
            delivered_per_second: rate,
            direct_requests_per_second: 100.0,
            direct_cpu_us_per_request: 15.0,
            ratio_to_direct: rate / 100.0,
            accept_ms: Latencies { p50: rate, ..Latencies::default() },
            end_to_end_ms: Latencies::default(),
            server_cpu_us_per_delivery: Some(rate),
            cpu_ratio_to_published: None,
            server_memory: None,
            sync_ms: None,
        }
    }

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let parts = [3.0, 1.0, 2.0].map(|rate| Part { figures: figures(rate), faults: Faults::default() });
        assert_eq!(medians(parts.iter()), figures(2.0));
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_run_is_shown_with_what_it_has() {
        let faults = Faults { refused: 2, ..Faults::default() };
        let published = Part { figures: figures(20.0), faults };
        let text = run(1, &Run { published: published.clone(), ordered: None, inbound: None });
        assert!(text.starts_with("run 1\n  accepted       20/s\n"), "{text}");
        assert!(text.contains("20/s, 0.200 of direct 100/s") && text.ends_with("503, 2 refused\n"), "{text}");
        assert!(!text.contains("RSS"), "{text}");
        let inbound = Figures { cpu_ratio_to_published: Some(1.2), ..figures(24.0) };
        let inbound = Part { figures: inbound, faults: Faults::default() };
        let ordered = Figures { cpu_ratio_to_published: Some(1.1), ..figures(22.0) };
        let ordered = Part { figures: ordered, faults: Faults::default() };
        let text = run(2, &Run { published, ordered: Some(ordered), inbound: Some(inbound) });
        assert!(text.contains("\nrun 2, ordered\n  accepted       22/s\n") && text.contains("1.100 of"), "{text}");
        assert!(text.contains("\nrun 2, inbound\n  accepted       24/s\n"), "{text}");
        assert!(text.contains("24.0 µs CPU a delivery, 1.200 of a published one\n"), "{text}");
    }
}
