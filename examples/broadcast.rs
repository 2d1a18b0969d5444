//! Sends every message to everybody, and the time of day once a second from another thread.

use clap::Parser;
use std::time::{Duration, SystemTime};
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;
use wirewool_engine::Server;

/// Sends every message to all connections.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    log::to_standard_error();
    Arguments::parse()
        .server
        .server()
        .on_open(|server, request| server.push(request.fd, &format!("you are number {}", request.fd)))
        .on_message(|server, frame| {
            for fd in server.connections() {
                // One that is gone, or too slow to take more, does not keep the others waiting.
                let _ = server.push(fd, &frame);
            }
        })
        .start_with(tell_the_time)?;
    Ok(())
}

fn tell_the_time(server: Server) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            for fd in server.connections() {
                let _ = server.push(fd, &format!("it is {} s after 1970", time.as_secs()));
            }
        }
    });
}
