//! Messages between the processes of the crew, in [`Mode::Thread`] between its threads: the front door's part.

use crate::builder::Builder;
use crate::config::Mode;
use crate::crew::duties::{CrewError, OnParcel, Type, decode, encode};
use crate::crew::parcel::Parcel;
use crate::dispatch;
use crate::frame::Outcome;
use crate::server::Server;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Builder {
    /// A message came from another one of the crew, whose number the handler gets as well: workers come first, then task
    /// workers, then the program's own processes.
    #[must_use]
    pub fn on_pipe_message<M, O>(mut self, handler: impl Fn(&Server, usize, M) -> O + Send + Sync + 'static) -> Builder
    where
        M: DeserializeOwned + 'static,
        O: Outcome,
    {
        let run = move |server: &Server, parcel: &Parcel| {
            Ok(handler(server, parcel.from, decode(&parcel.payload)?).into_error())
        };
        self.duties.message = Some(OnParcel { takes: Type::of::<M>(), run: Box::new(run) });
        self
    }
}

impl Server {
    /// Sends a message to one of the crew: those from one sender arrive in order, also at a successor.
    ///
    /// # Errors
    /// It will not arrive, and why.
    pub fn send_message<M: Serialize + 'static>(&self, message: &M, to: usize) -> Result<(), CrewError> {
        let handler = self.shared.duties.message.as_ref().ok_or(CrewError::NoHandler("Builder::on_pipe_message"))?;
        handler.takes.check(Type::of::<M>())?;
        let payload = encode(message)?;
        if self.has_ended() {
            return Err(CrewError::NotRunning);
        }
        if self.shared.mode == Mode::Thread {
            let from = dispatch::own_place(self).unwrap_or(0);
            self.shared.boxes.send_message(from, to, payload)?;
            self.shared.exchange.doorbell(to).ring();
            return Ok(());
        }
        let way = self.shared.way.get().ok_or(CrewError::NotRunning)?;
        Ok(way.post(|post, writers| post.send_message(writers, to, 0, &[&payload]))?)
    }

    /// The number of whoever asks, among the crew: 0 is the first worker. None where no worker runs, in the master or in
    /// another thread in [`Mode::Thread`].
    pub fn worker_id(&self) -> Option<usize> {
        dispatch::own_place(self)
    }
}

/// A message has come.
pub(crate) fn arrived(server: &Server, parcel: &Parcel) {
    if let Some(handler) = &server.shared.duties.message {
        dispatch::log_parcel("pipe message", (handler.run)(server, parcel));
    }
}
