//! A peer: yawc, behind hyper.

#![forbid(unsafe_code)]

use clap::Parser;
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use tokio::sync::broadcast::Sender;
use wirewool_bench_peers::{Arguments, broadcast, echo, everybody, serve};
use yawc::{CompressionLevel, Frame, OpCode, Options, WebSocket, WebSocketError};

/// Above the longest message of any workload.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut options = Options::default().with_limits(MESSAGE_BYTES_MAX, 2 * MESSAGE_BYTES_MAX).without_compression();
    if arguments.deflate {
        options = options.with_compression_level(CompressionLevel::fast());
        options = options.server_no_context_takeover().client_no_context_takeover();
    }
    let all = arguments.broadcast.then(everybody);
    serve(&arguments, |stream| {
        let (options, all) = (options.clone(), all.clone());
        let upgrade = service_fn(move |request| upgrade(request, options.clone(), all.clone()));
        async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), upgrade).with_upgrades().await;
        }
    })
}

async fn upgrade(
    mut request: Request<Incoming>,
    options: Options,
    all: Option<Sender<Frame>>,
) -> Result<Response<http_body_util::Empty<hyper::body::Bytes>>, WebSocketError> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async move {
        let Ok(socket) = upgraded.await else { return };
        let socket = socket.map(Ok::<Frame, Infallible>);
        match all {
            Some(all) => broadcast(socket, is_data, all).await,
            None => echo(socket, is_data).await,
        }
    });
    Ok(response)
}
