//! A peer: tokio-tungstenite.

#![forbid(unsafe_code)]

use clap::Parser;
use std::io;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use wirewool_bench_peers::{Arguments, broadcast, echo, everybody, serve};

fn is_data(message: &Message) -> bool {
    message.is_binary() || message.is_text()
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let all = arguments.broadcast.then(everybody);
    serve(&arguments, |stream| {
        let all = all.clone();
        async move {
            let Ok(socket) = accept_async(stream).await else { return };
            match all {
                Some(all) => broadcast(socket, is_data, all).await,
                None => echo(socket, is_data).await,
            }
        }
    })
}
