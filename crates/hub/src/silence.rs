//! What becomes of a connection that says nothing: it is pinged, or closed.
//!
//! When it was heard last is asked for when its row is visited, and not before: a message costs nothing here. A row is
//! visited when the connection would be late had it not been heard since the last visit.

use crate::command::Push;
use crate::event::Status;
use crate::outbound::Outbound;
use crate::sending::{Phase, Reply};
use crate::settings::Settings;
use crate::time::Moment;
use crate::wheel::Wheel;
use crate::wire::{Signs, Wire};
use wirewool_proto::websocket::close::{self, CloseCode};
use wirewool_proto::websocket::frame::Opcode;
use wirewool_proto::websocket::message::Payload;

/// In one pass so many are visited, so that a great silence does not keep those waiting who speak.
const VISITS_PER_PASS: usize = 256;

/// Where no interval is given, a look comes late by at most this share of what is waited for.
const PRECISION: u64 = 8;

/// What the close frame says.
const REASON: &str = "idle timeout";

const NEVER: u64 = u64::MAX;

/// How long a connection may be silent, and who is looked at when.
#[derive(Debug)]
pub(crate) struct Silence {
    /// From the last byte received to the end; [`NEVER`], as with the others, if there is none.
    heartbeat_ms: u64,
    /// From the last byte received or sent to the end.
    idle_ms: u64,
    /// From the last byte received to a ping, and from there to the end.
    ping_ms: u64,
    /// When each row was pinged without being heard since.
    pinged_at: Vec<Option<Moment>>,
    wheel: Wheel,
    /// How many rows were looked at.
    pub(crate) visits: u64,
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    Ping,
    End,
}

impl Silence {
    /// None where nobody is looked at.
    pub(crate) fn new(settings: &Settings) -> Option<Silence> {
        let [heartbeat_ms, idle_ms, ping_ms] =
            [settings.heartbeat_ms, settings.idle_ms, settings.ping_ms].map(|time| time.unwrap_or(NEVER));
        let heartbeat_span = settings.heartbeat_check_ms.min(heartbeat_ms / 2);
        let span_ms = heartbeat_span.min(idle_ms / PRECISION).min(ping_ms / PRECISION);
        let is_on = heartbeat_ms.min(idle_ms).min(ping_ms) != NEVER;
        let (pinged_at, wheel) = (Vec::new(), Wheel::new(span_ms));
        is_on.then_some(Silence { heartbeat_ms, idle_ms, ping_ms, pinged_at, wheel, visits: 0 })
    }

    /// A new connection.
    pub(crate) fn open(&mut self, row: u32, now: Moment) {
        if self.ping_ms != NEVER {
            self.pinged_at.resize(self.pinged_at.len().max(row as usize + 1), None);
            self.pinged_at[row as usize] = None;
        }
        self.wheel.set(row, now + self.shortest_ms(), now);
    }

    /// It is no connection any more.
    pub(crate) fn clear(&mut self, row: u32) {
        self.wheel.clear(row);
    }

    /// When there is somebody to look at.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.wheel.next()
    }

    fn shortest_ms(&self) -> u64 {
        self.heartbeat_ms.min(self.idle_ms).min(self.ping_ms)
    }

    /// What is due, and when it is to be looked at again. `pings`: it can be pinged.
    fn judge(&mut self, row: u32, signs: Signs, now: Moment, pings: bool) -> (Due, Moment) {
        let Signs { heard_at, sent_at, protected } = signs;
        let ping_at = heard_at + self.ping_ms;
        let mut no_ping = None;
        let pinged_at = self.pinged_at.get_mut(row as usize).unwrap_or(&mut no_ping);
        if protected {
            *pinged_at = None;
            let due = if pings && ping_at <= now { Due::Ping } else { Due::Nothing };
            return (due, now + self.shortest_ms());
        }
        // What came in the pass of the ping came behind it: a pass begins with this.
        *pinged_at = pinged_at.filter(|at| heard_at < *at);
        let mut end_at = (heard_at + self.heartbeat_ms).min(heard_at.max(sent_at) + self.idle_ms);
        let mut due = Due::Nothing;
        match *pinged_at {
            Some(at) => end_at = end_at.min(at + self.ping_ms),
            None if pings && ping_at <= now => {
                *pinged_at = Some(now);
                due = Due::Ping;
            }
            None => {}
        }
        if end_at <= now {
            return (Due::End, now);
        }
        let ping_at = if ping_at > now { ping_at } else { now + self.ping_ms };
        (due, end_at.min(ping_at))
    }
}

impl Outbound {
    /// Looks at those whose time has come; was there any?
    pub(crate) fn end_silent(&mut self, wire: &mut dyn Wire) -> bool {
        for count in 0..VISITS_PER_PASS {
            let Some(row) = self.silence.as_mut().and_then(|silence| silence.wheel.take_due(self.now)) else {
                return count > 0;
            };
            self.visit(row, wire);
        }
        true
    }

    /// Looks at all who are late by now, whatever their time: also at those who were protected until now.
    pub(crate) fn end_silent_now(&mut self, wire: &mut dyn Wire) {
        let Some(heartbeat_ms) = self.silence.as_ref().map(|silence| silence.heartbeat_ms) else { return };
        for row in 0..self.rows.len() as u32 {
            let sending = &self.rows[row as usize];
            if sending.phase == Phase::Open && wire.signs(sending.place(row)).heard_at + heartbeat_ms <= self.now {
                self.visit(row, wire);
            }
        }
    }

    fn visit(&mut self, row: u32, wire: &mut dyn Wire) {
        let Some(silence) = &mut self.silence else { return };
        silence.visits += 1;
        let sending = &self.rows[row as usize];
        if sending.phase != Phase::Open {
            return;
        }
        let place = sending.place(row);
        let mut signs = wire.signs(place);
        signs.heard_at = match sending.reply {
            // It is the server's turn.
            Reply::Owed | Reply::Begun => self.now,
            // A peer that takes an answer piece by piece is not silent.
            Reply::Given => signs.heard_at.max(signs.sent_at),
            Reply::None => signs.heard_at,
        };
        let pings = sending.status == Status::Active;
        let (mut due, mut at) = silence.judge(row, signs, self.now, pings);
        if due == Due::End && wire.has_input(place) {
            // It has spoken: only nobody has listened, since a handler took long or is behind.
            signs.heard_at = self.now;
            (due, at) = silence.judge(row, signs, self.now, pings);
        }
        if due == Due::End {
            silence.wheel.clear(row);
            return self.end_idle(row, wire);
        }
        silence.wheel.set(row, at, self.now);
        if due == Due::Ping {
            self.ping(row, wire);
        }
    }

    fn ping(&mut self, row: u32, wire: &mut dyn Wire) {
        let payload = Payload::Borrowed(b"");
        // Refused when the outbox is full: who takes nothing will not answer either.
        let _ = self.push(row, Push { opcode: Opcode::Ping, fin: true, compress: false, payload }, wire);
    }

    /// Closes it as if its peer had gone: the script hears what it hears then.
    fn end_idle(&mut self, row: u32, wire: &mut dyn Wire) {
        let sending = &mut self.rows[row as usize];
        if sending.status == Status::Active {
            sending.aside().farewell = Some(close::payload(CloseCode::GOING_AWAY, REASON));
        }
        self.close(row, false, wire);
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;
    use crate::silence::{Due, Silence};
    use crate::time::Moment;
    use crate::wire::Signs;

    fn silence(heartbeat: u64, idle: u64, ping: u64) -> Silence {
        let some = |ms| Some(ms).filter(|ms| *ms > 0);
        let (heartbeat_ms, idle_ms, ping_ms) = (some(heartbeat), some(idle), some(ping));
        let settings = Settings { heartbeat_ms, heartbeat_check_ms: 1, idle_ms, ping_ms, ..Settings::default() };
        Silence::new(&settings).unwrap()
    }

    #[test]
    fn what_is_due_when() {
        use Due::{End, Nothing, Ping};
        #[rustfmt::skip]
        let cases = [
            // heartbeat, idle, ping, heard, sent, protected, now, due, again
            ("heard in time",           100,   0,   0,  50,   0, false, 149, Nothing, 150),
            ("heard too late",          100,   0,   0,  50, 140, false, 150, End,     150),
            ("protected",               100,   0,   0,   0,   0, true,  900, Nothing, 1000),
            ("sent to is not idle",       0, 100,   0,   0,  60, false, 150, Nothing, 160),
            ("neither",                   0, 100,   0,  50,  40, false, 150, End,     150),
            ("to be pinged",              0,   0, 100,  50,   0, false, 150, Ping,    250),
            ("not yet",                   0,   0, 100,  50,   0, false, 149, Nothing, 150),
            ("protected ones are, too",   0,   0, 100,  50,   0, true,  150, Ping,    250),
            ("the ping is too late",    120,   0, 100,  50,   0, false, 170, End,     170),
            ("both, in turn",           120,   0, 100,  50,   0, false, 150, Ping,    170),
        ];
        for (what, heartbeat, idle, ping, heard, sent, protected, now, due, again) in cases {
            let mut silence = silence(heartbeat, idle, ping);
            silence.open(0, Moment(0));
            let signs = Signs { heard_at: Moment(heard), sent_at: Moment(sent), protected };
            assert_eq!(silence.judge(0, signs, Moment(now), true), (due, Moment(again)), "{what}");
        }
        assert!(Silence::new(&Settings::default()).is_none());
    }

    #[test]
    fn who_answers_a_ping_stays() {
        let mut silence = silence(0, 0, 100);
        silence.open(0, Moment(0));
        let mut judge = |heard, now| {
            let signs = Signs { heard_at: Moment(heard), sent_at: Moment(now), protected: false };
            silence.judge(0, signs, Moment(now), true)
        };
        assert_eq!(judge(0, 100), (Due::Ping, Moment(200)));
        // In the same millisecond, but behind it.
        assert_eq!(judge(100, 200), (Due::Ping, Moment(300)));
        assert_eq!(judge(250, 300), (Due::Nothing, Moment(350)));
        assert_eq!(judge(250, 350), (Due::Ping, Moment(450)));
        assert_eq!(judge(250, 449), (Due::Nothing, Moment(450)));
        assert_eq!(judge(250, 450), (Due::End, Moment(450)));
    }
}
