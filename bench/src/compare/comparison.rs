//! Runs every workload against every server, round by round, and hands the records on.

use crate::compare::servers::{Job, Places, Server};
use crate::compare::workloads::Workload;
use crate::compare::{calls, plot, report};
use crate::load::Kind;
use crate::machine;
use crate::run::Run;
use serde::{Deserialize, Serialize};
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where both run, given two cores.
const LOAD_CORE: usize = 0;
const SERVER_CORE: usize = 1;

/// Before a run counts. Long enough for buffers to have grown and for code to have been compiled.
const WARM_UP_SECONDS: f64 = 0.3;

/// What is compared, and how long.
#[derive(Debug)]
pub struct Settings {
    /// How often everything is run.
    pub rounds: usize,
    /// The loads.
    pub workloads: Vec<&'static Workload>,
    /// The servers; only what is installed takes part.
    pub servers: Vec<&'static Server>,
    /// How long one run measures.
    pub seconds: f64,
    /// Where the results go.
    pub out: PathBuf,
}

/// What one run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// From 1.
    pub round: usize,
    /// Its name.
    pub workload: String,
    /// Its name.
    pub server: String,
    /// What went wrong, if something did; then there is no run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was measured.
    #[serde(flatten)]
    pub run: Option<Run>,
}

/// A comparison that is under way.
#[derive(Debug)]
pub struct Comparison {
    settings: Settings,
    places: Places,
    pinned: bool,
    raw: File,
    records: Vec<Record>,
    /// Sentences about what is missing from the results.
    remarks: Vec<String>,
    /// The machine, and how busy it was before.
    machine: String,
}

impl Comparison {
    /// Finds out where everything is.
    ///
    /// # Errors
    /// The folder of the results cannot be written.
    pub fn new(settings: Settings) -> Result<Comparison, String> {
        let complain = |error: io::Error| format!("{}: {error}", settings.out.display());
        fs::create_dir_all(&settings.out).map_err(complain)?;
        let logs = settings.out.join("logs");
        fs::create_dir_all(&logs).map_err(complain)?;
        let raw = File::create(settings.out.join("runs.jsonl")).map_err(complain)?;
        let own = env::current_exe().map_err(complain)?;
        let programs = own.parent().map(PathBuf::from).unwrap_or_default();
        let extension = env::var_os("WIREWOOL_EXT").map_or_else(|| PathBuf::from("build/wirewool.so"), PathBuf::from);
        let places = Places { programs, extension, logs };
        let pinned = thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
        let machine =
            format!("{}, load average {:.1} at the beginning", machine::description(), machine::load_average());
        let mut remarks = Vec::new();
        if !pinned {
            remarks.push("One core: the server and the load share it, and wait for each other.".to_owned());
        }
        Ok(Comparison { settings, places, pinned, raw, records: Vec::new(), remarks, machine })
    }

    /// Runs all, and writes `results.md`, `runs.jsonl` and `ratios.svg`.
    ///
    /// # Errors
    /// A result that cannot be written. That one server fails is among the results instead.
    pub fn run(mut self) -> Result<(), String> {
        self.drop_what_is_missing();
        let begin = Instant::now();
        for round in 1..=self.settings.rounds {
            for workload in self.settings.workloads.clone() {
                // Memory does not scatter, and ten thousand connections take long to open.
                if workload.kind == Kind::Idle && round > 1 {
                    continue;
                }
                for server in self.settings.servers.clone() {
                    self.measure(round, workload, server)?;
                }
            }
        }
        self.count_calls()?;
        let seconds = begin.elapsed().as_secs();
        let heading = format!("{}; {} rounds in {seconds} s.", self.machine, self.settings.rounds);
        let text = report::markdown(&heading, &self.settings, &self.records, &self.remarks);
        self.write("results.md", &text)?;
        self.write("ratios.svg", &plot::svg(&self.settings, &self.records))?;
        say(&text);
        say(&format!("written to {}: results.md, runs.jsonl, ratios.svg", self.settings.out.display()));
        Ok(())
    }

    fn drop_what_is_missing(&mut self) {
        let places = &self.places;
        let remarks = &mut self.remarks;
        self.settings.servers.retain(|server| match server.check(places, Job::Echo) {
            Ok(()) => true,
            Err(why) => {
                say(&format!("without {}: {why}", server.name));
                remarks.push(format!("Without {}: {why}", server.name));
                false
            }
        });
    }

    fn measure(&mut self, round: usize, workload: &Workload, server: &Server) -> Result<(), String> {
        let job = Job::of(workload.kind);
        if server.check(&self.places, job).is_err() {
            return Ok(());
        }
        let (run, error) = match self.one_run(workload, server, job) {
            Ok(run) => (Some(run), None),
            Err(error) => (None, Some(error)),
        };
        let (workload, server) = (workload.name.to_owned(), server.name.to_owned());
        let record = Record { round, workload, server, error, run };
        say(&report::line(&record));
        let json = serde_json::to_string(&record).map_err(|error| error.to_string())?;
        writeln!(self.raw, "{json}").map_err(|error| error.to_string())?;
        self.records.push(record);
        Ok(())
    }

    fn one_run(&self, workload: &Workload, server: &Server, job: Job) -> Result<Run, String> {
        self.pin(SERVER_CORE)?;
        let running = server.start(&self.places, job)?;
        let load = self.load(workload, running.port, running.pid())?;
        result_of(load)
    }

    /// The load generator under way.
    fn load(&self, workload: &Workload, port: u16, pid: u32) -> Result<Child, String> {
        let kind = format!("{:?}", workload.kind).to_lowercase();
        let mut command = Command::new(self.places.programs.join("load"));
        command.args([kind, format!("--port={port}"), format!("--pid={pid}")]);
        command.arg(format!("--connections={}", workload.connections));
        command.arg(format!("--size={}", workload.size));
        command.arg(format!("--in-flight={}", workload.in_flight));
        command.arg(format!("--seconds={}", self.settings.seconds));
        command.arg(format!("--warm-up-seconds={WARM_UP_SECONDS}"));
        if self.pinned {
            command.arg(format!("--core={LOAD_CORE}"));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.pin(LOAD_CORE)?;
        command.spawn().map_err(|error| format!("the load generator cannot be started: {error}"))
    }

    /// What is started from here on runs there.
    fn pin(&self, core: usize) -> Result<(), String> {
        match self.pinned {
            true => machine::pin(core).map_err(|error| format!("core {core}: {error}")),
            false => Ok(()),
        }
    }

    /// In runs of their own: counting costs time, if only a little.
    fn count_calls(&mut self) -> Result<(), String> {
        let counted: Vec<_> = self.settings.workloads.iter().copied().filter(|workload| workload.calls).collect();
        if counted.is_empty() {
            return Ok(());
        }
        if let Err(why) = calls::check() {
            self.remarks.push(format!("System calls were not counted: {why}"));
            return Ok(());
        }
        for workload in counted {
            for server in self.settings.servers.clone() {
                let job = Job::of(workload.kind);
                self.pin(SERVER_CORE)?;
                let Ok(running) = server.start(&self.places, job) else { continue };
                let load = self.load(workload, running.port, running.pid())?;
                thread::sleep(Duration::from_secs_f64(WARM_UP_SECONDS));
                let counted = calls::per_second(running.pid(), self.settings.seconds / 2.0);
                let Ok(run) = result_of(load) else { continue };
                let per_message = counted.map(|counted| counted * run.seconds / run.messages.max(1) as f64);
                for record in &mut self.records {
                    if record.workload == workload.name
                        && record.server == server.name
                        && let Some(run) = &mut record.run
                    {
                        run.calls_per_message = per_message;
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.settings.out.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn result_of(load: Child) -> Result<Run, String> {
    let output = load.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the load generator's line: {error}"))
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
