//! Every load against the floor server, and against servers that answer wrongly.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process;
use std::thread;
use std::time::Duration;
use wirewool_bench::floor::codec::{Codec, LEVEL};
use wirewool_bench::floor::reframe::reframe;
use wirewool_bench::floor::{Floor, Work};
use wirewool_bench::handshake;
use wirewool_bench::load::{Kind, Load};
use wirewool_bench::run::Run;

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// How long is measured, until something comes.
const TIMES: [Duration; 3] = [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(10)];

fn load(kind: Kind, port: u16, size: usize, time: Duration) -> Load {
    Load {
        kind,
        port,
        pid: process::id(),
        connections: 5,
        size,
        in_flight: if size < 100_000 { 16 } else { 1 },
        warm_up: Duration::from_millis(20),
        time,
    }
}

fn against_the_floor(kind: Kind, size: usize, time: Duration) -> Run {
    let work = match kind {
        Kind::Broadcast => Work::Broadcast,
        Kind::Deflate => Work::Deflate(Box::new(Codec::new(LEVEL))),
        Kind::Echo | Kind::Handshake | Kind::Idle => Work::Echo,
    };
    let port = free_port();
    let mut floor = Floor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), work).unwrap();
    thread::spawn(move || floor.serve());
    load(kind, port, size, time).run().unwrap()
}

#[test]
fn the_floor_answers_every_load() {
    let rows = [
        (Kind::Echo, 20),
        (Kind::Echo, 1024),
        (Kind::Echo, 70_000),
        (Kind::Echo, 3 << 20),
        (Kind::Deflate, 1024),
        (Kind::Broadcast, 100),
        (Kind::Handshake, 20),
        (Kind::Idle, 20),
    ];
    for (kind, size) in rows {
        // On a machine that does something else, nothing may come within a short time.
        let runs = TIMES.into_iter().map(|time| against_the_floor(kind, size, time));
        let mut last = None;
        let answered = runs.inspect(|run| last = Some(format!("{run:?}"))).any(|run| run.messages > 0);
        assert!(answered, "{kind:?} of {size} bytes: {last:?}");
    }
}

/// Echoes on each connection after `spoil` had a look at what it answers.
fn spoiling_server(spoil: fn(&mut Vec<u8>)) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || spoil_one(stream, spoil));
        }
    });
    port
}

fn spoil_one(mut stream: TcpStream, spoil: fn(&mut Vec<u8>)) -> Option<()> {
    let (mut input, mut buffer) = (Vec::new(), [0; 65536]);
    let mut upgraded = false;
    loop {
        let count = stream.read(&mut buffer).ok().filter(|&count| count > 0)?;
        input.extend_from_slice(&buffer[..count]);
        if !upgraded {
            let Some((used, answer)) = handshake::answer(&input, false) else { continue };
            upgraded = true;
            input.drain(..used);
            stream.write_all(answer.as_bytes()).ok()?;
        }
        let done = reframe(&mut input);
        let mut answers = input[done.out].to_vec();
        input.drain(..done.used);
        if !answers.is_empty() {
            spoil(&mut answers);
            stream.write_all(&answers).ok()?;
        }
    }
}

#[test]
fn wrong_answers_are_found() {
    type Spoil = fn(&mut Vec<u8>);
    let rows: [(Spoil, &str); 4] = [
        (|answers| *answers.last_mut().unwrap() ^= 1, "in its payload"),
        (|answers| answers[0] ^= 3, "byte 0 of an answer, in its header, is 0x81, wanted 0x82"),
        (|answers| answers[1] += 1, "byte 1 of an answer, in its header, is 0x15, wanted 0x14"),
        (|answers| answers.drain(..22).for_each(drop), "of an answer"),
    ];
    for (spoil, wanted) in rows {
        let wrong = load(Kind::Echo, spoiling_server(spoil), 20, TIMES[2]).run().unwrap_err();
        assert!(wrong.contains(wanted), "{wrong}");
    }
    let refused = load(Kind::Deflate, spoiling_server(|_| {}), 20, TIMES[2]).run().unwrap_err();
    assert!(refused.contains("compression without kept contexts was not agreed on"), "{refused}");
}
