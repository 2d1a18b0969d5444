//! The counts as they are kept in the repository: a compiler, and a line for each path.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Counts by path.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// What compiled the paths: another compiler counts differently.
    pub(crate) compiler: String,
    rows: Vec<(String, u64)>,
}

const HEADER: &str = "path,instructions";

impl Table {
    pub(crate) fn of_this_compiler() -> Result<Table, String> {
        let output = Command::new("rustc").arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
        Ok(Table { compiler: String::from_utf8_lossy(&output.stdout).trim().to_owned(), rows: Vec::new() })
    }

    pub(crate) fn read(file: &Path) -> Result<Table, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut table = Table::default();
        for line in text.lines().filter(|line| *line != HEADER) {
            if let Some(compiler) = line.strip_prefix("# ") {
                compiler.clone_into(&mut table.compiler);
                continue;
            }
            let row = line.split_once(',').and_then(|(path, count)| Some((path.to_owned(), count.parse().ok()?)));
            table.rows.push(row.ok_or_else(|| format!("{}: {line:?} is not {HEADER}", file.display()))?);
        }
        Ok(table)
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        let mut text = format!("# {}\n{HEADER}\n", self.compiler);
        for (path, count) in &self.rows {
            writeln!(text, "{path},{count}").expect("a string takes everything");
        }
        fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(crate) fn count(&self, path: &str) -> Option<u64> {
        self.rows.iter().find(|(name, _)| name == path).map(|(_, count)| *count)
    }

    pub(crate) fn push(&mut self, path: &str, count: u64) {
        self.rows.push((path.to_owned(), count));
    }
}
