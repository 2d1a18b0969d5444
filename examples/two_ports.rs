//! WebSockets on one port; on another, lines of text that all of them get, and datagrams with the number of them.

use clap::Parser;
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;
use wirewool_engine::{Mark, Packets, Port, Server};

/// Sends to all WebSockets what comes as lines on another port.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Where lines and datagrams come: an address, or `unix:` and a path for lines alone.
    #[arg(long, default_value = "127.0.0.1:9502")]
    lines: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    log::to_standard_error();
    let arguments = Arguments::parse();
    let mark = Mark::new(b"\n").ok_or("a byte is a mark")?;
    let lines = Port::bind(&arguments.lines)
        .packets(Packets::Split(mark))
        .message_bytes_max(64 << 10)
        .on_receive(|server, fd, line| server.send(fd, format!("{} have it\n", tell_all(server, line)).as_bytes()));
    let mut server = arguments.server.server().listen(lines).on_message(|server, frame| server.push(frame.fd, &frame));
    if !arguments.lines.starts_with("unix:") {
        server = server.listen(Port::bind_datagrams(&arguments.lines).on_packet(|server, datagram| {
            let count = server.connections().len().to_string();
            server.send_to(Some(datagram.port), datagram.sender, count.as_bytes())
        }));
    }
    server.start()?;
    Ok(())
}

/// How many WebSockets have taken it.
fn tell_all(server: &Server, line: &[u8]) -> usize {
    let text = String::from_utf8_lossy(line.trim_ascii_end());
    server.connections().into_iter().filter(|fd| server.push(*fd, &*text).is_ok()).count()
}
