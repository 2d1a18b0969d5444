//! Ours: the client of wirewool-client as a driver, and wirewool-engine as an echo server that fragments.

use crate::check::Check;
use crate::plan::{Deflate, Kind, Message, Piece, Plan};
use crate::{Failure, MESSAGE_BYTES_MAX};
use fastrand::Rng;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use wirewool_client as ours;
use wirewool_client::{Client, Compression, Connect, Outgoing, Received};
use wirewool_engine::{Builder, Fd, Refused, Server};
use wirewool_proto::websocket::frame::Opcode;

/// So much may be under way before it is waited for: this client reads only when it is asked to, and a server that
/// waits for that does not read either.
const UNDER_WAY_BYTES_MAX: usize = 32 << 10;

/// An echo server that listens already, and where.
///
/// # Errors
/// The port is taken.
pub fn listen(port: u16, seed: u64) -> Result<(Builder, SocketAddr), Failure> {
    let rng = Mutex::new(Rng::with_seed(seed));
    let server = Server::bind(&format!("{}:{port}", Ipv4Addr::LOCALHOST))
        .message_bytes_max(MESSAGE_BYTES_MAX)
        .push_bytes_max(MESSAGE_BYTES_MAX)
        .outbox_bytes_max(4 * MESSAGE_BYTES_MAX)
        .compression(Compression {
            server_context_takeover: true,
            client_context_takeover: true,
            ..Compression::default()
        })
        .on_message(move |server, frame| {
            // Half of what came compressed goes back so, in one frame: fragments are not compressed.
            let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
            if frame.compressed && rng.bool() {
                return server.push(frame.fd, frame);
            }
            let kind = if frame.kind == ours::Kind::Text { Kind::Text } else { Kind::Binary };
            let message = Message::random(&mut rng, kind, frame.data().to_vec());
            message.pieces().try_for_each(|piece| push(server, frame.fd, piece))
        });
    let address = server.local_addr().ok_or("the port is taken")?;
    Ok((server, address))
}

fn push(server: &Server, fd: Fd, piece: Piece<'_>) -> Result<(), Refused> {
    match piece {
        Piece::Ping(payload) => server.ping(fd, payload),
        Piece::Data { first, payload, fin } => server.push_fragment(fd, first.map(kind), fin, payload),
    }
}

/// Drives the echo server at `url`; returns the closing line.
///
/// # Errors
/// What did not come back as it was sent, or the connection's end.
pub fn drive(url: &str, plan: Plan, deflate: bool) -> Result<String, Failure> {
    let mut connect = Connect::to(url).message_bytes_max(MESSAGE_BYTES_MAX);
    if deflate {
        connect = connect.compression(wanted(plan.deflate));
    }
    let mut client = connect.open()?;
    let extensions = client.answer().header("sec-websocket-extensions").unwrap_or_default().to_vec();
    if deflate != client.is_compressing() {
        return Err("the server does not compress".into());
    }
    let mut check = Check::default();
    for batch in plan {
        check.will_send(&batch);
        let (mut waiting, mut bytes) = (batch.iter(), 0);
        let mut expected = batch.iter();
        while let Some(message) = waiting.next() {
            send(&mut client, message)?;
            bytes += message.payload.len();
            let next = waiting.as_slice().first().map_or(usize::MAX, |next| next.payload.len());
            if bytes.saturating_add(next) > UNDER_WAY_BYTES_MAX {
                let sent = expected.len() - waiting.len();
                for message in expected.by_ref().take(sent) {
                    receive(&mut client, &mut check, message)?;
                }
                bytes = 0;
            }
        }
    }
    client.close(ours::CloseCode::NORMAL, "done")?;
    loop {
        match client.receive()? {
            Received::Pong(payload) => check.pong(&payload)?,
            Received::Ping(_) => {}
            Received::Closed { code, .. } => {
                let extensions = String::from_utf8_lossy(&extensions);
                return Ok(check.closed(code.map(ours::CloseCode::get), &extensions)?);
            }
            Received::Message { payload, .. } => {
                return Err(format!("{} bytes more than asked for", payload.len()).into());
            }
        }
    }
}

fn wanted(deflate: Deflate) -> Compression {
    Compression {
        server_context_takeover: !deflate.server_no_context_takeover,
        client_context_takeover: !deflate.client_no_context_takeover,
        server_max_window_bits: deflate.server_max_window_bits.unwrap_or(15),
        client_max_window_bits: deflate.client_max_window_bits.unwrap_or(15),
        ..Compression::default()
    }
}

fn send(client: &mut Client, message: &Message) -> Result<(), ours::Error> {
    if message.compress && client.is_compressing() {
        let fragments = message.pieces().filter(|piece| matches!(piece, Piece::Data { .. })).count();
        let fragment_bytes_max = message.payload.len() / fragments + 1;
        let outgoing = Outgoing { kind: kind(message.kind), fragment_bytes_max, ..Outgoing::binary(&message.payload) };
        client.send(outgoing.compressed())?;
        // Between the frames of one call nothing fits.
        return message.pieces().try_for_each(|piece| match piece {
            Piece::Ping(payload) => client.send_frame(Opcode::Ping, true, payload),
            Piece::Data { .. } => Ok(()),
        });
    }
    message.pieces().try_for_each(|piece| match piece {
        Piece::Ping(payload) => client.send_frame(Opcode::Ping, true, payload),
        Piece::Data { first, payload, fin } => {
            let opcode = first.map_or(Opcode::Continuation, |first| kind(first).opcode());
            client.send_frame(opcode, fin, payload)
        }
    })
}

fn receive(client: &mut Client, check: &mut Check, expected: &Message) -> Result<(), Failure> {
    loop {
        match client.receive()? {
            Received::Message { kind, payload, .. } => {
                let kind = if kind == ours::Kind::Text { Kind::Text } else { Kind::Binary };
                return Ok(check.message(expected, kind, &payload)?);
            }
            Received::Pong(payload) => check.pong(&payload)?,
            Received::Ping(_) => {}
            Received::Closed { code, .. } => return Err(format!("closed too early: {code:?}").into()),
        }
    }
}

fn kind(kind: Kind) -> ours::Kind {
    match kind {
        Kind::Text => ours::Kind::Text,
        Kind::Binary => ours::Kind::Binary,
    }
}
