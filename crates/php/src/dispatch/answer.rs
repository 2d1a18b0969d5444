//! Where a response's bytes go: to the connection whose request it answers.

use wirewool_hub::command::{After, Command, Refused};
use wirewool_hub::fd::Fd;

use crate::guard::Stop;
use crate::response::Sink;
use crate::sending;
use crate::worker::with;

/// Where the answer to a request goes.
pub(super) struct Answer {
    pub(super) fd: Fd,
    /// The longest piece of an answer, in bytes.
    pub(super) limit: usize,
}

impl Answer {
    fn check(&self, len: usize) -> Result<(), Refused> {
        if len > self.limit { Err(Refused::TooLarge { len, limit: self.limit }) } else { Ok(()) }
    }
}

impl Sink for Answer {
    fn answer(&self, bytes: &[u8], after: After) -> Result<(), Refused> {
        self.check(bytes.len())?;
        with(|worker| worker.apply(self.fd, Command::Answer { bytes, after })).unwrap_or(Err(Refused::Unknown))
    }

    fn answer_patiently(&self, bytes: &[u8], after: After) -> Result<Option<Result<(), Refused>>, Stop> {
        match self.check(bytes.len()) {
            Ok(()) => sending::apply(self.fd, || Command::Answer { bytes, after }),
            Err(refused) => Ok(Some(Err(refused))),
        }
    }

    fn close(&self) -> bool {
        matches!(with(|worker| worker.apply(self.fd, Command::Close { reset: false })), Some(Ok(())))
    }
}
