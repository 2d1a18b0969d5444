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
//! * [`server`], [`builder`], [`port`]: the front door; [`config`], [`options`]: what can be set; [`frame`]: what handlers get.
//! * `process`, `base`, `thread`: the modes; [`master`] and [`manager`]: fork and watch; [`reactors`]: the master's threads.
//! * `worker`: the loop that runs handlers, on a [`station`]: with a [`reactor`] of its own, or at a `desk`.
//! * [`reactor`]: a pass, on `poller`, `sockets`, `acceptor`, [`listener`]; [`quota`]: log lines that peers cause.
//! * `links`: rings; `relay`: events to workers; [`remote`]: commands to others; `intake`: commands from others.
//! * `dispatch`: events become calls; `link`: commands from other threads.
#![forbid(unsafe_code)]
mod acceptor;
mod base;
pub mod builder;
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
pub mod poller;
pub mod port;
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

// For programs.
pub use crate::builder::Builder;
pub use crate::config::Mode;
pub use crate::frame::{Acceptance, Frame, Message, Request};
pub use crate::port::Port;
pub use crate::server::{Server, StartError};
pub use wirewool_hub::{command::Refused, event::Datagram, fd::Fd};
pub use wirewool_proto::http::response::Response;
pub use wirewool_proto::packets::{Count, Mark, Number, Packets};
pub use wirewool_proto::websocket::{close::CloseCode, extension::Compression, frame::Opcode, message::Kind};
