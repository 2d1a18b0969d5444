//! The least server: `floor --port 9501`, until it is killed.

#![forbid(unsafe_code)]

use clap::Parser;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use wirewool_bench::floor::codec::{Codec, LEVEL};
use wirewool_bench::floor::{Floor, Work};
use wirewool_bench::machine;

/// Echoes, with as little as that takes.
#[derive(Parser)]
struct Arguments {
    /// The port to listen on, at 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// Send every message to everybody instead.
    #[arg(long, conflicts_with = "deflate")]
    broadcast: bool,
    /// Inflate every message and deflate it again.
    #[arg(long)]
    deflate: bool,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    machine::raise_descriptor_limit();
    let work = match (arguments.broadcast, arguments.deflate) {
        (true, _) => Work::Broadcast,
        (_, true) => Work::Deflate(Box::new(Codec::new(LEVEL))),
        _ => Work::Echo,
    };
    Floor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)), work)?.serve()
}
