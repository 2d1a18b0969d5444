//! One socket of a client: connected, written and read without blocking; what has to wait waits as a coroutine.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::client::settings::Settings;
use crate::coroutine::descriptor::{Interest, ready};
use crate::coroutine::methods;
use crate::coroutine::registry::{Wait, Woken};
use crate::coroutine::system::{NAME_BYTES_MAX, Resolved, resolve};
use crate::guard::Stop;
use crate::last_error;

/// What is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// After so many reads without a wait the other coroutines have their turn.
const READS_MAX: u8 = 32;

/// How long a unix socket whose server has no room for another connection is left alone.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(16);

/// Why something did not come about: the code of the system's or of ours, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn of(code: impl Into<i64>) -> Failure {
        let code = code.into();
        Failure { code, text: last_error::text(code) }
    }

    pub(crate) fn system(error: &io::Error) -> Failure {
        match error.raw_os_error() {
            Some(code) => Failure::of(code),
            None => Failure { code: libc::EINVAL.into(), text: error.to_string() },
        }
    }
}

/// Where a client's server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(String, u16),
    Unix(String),
}

impl Place {
    /// A name or address and a port, or `unix:/path`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(host: &[u8], port: i64) -> Result<Place, String> {
        let host = str::from_utf8(host).map_err(|_| "the host is not UTF-8".to_owned())?;
        if let Some(path) = host.strip_prefix("unix:") {
            let path = path.to_owned();
            return match SockAddr::unix(&path) {
                Ok(_) if !path.is_empty() && !path.contains('\0') => Ok(Place::Unix(path)),
                _ => Err(format!("the path of the socket has {} bytes, wanted 1 to 107", path.len())),
            };
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.contains('\0') {
            return Err("the host has a zero byte".to_owned());
        }
        if bare.is_empty() || bare.len() > NAME_BYTES_MAX {
            return Err(format!("the host has {} bytes, wanted 1 to {NAME_BYTES_MAX}", bare.len()));
        }
        match u16::try_from(port) {
            Ok(0) => Ok(Place::Tcp(bare.to_owned(), 80)),
            Ok(port) => Ok(Place::Tcp(bare.to_owned(), port)),
            Err(_) => Err(format!("the port is {port}, wanted 1 to 65535, or 0 for 80")),
        }
    }
}

thread_local! {
    /// Lent to whoever looks at what was read; an idle connection has no buffer.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What the socket has not taken yet.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    at: usize,
}

/// A socket that is connected. It is closed when nobody holds it any more.
pub(crate) struct Connection {
    socket: Socket,
    rest: RefCell<Rest>,
    reads: Cell<u8>,
    /// Somebody has shut it while others may have waited for it.
    is_shut: Cell<bool>,
}

type Outcome<T> = Result<Result<T, Failure>, Stop>;

impl Connection {
    /// A new connection.
    ///
    /// # Errors
    /// As for any wait; what a failed connection failed for is a value.
    pub(crate) fn open(place: &Place, settings: &Settings) -> Outcome<Connection> {
        let until = methods::until(settings.connect_seconds());
        let addresses = match place {
            Place::Unix(path) => match SockAddr::unix(path) {
                Ok(address) => vec![address],
                Err(error) => return Ok(Err(Failure::system(&error))),
            },
            Place::Tcp(host, port) => match resolve(host, settings.connect_seconds())? {
                Resolved::Addresses(found) => {
                    found.into_iter().map(|ip: IpAddr| SocketAddr::new(ip, *port).into()).collect()
                }
                Resolved::Failed => Vec::new(),
                Resolved::TimedOut => return Ok(Err(Failure::of(libc::ETIMEDOUT))),
            },
        };
        let mut failure = Failure::of(last_error::DNSLOOKUP_RESOLVE_FAILED);
        for address in addresses {
            match connect(&address, settings, until)? {
                Ok(socket) => {
                    let (rest, reads, is_shut) = Default::default();
                    return Ok(Ok(Connection { socket, rest, reads, is_shut }));
                }
                Err(next) => failure = next,
            }
        }
        Ok(Err(failure))
    }

    /// Waits until it is ready, or shut, or `until` has come.
    fn wait(&self, interest: Interest, until: Option<Instant>) -> Outcome<()> {
        let woken = wait(&self.socket, interest, until)?;
        Ok(if self.is_shut.get() { Err(Failure::of(last_error::CLIENT_NO_CONNECTION)) } else { woken })
    }

    /// Lends `look` what can be read now: nothing, if the peer has ended. None: there is nothing to be read yet.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&mut [u8]) -> R) -> Result<Option<R>, Failure> {
        if self.is_shut.get() {
            return Err(Failure::of(last_error::CLIENT_NO_CONNECTION));
        }
        let mut buffer = BUFFER.take();
        buffer.resize(READ_BYTES, 0);
        let looked = loop {
            match (&self.socket).read(&mut buffer) {
                Ok(read) => break Ok(Some(look(&mut buffer[..read]))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(None),
                Err(error) => break Err(Failure::system(&error)),
            }
        };
        BUFFER.set(buffer);
        looked
    }

    /// As [`Connection::read`], and waits until there is something.
    ///
    /// # Errors
    /// As for any wait; the socket's, and a time that is over, are values.
    pub(crate) fn read_or_wait<R>(&self, until: Option<Instant>, mut look: impl FnMut(&mut [u8]) -> R) -> Outcome<R> {
        loop {
            let reads = self.reads.get();
            self.reads.set(reads + 1);
            if reads < READS_MAX {
                match self.read(&mut look) {
                    Ok(Some(looked)) => return Ok(Ok(looked)),
                    Ok(None) => {}
                    Err(failure) => return Ok(Err(failure)),
                }
            }
            self.reads.set(0);
            if let Err(failure) = self.wait(Interest::Read, until)? {
                return Ok(Err(failure));
            }
        }
    }

    /// Is it as a connection is that nobody uses: open, with nothing to be read?
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        loop {
            match self.socket.peek(&mut byte).map_err(|error| error.kind()) {
                Err(io::ErrorKind::Interrupted) => {}
                Err(io::ErrorKind::WouldBlock) => return !self.is_shut.get(),
                _ => return false,
            }
        }
    }

    /// Does nothing wait to be written?
    pub(crate) fn is_flushed(&self) -> bool {
        self.rest.borrow().bytes.is_empty()
    }

    /// Puts bytes behind those that wait to be written.
    pub(crate) fn put(&self, bytes: Vec<u8>) {
        let mut rest = self.rest.borrow_mut();
        if rest.bytes.is_empty() {
            rest.bytes = bytes;
        } else {
            rest.bytes.extend_from_slice(&bytes);
        }
    }

    /// Writes as much as the socket takes now. Is that all?
    pub(crate) fn write(&self) -> Result<bool, Failure> {
        let mut rest = self.rest.borrow_mut();
        while rest.at < rest.bytes.len() {
            match self.socket.send_with_flags(&rest.bytes[rest.at..], libc::MSG_NOSIGNAL) {
                Ok(written) => rest.at += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(Failure::system(&error)),
            }
        }
        *rest = Rest::default();
        Ok(true)
    }

    /// As [`Connection::write`], and waits until it is all.
    ///
    /// # Errors
    /// As for any wait; the socket's, and a time that is over, are values.
    pub(crate) fn write_or_wait(&self, until: Option<Instant>) -> Outcome<()> {
        loop {
            match self.write() {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => {}
                Err(failure) => return Ok(Err(failure)),
            }
            if let Err(failure) = self.wait(Interest::Write, until)? {
                return Ok(Err(failure));
            }
        }
    }

    /// Nothing more is sent.
    pub(crate) fn end_writing(&self) {
        // It may have ended already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Ends it for all who wait for it.
    pub(crate) fn shut(&self) {
        self.is_shut.set(true);
        // As above.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Has somebody ended it?
    pub(crate) fn is_shut(&self) -> bool {
        self.is_shut.get()
    }

    /// The address of this end, or of the other.
    pub(crate) fn address(&self, is_own: bool) -> Result<(String, u16), Failure> {
        let address = if is_own { self.socket.local_addr() } else { self.socket.peer_addr() };
        let address = address.map_err(|error| Failure::system(&error))?;
        Ok(match address.as_socket() {
            Some(address) => (address.ip().to_string(), address.port()),
            None => (address.as_pathname().map_or(String::new(), |path| path.to_string_lossy().into_owned()), 0),
        })
    }
}

fn wait(socket: &Socket, interest: Interest, until: Option<Instant>) -> Outcome<()> {
    Ok(match ready(socket.as_raw_fd(), interest, until)? {
        Woken::Happened => Ok(()),
        Woken::TimedOut => Err(Failure::of(libc::ETIMEDOUT)),
        Woken::Canceled | Woken::Ending => Err(Failure::of(libc::ECANCELED)),
        Woken::Refused => Err(Failure::of(last_error::CO_YIELD_FAILED)),
    })
}

fn connect(address: &SockAddr, settings: &Settings, until: Option<Instant>) -> Outcome<Socket> {
    let mut pause = PAUSE_MIN;
    loop {
        let error = match begin(address, settings) {
            Ok(socket) => return Ok(Ok(socket)),
            Err((socket, error)) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                let Some(socket) = socket else { return Ok(Err(Failure::system(&error))) };
                return Ok(await_connected(&socket, until)?.map(|()| socket));
            }
            Err((_, error)) => error,
        };
        // unix(7): EAGAIN means that the server has no room for another connection now.
        if !(address.is_unix() && error.kind() == io::ErrorKind::WouldBlock) {
            return Ok(Err(Failure::system(&error)));
        }
        let again = Instant::now() + pause;
        if until.is_some_and(|until| until < again) {
            return Ok(Err(Failure::of(libc::ETIMEDOUT)));
        }
        pause = (pause * 2).min(PAUSE_MAX);
        if methods::wait(Wait::Other, Some(again), |_| {})? != Woken::TimedOut {
            return Ok(Err(Failure::of(libc::ECANCELED)));
        }
    }
}

fn await_connected(socket: &Socket, until: Option<Instant>) -> Outcome<()> {
    loop {
        if let Err(failure) = wait(socket, Interest::Write, until)? {
            return Ok(Err(failure));
        }
        match (socket.take_error(), socket.peer_addr()) {
            (Ok(None), Ok(_)) => return Ok(Ok(())),
            // It was woken by what a descriptor of the same number had waited for.
            (Ok(None), Err(_)) => {}
            (Ok(Some(error)) | Err(error), _) => return Ok(Err(Failure::system(&error))),
        }
    }
}

/// Begins to connect. The error has the socket that it is about.
fn begin(address: &SockAddr, settings: &Settings) -> Result<Socket, (Option<Socket>, io::Error)> {
    let socket = Socket::new(address.domain(), Type::STREAM, None).map_err(|error| (None, error))?;
    let prepared = prepare(&socket, address, settings).and_then(|()| socket.connect(address));
    match prepared {
        Ok(()) => Ok(socket),
        Err(error) => Err((Some(socket), error)),
    }
}

fn prepare(socket: &Socket, address: &SockAddr, settings: &Settings) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if address.domain() != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
        if let Some(own) = settings.bound_to(address.domain() == Domain::IPV6) {
            socket.set_reuse_address(true)?;
            socket.bind(&own.into())?;
        }
    }
    if let Some(bytes) = settings.socket_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}
