//! `Swoole\Coroutine\Channel`: hands values from coroutine to coroutine, in order; who finds no room or no value waits.
//!
//! A value goes straight to the coroutine that has waited longest, which goes on at once. So whoever waits finds what it
//! was given, whatever has happened before its turn comes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::array::Array;
use crate::coroutine::methods::{self, until, within_method_of};
use crate::coroutine::registry::{Ticket, Wait, Woken};
use crate::coroutine::scheduler;
use crate::exception;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::value::Owned;

/// Slots of the declared properties.
mod slot {
    pub(super) const CAPACITY: u32 = 0;
    pub(super) const ERR_CODE: u32 = 1;
}

/// What `$errCode` says (`SWOOLE_CHANNEL_*`).
mod code {
    pub(super) const OK: i64 = 0;
    pub(super) const TIMEOUT: i64 = -1;
    pub(super) const CLOSED: i64 = -2;
    pub(super) const CANCELED: i64 = -3;
}

/// A coroutine that waits, with the value it is to hand over, or was given.
struct Waiter {
    ticket: Ticket,
    value: RefCell<Option<Owned>>,
}

type Line = RefCell<VecDeque<Rc<Waiter>>>;

/// The state of a channel; without a capacity until its constructor has run.
#[derive(Default)]
pub(crate) struct Channel {
    capacity: Cell<usize>,
    is_closed: Cell<bool>,
    values: RefCell<VecDeque<Owned>>,
    /// While somebody waits for a value there is none, and nobody waits for room.
    consumers: Line,
    /// While somebody waits for room there is none.
    producers: Line,
}

impl Native for Channel {
    const FAMILY: Family = Family::Channel;

    fn held(&self, index: usize) -> Option<*mut Zval> {
        // The collector runs within calls of PHP, and no borrow lives across those.
        let mut values = self.values.borrow_mut();
        if let Some(value) = values.get_mut(index) {
            return Some(value.raw_mut());
        }
        let producers = self.producers.borrow();
        let waiter = producers.get(index - values.len())?;
        waiter.value.borrow_mut().as_mut().map(Owned::raw_mut)
    }
}

impl Channel {
    fn of<'a>(call: &Call<'a>) -> Result<&'a Channel, Stop> {
        let channel = call.state::<Channel>()?;
        if channel.capacity.get() == 0 {
            let message = "the channel does not exist: its constructor was not called";
            return Err(exception::throw(Class::PhpError, 0, message));
        }
        Ok(channel)
    }

    fn len(&self) -> usize {
        self.values.borrow().len()
    }

    fn is_full(&self) -> bool {
        self.len() >= self.capacity.get()
    }

    /// Hands `value` to whoever has waited longest, or keeps it. False, and it is still there, if there is no room.
    fn put(&self, value: &mut Option<Owned>) -> Result<bool, Stop> {
        let consumer = self.consumers.borrow_mut().pop_front();
        if let Some(consumer) = consumer {
            consumer.value.replace(value.take());
            wake(&consumer)?;
            return Ok(true);
        }
        if self.is_full() {
            return Ok(false);
        }
        self.values.borrow_mut().extend(value.take());
        Ok(true)
    }

    /// The oldest value, if there is one. Whoever has waited longest for room goes on.
    fn take(&self) -> Result<Option<Owned>, Stop> {
        let Some(value) = self.values.borrow_mut().pop_front() else { return Ok(None) };
        let producer = self.producers.borrow_mut().pop_front();
        if let Some(producer) = producer {
            self.values.borrow_mut().extend(producer.value.take());
            wake(&producer)?;
        }
        Ok(Some(value))
    }

    /// Waits in `line` with `value`: what it was woken with, and the value that it has then.
    fn wait(line: &Line, value: Option<Owned>, seconds: f64) -> Result<(Woken, Option<Owned>), Stop> {
        let mut waits = None;
        let woken = methods::wait(Wait::Other, until(seconds), |ticket| {
            let waiter = Rc::new(Waiter { ticket, value: RefCell::new(value) });
            waits = Some(waiter.clone());
            line.borrow_mut().push_back(waiter);
        });
        let Some(waiter) = waits else { return Ok((woken?, None)) };
        line.borrow_mut().retain(|other| !Rc::ptr_eq(other, &waiter));
        let value = waiter.value.take();
        Ok((woken?, value))
    }

    /// Nothing more comes in; everybody who waits goes on.
    fn close(&self) -> Result<(), Stop> {
        self.is_closed.set(true);
        for line in [&self.producers, &self.consumers] {
            loop {
                let waiter = line.borrow_mut().pop_front();
                match waiter {
                    Some(waiter) => wake(&waiter)?,
                    None => break,
                }
            }
        }
        Ok(())
    }
}

fn wake(waiter: &Waiter) -> Result<(), Stop> {
    within_method_of(scheduler::wake(waiter.ticket, Woken::Happened)).map(|_| ())
}

/// What a wait without success means.
fn code_of(woken: Woken) -> i64 {
    match woken {
        Woken::TimedOut => code::TIMEOUT,
        Woken::Canceled | Woken::Refused => code::CANCELED,
        Woken::Happened | Woken::Ending => code::CLOSED,
    }
}

fn tell(call: &Call<'_>, code: i64) -> Result<(), Stop> {
    call.this().set_property(slot::ERR_CODE, Owned::long(code))
}

/// Whether the value was taken, and else why not. Only a wait needs a coroutine.
fn push(call: &Call<'_>) -> Result<i64, Stop> {
    let seconds = call.double(1)?.unwrap_or(-1.0);
    let channel = Channel::of(call)?;
    if channel.is_closed.get() {
        return Ok(code::CLOSED);
    }
    let mut value = call.argument(0).map(Owned::copy);
    if channel.put(&mut value)? {
        return Ok(code::OK);
    }
    let (woken, left) = Channel::wait(&channel.producers, value, seconds)?;
    Ok(if left.is_none() && woken != Woken::Refused { code::OK } else { code_of(woken) })
}

/// The next value, or why there is none.
fn pop(call: &Call<'_>) -> Result<Result<Owned, i64>, Stop> {
    let seconds = call.double(0)?.unwrap_or(-1.0);
    let channel = Channel::of(call)?;
    if let Some(value) = channel.take()? {
        return Ok(Ok(value));
    }
    if channel.is_closed.get() {
        return Ok(Err(code::CLOSED));
    }
    let (woken, given) = Channel::wait(&channel.consumers, None, seconds)?;
    Ok(given.ok_or_else(|| code_of(woken)))
}

methods! {
    fn zim_Swoole_Coroutine_Channel___construct(call) {
        call.count(0, 1)?;
        let capacity = call.long(0)?.unwrap_or(1).max(1);
        call.state::<Channel>()?.capacity.set(capacity as usize);
        call.this().set_property(slot::CAPACITY, Owned::long(capacity))
    }

    fn zim_Swoole_Coroutine_Channel_push(call) {
        call.count(1, 2)?;
        let code = push(call)?;
        tell(call, code)?;
        call.give_bool(code == code::OK);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Channel_pop(call) {
        call.count(0, 1)?;
        let popped = pop(call)?;
        tell(call, popped.as_ref().err().copied().unwrap_or(code::OK))?;
        call.give(popped.unwrap_or(Owned::bool(false)));
        Ok(())
    }

    fn zim_Swoole_Coroutine_Channel_close(call) {
        call.count(0, 0)?;
        let channel = Channel::of(call)?;
        let was_open = !channel.is_closed.get();
        channel.close()?;
        call.give_bool(was_open);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Channel_isEmpty(call) {
        call.count(0, 0)?;
        let is_empty = Channel::of(call)?.len() == 0;
        call.give_bool(is_empty);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Channel_isFull(call) {
        call.count(0, 0)?;
        let is_full = Channel::of(call)?.is_full();
        call.give_bool(is_full);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Channel_length(call) {
        call.count(0, 0)?;
        let length = Channel::of(call)?.len();
        call.give_long(length as i64);
        Ok(())
    }

    fn zim_Swoole_Coroutine_Channel_stats(call) {
        call.count(0, 0)?;
        let channel = Channel::of(call)?;
        let counts = [
            ("consumer_num", channel.consumers.borrow().len()),
            ("producer_num", channel.producers.borrow().len()),
            ("queue_num", channel.len()),
        ];
        let mut array = Array::new(4)?;
        for (name, count) in counts {
            array.set(name, Owned::long(count as i64))?;
        }
        call.give(array.into_value());
        Ok(())
    }
}
