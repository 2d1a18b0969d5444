//! Counts the processor's instructions on the hot paths, under valgrind, and compares them with what they were.
//!
//! The hub runs on a wire that swallows everything, so that no kernel and no timing takes part: a count is the same on
//! every run, and a change of a few per cent is seen that a clock would never show.
#![forbid(unsafe_code)]

mod path;
mod table;

use crate::path::{PATHS, Path};
use crate::table::Table;
use clap::{Parser, Subcommand};
use std::process::{Command, ExitCode};

/// How often a path is walked in the shorter of its two runs.
const ROUNDS: u64 = 100;

/// A count may differ so much from the table's, in per cent.
const TOLERANCE: f64 = 2.0;

#[derive(Parser)]
#[command(about = "Counts instructions on the hot paths")]
struct Program {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Walks one path so many times; what valgrind is run on.
    Walk { path: String, rounds: u64 },
    /// Counts all paths and compares them with the table.
    Compare {
        /// The table: path, instructions.
        table: std::path::PathBuf,
        /// Write it anew instead.
        #[arg(long)]
        update: bool,
    },
}

fn main() -> ExitCode {
    let result = match Program::parse().job {
        Job::Walk { path, rounds } => walk(&path, rounds),
        Job::Compare { table, update } => compare(&table, update),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "to print is what this program is for")]
fn report(line: &str) {
    println!("{line}");
}

fn walk(name: &str, rounds: u64) -> Result<(), String> {
    let path = PATHS.iter().find(|path| path.name == name).ok_or_else(|| format!("there is no path {name:?}"))?;
    let mut ground = (path.prepare)();
    for _ in 0..rounds {
        (path.walk)(&mut ground);
    }
    Ok(())
}

fn compare(file: &std::path::Path, update: bool) -> Result<(), String> {
    let before = if update { Table::default() } else { Table::read(file)? };
    let mut now = Table::of_this_compiler()?;
    let mut wrong = Vec::new();
    report("path              instructions    before   change");
    for path in PATHS {
        let count = count(path)?;
        now.push(path.name, count);
        let Some(was) = before.count(path.name) else {
            report(&format!("{:<16} {count:>13}         -        -", path.name));
            wrong.push(format!("{} is not in the table", path.name));
            continue;
        };
        let change = (count as f64 / was as f64 - 1.0) * 100.0;
        report(&format!("{:<16} {count:>13} {was:>9} {change:>+7.2} %", path.name));
        if change.abs() > TOLERANCE {
            wrong.push(format!("{} took {was} instructions and takes {count}, {change:+.1} %", path.name));
        }
    }
    if update {
        return now.write(file);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    if before.compiler != now.compiler {
        wrong.push(format!("(the table was made by {}, this is {})", before.compiler, now.compiler));
    }
    wrong.push(format!("more than {TOLERANCE} % either way: if that is meant, `make instructions UPDATE=1`"));
    Err(wrong.join("\n"))
}

/// The instructions of one walk: those of three times as many walks, less those of some, so that what prepares them
/// does not count.
fn count(path: &Path) -> Result<u64, String> {
    let (few, many) = (total(path, ROUNDS)?, total(path, 3 * ROUNDS)?);
    Ok((many - few) / (2 * ROUNDS) / path.messages)
}

fn total(path: &Path, rounds: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["walk", path.name, &rounds.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.split("Collected : ").nth(1).and_then(|rest| rest.split_whitespace().next());
    match collected.and_then(|number| number.parse().ok()) {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("valgrind gave no count for {}:\n{text}", path.name)),
    }
}
