//! A peer: fastwebsockets, behind hyper. It writes each message at once: it has no way to gather them.

#![forbid(unsafe_code)]

use clap::Parser;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use wirewool_bench_peers::{Arguments, serve};

fn main() -> io::Result<()> {
    serve(&Arguments::parse(), |stream| async move {
        let io = TokioIo::new(stream);
        let _ = http1::Builder::new().serve_connection(io, service_fn(answer)).with_upgrades().await;
    })
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade(&mut request)?;
    tokio::spawn(async move { tokio::task::unconstrained(echo(upgraded)).await });
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
