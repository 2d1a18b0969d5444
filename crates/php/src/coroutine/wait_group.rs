//! `Swoole\Coroutine\WaitGroup`: counts what is not done yet, and lets coroutines wait until that is nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::coroutine::methods::{self, until, within_method_of};
use crate::coroutine::registry::{Ticket, Wait, Woken};
use crate::coroutine::scheduler;
use crate::exception;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::zend::ffi::{Class, Family};

#[derive(Default)]
pub(crate) struct WaitGroup {
    count: Cell<i64>,
    waiting: RefCell<VecDeque<Ticket>>,
}

impl Native for WaitGroup {
    const FAMILY: Family = Family::WaitGroup;
}

impl WaitGroup {
    fn add(&self, delta: i64) -> Result<(), Stop> {
        let Some(count) = self.count.get().checked_add(delta).filter(|count| *count >= 0) else {
            let message = "WaitGroup misuse: negative counter";
            return Err(exception::throw(Class::BadMethodCall, 0, message));
        };
        self.count.set(count);
        if count > 0 {
            return Ok(());
        }
        // Only those that wait now: whoever goes on may begin a new round.
        let waiting = self.waiting.take();
        for ticket in waiting {
            within_method_of(scheduler::wake(ticket, Woken::Happened))?;
        }
        Ok(())
    }

    fn wait(&self, seconds: f64) -> Result<bool, Stop> {
        if self.count.get() == 0 {
            return Ok(true);
        }
        let mut own = None;
        let woken = methods::wait(Wait::Other, until(seconds), |ticket| {
            own = Some(ticket);
            self.waiting.borrow_mut().push_back(ticket);
        });
        self.waiting.borrow_mut().retain(|ticket| Some(*ticket) != own);
        Ok(woken? == Woken::Happened)
    }
}

fn add(call: &Call<'_>, delta: i64) -> Result<(), Stop> {
    call.state::<WaitGroup>()?.add(delta)
}

methods! {
    fn zim_Swoole_Coroutine_WaitGroup___construct(call) {
        call.count(0, 1)?;
        add(call, call.long(0)?.unwrap_or(0))
    }

    fn zim_Swoole_Coroutine_WaitGroup_add(call) {
        call.count(0, 1)?;
        add(call, call.long(0)?.unwrap_or(1))
    }

    fn zim_Swoole_Coroutine_WaitGroup_done(call) {
        call.count(0, 0)?;
        add(call, -1)
    }

    fn zim_Swoole_Coroutine_WaitGroup_wait(call) {
        call.count(0, 1)?;
        let done = call.state::<WaitGroup>()?.wait(call.double(0)?.unwrap_or(-1.0))?;
        call.give_bool(done);
        Ok(())
    }

    fn zim_Swoole_Coroutine_WaitGroup_count(call) {
        call.count(0, 0)?;
        let count = call.state::<WaitGroup>()?.count.get();
        call.give_long(count);
        Ok(())
    }
}
