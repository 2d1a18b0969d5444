//! The load generator: one run against one server, and a line of JSON that says what came of it.

#![forbid(unsafe_code)]

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use wirewool_bench::load::{Kind, Load};
use wirewool_bench::machine;

/// Puts a load on a server, checks its answers, and measures both.
#[derive(Parser)]
struct Arguments {
    /// What is done to the server.
    #[arg(value_enum)]
    kind: Kind,
    /// The server's port, at 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The server's first process, whose time and memory are measured together with that of its descendants.
    #[arg(long)]
    pid: u32,
    /// How many connections: those that receive in `broadcast`, those at once in `handshake`.
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// How long a message is, in bytes.
    #[arg(long, default_value_t = 20)]
    size: usize,
    /// How many messages of one connection may be on their way.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// How long it measures.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How long it runs before that.
    #[arg(long, default_value_t = 0.3)]
    warm_up_seconds: f64,
    /// The core to run on; any, if not given.
    #[arg(long)]
    core: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(line) => {
            let _ = writeln!(io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            let _ = writeln!(io::stderr(), "{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, String> {
    if arguments.connections == 0 || arguments.in_flight == 0 || arguments.size == 0 {
        return Err("no connections, nothing in flight, or empty messages: there is nothing to measure".to_owned());
    }
    if let Some(core) = arguments.core {
        machine::pin(core).map_err(|error| format!("core {core}: {error}"))?;
    }
    machine::raise_descriptor_limit();
    let load = Load {
        kind: arguments.kind,
        port: arguments.port,
        pid: arguments.pid,
        connections: arguments.connections,
        size: arguments.size,
        in_flight: arguments.in_flight,
        warm_up: Duration::from_secs_f64(arguments.warm_up_seconds),
        time: Duration::from_secs_f64(arguments.seconds),
    };
    let run = load.run()?;
    serde_json::to_string(&run).map_err(|error| error.to_string())
}
