//! Reports: the grades as a table, as JSON, as JUnit.

use serde::Serialize;

use super::point::{Grade, Mark};

/// How wide the sentences of the table are, in characters.
const SENTENCE_CHARS: usize = 84;

/// All grades of a receiver.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whose events it was sent.
    pub provider: &'static str,
    /// The grades, in the order of the points.
    pub points: Vec<Grade>,
    /// How many it passed.
    pub passed: usize,
    /// How many it failed.
    pub failed: usize,
}

impl Report {
    /// Counts.
    pub fn new(provider: &'static str, points: Vec<Grade>) -> Self {
        let count = |mark| points.iter().filter(|grade| grade.result == mark).count();
        let (passed, failed) = (count(Mark::Pass), count(Mark::Fail));
        Self { provider, points, passed, failed }
    }

    /// The table; with `colour` the marks are green, red and grey.
    pub fn table(&self, colour: bool) -> String {
        let line = |left: &str, middle: &str, right: &str| {
            format!("{left}{0}{middle}{1}{right}\n", "─".repeat(23), "─".repeat(SENTENCE_CHARS + 2))
        };
        let mut rows = vec![line("┌", "┬", "┐")];
        for (number, grade) in self.points.iter().enumerate() {
            rows.extend((number > 0).then(|| line("├", "┼", "┤")));
            let (sign, paint) = match grade.result {
                Mark::Pass => ('✔', "32"),
                Mark::Fail => ('✘', "31"),
                Mark::Skipped => ('–', "90"),
            };
            for (row, sentence) in wrapped(&grade.detail).into_iter().enumerate() {
                let name = if row == 0 { format!("{sign} {}", grade.id) } else { String::new() };
                let name = format!("{name:<21}");
                let name = if colour { format!("\u{1b}[{paint}m{name}\u{1b}[0m") } else { name };
                rows.push(format!("│ {name} │ {sentence:<SENTENCE_CHARS$} │\n"));
            }
        }
        rows.push(line("└", "┴", "┘"));
        let Self { provider, passed, failed, .. } = self;
        rows.push(format!("{provider}: {passed} passed, {failed} failed, {} skipped\n", self.skipped()));
        rows.concat()
    }

    fn skipped(&self) -> usize {
        self.points.len() - self.passed - self.failed
    }

    /// The grades as JUnit's XML, for CI.
    pub fn junit(&self) -> String {
        let Self { provider, points, failed, .. } = self;
        let case = |grade: &Grade| {
            let detail = escaped(&grade.detail);
            let inside = match grade.result {
                Mark::Pass => format!("<system-out>{detail}</system-out>"),
                Mark::Fail => format!("<failure message=\"{detail}\"/>"),
                Mark::Skipped => format!("<skipped message=\"{detail}\"/>"),
            };
            format!("  <testcase classname=\"{provider}\" name=\"{}\">{inside}</testcase>\n", grade.id)
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"posthaste rehearse {provider}\" \
             tests=\"{}\" failures=\"{failed}\" skipped=\"{}\">\n{}</testsuite>\n",
            points.len(),
            self.skipped(),
            points.iter().map(case).collect::<Vec<_>>().concat()
        )
    }
}

/// A sentence in lines that fit the table.
fn wrapped(sentence: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let line = lines.last_mut().expect("begun with one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > SENTENCE_CHARS {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let grade = |id, result, detail: &str| Grade { id, result, detail: detail.to_owned() };
        let points = vec![
            grade("ack", Mark::Pass, "a signed a.b was answered 200"),
            grade("stale", Mark::Fail, "it said \"200\" & <took> it"),
            grade("duplicate", Mark::Skipped, &"long words ".repeat(20)),
        ];
        Report::new("fintoc", points)
    }

    #[test]
    fn every_line_of_the_table_is_as_wide_as_the_others() {
        let table = report().table(false);
        let widths: std::collections::BTreeSet<_> =
            table.lines().filter(|line| !line.starts_with("fintoc")).map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "{table}");
        assert!(table.ends_with("fintoc: 1 passed, 1 failed, 1 skipped\n"));
    }

    #[test]
    fn junit_is_escaped_and_counts() {
        let junit = report().junit();
        assert!(junit.contains(r#"tests="3" failures="1" skipped="1""#));
        assert!(junit.contains("it said &quot;200&quot; &amp; &lt;took&gt; it"));
    }
}
