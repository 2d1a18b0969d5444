//! Sends back what each of these servers sends, until it closes: `cargo run --release --example echo_client -- --deflate
//! ws://127.0.0.1:9501/`.

use clap::Parser;
use std::process::ExitCode;
use wirewool_cli::log;
use wirewool_client::{Compression, Connect, Error, Outgoing, Received};

/// Echoes text and binary messages of up to 64 MiB unchanged, one server after the other.
#[derive(Parser)]
struct Arguments {
    /// Offer permessage-deflate, and compress what came compressed.
    #[arg(long)]
    deflate: bool,
    /// ws://host:port/path
    #[arg(required = true)]
    urls: Vec<String>,
}

fn main() -> ExitCode {
    log::to_standard_error();
    let arguments = Arguments::parse();
    let mut code = ExitCode::SUCCESS;
    for url in &arguments.urls {
        let mut connect = Connect::to(url).message_bytes_max(64 << 20);
        if arguments.deflate {
            let takeover =
                Compression { server_context_takeover: true, client_context_takeover: true, ..Compression::default() };
            connect = connect.compression(takeover);
        }
        match echo(connect) {
            Ok(count) => tracing::info!("{url}: {count} messages"),
            // What ends one connection says nothing about the next.
            Err(error @ (Error::Violation(_) | Error::Ended)) => tracing::warn!("{url}: {error}"),
            Err(error) => {
                tracing::error!("{url}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// How many messages there were.
fn echo(connect: Connect) -> Result<u64, Error> {
    let mut client = connect.open()?;
    let mut count = 0;
    loop {
        match client.receive()? {
            Received::Message { kind, payload, compressed } => {
                client.send(Outgoing { kind, compress: compressed, ..Outgoing::binary(&payload) })?;
                count += 1;
            }
            Received::Ping(_) | Received::Pong(_) => {}
            Received::Closed { .. } => return Ok(count),
        }
    }
}
