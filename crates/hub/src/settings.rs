//! What a hub is told about the server it works for, and about each of its ports.

use wirewool_proto::http::head::HeadLimits;
use wirewool_proto::packets::Packets;

/// What the connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes without a meaning.
    Raw,
    /// HTTP/1.1 requests.
    Http,
    /// HTTP/1.1 requests that may turn into a WebSocket.
    WebSocket,
}

/// Limits and choices for the connections of one port; sizes in bytes, times in milliseconds.
///
/// What may be pushed and owed, and all times, hold for the whole loop: those of its first port count.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the connections speak.
    pub protocol: Protocol,
    /// How raw bytes are told apart; without that, each read is an event.
    pub packets: Option<Packets>,
    /// Plain requests go to the handler; otherwise a WebSocket server answers them with a 400 page.
    pub requests: bool,
    /// The handler answers upgrade requests all by itself: of an upgrade, only its `Upgrade` header is checked.
    pub own_handshake: bool,
    /// How hard messages are compressed, 1 to 9.
    pub deflate_level: u8,
    /// Messages of so many bytes and more are compressed without being asked for one by one.
    pub deflate_threshold: Option<usize>,
    /// Pings go to the handler and are not answered by the hub.
    pub ping_events: bool,
    /// Pongs go to the handler.
    pub pong_events: bool,
    /// The handler hears of connections that do not take what they are owed.
    pub buffer_events: bool,
    /// It hears when more is owed than that; four fifths of what may be owed if this is none.
    pub buffer_high_watermark_bytes: Option<usize>,
    /// It hears when no more is owed than that again; at most the high mark.
    pub buffer_low_watermark_bytes: usize,
    /// The longest message, request body or packet that is received.
    pub message_bytes_max: usize,
    /// The longest message that may be pushed or sent.
    pub push_bytes_max: usize,
    /// What may be owed to one connection.
    pub outbox_bytes_max: usize,
    /// The size of a request's head.
    pub head: HeadLimits,
    /// From the accept to the end of the head; for a body, from one piece to the next.
    pub head_timeout_ms: u64,
    /// From an upgrade request to its answer.
    pub handshake_timeout_ms: u64,
    /// From an answer to the next request.
    pub keep_alive_timeout_ms: u64,
    /// While closing, from one piece that the peer took to the next.
    pub flush_timeout_ms: u64,
    /// From the last byte sent to the peer's end of the stream.
    pub close_timeout_ms: u64,
    /// A connection of which nothing was received for so long is closed.
    pub heartbeat_ms: Option<u64>,
    /// So much later at most; at most half of that time.
    pub heartbeat_check_ms: u64,
    /// A connection of which nothing was received, and to which nothing was sent, for so long is closed.
    pub idle_ms: Option<u64>,
    /// A WebSocket of which nothing was received for so long is pinged, and closed if that lasts as long again.
    pub ping_ms: Option<u64>,
}

/// What is read and thrown away of a peer that goes on sending while its connection closes, in bytes. What is beyond
/// that is left in the kernel, until the peer ends or its time is over.
pub const DISCARD_BYTES_MAX: usize = 1 << 20;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            protocol: Protocol::WebSocket,
            packets: None,
            requests: false,
            own_handshake: false,
            deflate_level: 1,
            deflate_threshold: None,
            ping_events: false,
            pong_events: false,
            buffer_events: false,
            buffer_high_watermark_bytes: None,
            buffer_low_watermark_bytes: 0,
            message_bytes_max: 2 << 20,
            push_bytes_max: 2 << 20,
            outbox_bytes_max: 8 << 20,
            head: HeadLimits::default(),
            head_timeout_ms: 10_000,
            handshake_timeout_ms: 10_000,
            keep_alive_timeout_ms: 75_000,
            flush_timeout_ms: 10_000,
            close_timeout_ms: 2_000,
            heartbeat_ms: None,
            heartbeat_check_ms: u64::MAX,
            idle_ms: None,
            ping_ms: None,
        }
    }
}
