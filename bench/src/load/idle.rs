//! Opens many connections, lets each say something once, and weighs the server.

use crate::frame::{BINARY, FIN, append_masked};
use crate::load::Load;
use crate::load::connect::{self, Opened};
use crate::machine;
use crate::process::Processes;
use crate::run::Run;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Open before the server is weighed first, so that what it needs only once is there already.
const WARM: usize = 100;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Weighs the server with a few connections and with many.
///
/// # Errors
/// What went wrong, in words.
pub fn run(load: &Load) -> Result<Run, String> {
    let allowed = machine::raise_descriptor_limit();
    if (load.connections + WARM + 50) as u64 > allowed {
        return Err(format!("only {allowed} descriptors are allowed (ulimit -n)"));
    }
    let mut warm = connect::open(load.port, WARM, false)?;
    speak(&mut warm, load.size)?;
    let before = settled_pss(load);
    let begin = Instant::now();
    let usage = Processes::below(load.pid).usage();
    let mut idle = connect::open(load.port, load.connections, false)?;
    speak(&mut idle, load.size)?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu_ns = Processes::below(load.pid).usage().cpu_ns - usage.cpu_ns;
    let pss_bytes = settled_pss(load);
    Ok(Run {
        seconds,
        messages: load.connections as u64,
        cpu_us_per_message: cpu_ns as f64 / 1e3 / load.connections as f64,
        pss_bytes,
        bytes_per_connection: Some((pss_bytes as f64 - before as f64) / load.connections as f64),
        content_checked: 1.0,
        ..Run::default()
    })
}

/// After the time of the warm-up, in which a server may give back what it needed for a moment.
fn settled_pss(load: &Load) -> u64 {
    thread::sleep(load.warm_up);
    Processes::below(load.pid).pss_bytes()
}

/// One message and its answer for each.
fn speak(connections: &mut [Opened], size: usize) -> Result<(), String> {
    let payload = vec![0x2A; size];
    let mut request = Vec::new();
    append_masked(&mut request, FIN | BINARY, [1, 2, 3, 4], &payload);
    for (row, Opened { socket, .. }) in connections.iter_mut().enumerate() {
        let complain = |error: std::io::Error| format!("connection {row}: {error}");
        socket.set_nonblocking(false).map_err(complain)?;
        socket.set_read_timeout(Some(ANSWER_TIME_MAX)).map_err(complain)?;
        socket.write_all(&request).map_err(complain)?;
        let (header, bytes) = crate::frame::encode(FIN | BINARY, size);
        let wanted = [&header[..bytes], &payload].concat();
        let mut answer = vec![0; wanted.len()];
        socket.read_exact(&mut answer).map_err(complain)?;
        if answer != wanted {
            return Err(format!("connection {row}: the answer is not what was sent"));
        }
    }
    Ok(())
}
