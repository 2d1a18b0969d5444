//! Measures echo and broadcast servers side by side: one load generator, the least server, and who starts them in turn.
#![forbid(unsafe_code)]

pub mod compare;
pub mod floor;
pub mod frame;
pub mod handshake;
pub mod load;
pub mod machine;
pub mod process;
pub mod run;
