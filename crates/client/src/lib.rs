//! A blocking WebSocket client, for tests, benches and programs that have a thread to wait with.
//!
//! ```no_run
//! use wirewool_client::{Client, Outgoing, Received};
//!
//! let mut client = Client::connect("ws://127.0.0.1:9501/chat")?;
//! client.send(Outgoing::text("hello"))?;
//! while let Received::Message { payload, .. } = client.receive()? {
//!     println!("{} bytes", payload.len());
//! }
//! # Ok::<(), wirewool_client::Error>(())
//! ```
//!
//! * [`client`]: the connection; [`connect`]: how it is made; [`error`]: what can go wrong.
//!
//! The protocol is `wirewool_proto::websocket::client`, which programs with a loop of their own use without this.
#![forbid(unsafe_code)]

pub mod client;
pub mod connect;
pub mod error;

pub use crate::client::{Client, Received};
pub use crate::connect::Connect;
pub use crate::error::Error;
pub use wirewool_proto::websocket::client::Outgoing;
pub use wirewool_proto::websocket::close::CloseCode;
pub use wirewool_proto::websocket::extension::Compression;
pub use wirewool_proto::websocket::message::Kind;
