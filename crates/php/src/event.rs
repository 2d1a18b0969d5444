//! The events that a script registers callbacks for.

/// An event. Those of the server itself come first, in the order of its `on…` properties; those of a port follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Start,
    BeforeShutdown,
    Shutdown,
    ManagerStart,
    ManagerStop,
    WorkerStart,
    WorkerStop,
    WorkerExit,
    WorkerError,
    BeforeReload,
    AfterReload,
    Task,
    Finish,
    PipeMessage,
    Connect,
    Receive,
    Packet,
    Close,
    BufferFull,
    BufferEmpty,
    Request,
    Handshake,
    BeforeHandshakeResponse,
    Open,
    Message,
    Disconnect,
}

/// How many events there are.
pub(crate) const EVENTS: usize = 26;

/// In the order of [`Event`].
const NAMES: [(Event, &str); EVENTS] = [
    (Event::Start, "start"),
    (Event::BeforeShutdown, "beforeShutdown"),
    (Event::Shutdown, "shutdown"),
    (Event::ManagerStart, "managerStart"),
    (Event::ManagerStop, "managerStop"),
    (Event::WorkerStart, "workerStart"),
    (Event::WorkerStop, "workerStop"),
    (Event::WorkerExit, "workerExit"),
    (Event::WorkerError, "workerError"),
    (Event::BeforeReload, "beforeReload"),
    (Event::AfterReload, "afterReload"),
    (Event::Task, "task"),
    (Event::Finish, "finish"),
    (Event::PipeMessage, "pipeMessage"),
    (Event::Connect, "connect"),
    (Event::Receive, "receive"),
    (Event::Packet, "packet"),
    (Event::Close, "close"),
    (Event::BufferFull, "bufferFull"),
    (Event::BufferEmpty, "bufferEmpty"),
    (Event::Request, "request"),
    (Event::Handshake, "handshake"),
    (Event::BeforeHandshakeResponse, "beforeHandshakeResponse"),
    (Event::Open, "open"),
    (Event::Message, "message"),
    (Event::Disconnect, "disconnect"),
];

const _: () = {
    let mut index = 0;
    while index < EVENTS {
        assert!(NAMES[index].0 as usize == index);
        index += 1;
    }
};

impl Event {
    /// The event of this name, in any case.
    pub(crate) fn from_name(name: &[u8]) -> Option<Event> {
        NAMES.iter().find(|row| row.1.as_bytes().eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// The place of its private property among those of the server; none for the events of a port.
    pub(crate) fn property(self) -> Option<u32> {
        (self as u32 <= Event::PipeMessage as u32).then_some(self as u32)
    }

    /// Does it tell of a connection?
    pub(crate) fn is_of_connection(self) -> bool {
        self as u32 >= Event::Connect as u32
    }
}
