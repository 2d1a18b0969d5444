//! The rows of what an operator gives a server: its log.

use crate::options::values::{put, whole};
use crate::options::{OptionRow, Value};

pub(crate) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        names: &["log_file"],
        rust: None,
        wanted: "a path",
        default: "the standard output",
        meaning: "Where the log goes.",
        set: |config, value| match value {
            Value::Text(path) => {
                config.log_file = Some(path.clone());
                true
            }
            _ => false,
        },
    },
    OptionRow {
        names: &["log_level"],
        rust: None,
        wanted: "0 to 6",
        default: "2",
        meaning: "What is logged: 0 debug, 1 trace, 2 info, 3 notice, 4 warning, 5 error, 6 nothing; each includes the ones above it.",
        set: |config, value| put(&mut config.log_level, whole(value, 0, 6).map(|n| n as u8)),
    },
];
