//! `Swoole\Coroutine\System`: what would block the process, in a thread meanwhile.

use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::coroutine::descriptor::{Interest, ready};
use crate::coroutine::methods::{required, until, wait};
use crate::coroutine::registry::{Wait, Woken};
use crate::guard::Stop;
use crate::last_error;
use crate::method::{Call, methods};

/// So many threads look up names at once; whoever comes then waits.
const LOOKUPS_MAX: usize = 32;
const LOOKUP_PAUSE: Duration = Duration::from_millis(2);

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// The longest name that DNS has (RFC 1035 §2.3.4), in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// How a look-up ended.
pub(crate) enum Resolved {
    Addresses(Vec<IpAddr>),
    Failed,
    TimedOut,
}

/// The addresses of a host, looked up by the system in a thread of its own.
///
/// # Errors
/// As for any wait.
pub(crate) fn resolve(host: &str, seconds: f64) -> Result<Resolved, Stop> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Resolved::Addresses(vec![address]));
    }
    let until = until(seconds);
    while LOOKUPS.load(Ordering::Relaxed) >= LOOKUPS_MAX {
        let is_late = until.is_some_and(|until| until <= Instant::now());
        if is_late || wait(Wait::Other, Some(Instant::now() + LOOKUP_PAUSE), |_| {})? != Woken::TimedOut {
            return Ok(Resolved::TimedOut);
        }
    }
    let Ok((mut done, at_end)) = UnixStream::pair() else { return Ok(Resolved::Failed) };
    let (answer, answered) = channel();
    let name = host.to_owned();
    LOOKUPS.fetch_add(1, Ordering::Relaxed);
    let began = std::thread::Builder::new().name("resolver".into()).spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
        let _ = answer.send(found);
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        // Closed only now: whoever waits finds the answer.
        drop(at_end);
    });
    if began.is_err() {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        return Ok(Resolved::Failed);
    }
    match ready(done.as_raw_fd(), Interest::Read, until)? {
        Woken::Happened => {
            let _ = done.read(&mut [0]);
            Ok(match answered.try_recv() {
                Ok(Ok(addresses)) => Resolved::Addresses(addresses),
                _ => Resolved::Failed,
            })
        }
        _ => Ok(Resolved::TimedOut),
    }
}

fn host_by_name(call: &mut Call<'_>) -> Result<(), Stop> {
    call.count(1, 3)?;
    let name = call.text(0)?.unwrap_or_default();
    let family = call.long(1)?.unwrap_or(libc::AF_INET.into());
    let seconds = call.double(2)?.unwrap_or(-1.0);
    required()?;
    call.give_bool(false);
    let is_wanted =
        |address: &IpAddr| if family == i64::from(libc::AF_INET6) { address.is_ipv6() } else { address.is_ipv4() };
    let name = str::from_utf8(name).ok().filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
    let Some(name) = name else {
        last_error::set(libc::EINVAL.into());
        return Ok(());
    };
    match resolve(name, seconds)? {
        Resolved::Addresses(addresses) => match addresses.into_iter().find(is_wanted) {
            Some(address) => call.give_bytes(address.to_string().as_bytes())?,
            None => last_error::set(last_error::DNSLOOKUP_RESOLVE_FAILED),
        },
        Resolved::Failed => last_error::set(last_error::DNSLOOKUP_RESOLVE_FAILED),
        Resolved::TimedOut => last_error::set(last_error::CO_TIMEDOUT),
    }
    Ok(())
}

methods! {
    fn zim_Swoole_Coroutine_gethostbyname(call) { host_by_name(call) }
    fn zim_Swoole_Coroutine_System_gethostbyname(call) { host_by_name(call) }
    fn zim_Swoole_Coroutine_System_sleep(call) { crate::coroutine::methods::sleep(call) }
}
