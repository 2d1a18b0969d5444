//! What the peers have in common: one thread of tokio, no Nagle's delay, and writes in batches where the library can.
#![forbid(unsafe_code)]

use clap::Parser;
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, Receiver, Sender};

/// So many answers are gathered before they are sent, if so many requests are there already.
const BATCH_MAX: usize = 32;

/// So many messages may wait for a receiver: many more than the load has on their way.
const BACKLOG_MAX: usize = 1024;

/// A WebSocket server of another library.
#[derive(Debug, Clone, Parser)]
pub struct Arguments {
    /// The port to listen on, at 127.0.0.1.
    #[arg(long)]
    pub port: u16,
    /// Send every message to everybody, instead of back.
    #[arg(long)]
    pub broadcast: bool,
    /// Agree on compression, without kept contexts.
    #[arg(long)]
    pub deflate: bool,
}

/// Accepts connections until the process is killed; each becomes a task.
///
/// # Errors
/// There is no such port, or it is taken.
pub fn serve<F>(arguments: &Arguments, connection: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            if stream.set_nodelay(true).is_ok() {
                tokio::spawn(connection(stream));
            }
        }
    })
}

/// Everybody that messages are to be sent to.
pub fn everybody<M: Clone>() -> Sender<M> {
    broadcast::channel(BACKLOG_MAX).0
}

/// Sends messages back, those that came together in one batch.
pub async fn echo<M, E, S>(mut socket: S, is_data: fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    while let Some(Ok(first)) = socket.next().await {
        let mut next = Some(first);
        for _ in 0..BATCH_MAX {
            let Some(message) = next.take() else { break };
            if is_data(&message) && socket.feed(message).await.is_err() {
                return;
            }
            // What is there already, without waiting for more.
            next = socket.next().now_or_never().flatten().and_then(Result::ok);
        }
        if let Some(message) = next
            && is_data(&message)
            && socket.feed(message).await.is_err()
        {
            return;
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// Sends messages to everybody, those that came together in one batch.
pub async fn broadcast<M, E, S>(mut socket: S, is_data: fn(&M) -> bool, everybody: Sender<M>)
where
    M: Clone,
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    let mut messages = everybody.subscribe();
    loop {
        tokio::select! {
            came = socket.next() => match came {
                Some(Ok(message)) if is_data(&message) => drop(everybody.send(message)),
                Some(Ok(_)) => {}
                _ => return,
            },
            message = messages.recv() => {
                let Ok(message) = message else { return };
                if deliver(&mut socket, message, &mut messages).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn deliver<M: Clone, S: Sink<M> + Unpin>(
    socket: &mut S,
    first: M,
    more: &mut Receiver<M>,
) -> Result<(), S::Error> {
    socket.feed(first).await?;
    while let Ok(message) = more.try_recv() {
        socket.feed(message).await?;
    }
    socket.flush().await
}
