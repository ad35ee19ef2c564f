//! What the demo shows: events that stay, and a small table that is drawn anew below them; lines where nobody looks on.

use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Calls from which a tracer's cost per call is shown. With fewer it is that of loading and of empty flushes, divided by
/// next to nothing.
const TELLING: u64 = 100;

/// A terminal, or a log.
pub(crate) struct Screen {
    out: Box<dyn Write>,
    live: bool,
    drawn: usize,
}

/// One tracer at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) tracer: String,
    pub(crate) state: String,
    pub(crate) generation: String,
    pub(crate) calls: u64,
    pub(crate) ns_per_call: Option<f64>,
}

/// The load at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) second: u64,
    pub(crate) rpcs_per_second: f64,
    pub(crate) failed: u64,
}

impl Screen {
    /// On stdout, or on stderr where stdout is for JSON.
    pub(crate) fn new(json: bool) -> Self {
        match json {
            true => Self { live: std::io::stderr().is_terminal(), out: Box::new(std::io::stderr()), drawn: 0 },
            false => Self { live: std::io::stdout().is_terminal(), out: Box::new(std::io::stdout()), drawn: 0 },
        }
    }

    /// A line that stays.
    pub(crate) fn event(&mut self, line: impl std::fmt::Display) {
        self.write(&format!("{line}\n"), 0);
    }

    /// The table, in place of the last one.
    pub(crate) fn table(&mut self, load: Load, rows: &[Row]) {
        if self.live {
            let table = table(load, rows);
            let height = table.lines().count();
            self.write(&table, height);
        } else {
            self.write(&line(load, rows), 0);
        }
    }

    fn write(&mut self, text: &str, height: usize) {
        let mut whole = String::new();
        if self.drawn > 0 {
            // Up over the last table, and clear to the end of the screen.
            whole.push_str(&format!("\x1b[{}A\x1b[J", self.drawn));
        }
        whole.push_str(text);
        self.drawn = height;
        // A reader that went away ends nothing: the counts are still worth checking.
        drop(self.out.write_all(whole.as_bytes()).and_then(|()| self.out.flush()));
    }
}

fn table(load: Load, rows: &[Row]) -> String {
    let Load { second, rpcs_per_second, failed } = load;
    let mut text = format!("\n  {second:>4} s   {rpcs_per_second:>7.0} RPC/s   {failed} failed that should not have\n");
    if rows.is_empty() {
        text.push_str("  the plugin dir is empty\n");
        return text;
    }
    text.push_str(&format!(
        "  {:<16} {:<12} {:<10} {:>10} {:>9}\n",
        "TRACER", "STATE", "GENERATION", "CALLS", "NS/CALL"
    ));
    for row in rows {
        text.push_str(&format!(
            "  {:<16} {:<12} {:<10} {:>10} {:>9}\n",
            row.tracer,
            row.state,
            short(&row.generation),
            row.calls,
            nanoseconds(row)
        ));
    }
    text
}

fn line(load: Load, rows: &[Row]) -> String {
    let Load { second, rpcs_per_second, failed } = load;
    let mut text = format!("{second:>4} s  {rpcs_per_second:>6.0} RPC/s  {failed} failed");
    for row in rows {
        text.push_str(&format!(
            "  | {} {} {} {} {} {} ns/call",
            row.tracer,
            row.state,
            short(&row.generation),
            row.calls,
            if row.calls == 1 { "call" } else { "calls" },
            nanoseconds(row)
        ));
    }
    text.push('\n');
    text
}

/// As much of a generation as tells it from another.
pub(crate) fn short(generation: &str) -> &str {
    generation.get(..8).unwrap_or(generation)
}

fn nanoseconds(row: &Row) -> String {
    let ns_per_call = row.ns_per_call.filter(|_| row.calls >= TELLING);
    ns_per_call.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}"))
}

/// A duration as people read it: `8.1 s`, `2 min 05 s`.
pub(super) fn human(took: Duration) -> String {
    match took.as_secs() {
        0..60 => format!("{:.1} s", took.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(human(Duration::from_millis(8_140)), "8.1 s");
        assert_eq!(human(Duration::from_secs(125)), "2 min 05 s");
    }

    const LOAD: Load = Load { second: 3, rpcs_per_second: 1999.6, failed: 0 };

    fn rows() -> Vec<Row> {
        vec![Row {
            tracer: "red-metrics".into(),
            state: "live".into(),
            generation: "3fa1c0de77aa".into(),
            calls: 5_996,
            ns_per_call: Some(21.4),
        }]
    }

    #[test]
    fn a_log_gets_one_line_a_moment() {
        let expected = "   3 s    2000 RPC/s  0 failed  | red-metrics live 3fa1c0de 5996 calls 21 ns/call\n";
        assert_eq!(line(LOAD, &rows()), expected);
        let one = Row { calls: 1, ns_per_call: Some(782_212.0), ..rows().remove(0) };
        let expected = "   3 s    2000 RPC/s  0 failed  | red-metrics live 3fa1c0de 1 call - ns/call\n";
        assert_eq!(line(LOAD, &[one]), expected, "one call has no cost to speak of");
    }

    #[test]
    fn a_terminal_gets_a_table_whose_columns_stand_below_their_heads() {
        let table = table(LOAD, &rows());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2].find("CALLS").map(|at| at + 5), lines[3].find("5996").map(|at| at + 4));
        assert_eq!(lines[2].len(), lines[3].len());
    }
}
