//! The arguments that every server program takes, and what they ask for.

use clap::{Args, ValueEnum};
use std::num::ParseFloatError;
use std::time::Duration;
use wirewool_engine::builder::Builder;
use wirewool_engine::config::Mode;
use wirewool_engine::server::Server;
use wirewool_proto::websocket::extension::Compression;

/// How a server is spread over processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArgument {
    /// Forked workers, replaced when they die.
    Base,
    /// Connections in threads of the master, handlers in forked workers.
    Process,
    /// Worker threads in one process.
    Thread,
}

/// Where and how to serve.
#[derive(Debug, Clone, Args)]
pub struct ServerArguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 9501)]
    pub port: u16,
    /// How the server is spread.
    #[arg(long, value_enum, default_value = "thread")]
    pub mode: ModeArgument,
    /// How many workers.
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// How many threads of the master have connections, in mode process; one for each processor by default.
    #[arg(long)]
    pub reactors: Option<usize>,
    /// The size of each ring between two processes, in bytes.
    #[arg(long, default_value_t = 1 << 20)]
    pub ring_bytes: usize,
    /// Take compressed messages, and compress those that came so (permessage-deflate).
    #[arg(long)]
    pub deflate: bool,
    /// After so many seconds without a sign of life a connection is closed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub heartbeat_idle_time: Option<Duration>,
    /// It may be closed so many seconds later.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub heartbeat_check_interval: Option<Duration>,
    /// After so many seconds without a sign of life a WebSocket is pinged.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub ping_interval: Option<Duration>,
    /// The longest message, in bytes.
    #[arg(long, default_value_t = 2 << 20)]
    pub message_bytes_max: usize,
    /// What may be owed to one connection, in bytes.
    #[arg(long, default_value_t = 8 << 20)]
    pub outbox_bytes_max: usize,
    /// A file that has the master's process id as long as the server runs.
    #[arg(long)]
    pub pid_file: Option<String>,
    /// Who worker processes are, if root starts the server.
    #[arg(long)]
    pub user: Option<String>,
    /// The group of worker processes, if root starts the server.
    #[arg(long)]
    pub group: Option<String>,
}

impl ServerArguments {
    /// The server that they ask for, without handlers.
    pub fn server(&self) -> Builder {
        let mode = match self.mode {
            ModeArgument::Base => Mode::Base,
            ModeArgument::Thread => Mode::Thread,
            ModeArgument::Process => Mode::Process,
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let server = Server::bind(&format!("{host}:{}", self.port));
        let server = server.mode(mode).workers(self.workers).ring_bytes(self.ring_bytes);
        let server = server.message_bytes_max(self.message_bytes_max).push_bytes_max(self.message_bytes_max);
        let server = server.outbox_bytes_max(self.outbox_bytes_max);
        let server = apply(server, self.heartbeat_idle_time, Builder::heartbeat_idle_time);
        let server = apply(server, self.heartbeat_check_interval, Builder::heartbeat_check_interval);
        let server = apply(server, self.ping_interval, Builder::ping_interval);
        let server = if let Some(reactors) = self.reactors { server.reactors(reactors) } else { server };
        let server = if let Some(path) = &self.pid_file { server.pid_file(path) } else { server };
        let server = if let Some(name) = &self.user { server.user(name) } else { server };
        let server = if let Some(name) = &self.group { server.group(name) } else { server };
        if self.deflate { server.compression(Compression::default()) } else { server }
    }
}

fn apply(server: Builder, time: Option<Duration>, set: fn(Builder, Duration) -> Builder) -> Builder {
    match time {
        Some(time) => set(server, time),
        None => server,
    }
}

/// So many seconds; less than none is none, which no setting takes.
fn seconds(text: &str) -> Result<Duration, ParseFloatError> {
    text.parse().map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
