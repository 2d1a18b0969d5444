//! What each fuzz target does with its bytes, as plain functions: any toolchain can replay an input.
//!
//! A body takes what it has to choose (limits, settings, where to cut) from the front of its input.
#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "to panic when something is wrong is what a body is for")]

pub mod answer;
pub mod choices;
pub mod client;
pub mod codec;
pub mod compression;
pub mod frames;
pub mod http;
pub mod hub;
pub mod packets;
pub mod ring;
pub mod round_trip;
pub mod text;

/// A target's body.
pub type Body = fn(&[u8]);

/// All targets: the name of its file in `fuzz_targets` and of its folder in `seeds`, and its body.
pub const TARGETS: [(&str, Body); 16] = [
    ("request_head", http::request_head),
    ("request_body", http::request_body),
    ("handshake", http::handshake),
    ("answer", answer::answer),
    ("upgrade", client::upgrade),
    ("client", client::client),
    ("frame_header", frames::frame_header),
    ("receiver", frames::receiver),
    ("inflate", compression::inflate),
    ("close_payload", text::close_payload),
    ("utf8", text::utf8),
    ("packets", packets::packets),
    ("round_trip", round_trip::round_trip),
    ("hub", hub::hub),
    ("codec", codec::codec),
    ("ring", ring::ring),
];
