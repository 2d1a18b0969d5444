//! The crate tungstenite, over blocking sockets: it writes frames as it is told to, and reads whole messages.

use crate::check::Check;
use crate::plan::{Kind, Message, Piece, Plan};
use crate::{Failure, MESSAGE_BYTES_MAX};
use fastrand::Rng;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread;
use tungstenite::error::Error;
use tungstenite::http::Uri;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Message as Received, WebSocket, WebSocketConfig};
use tungstenite::{accept_with_config, client::client_with_config};

/// Serves for ever, each connection in a thread of its own.
///
/// # Errors
/// Nothing can be accepted.
pub fn serve(listener: &TcpListener, seed: u64) -> Result<(), Failure> {
    for stream in listener.incoming() {
        let stream = Socket::new(stream?)?;
        thread::spawn(move || echo(stream, seed));
    }
    Ok(())
}

fn echo(stream: Socket, seed: u64) -> Result<(), Failure> {
    let mut socket = accept_with_config(stream, Some(config())).map_err(|error| error.to_string())?;
    let mut rng = Rng::with_seed(seed);
    loop {
        // After a close frame this goes on until everything is sent, and ends with an error.
        let (kind, payload) = match socket.read()? {
            Received::Text(text) => (Kind::Text, text.as_bytes().to_vec()),
            Received::Binary(bytes) => (Kind::Binary, bytes.to_vec()),
            _ => continue,
        };
        send(&mut socket, &Message::random(&mut rng, kind, payload))?;
    }
}

/// Drives the echo server at `url`; returns the closing line.
///
/// # Errors
/// What did not come back as it was sent, or the connection's end.
pub fn drive(url: &str, plan: Plan) -> Result<String, Failure> {
    let uri: Uri = url.parse()?;
    let address = uri.authority().ok_or("the url has no host")?;
    let stream = Socket::new(TcpStream::connect(address.as_str())?)?;
    let (mut socket, response) = client_with_config(uri, stream, Some(config())).map_err(|error| error.to_string())?;
    let extensions = response.headers().get("Sec-WebSocket-Extensions");
    if let Some(extensions) = extensions {
        return Err(format!("the server answers {extensions:?} without having been asked").into());
    }
    let mut check = Check::default();
    for batch in plan {
        check.will_send(&batch);
        for message in &batch {
            send(&mut socket, message)?;
        }
        for message in &batch {
            receive(&mut socket, &mut check, message)?;
        }
    }
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() }))?;
    let mut code = None;
    loop {
        match socket.read() {
            Ok(Received::Pong(payload)) => check.pong(&payload)?,
            Ok(Received::Close(frame)) => code = frame.map(|frame| u16::from(frame.code)),
            Ok(Received::Ping(_)) => {}
            Ok(other) => return Err(format!("{} bytes more than asked for", other.len()).into()),
            Err(Error::ConnectionClosed) => return Ok(check.closed(code, "")?),
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive(socket: &mut WebSocket<Socket>, check: &mut Check, expected: &Message) -> Result<(), Failure> {
    loop {
        match socket.read()? {
            Received::Text(text) => return Ok(check.message(expected, Kind::Text, text.as_bytes())?),
            Received::Binary(bytes) => return Ok(check.message(expected, Kind::Binary, &bytes)?),
            Received::Pong(payload) => check.pong(&payload)?,
            Received::Close(frame) => return Err(format!("closed too early: {frame:?}").into()),
            Received::Ping(_) | Received::Frame(_) => {}
        }
    }
}

fn send(socket: &mut WebSocket<Socket>, message: &Message) -> Result<(), Error> {
    for piece in message.pieces() {
        socket.write(match piece {
            Piece::Ping(payload) => Received::Ping(payload.to_vec().into()),
            Piece::Data { first, payload, fin } => {
                let opcode = match first {
                    Some(Kind::Text) => Data::Text,
                    Some(Kind::Binary) => Data::Binary,
                    None => Data::Continue,
                };
                Received::Frame(Frame::message(payload.to_vec(), OpCode::Data(opcode), fin))
            }
        })?;
    }
    socket.flush()
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// A socket whose writes wait in a thread of their own: both sides may send as much as they like before they read.
struct Socket {
    stream: TcpStream,
    outlet: Sender<Vec<u8>>,
}

impl Socket {
    fn new(stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        let mut out = stream.try_clone()?;
        let (outlet, waiting) = mpsc::channel::<Vec<u8>>();
        // It ends with the socket, or with its peer.
        thread::spawn(move || {
            let _ = waiting.iter().try_for_each(|bytes| out.write_all(&bytes));
        });
        Ok(Socket { stream, outlet })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outlet.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
