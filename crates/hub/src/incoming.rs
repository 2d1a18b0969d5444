//! One connection's HTTP requests: head, body, and what each one asks for.

use crate::settings::Settings;
use wirewool_proto::http::body::{BodyError, BodyReader};
use wirewool_proto::http::head::{Framing, Head, HeadError, HeadReader};
use wirewool_proto::http::request::Request;

/// What a request cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl BadRequest {
    pub(crate) fn status(&self) -> u16 {
        match self {
            BadRequest::Head(error) => error.status(),
            BadRequest::Body(error) => error.status(),
        }
    }
}

/// How far a request has come.
#[derive(Debug)]
pub(crate) enum Step {
    /// All input was used, more is needed.
    More,
    /// The head is complete; [`Incoming::expect_body`] decides how to go on.
    Head(Head),
    /// The request is complete.
    Request(Request),
}

/// A request that is arriving.
#[derive(Debug)]
pub(crate) struct Incoming {
    reader: HeadReader,
    body: Option<(Head, BodyReader)>,
}

impl Incoming {
    pub(crate) fn new(settings: &Settings) -> Incoming {
        Incoming { reader: HeadReader::new(settings.head), body: None }
    }

    /// Has nothing of a request arrived?
    pub(crate) fn is_empty(&self) -> bool {
        self.reader.is_empty() && self.body.is_none()
    }

    /// Is a body arriving?
    pub(crate) fn has_head(&self) -> bool {
        self.body.is_some()
    }

    /// Takes the next bytes: how many were used, and what they completed.
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<(usize, Step), BadRequest> {
        let Some((head, mut body)) = self.body.take() else {
            return Ok(match self.reader.next(input)? {
                Some((used, head)) => (used, Step::Head(head)),
                None => (input.len(), Step::More),
            });
        };
        let (used, done) = body.next(input)?;
        if done {
            return Ok((used, Step::Request(Request { head, body: body.into_bytes() })));
        }
        self.body = Some((head, body));
        Ok((used, Step::More))
    }

    /// A head that is to be followed by its body; a request without one is complete.
    pub(crate) fn expect_body(&mut self, head: Head, settings: &Settings) -> Result<Option<Request>, BadRequest> {
        let framing = head.framing();
        if matches!(framing, Framing::None | Framing::Length(0)) {
            return Ok(Some(Request { head, body: Vec::new() }));
        }
        self.body = Some((head, BodyReader::new(framing, settings.message_bytes_max)?));
        Ok(None)
    }
}
