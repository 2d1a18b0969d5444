//! Leaves work to task workers: send a number and get its prime factors, while the workers go on serving.

use clap::Parser;
use serde::{Deserialize, Serialize};
use wirewool_cli::arguments::ServerArguments;
use wirewool_cli::log;
use wirewool_engine::{CrewError, Frame, Server, Task};

/// Answers each number with its prime factors.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// How many task workers.
    #[arg(long, default_value_t = 2)]
    task_workers: usize,
}

#[derive(Serialize, Deserialize)]
struct Factor {
    number: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    log::to_standard_error();
    let arguments = Arguments::parse();
    let server = arguments.server.server().task_workers(arguments.task_workers);
    server.on_task(|_, task: Task<Factor>| factors(task.data.number)).on_message(answer).start()?;
    Ok(())
}

fn answer(server: &Server, frame: Frame<'_>) -> Result<(), CrewError> {
    let fd = frame.fd;
    // Whoever is gone by the time of a push does not want to know.
    let Some(number) = frame.text().and_then(|text| text.trim().parse().ok()) else {
        let _ = server.push(fd, "wanted a number from 0 to 18446744073709551615");
        return Ok(());
    };
    server.task_then(&Factor { number }, move |server, factors: Result<Vec<u64>, CrewError>| {
        let told = factors.map_or_else(|error| format!("{number}: {error}"), |found| format!("{number} = {found:?}"));
        let _ = server.push(fd, &told);
    })?;
    Ok(())
}

fn factors(mut number: u64) -> Vec<u64> {
    let mut factors = Vec::new();
    let mut divisor = 2;
    while number > 1 && divisor <= number / divisor {
        while number.is_multiple_of(divisor) {
            factors.push(divisor);
            number /= divisor;
        }
        divisor += 1;
    }
    factors.extend((number > 1).then_some(number));
    factors
}
