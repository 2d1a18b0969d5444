//! Turns records into lines and tables: best of the rounds, and whether it can be quoted.

use crate::compare::comparison::{Record, Settings};
use crate::compare::servers::Server;
use crate::compare::workloads::Workload;
use crate::load::Kind;
use crate::run::Run;
use std::fmt::Write;

/// A best that no other round comes near is an accident.
const SCATTER_MAX: f64 = 0.10;

/// Others may have had a core for so much of the time. A scheduler's own threads take less.
const DISTURBED_MAX: f64 = 0.03;

/// A load that runs more than this says how fast the load is, not the server.
const SATURATED_SHARE: f64 = 0.95;

/// A server's best round under one workload.
#[derive(Debug, Clone, Copy)]
pub struct Best<'a> {
    /// What is compared: µs per message, or bytes per idle connection.
    pub figure: f64,
    /// How much more the second best round has; `None` with one round.
    pub scatter: Option<f64>,
    /// The whole of the best round.
    pub run: &'a Run,
}

impl Best<'_> {
    /// Whether another round agrees, and nothing else ran.
    pub fn is_quotable(&self) -> bool {
        self.scatter.is_none_or(|scatter| scatter <= SCATTER_MAX) && self.run.disturbed_share <= DISTURBED_MAX
    }
}

/// The best of the rounds, if one succeeded.
pub fn best<'a>(records: &'a [Record], workload: &Workload, server: &str) -> Option<Best<'a>> {
    let of_both = records.iter().filter(|record| record.workload == workload.name && record.server == server);
    let mut runs: Vec<(f64, &Run)> =
        of_both.filter_map(|record| record.run.as_ref()).map(|run| (figure(run), run)).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let &(figure, run) = runs.first()?;
    let scatter = runs.get(1).map(|second| second.0 / figure - 1.0);
    Some(Best { figure, scatter, run })
}

fn figure(run: &Run) -> f64 {
    run.bytes_per_connection.unwrap_or(run.cpu_us_per_message)
}

/// How a record is shown while the comparison runs.
pub fn line(record: &Record) -> String {
    let begin = format!("{} {:16} {:15}", record.round, record.workload, record.server);
    match (&record.run, &record.error) {
        (Some(run), _) => match run.bytes_per_connection {
            Some(bytes) => format!("{begin} {bytes:10.0} B each"),
            None => format!(
                "{begin} {:10.3} µs, {:.0} a second, load at {:.0} %",
                run.cpu_us_per_message,
                run.messages as f64 / run.seconds,
                run.load_share * 100.0
            ),
        },
        (None, error) => format!("{begin} failed: {}", error.as_deref().unwrap_or_default()),
    }
}

/// All tables, below a line that says where and when.
pub fn markdown(heading: &str, settings: &Settings, records: &[Record], remarks: &[String]) -> String {
    let mut text = format!("# Comparison\n\n{heading}\n\n");
    text += &summary(settings, records);
    for workload in &settings.workloads {
        text += &details(settings, records, workload);
    }
    let mut remarks = remarks.to_vec();
    let disturbed = |run: &&Run| run.disturbed_share > DISTURBED_MAX;
    let count = records.iter().filter_map(|record| record.run.as_ref()).filter(disturbed).count();
    if count > 0 {
        remarks.push(format!("{count} of {} runs were disturbed: something else ran on their core.", records.len()));
    }
    remarks.extend(records.iter().filter_map(|record| {
        let error = record.error.as_ref()?;
        Some(format!("Round {}, {}, {}: {error}", record.round, record.workload, record.server))
    }));
    if !remarks.is_empty() {
        text += "\n## Remarks\n\n";
        for remark in remarks {
            let _ = writeln!(text, "* {}", remark.replace('\n', " "));
        }
    }
    text
}

/// Everything as a ratio to the first server.
fn summary(settings: &Settings, records: &[Record]) -> String {
    let Some((floor, others)) = settings.servers.split_first() else { return String::new() };
    let mut text = format!(
        "Server CPU per message (bytes per idle connection): for {0} as it is, for the others as a ratio to {0}, best of \
         the rounds.\n~ marks what is too noisy to quote: the second best round misses the best by over 10 %, or something \
         else ran for over 3 % of its time.\n\n",
        floor.name
    );
    text += &format!("| workload | {} |", floor.name);
    for server in others {
        let _ = write!(text, " {} |", server.name);
    }
    text += "\n|---|---|";
    text += &"---|".repeat(others.len());
    for workload in &settings.workloads {
        let base = best(records, workload, floor.name);
        let _ = write!(text, "\n| {} | {} |", workload.meaning, shown(workload, base));
        for server in others {
            let _ = write!(text, " {} |", ratio(best(records, workload, server.name), base));
        }
    }
    text + "\n"
}

fn details(settings: &Settings, records: &[Record], workload: &Workload) -> String {
    let mut text = format!("\n## {}: {}\n\n", workload.name, workload.meaning);
    text += "| server | CPU each | second best | to the first |";
    let ours: Vec<&Server> = settings.servers.iter().copied().filter(|server| server.is_ours()).collect();
    for server in &ours {
        let _ = write!(text, " to {} |", server.name);
    }
    text += " each second | p50 | p99 | p99.9 | calls each | waits each | PSS | load |\n|---|---|---|---|";
    text += &"---|".repeat(ours.len() + 8);
    text += "\n";
    let floor = settings.servers.first().and_then(|server| best(records, workload, server.name));
    for server in &settings.servers {
        let Some(found) = best(records, workload, server.name) else { continue };
        let scatter = found.scatter.map_or("–".to_owned(), |scatter| format!("+{:.0} %", scatter * 100.0));
        let figure = shown(workload, Some(found));
        let _ = write!(text, "| {} | {figure} | {scatter} | {} |", server.name, ratio(Some(found), floor));
        for other in &ours {
            let _ = write!(text, " {} |", ratio(Some(found), best(records, workload, other.name)));
        }
        let _ = writeln!(text, "{}", rest(found.run));
    }
    text
}

/// The columns that are not compared.
fn rest(run: &Run) -> String {
    let latency = run.latency.map_or(" – | – | – |".to_owned(), |latency| {
        format!(" {:.0} µs | {:.0} µs | {:.0} µs |", latency.p50_us, latency.p99_us, latency.p999_us)
    });
    let calls = run.calls_per_message.map_or("–".to_owned(), |calls| format!("{calls:.3}"));
    let rate = match run.seconds > 0.0 {
        true => format!("{:.0}", run.messages as f64 / run.seconds),
        false => "–".to_owned(),
    };
    let mark = if run.load_share > SATURATED_SHARE { " (saturated)" } else { "" };
    let megabytes = run.pss_bytes as f64 / f64::from(1 << 20);
    let (waits, load) = (run.waits_per_message, run.load_share * 100.0);
    format!(" {rate} |{latency} {calls} | {waits:.3} | {megabytes:.1} MB | {load:.0} %{mark} |")
}

fn shown(workload: &Workload, best: Option<Best<'_>>) -> String {
    let Some(best) = best else { return "–".to_owned() };
    let mark = if best.is_quotable() { "" } else { " ~" };
    match workload.kind {
        Kind::Idle => format!("{:.0} B", best.figure),
        _ if best.figure < 10.0 => format!("{:.3} µs{mark}", best.figure),
        _ => format!("{:.1} µs{mark}", best.figure),
    }
}

fn ratio(best: Option<Best<'_>>, base: Option<Best<'_>>) -> String {
    match (best, base) {
        (Some(best), Some(base)) if base.figure > 0.0 => {
            let mark = if best.is_quotable() && base.is_quotable() { "" } else { " ~" };
            format!("{:.2}{mark}", best.figure / base.figure)
        }
        _ => "–".to_owned(),
    }
}
