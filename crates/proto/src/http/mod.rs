//! HTTP/1.1 (RFC 9110, RFC 9112) for one connection: bytes into requests and responses, responses into bytes.

pub mod answer;
pub mod answer_reader;
pub mod body;
pub mod client_request;
pub mod coding;
pub mod fields;
pub mod form;
mod grammar;
pub mod head;
pub mod lines;
pub mod request;
pub mod response;
