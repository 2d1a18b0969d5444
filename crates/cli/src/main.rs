//! `wirewool`: a ready-made server, to try a client, a proxy or a machine against.

#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;

#[derive(Parser)]
#[command(version, about = "A WebSocket server, to try a client, a proxy or a machine against")]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends every message back to where it came from.
    Echo(ServerArguments),
}

fn main() -> ExitCode {
    let Program { command: Command::Echo(arguments) } = Program::parse();
    log::to_standard_error();
    let server = arguments.server().on_message(|server, frame| server.push(frame.fd, frame));
    match server.start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
