//! The hot paths, each on a hub of its own.

use std::io::IoSlice;
use std::time::{SystemTime, UNIX_EPOCH};
use wirewool_hub::command::{After, Command, Outlet, Push};
use wirewool_hub::event::{Event, Handler, Status, Verdict};
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::hub::Hub;
use wirewool_hub::settings::Settings;
use wirewool_hub::time::Moment;
use wirewool_hub::wire::{Interest, Sent, Signs, Wire};
use wirewool_proto::websocket::deflate::Deflater;
use wirewool_proto::websocket::extension::{Compression, negotiate};
use wirewool_proto::websocket::frame::{Opcode, RSV1, encode};
use wirewool_proto::websocket::handshake;
use wirewool_proto::websocket::mask;
use wirewool_proto::websocket::message::Payload;

/// A path, and the ground that it is walked on.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// How many messages, or handshakes, one walk is.
    pub(crate) messages: u64,
    pub(crate) prepare: fn() -> Ground,
    pub(crate) walk: fn(&mut Ground),
}

/// All paths.
pub(crate) const PATHS: &[Path] = &[
    Path { name: "echo-20B", messages: 1, prepare: || Ground::with_message(20, 1, false), walk: Ground::echo },
    Path { name: "echo-20B-by-16", messages: 16, prepare: || Ground::with_message(20, 16, false), walk: Ground::echo },
    Path { name: "echo-1KB", messages: 1, prepare: || Ground::with_message(1 << 10, 1, false), walk: Ground::echo },
    Path { name: "echo-64KB", messages: 1, prepare: || Ground::with_message(64 << 10, 1, false), walk: Ground::echo },
    Path { name: "deflate-1KB", messages: 1, prepare: || Ground::with_message(1 << 10, 1, true), walk: Ground::echo },
    Path { name: "push-100B-to-1000", messages: 1000, prepare: || Ground::new(1000, false), walk: Ground::broadcast },
    Path { name: "handshake", messages: 1, prepare: || Ground::new(0, false), walk: Ground::handshake },
];

const UPGRADE: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: localhost:9501\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nOrigin: http://localhost:9501\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const UPGRADE_DEFLATE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost:9501\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// A hub, its connections, and what one of them sends.
pub(crate) struct Ground {
    hub: Hub,
    wire: Sink,
    echo: Echo,
    places: Vec<Place>,
    fds: Vec<Fd>,
    input: Vec<u8>,
    read: Vec<u8>,
    next_fd: u64,
}

impl Ground {
    fn new(connections: u64, deflate: bool) -> Ground {
        let mut ground = Ground {
            hub: Hub::new(vec![Settings::default()]),
            wire: Sink,
            echo: Echo { answer: Vec::new() },
            places: Vec::new(),
            fds: Vec::new(),
            input: Vec::new(),
            read: vec![0; 128 << 10],
            next_fd: 1,
        };
        for _ in 0..connections {
            ground.open(if deflate { UPGRADE_DEFLATE } else { UPGRADE });
        }
        ground
    }

    /// One connection that sends so many messages of so many bytes at once.
    fn with_message(bytes: usize, messages: usize, compressed: bool) -> Ground {
        let mut ground = Ground::new(1, compressed);
        let words = b"the quick brown fox jumps over the lazy dog; ";
        let mut payload: Vec<u8> = words.iter().copied().cycle().take(bytes).collect();
        if compressed {
            // Half of it is noise, or it would be too easy.
            let mut state = 1u32;
            for byte in payload.iter_mut().step_by(2) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = b'a' + (state >> 24) as u8 % 26;
            }
            let mut deflated = Vec::new();
            Deflater::new(6, 15).deflate(&payload, &mut deflated);
            payload = deflated;
        }
        let key = [7, 77, 177, 1];
        for _ in 0..messages {
            let rsv = if compressed { RSV1 } else { 0 };
            let header = encode(Opcode::Binary, true, rsv, payload.len(), Some(key));
            ground.input.extend_from_slice(header.bytes());
            let start = ground.input.len();
            ground.input.extend_from_slice(&payload);
            mask::apply(&mut ground.input[start..], key);
        }
        ground
    }

    fn open(&mut self, upgrade: &[u8]) -> Place {
        let fd = Fd::new(self.next_fd).expect("counted from 1");
        self.next_fd += 1;
        let place = self.hub.open(fd, 0);
        self.hub.announce(place, &mut self.wire, &mut self.echo);
        self.receive(place, upgrade);
        self.places.push(place);
        self.fds.push(fd);
        place
    }

    /// As the kernel copies into the loop's buffer.
    fn receive(&mut self, place: Place, bytes: &[u8]) {
        let read = &mut self.read[..bytes.len()];
        read.copy_from_slice(bytes);
        self.hub.receive(place, read, &mut self.wire, &mut self.echo);
        self.hub.settle(&mut self.wire, &mut self.echo);
    }

    fn echo(&mut self) {
        let input = std::mem::take(&mut self.input);
        self.receive(self.places[0], &input);
        self.input = input;
    }

    fn broadcast(&mut self) {
        let message = [b'x'; 100];
        let mut out = self.hub.outlet(&mut self.wire, false);
        for fd in &self.fds {
            let push = Push { opcode: Opcode::Text, fin: true, compress: false, payload: Payload::Borrowed(&message) };
            out.apply(*fd, Command::Push(push)).expect("there is room");
        }
        self.hub.settle(&mut self.wire, &mut self.echo);
    }

    fn handshake(&mut self) {
        let place = self.open(UPGRADE);
        self.hub.end_of_stream(place, &mut self.wire, &mut self.echo);
        self.hub.settle(&mut self.wire, &mut self.echo);
        self.places.clear();
        self.fds.clear();
    }
}

/// A wire that takes everything.
struct Sink;

impl Wire for Sink {
    fn send(&mut self, _: Place, bytes: &[u8]) -> Sent {
        Sent::Bytes(bytes.len())
    }

    fn send_gathered(&mut self, _: Place, parts: &[IoSlice<'_>]) -> Sent {
        Sent::Bytes(parts.iter().map(|part| part.len()).sum())
    }

    fn wait_for(&mut self, _: Place, _: Interest) {}

    fn shut_down(&mut self, _: Place) {}

    fn close(&mut self, _: Place) {}

    fn status(&mut self, _: Fd, _: Status) {}

    fn closing(&mut self, _: Fd) {}

    fn released(&mut self, _: Place, _: Fd) {}

    fn owes(&mut self, _: Place, _: usize) {}

    fn signs(&self, _: Place) -> Signs {
        Signs { heard_at: Moment(0), sent_at: Moment(0), protected: false }
    }

    fn has_input(&self, _: Place) -> bool {
        false
    }

    fn time_of_day(&self) -> SystemTime {
        UNIX_EPOCH
    }

    fn micros(&self) -> u64 {
        0
    }
}

/// Accepts upgrades and sends messages back.
struct Echo {
    answer: Vec<u8>,
}

impl Handler for Echo {
    fn handle(&mut self, fd: Fd, event: Event<'_>, out: &mut dyn Outlet) -> Verdict {
        match event {
            Event::Upgrade(request) => {
                let head = &request.head;
                handshake::check(head).expect("it is one");
                let agreement = negotiate(head, &Compression::default());
                self.answer.clear();
                handshake::encode_acceptance(head, None, agreement.as_ref(), b"", &mut self.answer);
                let command = Command::Answer { bytes: &self.answer, after: After::Upgrade(agreement) };
                out.apply(fd, command).expect("it is owed");
            }
            Event::Message(message) => {
                let push = Push {
                    opcode: message.kind.opcode(),
                    fin: true,
                    compress: message.compressed,
                    payload: message.payload,
                };
                out.apply(fd, Command::Push(push)).expect("there is room");
            }
            _ => {}
        }
        Verdict::Handled
    }
}
