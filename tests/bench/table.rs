//! The table of figures, for a terminal and as a page.

use std::fmt;

use anyhow::Result;

/// One measured figure.
#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    goal: String,
}

/// All figures, in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a figure, and says at once that it is there: a benchmark takes minutes.
    pub(crate) fn add(&mut self, what: impl Into<String>, figure: impl Into<String>, goal: impl Into<String>) {
        let row = Row { what: what.into(), figure: figure.into(), goal: goal.into() };
        eprintln!("{}: {}", row.what, row.figure);
        self.0.push(row);
    }

    /// The table as a Markdown page that says where it was measured.
    pub(crate) fn page(&self) -> Result<String> {
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
        let cores = cpu_info.lines().filter(|line| line.starts_with("processor")).count();
        Ok(format!(
            "# Benchmarks\n\nWritten by `make bench` on {cores} cores of {}, with the release profile. CPU seconds are the server's \
             own. Goals are the project's budgets; those of questions are worked on separately.\n\n{self}",
            model.trim_start_matches([' ', '\t', ':']),
        ))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |pick: fn(&Row) -> &str, title: &str| {
            self.0.iter().map(|row| pick(row).chars().count()).max().unwrap_or(0).max(title.len())
        };
        let (what, figure, goal) =
            (width(|r| &r.what, "what"), width(|r| &r.figure, "measured"), width(|r| &r.goal, "goal"));
        writeln!(f, "| {:what$} | {:figure$} | {:goal$} |", "what", "measured", "goal")?;
        writeln!(f, "|{:-<1$}|{2:-<3$}|{4:-<5$}|", "", what + 2, "", figure + 2, "", goal + 2)?;
        for row in &self.0 {
            writeln!(f, "| {:what$} | {:figure$} | {:goal$} |", row.what, row.figure, row.goal)?;
        }
        Ok(())
    }
}
