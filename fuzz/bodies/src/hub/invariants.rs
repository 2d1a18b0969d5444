//! What must hold after each operation, when all is calm, and when all is over.

use crate::frames::Seen;
use crate::hub::heard::{Due, Heard, due};
use crate::hub::sent::{self, Extent, Frame, OwnWords, Piece};
use crate::hub::server::Connection;
use crate::hub::{FAREWELL_BYTES_MAX, Race, Reached, is_caused};
use wirewool_hub::command::After;
use wirewool_hub::event::Status;
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::websocket::close::{CloseCode, payload};
use wirewool_proto::websocket::frame::Opcode;

impl Race<'_> {
    /// After each operation: what is asked of the wire, what is owed, who is known.
    pub(crate) fn check(&mut self) {
        let Race { hub, sockets, server, .. } = self;
        for connection in &server.connections {
            let socket = sockets.of(connection.place);
            if !socket.closed {
                assert_eq!(socket.interest.write, socket.blocked, "{}: a backlog waits for room", connection.fd);
            }
            self.reached.backlogs += usize::from(socket.blocked);
            let info = hub.info(connection.fd);
            assert_eq!(info.is_none(), connection.forgotten, "{} is known until it is forgotten", connection.fd);
            let Some(info) = info else { continue };
            assert_eq!(info.place, connection.place);
            assert!(!info.open || !socket.closed && !connection.is_told());
            let most = server.settings.outbox_bytes_max + FAREWELL_BYTES_MAX + connection.promised;
            assert!(info.owed_bytes <= most, "{}", info.owed_bytes);
            assert!(!connection.must_not_be_read(hub) || !socket.interest.read, "{} is stalled", connection.fd);
            assert!(!socket.blocked || socket.closed || info.owed_bytes > 0);
        }
        let mut row = 0;
        let mut walked: Vec<Fd> = Vec::new();
        while let Some((fd, next)) = hub.next_connection(row) {
            row = next;
            walked.push(fd);
        }
        walked.sort_unstable();
        let known =
            server.connections.iter().filter(|connection| !connection.forgotten).map(|connection| connection.fd);
        assert!(known.eq(walked.iter().copied()), "{walked:?}");
        assert_eq!(hub.connections(), walked.len());
        let forgotten = server.connections.iter().filter(|connection| connection.forgotten);
        assert!(forgotten.clone().all(|connection| sockets.released.contains(&connection.fd)));
        assert_eq!(sockets.released.len(), forgotten.count());
    }

    /// At the end of a batch: the wire knows what is stuck, and the handler on which side of the marks that is.
    pub(crate) fn check_settled(&mut self) {
        let Race { hub, sockets, server, .. } = self;
        let settings = &server.settings;
        for connection in &server.connections {
            let Some(info) = hub.info(connection.fd) else { continue };
            let stuck = sockets.of(connection.place).stuck;
            assert_eq!(info.owed_bytes, stuck, "{} is owed that", connection.fd);
            if settings.buffer_events && info.open && !connection.is_ending() {
                let high = settings.buffer_high_watermark_bytes.unwrap_or(settings.outbox_bytes_max / 5 * 4);
                let right = if connection.full { stuck > settings.buffer_low_watermark_bytes } else { stuck <= high };
                assert!(right, "{}: {} with {stuck} bytes", connection.fd, connection.full);
            }
        }
    }

    /// When the sockets take everything and the handler is done: nothing stays owed, and nobody stays unread.
    pub(crate) fn check_calm(&mut self) {
        for at in 0..self.server.connections.len() {
            let (due, extent) = self.check_one(at);
            let connection = &self.server.connections[at];
            let Some(info) = self.hub.info(connection.fd).filter(|info| info.open) else { continue };
            assert!(extent.whole && extent.behind == 0, "{}: {extent:?}", connection.fd);
            assert!(self.sockets.of(connection.place).stuck == info.owed_bytes);
            assert!(info.owed_bytes == 0 || !connection.held.is_empty(), "{}", info.owed_bytes);
            // One whose request will be refused may be open: where the head is cut moves the moment of that.
            assert!(!connection.ended_here, "{} is open", connection.fd);
            let socket = self.sockets.of(connection.place);
            assert!(due.waits || socket.input.is_empty() && !socket.ended, "{} is not read", connection.fd);
            let heard = connection.heard.iter().filter(|heard| is_caused(heard)).count();
            assert_eq!(heard, due.events.len(), "{} did not hear all", connection.fd);
            let pongs: usize = due.pings.iter().map(|ping| ping.len() + 2).sum();
            let all = pongs + connection.pieces.iter().map(Piece::bytes_max).sum::<usize>();
            let always_room = all <= self.server.settings.outbox_bytes_max;
            assert!(!always_room || extent.pongs == due.pings.len(), "{}: pings are answered", connection.fd);
        }
    }

    /// When nobody has said anything for long: who may still be there?
    pub(crate) fn check_patience(&mut self) {
        for at in 0..self.server.connections.len() {
            let (due, _) = self.check_one(at);
            let connection = &self.server.connections[at];
            let upgraded = connection.answers.iter().any(|after| matches!(after, After::Upgrade(_)));
            let patient = upgraded || due.waits || self.server.settings.protocol == Protocol::Raw;
            assert!(patient || connection.is_told(), "{} waits for a silent peer", connection.fd);
        }
    }

    /// When all peers have ended and all time is over.
    pub(crate) fn check_end(&mut self) {
        assert!(self.hub.is_empty() && self.hub.connections() == 0);
        assert_eq!(self.hub.next_deadline(), None);
        assert!(self.server.queue.is_empty());
        for at in 0..self.server.connections.len() {
            let (_, extent) = self.check_one(at);
            let connection = &self.server.connections[at];
            let socket = self.sockets.of(connection.place);
            assert!(socket.closed && connection.forgotten && connection.is_told());
            let lossy = connection.lossy || socket.broken;
            assert!(lossy || extent.whole, "{}: something was accepted and never sent", connection.fd);
            self.reached.farewells += usize::from(extent.closed);
            self.reached.deflated += extent.compressed;
            count(&mut self.reached, connection);
        }
        self.reached.upgrades += self.sockets.established.len();
    }

    /// What one connection's handler heard and what its peer was sent is what was due.
    fn check_one(&mut self, at: usize) -> (Due, Extent) {
        let connection = &self.server.connections[at];
        let (fd, heard) = (connection.fd, &connection.heard);
        let due = due(&connection.read, &connection.answers, &self.server.settings, &self.server.wanted);
        assert_eq!(heard.first(), Some(&Heard::Connected));
        let caused: Vec<&Heard> = heard.iter().filter(|heard| is_caused(heard)).collect();
        assert!(caused.len() + 1 + usize::from(connection.is_told()) == heard.len(), "{fd}: {heard:?}");
        assert!(caused.len() <= due.events.len(), "{fd}: {heard:?} instead of {:?}", due.events);
        let agree = caused.iter().zip(&due.events).all(|(heard, due)| begins(heard, due));
        assert!(agree, "{fd}: {heard:?} instead of {:?}", due.events);
        let socket = self.sockets.of(connection.place);
        let ended = caused.last().is_some_and(|heard| matches!(heard, Heard::Frame(Seen::Close(_) | Seen::Broke(_))));
        if let Some(Heard::Closed(closed)) = heard.last() {
            let late = self.server.clock.get() >= self.server.settings.close_timeout_ms;
            assert!(!closed.by_server || connection.ended_here || due.refused || late, "{fd} was closed for nothing");
            assert!(closed.by_server || ended || socket.ended || socket.broken, "{fd} did not end by itself");
            let upgraded = connection.answers.iter().any(|after| matches!(after, After::Upgrade(_)));
            // Where the answer itself found out that the socket is broken, it came to nothing.
            assert!((closed.status >= Status::Active) == upgraded || upgraded && socket.broken, "{fd}: {closed:?}");
        }
        let own = own_words(connection, &due, &self.server.settings);
        let extent = sent::check(&socket.sent, &connection.pieces, connection.agreement(), &own);
        (due, extent)
    }
}

/// What the hub may say to this connection by itself.
fn own_words<'a>(connection: &Connection, due: &'a Due, settings: &Settings) -> OwnWords<'a> {
    let upgraded = connection.answers.iter().any(|after| matches!(after, After::Upgrade(_)));
    let mut farewells = Vec::new();
    if upgraded {
        farewells.extend(connection.heard.iter().filter_map(|heard| match heard {
            Heard::Frame(Seen::Close(payload)) => Some(payload.clone()),
            Heard::Frame(Seen::Broke(violation)) => Some(payload(violation.close_code(), "")),
            _ => None,
        }));
        farewells.extend(connection.ended_here.then(|| payload(CloseCode::GOING_AWAY, "")));
    }
    let http = settings.protocol != Protocol::Raw;
    let pings = due.pings.iter().map(|ping| &ping[..]).collect();
    OwnWords { pings, interim: http && settings.requests, refusal: http && !upgraded, farewells }
}

/// Is it this event, or the beginning of these bytes?
fn begins(heard: &Heard, due: &Heard) -> bool {
    match (heard, due) {
        (Heard::Received(heard), Heard::Received(due)) => due.starts_with(heard),
        _ => heard == due,
    }
}

fn count(reached: &mut Reached, connection: &Connection) {
    reached.filled += connection.filled;
    for heard in &connection.heard {
        match heard {
            Heard::Request(_, body) => reached.bodies += usize::from(!body.is_empty()),
            Heard::Frame(Seen::Message { compressed, .. }) => {
                reached.messages += 1;
                reached.inflated += usize::from(*compressed);
            }
            Heard::Frame(Seen::Close(_)) => reached.close_frames += 1,
            Heard::Frame(Seen::Broke(_)) => reached.violations += 1,
            _ => {}
        }
    }
    let is_fragment = |piece: &&Piece| matches!(piece, Piece::Frame(Frame { opcode, fin, .. }) if !fin || *opcode == Opcode::Continuation);
    reached.fragments += connection.pieces.iter().filter(is_fragment).count();
}
