//! Tasks of this process's that somebody waits for, and how they are told.

use crate::crew::duties::CrewError;
use crate::server::Server;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What came of a task, as bytes.
pub(crate) type Outcome = Result<Vec<u8>, CrewError>;

/// What is to be done then.
type Then = dyn FnOnce(&Server, Outcome) + Send;

/// What happens when a task is done.
pub(crate) enum Awaiter {
    /// The loop of that place, which has sent it, calls this.
    Call(usize, Box<Then>),
    /// A thread or a future waits.
    Slot(Arc<Slot>),
}

/// Who waits for which task.
#[derive(Default)]
pub(crate) struct Pending(Mutex<HashMap<u64, Awaiter>>);

impl Pending {
    /// Sends a task, whose number `send` returns: it cannot be done before it is known who waits.
    pub(crate) fn send(
        &self,
        awaiter: Awaiter,
        send: impl FnOnce() -> Result<u64, CrewError>,
    ) -> Result<u64, CrewError> {
        let mut pending = lock(&self.0);
        let number = send()?;
        pending.insert(number, awaiter);
        Ok(number)
    }

    /// Who waits for a task. Nobody does from now on.
    pub(crate) fn take(&self, number: u64) -> Option<Awaiter> {
        lock(&self.0).remove(&number)
    }

    /// The same, if a thread or a future waits: it can be told from any thread.
    pub(crate) fn take_slot(&self, number: u64) -> Option<Arc<Slot>> {
        let mut pending = lock(&self.0);
        let Some(Awaiter::Slot(slot)) = pending.get(&number) else { return None };
        let slot = slot.clone();
        pending.remove(&number);
        Some(slot)
    }

    /// Is the loop of a place to call something still?
    pub(crate) fn owes_call(&self, place: usize) -> bool {
        lock(&self.0).values().any(|awaiter| matches!(awaiter, Awaiter::Call(of, _) if *of == place))
    }

    /// No task is done any more: who waits for one in a thread of his own hears of it.
    pub(crate) fn end(&self) {
        // Whatever a waker or a dropped callback does, it may ask here again.
        let awaiters = std::mem::take(&mut *lock(&self.0));
        for awaiter in awaiters.into_values() {
            if let Awaiter::Slot(slot) = awaiter {
                slot.fill(Err(CrewError::NotRunning));
            }
        }
    }
}

impl Awaiter {
    pub(crate) fn tell(self, server: &Server, outcome: Outcome) {
        match self {
            Awaiter::Call(_, call) => call(server, outcome),
            Awaiter::Slot(slot) => slot.fill(outcome),
        }
    }
}

/// Where what came of a task is left for another thread.
#[derive(Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Slot {
    pub(crate) fn fill(&self, outcome: Outcome) {
        let mut state = lock(&self.state);
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        self.filled.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until a time, if there is one.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Outcome {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = state.outcome.take() {
                return outcome;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return Err(CrewError::Late),
                Some(left) => self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// What came of it, or whom to wake then.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Outcome> {
        let mut state = lock(&self.state);
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Awaiter, Pending};
    use std::sync::Arc;

    /// What a future does when it is dropped.
    struct Asks(Arc<Pending>);

    impl Drop for Asks {
        fn drop(&mut self) {
            assert!(self.0.take(7).is_none());
        }
    }

    #[test]
    fn what_is_dropped_at_the_end_may_ask_again() {
        let pending = Arc::new(Pending::default());
        let asks = Asks(pending.clone());
        let call = Awaiter::Call(3, Box::new(move |_, _| drop(asks)));
        assert_eq!(pending.send(call, || Ok(1)), Ok(1));
        assert!(pending.owes_call(3) && !pending.owes_call(0));
        pending.end();
        assert!(!pending.owes_call(3));
        assert!(pending.take(1).is_none());
    }
}
