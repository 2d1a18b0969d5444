//! The crate yawc, with permessage-deflate: it compresses whole messages and fragments of them.

use crate::check::Check;
use crate::plan::{Deflate, Kind, Message, Piece, Plan};
use crate::{Failure, MESSAGE_BYTES_MAX};
use bytes::Bytes;
use fastrand::Rng;
use futures::sink::{Sink, SinkExt};
use futures::stream::{Stream, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use yawc::close::CloseCode;
use yawc::{CompressionLevel, Frame, OpCode, Options, UpgradeFut, WebSocket, WebSocketError};

/// Serves for ever, each connection in a task of its own.
///
/// # Errors
/// Nothing can be accepted.
pub fn serve(listener: std::net::TcpListener, seed: u64) -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(move |request| upgrade(request, seed)));
            tokio::spawn(connection.with_upgrades());
        }
    })
}

async fn upgrade(mut request: Request<Incoming>, seed: u64) -> yawc::Result<Response<Empty<Bytes>>> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, deflating())?;
    tokio::spawn(echo(upgraded, seed));
    Ok(response)
}

async fn echo(upgraded: UpgradeFut, seed: u64) -> Result<(), Failure> {
    let mut socket = Socket(upgraded.await?);
    let mut rng = Rng::with_seed(seed);
    while let Some(frame) = socket.next().await {
        let frame = frame?;
        if let Some(kind) = kind(&frame) {
            send(&mut socket, &[Message::random(&mut rng, kind, frame.into_payload().into())]).await?;
        }
    }
    Ok(())
}

/// Drives the echo server at `url`; returns the closing line.
///
/// # Errors
/// What did not come back as it was sent, or the connection's end.
pub fn drive(url: &str, plan: Plan, deflate: bool) -> Result<String, Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(driven(url, plan, deflate))
}

async fn driven(url: &str, plan: Plan, deflate: bool) -> Result<String, Failure> {
    let (_, rest) = url.split_once("://").ok_or("wanted ws://host:port/path")?;
    let (stream, head) = Recorded::new(TcpStream::connect(rest.split('/').next().unwrap_or(rest)).await?);
    let options = if deflate { asking(plan.deflate) } else { options() };
    let socket = Socket(WebSocket::handshake(url.parse()?, stream, options).await?);
    let extensions = head.extensions();
    if extensions.is_empty() == deflate {
        return Err(format!("the server answers {extensions:?}").into());
    }
    let (mut sink, mut source) = socket.split();
    let mut check = Check::default();
    for batch in plan {
        check.will_send(&batch);
        // At once: the server may want to be read from before it reads on.
        futures::future::try_join(send(&mut sink, &batch), receive(&mut source, &mut check, &batch)).await?;
    }
    sink.send(Frame::close(CloseCode::Normal, "done")).await?;
    loop {
        let frame = source.next().await.ok_or("no end")??;
        match frame.opcode() {
            OpCode::Pong => check.pong(frame.payload())?,
            OpCode::Ping => {}
            OpCode::Close => return Ok(check.closed(frame.close_code().map(u16::from), &extensions)?),
            _ => return Err(format!("{} bytes more than asked for", frame.payload().len()).into()),
        }
    }
}

async fn receive(source: &mut (impl Frames + Unpin), check: &mut Check, batch: &[Message]) -> Result<(), Failure> {
    for expected in batch {
        loop {
            let frame = source.next().await.ok_or("no end")??;
            match (kind(&frame), frame.opcode()) {
                (Some(kind), _) => break check.message(expected, kind, frame.payload())?,
                (None, OpCode::Pong) => check.pong(frame.payload())?,
                (None, OpCode::Close) => return Err(format!("closed too early: {:?}", frame.close_code()).into()),
                (None, _) => {}
            }
        }
    }
    Ok(())
}

async fn send(sink: &mut (impl Sink<Frame, Error = WebSocketError> + Unpin), batch: &[Message]) -> Result<(), Failure> {
    for piece in batch.iter().flat_map(pieces) {
        let frame = match piece {
            Piece::Ping(payload) => Frame::ping(payload.to_vec()),
            Piece::Data { first: Some(Kind::Text), payload, fin } => Frame::text(payload.to_vec()).with_fin(fin),
            Piece::Data { first: Some(Kind::Binary), payload, fin } => Frame::binary(payload.to_vec()).with_fin(fin),
            Piece::Data { first: None, payload, fin } => Frame::continuation(payload.to_vec()).with_fin(fin),
        };
        sink.feed(frame).await?;
    }
    Ok(sink.flush().await?)
}

/// An empty message goes in one frame, uncompressed because it is below `deflating()`'s threshold: yawc 0.5.0 never comes
/// back from compressing no bytes at all behind a message whose context it kept.
fn pieces(message: &Message) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = message.pieces().collect();
    if message.payload.is_empty() {
        pieces.retain(|piece| matches!(piece, Piece::Ping(_)));
        pieces.insert(0, Piece::Data { first: Some(message.kind), payload: &[], fin: true });
    }
    pieces
}

fn kind(frame: &Frame) -> Option<Kind> {
    match frame.opcode() {
        OpCode::Text => Some(Kind::Text),
        OpCode::Binary => Some(Kind::Binary),
        _ => None,
    }
}

const LEVEL: CompressionLevel = CompressionLevel::new(1);

fn options() -> Options {
    Options::default().with_limits(MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX).with_utf8().with_no_delay()
}

fn deflating() -> Options {
    options().with_compression_level(LEVEL).with_compression_threshold(1)
}

fn asking(deflate: Deflate) -> Options {
    let mut options = deflating();
    if deflate.server_no_context_takeover {
        options = options.server_no_context_takeover();
    }
    if deflate.client_no_context_takeover {
        options = options.client_no_context_takeover();
    }
    if let Some(bits) = deflate.server_max_window_bits {
        options = options.with_server_max_window_bits(bits);
    }
    if let Some(bits) = deflate.client_max_window_bits {
        options = options.with_client_max_window_bits(bits);
    }
    options
}

/// The messages of a connection, with the error that ends it: as a stream of its own, yawc keeps that to itself.
trait Frames: Stream<Item = yawc::Result<Frame>> {}

impl<S: Stream<Item = yawc::Result<Frame>>> Frames for S {}

struct Socket<S>(WebSocket<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Socket<S> {
    type Item = yawc::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_frame(context).map(Some)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Frame> for Socket<S> {
    type Error = WebSocketError;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<yawc::Result<()>> {
        self.0.poll_ready_unpin(context)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> yawc::Result<()> {
        self.0.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<yawc::Result<()>> {
        self.0.poll_flush_unpin(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<yawc::Result<()>> {
        self.0.poll_close_unpin(context)
    }
}

/// A connection that keeps the head of what comes: yawc does not tell what was agreed to.
struct Recorded {
    stream: TcpStream,
    head: Head,
}

#[derive(Clone, Default)]
struct Head(Arc<Mutex<Vec<u8>>>);

const HEAD_BYTES_MAX: usize = 4096;

impl Recorded {
    fn new(stream: TcpStream) -> (Recorded, Head) {
        let head = Head::default();
        (Recorded { stream, head: head.clone() }, head)
    }
}

impl Head {
    fn record(&self, bytes: &[u8]) {
        let mut head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD_BYTES_MAX - head.len();
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The value of `Sec-WebSocket-Extensions`, empty if there is none.
    fn extensions(&self) -> String {
        let head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = String::from_utf8_lossy(&head);
        let lines = head.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
        values.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.head.record(&buffer.filled()[before..]);
        read
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
