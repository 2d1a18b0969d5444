//! `Swoole\Connection\Iterator`: the connections of a server, as `$server->connections`.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

use wirewool_ipc::process::is_foreign;

use crate::connections::NO_WORKER;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::warning;
use crate::zend::ffi::{Class, Family};
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::{Owned, to_long};

/// Where the connections come from. None of these may run PHP code.
pub(crate) trait Source {
    /// The fds of all connections, in order.
    fn list(&self) -> Vec<i64>;
    /// How many there are.
    fn count(&self) -> usize;
    /// Whether there is one with this fd.
    fn exists(&self, fd: i64) -> bool;
    /// What `getClientInfo()` says about it: an array, or false.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    fn info(&self, fd: i64) -> Result<Owned, Stop>;
}

/// The iterator's state, of which foreach makes its own: a list taken at `rewind()`, and a cursor into it that skips what has gone meanwhile.
#[derive(Default)]
pub(crate) struct Connections {
    source: RefCell<Option<Rc<dyn Source>>>,
    list: RefCell<Vec<i64>>,
    cursor: Cell<usize>,
    key: Cell<i64>,
}

impl Native for Connections {
    const FAMILY: Family = Family::Iterator;
}

impl Connections {
    /// A fresh iterator; it has no connections until it has a source.
    ///
    /// # Errors
    /// [`Stop::Bailout`] when memory runs out.
    pub(crate) fn create(source: Option<Rc<dyn Source>>) -> Result<Owned, Stop> {
        let object = Object::create(Class::Iterator)?;
        if let Some(state) = object.as_object().and_then(Object::state::<Connections>) {
            state.bind(source);
        }
        Ok(object)
    }

    /// Says where the connections come from.
    pub(crate) fn bind(&self, source: Option<Rc<dyn Source>>) {
        self.source.replace(source);
    }

    fn source(&self) -> Option<Rc<dyn Source>> {
        self.source.borrow().clone()
    }

    /// Moves the cursor to the first fd from here on that still has a connection.
    fn skip_gone(&self) {
        let source = self.source();
        let list = self.list.borrow();
        let gone = |fd: &i64| source.as_ref().is_none_or(|source| !source.exists(*fd));
        let skipped = list[self.cursor.get()..].iter().take_while(|fd| gone(fd)).count();
        self.cursor.set(self.cursor.get() + skipped);
    }

    fn current(&self) -> Option<i64> {
        self.list.borrow().get(self.cursor.get()).copied()
    }
}

/// Gives the iterator `to` the connections of the iterator `from`.
///
/// # Safety
/// Both must be the states of iterator objects that are alive.
#[unsafe(no_mangle)]
unsafe extern "C" fn ww_connections_share(from: *const c_void, to: *const c_void) {
    // SAFETY: the caller vouches for it; states are only ever shared.
    let from = unsafe { &*from.cast::<Connections>() };
    // SAFETY: as above.
    let to = unsafe { &*to.cast::<Connections>() };
    to.bind(from.source());
}

/// Where the connections come from, to be asked by a method: a fork of the script's own is warned, and has none.
fn source(call: &Call<'_>) -> Result<Option<Rc<dyn Source>>, Stop> {
    let source = call.state::<Connections>()?.source();
    if source.is_some() && is_foreign() {
        warning::warn(NO_WORKER)?;
        return Ok(None);
    }
    Ok(source)
}

/// The fd that an offset means.
fn offset(call: &Call<'_>) -> Result<i64, Stop> {
    call.count(1, 2)?;
    call.argument(0).map_or(Ok(0), |offset: &Zval| to_long(offset))
}

methods! {
    fn zim_Swoole_Connection_Iterator_rewind(call) {
        let state = call.state::<Connections>()?;
        let list = source(call)?.map_or_else(Vec::new, |source| source.list());
        state.list.replace(list);
        state.cursor.set(0);
        state.key.set(1);
        state.skip_gone();
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_next(call) {
        let state = call.state::<Connections>()?;
        if state.current().is_some() {
            state.cursor.set(state.cursor.get() + 1);
            state.key.set(state.key.get() + 1);
            state.skip_gone();
        }
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_current(call) {
        let current = call.state::<Connections>()?.current();
        call.give(current.map_or(Owned::null(), Owned::long));
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_key(call) {
        let key = call.state::<Connections>()?.key.get();
        call.give_long(key);
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_valid(call) {
        let valid = call.state::<Connections>()?.current().is_some();
        call.give_bool(valid);
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_count(call) {
        let count = source(call)?.map_or(0, |source| source.count());
        call.give_long(count as i64);
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_offsetExists(call) {
        let fd = offset(call)?;
        let exists = source(call)?.is_some_and(|source| source.exists(fd));
        call.give_bool(exists);
        Ok(())
    }

    fn zim_Swoole_Connection_Iterator_offsetGet(call) {
        let fd = offset(call)?;
        let info = match source(call)? {
            Some(source) => source.info(fd)?,
            None => Owned::bool(false),
        };
        call.give(info);
        Ok(())
    }

    // Connections come and go by themselves: writing and unsetting say nothing.
    fn zim_Swoole_Connection_Iterator_offsetSet(call) {
        call.count(2, 2)
    }

    fn zim_Swoole_Connection_Iterator_offsetUnset(call) {
        call.count(1, 1)
    }
}
