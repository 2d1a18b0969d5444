//! The log of a program: lines on standard error.

use std::io::{self, IsTerminal};
use tracing_subscriber::filter::LevelFilter;

/// Prints what the server says from here on, from `info` up.
pub fn to_standard_error() {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_target(false)
        // Colours are for people.
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}
