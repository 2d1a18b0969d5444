//! Beside a tokio runtime: send "3 tea is ready" and hear of it three seconds later. Many may wait; no thread does.

use clap::Parser;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;
use wirewool_engine::{Frame, Refused, Server};

/// Sends texts back when their time has come.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
}

// Begins with the first message, so where a worker runs: a process that has threads cannot be forked.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("the system has threads"));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    log::to_standard_error();
    Arguments::parse().server.server().on_message(remind).start()?;
    Ok(())
}

fn remind(server: &Server, frame: Frame<'_>) -> Result<(), Refused> {
    let wish = frame.text().and_then(|text| text.split_once(' '));
    let Some((time, text)) = wish.and_then(|(seconds, text)| Some((duration(seconds)?, text.to_owned()))) else {
        return server.push(frame.fd, "wanted seconds and a text, for example: 3 tea is ready");
    };
    let (server, fd) = (server.clone(), frame.fd);
    RUNTIME.spawn(async move {
        tokio::time::sleep(time).await;
        // A handle pushes from any thread; who is gone by now is not reminded.
        let _ = server.push(fd, &text);
    });
    Ok(())
}

fn duration(seconds: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}
