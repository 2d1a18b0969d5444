//! The servers that are compared, and how each is started.

use crate::compare::named;
use crate::load::Kind;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const START_TIME_MAX: Duration = Duration::from_secs(10);
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
const LOOK_TIME: Duration = Duration::from_millis(5);

/// What a server is asked to do with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Send them back.
    Echo,
    /// Send them back, compressed.
    Deflate,
    /// Send them to all.
    Broadcast,
}

impl Job {
    /// What a kind of load needs.
    pub fn of(kind: Kind) -> Job {
        match kind {
            Kind::Echo | Kind::Handshake | Kind::Idle => Job::Echo,
            Kind::Deflate => Job::Deflate,
            Kind::Broadcast => Job::Broadcast,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Job::Echo => "echo",
            Job::Deflate => "deflate",
            Job::Broadcast => "broadcast",
        }
    }
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// What it can do.
    jobs: &'static [Job],
    start: fn(&Places, Job, u16) -> Result<Command, String>,
}

const ALL_JOBS: &[Job] = &[Job::Echo, Job::Deflate, Job::Broadcast];

/// All that there are. The first is what the others are compared with.
pub static ALL: [Server; 12] = [
    Server { name: "floor", meaning: "the least that a server can do", jobs: ALL_JOBS, start: floor },
    Server { name: "rust-base", meaning: "Wirewool, Rust, one worker process", jobs: ALL_JOBS, start: rust_base },
    Server {
        name: "rust-base-2",
        meaning: "Wirewool, Rust, two worker processes on the same core",
        jobs: &[Job::Echo],
        start: rust_base_two,
    },
    Server { name: "rust-thread", meaning: "Wirewool, Rust, one worker thread", jobs: ALL_JOBS, start: rust_thread },
    Server {
        name: "rust-process",
        meaning: "Wirewool, Rust, one reactor and one worker process",
        jobs: ALL_JOBS,
        start: rust_process,
    },
    Server { name: "php-base", meaning: "Wirewool, PHP, SWOOLE_BASE, one worker", jobs: ALL_JOBS, start: php_base },
    Server {
        name: "php-process",
        meaning: "Wirewool, PHP, SWOOLE_PROCESS, one reactor and one worker",
        jobs: ALL_JOBS,
        start: php_process,
    },
    Server { name: "yawc", meaning: "yawc, Rust", jobs: ALL_JOBS, start: yawc },
    Server { name: "fastwebsockets", meaning: "fastwebsockets, Rust", jobs: &[Job::Echo], start: fastwebsockets },
    Server {
        name: "tungstenite",
        meaning: "tokio-tungstenite, Rust",
        jobs: &[Job::Echo, Job::Broadcast],
        start: tungstenite,
    },
    Server { name: "ws", meaning: "ws, Node", jobs: ALL_JOBS, start: node },
    Server { name: "websockets", meaning: "websockets, Python", jobs: ALL_JOBS, start: python },
];

/// Those that a list of names asks for; all but the second of the same, if it is empty.
///
/// # Errors
/// A name that no server has.
pub fn chosen(names: &str) -> Result<Vec<&'static Server>, String> {
    match names.trim().is_empty() {
        true => Ok(ALL.iter().filter(|server| server.name != "rust-base-2").collect()),
        false => named(&ALL, |server| server.name, names),
    }
}

/// Where programs and scripts are.
#[derive(Debug)]
pub struct Places {
    /// The folder of the release programs: this one's own.
    pub programs: PathBuf,
    /// The PHP extension.
    pub extension: PathBuf,
    /// A folder for what servers print.
    pub logs: PathBuf,
}

/// A server that runs, until it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// At 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Whether it is Wirewool.
    pub fn is_ours(&self) -> bool {
        self.meaning.starts_with("Wirewool")
    }

    /// Whether it is there and can do this; if not, why, in a sentence.
    ///
    /// # Errors
    /// That sentence.
    pub fn check(&self, places: &Places, job: Job) -> Result<(), String> {
        if !self.jobs.contains(&job) {
            return Err(format!("{} has no {} here.", self.name, job.name()));
        }
        (self.start)(places, job, 0).map(drop)
    }

    /// Starts it, on the core that the caller is bound to, and waits until it listens.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub fn start(&self, places: &Places, job: Job) -> Result<Running, String> {
        let port = free_port()?;
        let mut command = (self.start)(places, job, port)?;
        let path = places.logs.join(format!("{}.log", self.name));
        let log = fs::File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(|error| format!("{} cannot be started: {error}", self.name))?;
        let mut running = Running { child, port };
        let deadline = Instant::now() + START_TIME_MAX;
        while !listens(port) {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("{} ended with {status}: see {}", self.name, path.display()));
            }
            if Instant::now() > deadline {
                return Err(format!("{} does not listen: see {}", self.name, path.display()));
            }
            thread::sleep(LOOK_TIME);
        }
        Ok(running)
    }
}

impl Running {
    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    /// Asks it to end, which lets it end its own workers, then makes it.
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + STOP_TIME_MAX;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(LOOK_TIME);
        }
    }
}

fn free_port() -> Result<u16, String> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    probe.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// Asks the kernel, without a connection that the server would see.
fn listens(port: u16) -> bool {
    const LISTENING: &str = "0A";
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let table = fs::read_to_string(table).unwrap_or_default();
        table.lines().any(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&wanted)) && fields.nth(1) == Some(LISTENING)
        })
    })
}

// ---- how each is started ----

fn program(path: &Path, arguments: &[&str]) -> Result<Command, String> {
    if !path.exists() {
        return Err(format!("{} is missing: it has not been built.", path.display()));
    }
    let mut command = Command::new(path);
    command.args(arguments);
    Ok(command)
}

/// A program of ours or of `bench/peers`: what it does is a flag, to echo needs none.
fn flagged(path: &Path, job: Job, port: u16) -> Result<Command, String> {
    let mut command = program(path, &["--port", &port.to_string()])?;
    if job != Job::Echo {
        command.arg(format!("--{}", job.name()));
    }
    Ok(command)
}

fn floor(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    flagged(&places.programs.join("floor"), job, port)
}

fn wirewool(places: &Places, job: Job, port: u16, (mode, workers): (&str, &str)) -> Result<Command, String> {
    let example = if job == Job::Broadcast { "broadcast" } else { "echo" };
    let port = port.to_string();
    let arguments = ["--port", &port, "--mode", mode, "--workers", workers];
    let mut command = program(&places.programs.join("examples").join(example), &arguments)?;
    if job == Job::Deflate {
        command.arg("--deflate");
    }
    Ok(command)
}

fn rust_base(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    wirewool(places, job, port, ("base", "1"))
}

fn rust_base_two(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    wirewool(places, job, port, ("base", "2"))
}

fn rust_thread(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    wirewool(places, job, port, ("thread", "1"))
}

fn rust_process(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    let mut command = wirewool(places, job, port, ("process", "1"))?;
    command.args(["--reactors", "1"]);
    Ok(command)
}

fn php_base(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    php(places, job, port, "base")
}

fn php_process(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    php(places, job, port, "process")
}

fn php(places: &Places, job: Job, port: u16, mode: &str) -> Result<Command, String> {
    if !places.extension.exists() {
        return Err(format!("{} is missing: it has not been built.", places.extension.display()));
    }
    let mut extension = OsString::from("extension=");
    extension.push(&places.extension);
    let mut command = installed("php", "PHP")?;
    // -n: no php.ini, so that no setting of this machine takes part.
    command.arg("-n").arg("-d").arg(extension);
    let port = port.to_string();
    match job {
        Job::Broadcast => command.args(["bench/broadcast.php", &port, mode]),
        Job::Echo => command.args(["examples/echo.php", &port, mode, "1"]),
        Job::Deflate => command.args(["examples/echo.php", &port, mode, "1", "deflate"]),
    };
    Ok(command)
}

fn yawc(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    flagged(&places.programs.join("peer-yawc"), job, port)
}

fn fastwebsockets(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    flagged(&places.programs.join("peer-fastwebsockets"), job, port)
}

fn tungstenite(places: &Places, job: Job, port: u16) -> Result<Command, String> {
    flagged(&places.programs.join("peer-tungstenite"), job, port)
}

fn node(_: &Places, job: Job, port: u16) -> Result<Command, String> {
    if !Path::new("tests/node_modules/ws").exists() {
        return Err("The npm package ws is missing: `make install-test` installs it.".to_owned());
    }
    let mut command = installed("node", "Node")?;
    command.args(["bench/peers/ws.mjs", &port.to_string(), job.name()]);
    Ok(command)
}

fn python(_: &Places, job: Job, port: u16) -> Result<Command, String> {
    let path = Path::new(".venv/bin/python");
    if !path.exists() {
        return Err("The Python package websockets is missing: `make install-test` installs it.".to_owned());
    }
    program(path, &["bench/peers/websockets_server.py", &port.to_string(), job.name()])
}

fn installed(name: &str, meaning: &str) -> Result<Command, String> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if found { Ok(Command::new(name)) } else { Err(format!("{meaning} is missing.")) }
}
