//! `peers tungstenite serve`, `peers yawc drive ws://127.0.0.1:9501/ SEED COUNT`: an echo server, or a driver of one.

#![forbid(unsafe_code)]

use clap::{Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;
use std::{io, process, thread};
use wirewool_peers::plan::Plan;
use wirewool_peers::{Failure, with_tungstenite, with_wirewool, with_yawc};

const DRIVE_SECONDS_MAX: u64 = 50;

#[derive(Parser)]
#[command(about = "WebSocket implementations, ours and those that others wrote")]
struct Arguments {
    /// The implementation.
    #[arg(value_enum)]
    peer: Peer,
    #[command(subcommand)]
    role: Role,
}

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    Tungstenite,
    Wirewool,
    Yawc,
}

#[derive(Subcommand)]
enum Role {
    /// Sends every message back, in random fragments.
    Serve {
        /// The port to listen on; 0 takes a free one.
        #[arg(default_value_t = 0)]
        port: u16,
        /// Where the fragments come from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Sends random messages and checks that they come back.
    Drive {
        /// The echo server, as ws://host:port/path.
        url: String,
        /// Where the messages come from.
        seed: u64,
        /// How many.
        count: usize,
        /// Ask for permessage-deflate, and fail if the server has none.
        #[arg(long)]
        deflate: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { peer, role } = Arguments::parse();
    let done = match role {
        Role::Serve { port, seed } => serve(peer, port, seed),
        Role::Drive { url, seed, count, deflate } => drive(peer, &url, Plan::new(seed, count), deflate),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(io::stderr(), &failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(peer: Peer, port: u16, seed: u64) -> Result<(), Failure> {
    if matches!(peer, Peer::Wirewool) {
        let (server, address) = with_wirewool::listen(port, seed)?;
        tell(io::stdout(), &format!("listening on {address}"));
        return Ok(server.start()?);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    tell(io::stdout(), &format!("listening on {}", listener.local_addr()?));
    match peer {
        Peer::Yawc => with_yawc::serve(listener, seed),
        _ => with_tungstenite::serve(&listener, seed),
    }
}

fn drive(peer: Peer, url: &str, plan: Plan, deflate: bool) -> Result<(), Failure> {
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(DRIVE_SECONDS_MAX));
        tell(io::stderr(), &format!("not done after {DRIVE_SECONDS_MAX} s"));
        process::exit(1);
    });
    let line = match peer {
        Peer::Tungstenite if deflate => return Err("tungstenite cannot compress".into()),
        Peer::Tungstenite => with_tungstenite::drive(url, plan)?,
        Peer::Wirewool => with_wirewool::drive(url, plan, deflate)?,
        Peer::Yawc => with_yawc::drive(url, plan, deflate)?,
    };
    tell(io::stdout(), &line);
    Ok(())
}

/// One line; whoever should read it may be gone.
fn tell(mut to: impl Write, line: &str) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}
