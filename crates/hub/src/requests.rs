//! The requests of one read: each goes to the handler once the one before it is answered; bad ones are refused.

use crate::deadlines::Wait;
use crate::event::{Event, Handler, Status, Verdict};
use crate::hub::{Held, Hub, Receiving};
use crate::incoming::{BadRequest, Incoming, Step};
use crate::sending::{Phase, Reply};
use crate::settings::Protocol;
use crate::wire::Wire;
use wirewool_proto::http::head::Head;
use wirewool_proto::http::request::Request;
use wirewool_proto::http::response::{Exchange, Response, bad_request_page};
use wirewool_proto::websocket::handshake;

impl Hub {
    /// Takes what one read brought.
    #[cold]
    #[inline(never)]
    pub(crate) fn requests(
        &mut self,
        row: u32,
        input: &[u8],
        wire: &mut dyn Wire,
        handler: &mut dyn Handler,
    ) -> Verdict {
        let (used, verdict) = self.next_request(row, input, wire, handler);
        if used < input.len()
            && let Receiving::Waiting(held) = &mut self.receiving[row as usize]
        {
            *held = Some(Box::new(Held { bytes: input[used..].to_vec(), at: 0 }));
        }
        verdict
    }

    /// Looks at what came behind a request, now that this is answered. It is copied once, however many requests it is.
    pub(crate) fn held_requests(
        &mut self,
        row: u32,
        mut rest: Box<Held>,
        wire: &mut dyn Wire,
        handler: &mut dyn Handler,
    ) -> Verdict {
        let (used, verdict) = self.next_request(row, &rest.bytes[rest.at..], wire, handler);
        rest.at += used;
        if rest.at < rest.bytes.len()
            && let Receiving::Waiting(held) = &mut self.receiving[row as usize]
        {
            *held = Some(rest);
        }
        verdict
    }

    /// Hands out the first request that is whole: how many bytes were used until then?
    fn next_request(
        &mut self,
        row: u32,
        input: &[u8],
        wire: &mut dyn Wire,
        handler: &mut dyn Handler,
    ) -> (usize, Verdict) {
        let mut at = 0;
        while at < input.len() {
            let Receiving::Http(state) = &mut self.receiving[row as usize] else { break };
            let mut incoming = state.take().unwrap_or_else(|| Box::new(Incoming::new(self.out.settings(row))));
            let step = incoming.next(&input[at..]).and_then(|(used, step)| {
                at += used;
                match step {
                    Step::Head(head) => self.head(row, head, &mut incoming, wire),
                    step => Ok(step),
                }
            });
            match step {
                Ok(Step::Request(request)) => return (at, self.hand_out(row, request, wire, handler)),
                Ok(_) => {}
                Err(error) => {
                    self.refuse(row, &Response::new(error.status()).body(format!("{error}\n")), wire);
                }
            }
            if self.out.rows[row as usize].phase != Phase::Open {
                return (input.len(), Verdict::Handled);
            }
            if !incoming.is_empty() {
                self.receiving[row as usize] = Receiving::Http(Some(incoming));
            }
        }
        if let Receiving::Http(Some(incoming)) = &self.receiving[row as usize]
            && (incoming.has_head() || self.out.deadlines.wait(row) != Some(Wait::Head))
        {
            self.out.deadlines.set(row, Wait::Head, self.out.now);
        }
        (input.len(), Verdict::Handled)
    }

    /// A head is complete: what is to be done about it, before its body?
    fn head(&mut self, row: u32, head: Head, incoming: &mut Incoming, wire: &mut dyn Wire) -> Result<Step, BadRequest> {
        let websocket = self.out.settings(row).protocol == Protocol::WebSocket;
        if websocket && handshake::is_upgrade(&head) {
            let checked = if self.out.settings(row).own_handshake {
                handshake::check_bodiless(&head)
            } else {
                handshake::check(&head)
            };
            if let Err(refusal) = checked {
                self.refuse(row, &refusal.response(), wire);
                return Ok(Step::More);
            }
            return Ok(Step::Request(Request { head, body: Vec::new() }));
        }
        if !self.out.settings(row).requests {
            self.refuse(row, &bad_request_page(), wire);
            return Ok(Step::More);
        }
        let expects_continue = head.expects_continue();
        match incoming.expect_body(head, self.out.settings(row))? {
            Some(request) => Ok(Step::Request(request)),
            None => {
                if expects_continue {
                    let _ = self.out.queue(row, b"HTTP/1.1 100 Continue\r\n\r\n", wire);
                }
                Ok(Step::More)
            }
        }
    }

    /// A request goes to the handler.
    fn hand_out(&mut self, row: u32, request: Request, wire: &mut dyn Wire, handler: &mut dyn Handler) -> Verdict {
        self.receiving[row as usize] = Receiving::Waiting(None);
        let sending = &mut self.out.rows[row as usize];
        sending.reply = Reply::Owed;
        self.out.deadlines.clear(row);
        let websocket = self.out.settings(row).protocol == Protocol::WebSocket && handshake::is_upgrade(&request.head);
        if !websocket {
            return self.deliver(row, Event::Request(request), wire, handler);
        }
        let own = self.out.settings(row).own_handshake;
        self.out.set_status(row, if own { Status::OwnHandshake } else { Status::Upgrading }, wire);
        self.out.deadlines.set(row, Wait::Handshake, self.out.now);
        self.deliver(row, Event::Upgrade(request), wire, handler)
    }

    /// Answers in the handler's stead, and closes.
    pub(crate) fn refuse(&mut self, row: u32, response: &Response, wire: &mut dyn Wire) {
        let mut bytes = Vec::new();
        let exchange = Exchange { request_is_head: false, keep_alive: false };
        response.encode(exchange, wire.time_of_day(), &mut bytes).expect("the hub's own answers are well-formed");
        let _ = self.out.queue(row, &bytes, wire);
        self.out.close(row, true, wire);
    }
}
