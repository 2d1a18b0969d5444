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
//! * [`crew`]: who is forked, and what they send each other; [`service`]: a pid file, users, processors.
//! * `worker`: the loop that runs handlers, on a [`station`]: with a [`reactor`] of its own, or at a `desk`.
//! * [`reactor`]: a pass, on `poller`, `sockets`, `acceptor`, [`listener`], [`tcp`]; [`quota`]: log lines that peers cause.
//! * `links`: rings; `relay`: events to workers; [`remote`]: commands to others; `intake`: those from others; `dispatch`:
//!   events become calls; `link`: commands from other threads; [`heartbeat`]: who is silent.
#![forbid(unsafe_code)]
mod acceptor;
mod base;
pub mod builder;
pub mod config;
pub mod crew;
mod desk;
mod dispatch;
pub mod frame;
pub mod heartbeat;
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
pub mod quota;
pub mod reactor;
pub mod reactors;
mod relay;
pub mod remote;
pub mod server;
pub mod service;
mod sockets;
pub mod station;
pub mod tcp;
mod thread;
mod worker;

// For programs.
pub use crate::crew::{duties::CrewError, post::PostError, task::Task, task::TaskFuture};
pub use crate::frame::{Acceptance, Frame, Message, Request};
pub use crate::{builder::Builder, config::Mode, port::Port, server::Server, server::StartError};
pub use wirewool_hub::{command::Refused, event::Datagram, fd::Fd};
pub use wirewool_proto::websocket::{close::CloseCode, extension::Compression, frame::Opcode, message::Kind};
pub use wirewool_proto::{http::response::Response, packets::Count, packets::Mark, packets::Number, packets::Packets};
