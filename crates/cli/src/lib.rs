//! Command-line arguments become a server's configuration.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod log;
