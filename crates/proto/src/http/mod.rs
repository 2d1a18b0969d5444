//! HTTP/1.1 (RFC 9110, RFC 9112) for one connection: bytes into requests, responses into bytes.

pub mod body;
mod grammar;
pub mod head;
pub mod request;
pub mod response;
