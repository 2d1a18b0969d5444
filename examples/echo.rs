//! Sends every message back: `cargo run --release --example echo -- --port 9501 --mode base --workers 2`.

use clap::Parser;
use std::process::ExitCode;
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;

/// Echoes text and binary messages of up to 64 MiB unchanged.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
}

fn main() -> ExitCode {
    log::to_standard_error();
    let mut arguments = Arguments::parse().server;
    arguments.message_bytes_max = 64 << 20;
    arguments.outbox_bytes_max = 256 << 20;
    let server = arguments.server().on_message(|server, frame| server.push(frame.fd, frame));
    match server.start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
