//! The loads that servers are compared under.

use crate::compare::named;
use crate::load::Kind;

/// One load.
#[derive(Debug)]
pub struct Workload {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it says in the tables.
    pub meaning: &'static str,
    /// See [`crate::load::Load`], as for the rest.
    pub kind: Kind,
    /// How many of them.
    pub connections: usize,
    /// In bytes.
    pub size: usize,
    /// Per connection.
    pub in_flight: usize,
    /// Whether it is run unless asked for.
    pub usual: bool,
    /// Whether system calls are counted too.
    pub calls: bool,
}

/// Defaults: 100 connections, 20 bytes, one in flight.
const ECHO: Workload = Workload {
    name: "echo-20B",
    meaning: "20 B, 100 connections, 1 in flight",
    kind: Kind::Echo,
    connections: 100,
    size: 20,
    in_flight: 1,
    usual: true,
    calls: false,
};

/// All that there are.
pub static ALL: [Workload; 14] = [
    Workload { calls: true, ..ECHO },
    Workload {
        name: "echo-20B-P16",
        meaning: "20 B, 100 connections, 16 in flight",
        in_flight: 16,
        calls: true,
        ..ECHO
    },
    Workload {
        name: "echo-1KB-P16",
        meaning: "1 KB, 100 connections, 16 in flight",
        size: 1024,
        in_flight: 16,
        ..ECHO
    },
    Workload { name: "echo-16KB", meaning: "16 KB, 100 connections, 1 in flight", size: 16 << 10, ..ECHO },
    Workload {
        name: "echo-64KB",
        meaning: "64 KB, 10 connections, 1 in flight",
        size: 64 << 10,
        connections: 10,
        ..ECHO
    },
    Workload { name: "echo-1MB", meaning: "1 MB, 4 connections, 1 in flight", size: 1 << 20, connections: 4, ..ECHO },
    Workload {
        name: "broadcast",
        meaning: "100 B to 1000 receivers, 16 in flight, per delivery",
        kind: Kind::Broadcast,
        connections: 1000,
        size: 100,
        in_flight: 16,
        ..ECHO
    },
    Workload {
        name: "handshake",
        meaning: "connect, upgrade, close; 50 at once",
        kind: Kind::Handshake,
        connections: 50,
        ..ECHO
    },
    Workload {
        name: "idle",
        meaning: "10,000 idle connections, bytes of memory each",
        kind: Kind::Idle,
        connections: 10_000,
        ..ECHO
    },
    Workload {
        name: "deflate-1KB-P16",
        meaning: "1 KB compressed, no context kept, 100 connections, 16 in flight",
        kind: Kind::Deflate,
        size: 1024,
        in_flight: 16,
        ..ECHO
    },
    Workload { name: "echo-20B-c1000", meaning: "20 B, 1000 connections, 1 in flight", connections: 1000, ..ECHO },
    Workload { name: "echo-1KB", meaning: "1 KB, 100 connections, 1 in flight", size: 1024, usual: false, ..ECHO },
    Workload {
        name: "echo-20B-c10000",
        meaning: "20 B, 10,000 connections, 1 in flight",
        connections: 10_000,
        usual: false,
        ..ECHO
    },
    Workload {
        name: "idle-1000",
        meaning: "1000 idle connections, bytes of memory each",
        kind: Kind::Idle,
        connections: 1000,
        usual: false,
        ..ECHO
    },
];

/// Those that a list of names asks for; the usual ones, if it is empty.
///
/// # Errors
/// A name that no workload has.
pub fn chosen(names: &str) -> Result<Vec<&'static Workload>, String> {
    match names.trim().is_empty() {
        true => Ok(ALL.iter().filter(|workload| workload.usual).collect()),
        false => named(&ALL, |workload| workload.name, names),
    }
}
