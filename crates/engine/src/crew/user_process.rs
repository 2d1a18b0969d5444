//! Processes of the program's own that a server keeps running: the front door's part.

use crate::builder::Builder;
use crate::server::Server;
use std::sync::atomic::Ordering::SeqCst;

impl Builder {
    /// A process of the program's own, in [`Mode::Thread`](crate::config::Mode::Thread) a thread, that runs beside the
    /// workers and reaches all connections; when `run` returns or panics, it is run again, in a new process. SIGTERM ends
    /// the process in the midst of it when the server ends; a thread should ask [`Server::is_shutting_down`].
    #[must_use]
    pub fn add_process(mut self, run: impl Fn(&Server) + Send + Sync + 'static) -> Builder {
        self.duties.processes.push(Box::new(run));
        self
    }
}

impl Server {
    /// Has the server been told to end?
    pub fn is_shutting_down(&self) -> bool {
        self.shared.stopping.load(SeqCst) || self.shared.exchange.is_shutting_down()
    }
}
