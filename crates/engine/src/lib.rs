//! Wirewool: a WebSocket and HTTP server that holds long-lived connections by the ten thousand.
//!
//! ```no_run
//! use wirewool_engine::Server;
//!
//! Server::bind("0.0.0.0:9501")
//!     .on_open(|_, request| println!("server: handshake success with fd{}", request.fd))
//!     .on_message(|server, frame| server.push(frame.fd, "this is server"))
//!     .on_close(|_, fd| println!("client {fd} closed"))
//!     .start()
//!     .expect("the server runs");
//! ```
//!
//! * [`server`]: the front door; [`config`] and [`options`]: what can be set; [`frame`]: what handlers are given.
//! * `base`, `thread`: the modes; [`manager`]: forks and watches workers; `worker`: the loop that runs handlers.
//! * [`reactor`]: a loop's pass, on `poller`, `sockets`, `acceptor` and [`listener`].
//! * `dispatch`: events become calls; `link`: commands from other threads; [`quota`]: log lines that peers cause.
#![forbid(unsafe_code)]

mod acceptor;
mod base;
pub mod config;
mod desk;
mod dispatch;
pub mod frame;
mod intake;
mod link;
mod links;
pub mod listener;
pub mod manager;
pub mod master;
pub mod options;
mod poller;
mod process;
mod promises;
pub mod quota;
pub mod reactor;
pub mod reactors;
mod relay;
pub mod remote;
pub mod server;
mod sockets;
pub mod station;
mod thread;
mod worker;

// The front door, for programs.
pub use crate::config::Mode;
pub use crate::frame::{Acceptance, Frame, Message, Request};
pub use crate::server::{Builder, Server, StartError};
pub use wirewool_hub::command::Refused;
pub use wirewool_hub::fd::Fd;
pub use wirewool_proto::http::response::Response;
pub use wirewool_proto::websocket::close::CloseCode;
pub use wirewool_proto::websocket::extension::Compression;
pub use wirewool_proto::websocket::frame::Opcode;
pub use wirewool_proto::websocket::message::Kind;
