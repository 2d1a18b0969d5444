//! The log of a server: a line a happening, into a file that is reopened when it was rotated, or to the standard output.
//!
//! All processes write to the same file, each line by one write at its end: none is cut, none overwrites another. The
//! file keeps its descriptor, and a reopened one is put in its place at once for all threads: a line goes to the old file
//! or the new one.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::Local;
use rustix::stdio;
use tracing::{Event, Level as TracingLevel, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use wirewool_engine::config::{Config, ConfigError};
use wirewool_engine::service::identity::Identity;
use wirewool_engine::service::not_file;
use wirewool_ipc::reopen;

use crate::method::methods;

/// The numbers of a user and a group.
type Owner = (Option<u32>, Option<u32>);

/// What a file that could not be opened is left alone for.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often a file that comes and goes is tried to be opened or made.
const TRIES_MAX: usize = 8;

/// What is as grave as that, or graver, is logged unless a script says otherwise.
const LEVEL_DEFAULT: u8 = 2;

/// By their numbers, `SWOOLE_LOG_*`.
const LEVELS: [&str; 6] = ["DEBUG", "TRACE", "INFO", "NOTICE", "WARNING", "ERROR"];

/// The log of this process and of those that it forks.
struct Log {
    level: u8,
    date_format: String,
    file: Option<LogFile>,
}

/// The file, and what it takes to open it again.
struct LogFile {
    file: File,
    path: PathBuf,
    /// What comes behind the path, as for strftime(3).
    suffix: Option<&'static str>,
    /// Whose it is if it is made.
    owner: Option<Owner>,
    /// What was seen when it was opened: how often that was asked for, and the minute.
    reopens: AtomicU64,
    minute: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// The path that is open.
    open: PathBuf,
    /// It could not be opened since then, whether that was said, and when it is tried again.
    failing: Option<(Instant, bool)>,
}

/// A process has one log, from its first server on.
static LOG: OnceLock<Log> = OnceLock::new();

/// What is printed goes there, too.
static TAKES_STDIO: AtomicBool = AtomicBool::new(false);

/// This process has other paths.
static STAYS: AtomicBool = AtomicBool::new(false);

/// Opens the log of this process and of those that it forks.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn open(config: &Config, identity: Option<&Identity>) -> Result<(), ConfigError> {
    let owner = identity.map(Identity::owner);
    let open = |path: &str| {
        let opened = LogFile::open(path, config.log_rotation.suffix(), owner);
        opened.map_err(|error| not_file("log_file", path, &error))
    };
    let file = config.log_file.as_deref().map(open).transpose()?;
    let fraction = if config.log_date_with_microseconds { "%.6f" } else { "" };
    let log = Log { level: config.log_level, date_format: format!("{}{fraction}", config.log_date_format), file };
    // Ours or an earlier server's: either way there is a log.
    let _ = LOG.set(log);
    let builder = tracing_subscriber::fmt().with_max_level(filter(config.log_level)).with_ansi(false);
    let _ = builder.event_format(Line).with_writer(|| Lines).try_init();
    Ok(())
}

/// From now on what anybody prints in this process goes to the log file, or nowhere, and nothing is read.
///
/// # Errors
/// Those of open(2) for /dev/null.
pub(crate) fn take_stdio() -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    stdio::dup2_stdin(&nothing)?;
    TAKES_STDIO.store(true, SeqCst);
    match LOG.get().and_then(|log| log.file.as_ref()) {
        Some(file) => print_to(&file.file),
        None => print_to(&nothing),
    }
}

fn print_to(file: &File) -> io::Result<()> {
    stdio::dup2_stdout(file)?;
    Ok(stdio::dup2_stderr(file)?)
}

/// This process cannot open the log again, its paths are others: it stays with what it has open.
pub(crate) fn stay() {
    STAYS.store(true, SeqCst);
}

/// If the log was rotated, this process goes on in the new file.
pub(crate) fn follow() {
    if let Some(file) = LOG.get().and_then(|log| log.file.as_ref()) {
        file.follow();
    }
}

/// What `log_level` leaves.
fn filter(level: u8) -> LevelFilter {
    match level {
        0 => LevelFilter::TRACE,
        1 => LevelFilter::DEBUG,
        2 => LevelFilter::INFO,
        3 | 4 => LevelFilter::WARN,
        5 => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    }
}

/// `[2026-11-22 10:00:00 *1234] WARNING `, with tabs in between.
fn begin(to: &mut dyn fmt::Write, level: &str) -> fmt::Result {
    let format = LOG.get().map_or("%Y-%m-%d %H:%M:%S", |log| &log.date_format);
    write!(to, "[{} *{}]\t{level}\t", Local::now().format(format), std::process::id())
}

/// A line of the log.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = match *event.metadata().level() {
            TracingLevel::ERROR => "ERROR",
            TracingLevel::WARN => "WARNING",
            TracingLevel::INFO => "INFO",
            TracingLevel::DEBUG => "TRACE",
            TracingLevel::TRACE => "DEBUG",
        };
        begin(&mut writer, level)?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Where lines go, each by one write.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match LOG.get().and_then(|log| log.file.as_ref()) {
            Some(file) => {
                file.follow();
                io::Write::write(&mut &file.file, bytes)
            }
            None => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile {
    fn open(path: &str, suffix: Option<&'static str>, owner: Option<Owner>) -> io::Result<LogFile> {
        // A script may change its directory.
        let path = std::path::absolute(path)?;
        let (reopens, minute) = (reopen::asked(), minute());
        let open = path_now(&path, suffix);
        let file = append(&open, owner)?;
        let state = Mutex::new(State { open, failing: None });
        Ok(LogFile { file, path, suffix, owner, reopens: reopens.into(), minute: minute.into(), state })
    }

    /// Goes on in the new file, if there is to be one.
    fn follow(&self) {
        let (reopens, minute) = (reopen::asked(), if self.suffix.is_some() { minute() } else { 0 });
        let is_asked = reopens != self.reopens.load(SeqCst);
        if !is_asked && (self.suffix.is_none() || minute == self.minute.load(SeqCst)) {
            return;
        }
        // Or another thread is at it.
        let (false, Ok(mut state)) = (STAYS.load(SeqCst), self.state.try_lock()) else { return };
        let path = path_now(&self.path, self.suffix);
        if is_asked || path != state.open {
            let now = Instant::now();
            if state.failing.is_some_and(|(at, _)| now.duration_since(at) < RETRY_PAUSE) {
                return;
            }
            if let Err(error) = append(&path, self.owner).and_then(|file| replace(&file, &self.file)) {
                // At once another process may make it, which is allowed to.
                let is_said = state.failing.is_some_and(|(_, is_said)| is_said);
                if state.failing.is_some() && !is_said {
                    self.complain(&path, &error);
                }
                state.failing = Some((now, state.failing.is_some()));
                return;
            }
            state.failing = None;
            state.open = path;
        }
        self.reopens.store(reopens, SeqCst);
        self.minute.store(minute, SeqCst);
    }

    /// Into the old file: nobody else hears of it.
    fn complain(&self, path: &Path, error: &io::Error) {
        let mut line = String::new();
        let _ = begin(&mut line, "WARNING");
        let _ = writeln!(line, "cannot go on in {}: {error}; this process stays with the old file", path.display());
        let _ = io::Write::write(&mut &self.file, line.as_bytes());
    }
}

fn minute() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

fn path_now(path: &Path, suffix: Option<&str>) -> PathBuf {
    let Some(suffix) = suffix else { return path.to_owned() };
    let mut path = path.as_os_str().to_owned();
    path.push(Local::now().format(suffix).to_string());
    path.into()
}

/// Opens a file to append to, or makes it. One that is there belongs to whoever gave it away: it may be a link.
fn append(path: &Path, owner: Option<Owner>) -> io::Result<File> {
    let mut last = io::Error::other("it comes and goes");
    for _ in 0..TRIES_MAX {
        match OpenOptions::new().append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match OpenOptions::new().append(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
            Ok(made) => {
                if let Some((user, group)) = owner {
                    // A process that may not do this is that user.
                    let _ = fchown(&made, user, group);
                }
                return Ok(made);
            }
        }
    }
    Err(last)
}

/// What is written to `old` goes into the file of `new` from now on.
fn replace(new: &File, old: &File) -> io::Result<()> {
    // SAFETY: both are open for the length of the call, and what `old` was is meant to be closed.
    let done = unsafe { libc::dup3(new.as_raw_fd(), old.as_raw_fd(), libc::O_CLOEXEC) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    if TAKES_STDIO.load(SeqCst) { print_to(old) } else { Ok(()) }
}

/// A line of a script's own.
fn write(level: i64, text: &[u8]) {
    let least = LOG.get().map_or(LEVEL_DEFAULT, |log| log.level);
    let Some(name) = usize::try_from(level).ok().and_then(|level| LEVELS.get(level)) else { return };
    if level < i64::from(least) {
        return;
    }
    let mut line = String::new();
    let _ = begin(&mut line, name);
    let mut line = line.into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    // A log that cannot be written has nobody to tell.
    let _ = io::Write::write_all(&mut Lines, &line);
}

methods! {
    fn zif_swoole_error_log(call) {
        call.count(2, 2)?;
        let level = call.long(0)?.unwrap_or(0);
        let text = call.text(1)?.unwrap_or_default();
        write(level, text);
        Ok(())
    }
}
