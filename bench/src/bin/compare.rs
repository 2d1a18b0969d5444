//! Compares servers: starts each in turn, puts the same loads on all, and writes tables and a plot.

#![forbid(unsafe_code)]

use clap::Parser;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use wirewool_bench::compare::comparison::{Comparison, Settings};
use wirewool_bench::compare::{servers, workloads};

/// Compares servers under the same loads, in rounds: A B C, A B C, and so on.
#[derive(Parser)]
struct Arguments {
    /// How many rounds; 9 to judge whether a target is met.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these workloads, separated by commas; all of the usual ones, if empty.
    #[arg(long, default_value = "")]
    only: String,
    /// Only these servers, separated by commas; all that are installed, if empty.
    #[arg(long, default_value = "")]
    servers: String,
    /// How long one run measures.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Where the results go.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Print the names of workloads and servers, and measure nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for workload in &workloads::ALL {
            let _ = writeln!(io::stdout(), "{:20} {}", workload.name, workload.meaning);
        }
        for server in &servers::ALL {
            let _ = writeln!(io::stdout(), "{:20} {}", server.name, server.meaning);
        }
        return ExitCode::SUCCESS;
    }
    let compared = chosen(&arguments).and_then(|settings| Comparison::new(settings)?.run());
    match compared {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            let _ = writeln!(io::stderr(), "{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(arguments: &Arguments) -> Result<Settings, String> {
    if arguments.rounds == 0 || arguments.seconds <= 0.0 {
        return Err("nothing can be measured in no rounds, or in no time".to_owned());
    }
    Ok(Settings {
        rounds: arguments.rounds,
        workloads: workloads::chosen(&arguments.only)?,
        servers: servers::chosen(&arguments.servers)?,
        seconds: arguments.seconds,
        out: arguments.out.clone(),
    })
}
