//! Which side of a connection an endpoint is.

/// The side of a WebSocket connection (RFC 6455 §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It asked for the upgrade.
    Client,
    /// It accepted the upgrade.
    Server,
}
