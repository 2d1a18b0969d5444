//! The extension's functions.

use std::io;
use std::thread::available_parallelism;

use crate::last_error;
use crate::method::methods;
use crate::process;

/// The version of Swoole whose API this is: frameworks branch on it.
const SWOOLE_VERSION: &str = "4.8.13";

/// Whose errors `swoole_strerror()` is asked about (`SWOOLE_STRERROR_*`); every other number is told apart by range.
const STRERROR_GAI: i64 = 1;

methods! {
    fn zif_swoole_version(call) {
        call.count(0, 0)?;
        call.give_bytes(SWOOLE_VERSION.as_bytes())
    }

    fn zif_swoole_cpu_num(call) {
        call.count(0, 0)?;
        call.give_long(available_parallelism().map_or(1, |count| count.get() as i64));
        Ok(())
    }

    fn zif_swoole_last_error(call) {
        call.count(0, 0)?;
        call.give_long(last_error::get());
        Ok(())
    }

    fn zif_swoole_errno(call) {
        call.count(0, 0)?;
        call.give_long(io::Error::last_os_error().raw_os_error().unwrap_or(0).into());
        Ok(())
    }

    fn zif_swoole_clear_error(call) {
        call.count(0, 0)?;
        last_error::set(0);
        Ok(())
    }

    fn zif_swoole_strerror(call) {
        call.count(1, 2)?;
        let code = call.long(0)?.unwrap_or(0);
        let text = match call.long(1)? {
            Some(STRERROR_GAI) => last_error::resolver_text(code),
            _ => last_error::text(code),
        };
        call.give_bytes(text.as_bytes())
    }

    fn zif_swoole_set_process_name(call) {
        call.count(1, 1)?;
        let done = process::set_title(call.text(0)?.unwrap_or_default())?;
        call.give_bool(done);
        Ok(())
    }
}
