//! The log of a server: a line a happening, into its file or to the standard output.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::sync::Arc;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{ChronoLocal, FormatTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `[2026-11-22 10:00:00 *1234] WARNING text`, with tabs in between.
struct Line(ChronoLocal);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_char('[')?;
        self.0.format_time(&mut writer)?;
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "TRACE",
        };
        write!(writer, " *{}]\t{level}\t", std::process::id())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// What `log_level` leaves: 0 debug, 1 trace, 2 info, 3 notice, 4 warning, 5 error, 6 nothing.
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

/// Opens the log of this process and of those that it forks. A process has one log, from its first server on.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn open(path: Option<&str>, level: u8) -> io::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_max_level(filter(level))
        .with_ansi(false)
        .event_format(Line(ChronoLocal::new("%Y-%m-%d %H:%M:%S".to_owned())));
    // Ours or an earlier server's: either way there is a log.
    let _ = match path {
        // Appended, so that lines of several processes do not overwrite each other.
        Some(path) => {
            let file: Arc<File> = Arc::new(OpenOptions::new().create(true).append(true).open(path)?);
            builder.with_writer(file).try_init()
        }
        None => builder.with_writer(io::stdout).try_init(),
    };
    Ok(())
}
