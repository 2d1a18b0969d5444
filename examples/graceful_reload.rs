//! Replaces its workers, or itself, and goes on serving: `cargo run --example graceful_reload -- --pid-file /tmp/chat.pid`.
//!
//! * `kill -USR1 $(cat /tmp/chat.pid)`, or the message "reload": each worker is replaced by a fresh process. No connection
//!   notices: they are the master's, and what the old worker has not begun goes to the new one.
//! * A new version: start it beside the old one, with a pid file of its own, then `kill $(cat /tmp/chat.pid)`. Both listen
//!   on the port meanwhile; connections of the old one are closed with 1001, and whoever reconnects comes to the new one.

use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;
use wirewool_engine::tcp::Tcp;
use wirewool_engine::{Frame, Mode, Refused, Server};

/// Says which process has answered.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
}

fn main() -> ExitCode {
    log::to_standard_error();
    let server = Arguments::parse().server.server().mode(Mode::Process);
    let server = server.tcp(Tcp { reuse_port: true, ..Tcp::default() });
    // A worker may take that long for what it has begun.
    match server.max_wait_time(Duration::from_secs(10)).on_message(answer).start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(server: &Server, frame: Frame<'_>) -> Result<(), Refused> {
    if frame.text() == Some("reload") {
        let begins = server.reload();
        return server
            .push(frame.fd, if begins { "the workers are replaced" } else { "they are being replaced already" });
    }
    server.push(frame.fd, &format!("worker {}", std::process::id()))
}
