//! The rows of what an operator gives a server: its pid file, who its workers are, its log.

use crate::config::LogRotation;
use crate::options::values::{date_format, name, path, put, text_value, truth, whole};
use crate::options::{OptionRow, Rust};

pub(crate) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        names: &["pid_file"],
        rust: Some(Rust { name: "pid_file", value: |config| text_value(config.pid_file.as_ref()) }),
        wanted: "a path",
        default: "none",
        meaning: "Has the master's process id, from the start to the end. One that a server which runs has is refused; one that was left behind is replaced.",
        set: |config, value| put(&mut config.pid_file, path(value).map(Some)),
    },
    OptionRow {
        names: &["daemonize"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "The server leaves the terminal: `start()` exits with 0 and prints nothing once the server accepts connections, otherwise says why not, and the exit code is not 0. What scripts print goes to log_file, or nowhere. The working directory stays.",
        set: |config, value| put(&mut config.daemonize, truth(value)),
    },
    OptionRow {
        names: &["user"],
        rust: Some(Rust { name: "user", value: |config| text_value(config.user.as_ref()) }),
        wanted: "a name or a number",
        default: "who started the server",
        meaning: "Who workers are, with all groups of that user, if root starts the server; master and manager stay root. A log file that is made is that user's.",
        set: |config, value| put(&mut config.user, name(value).map(Some)),
    },
    OptionRow {
        names: &["group"],
        rust: Some(Rust { name: "group", value: |config| text_value(config.group.as_ref()) }),
        wanted: "a name or a number",
        default: "the user's",
        meaning: "The group of workers, if root starts the server.",
        set: |config, value| put(&mut config.group, name(value).map(Some)),
    },
    OptionRow {
        names: &["chroot"],
        rust: Some(Rust { name: "chroot", value: |config| text_value(config.chroot.as_ref()) }),
        wanted: "a path",
        default: "none",
        meaning: "What workers see as the root of all paths, if root starts the server. They cannot reopen the log: rotate it with SIGUSR1, which replaces them.",
        set: |config, value| put(&mut config.chroot, path(value).map(Some)),
    },
    OptionRow {
        names: &["log_file"],
        rust: None,
        wanted: "a path",
        default: "the standard output",
        meaning: "Where the log goes. Rename it, then send SIGWINCH or SIGRTMIN to the master (or SIGUSR1, which reloads as well): all processes go on in a new file, and no line is lost.",
        set: |config, value| put(&mut config.log_file, path(value).map(Some)),
    },
    OptionRow {
        names: &["log_level"],
        rust: None,
        wanted: "0 to 6",
        default: "2",
        meaning: "What is logged: 0 debug, 1 trace, 2 info, 3 notice, 4 warning, 5 error, 6 nothing; each includes the ones above it.",
        set: |config, value| put(&mut config.log_level, whole(value, 0, 6).map(|n| n as u8)),
    },
    OptionRow {
        names: &["log_date_format"],
        rust: None,
        wanted: "text of at most 100 bytes with the conversions of strftime(3), of one line",
        default: "%Y-%m-%d %H:%M:%S",
        meaning: "How a line of the log begins.",
        set: |config, value| put(&mut config.log_date_format, date_format(value)),
    },
    OptionRow {
        names: &["log_date_with_microseconds"],
        rust: None,
        wanted: "true or false",
        default: "false",
        meaning: "With microseconds behind the date.",
        set: |config, value| put(&mut config.log_date_with_microseconds, truth(value)),
    },
    OptionRow {
        names: &["log_rotation"],
        rust: None,
        wanted: "0 to 4",
        default: "0",
        meaning: "The log file has the time behind its name, and a new one begins 1 each month (`.202612`), 2 each day (`.20261231`), 3 each hour, 4 each minute; 0 is one file without that. Nothing is removed.",
        set: |config, value| {
            const ROTATIONS: [LogRotation; 5] = [
                LogRotation::Single,
                LogRotation::Monthly,
                LogRotation::Daily,
                LogRotation::Hourly,
                LogRotation::EveryMinute,
            ];
            put(&mut config.log_rotation, whole(value, 0, 4).map(|n| ROTATIONS[n as usize]))
        },
    },
];
