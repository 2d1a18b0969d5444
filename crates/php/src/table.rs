//! `Swoole\Table`: rows of typed columns that the processes forked later share.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

use wirewool_ipc::lock::Busy;
use wirewool_ipc::shared_table::cursor::Cursor;
use wirewool_ipc::shared_table::key::Key;
use wirewool_ipc::shared_table::value::{Kind, Value};
use wirewool_ipc::shared_table::{Refused, SharedTable};

use crate::array::{self, Array};
use crate::exception;
use crate::guard::Stop;
use crate::method::{Call, methods};
use crate::native::Native;
use crate::rows::{Column, Rows, kind, owned};
use crate::warning;
use crate::zend::ffi::{Class, Family};
use crate::zend::value::{Owned, to_long};

/// Properties in the order of declaration.
mod slot {
    pub(super) const SIZE: u32 = 0;
    pub(super) const MEMORY_SIZE: u32 = 1;
}

/// As many rows as a table is asked for at least, so that hashes have room to differ.
const SIZE_MIN: i64 = 64;
const SIZE_MAX: i64 = 1 << 30;
const CONFLICT_MIN: f64 = 0.2;
const COLUMNS_MAX: usize = 1024;

/// What a table is at.
#[derive(Default)]
enum Phase {
    /// Its constructor has not run.
    #[default]
    Fresh,
    /// Columns can be added.
    Constructed(Vec<Column>),
    /// Rows can be.
    Created(Rc<Rows>),
    /// Nothing can be; other processes still have it.
    Destroyed,
}

impl Phase {
    fn standing(&self) -> &'static str {
        match self {
            Phase::Fresh => "not constructed, wanted a call of the parent's constructor",
            Phase::Constructed(_) => "not created yet, wanted a call of create()",
            Phase::Created(_) => "created already",
            Phase::Destroyed => "destroyed",
        }
    }
}

/// The state of a table object, and of the cursor that foreach makes of one.
#[derive(Default)]
pub(crate) struct Table {
    phase: RefCell<Phase>,
    size: Cell<usize>,
    conflict: Cell<f64>,
    cursor: RefCell<Cursor>,
    /// Where the cursor is; none behind the last row.
    row: RefCell<Option<(Key, Vec<Value>)>>,
}

impl Native for Table {
    const FAMILY: Family = Family::Table;
}

impl Table {
    /// The rows.
    ///
    /// # Errors
    /// [`Stop::Thrown`]: there are none.
    fn rows(&self) -> Result<Rc<Rows>, Stop> {
        if let Phase::Created(rows) = &*self.phase.borrow() {
            return Ok(Rc::clone(rows));
        }
        let standing = self.phase.borrow().standing();
        Err(exception::throw(Class::PhpError, 0, &format!("there are no rows: the table is {standing}")))
    }

    /// The bytes that it takes, or will.
    fn memory_size(&self) -> usize {
        match &*self.phase.borrow() {
            Phase::Created(rows) => rows.table.bytes(),
            Phase::Constructed(columns) => {
                let kinds: Vec<Kind> = columns.iter().map(|column| column.kind).collect();
                SharedTable::bytes_of(self.size.get(), self.conflict.get(), &kinds).unwrap_or(0)
            }
            Phase::Fresh | Phase::Destroyed => 0,
        }
    }

    /// Adds a column, or says why not.
    fn add_column(&self, name: &[u8], kind: Kind) -> Result<(), String> {
        let column = name.escape_ascii();
        match &mut *self.phase.borrow_mut() {
            Phase::Constructed(columns) if columns.iter().any(|column| column.name == name) => {
                Err(format!("there is a column '{column}' already"))
            }
            Phase::Constructed(columns) if columns.len() >= COLUMNS_MAX => {
                Err(format!("column '{column}' is one too many, wanted at most {COLUMNS_MAX}"))
            }
            Phase::Constructed(columns) => {
                columns.push(Column { name: name.to_vec(), kind });
                Ok(())
            }
            phase => Err(format!("column '{column}' cannot be added: the table is {}", phase.standing())),
        }
    }

    /// Maps the memory, or says why not.
    fn create(&self) -> Result<(), String> {
        let mut phase = self.phase.borrow_mut();
        let Phase::Constructed(columns) = &mut *phase else {
            return Err(format!("the table is {}", phase.standing()));
        };
        let kinds = columns.iter().map(|column| column.kind).collect();
        let table = SharedTable::new(self.size.get(), self.conflict.get(), kinds)
            .map_err(|error| format!("no shared memory for a table of {} rows: {error}", self.size.get()))?;
        let columns = std::mem::take(columns);
        *phase = Phase::Created(Rc::new(Rows { table, columns }));
        Ok(())
    }

    /// Moves the cursor to the next row.
    fn advance(&self) -> Result<(), Stop> {
        let rows = self.rows()?;
        let next = self.cursor.borrow_mut().next(&rows.table);
        let row = heard(next)?.flatten();
        self.row.replace(row);
        Ok(())
    }
}

/// A result without its error, of which the script is warned.
fn heard<T>(result: Result<T, Busy>) -> Result<Option<T>, Stop> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(busy) => {
            warning::warn(&format!("the table cannot be reached: {busy}"))?;
            Ok(None)
        }
    }
}

/// As [`heard`], of a write.
fn written<T>(result: Result<T, Refused>, key: &Key) -> Result<Option<T>, Stop> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(refused) => {
            let key = key.bytes().escape_ascii();
            warning::warn(&format!("the table has no room for the key '{key}': {refused}"))?;
            Ok(None)
        }
    }
}

/// The key that argument 0 means to all but `set()`: what is too long is cut without a word. None if it is empty.
fn key(call: &Call<'_>) -> Result<Option<Key>, Stop> {
    let bytes = call.text(0)?.unwrap_or_default();
    Ok(Key::new(&bytes[..bytes.len().min(Key::BYTES_MAX)]))
}

fn warn_of_empty_key() -> Result<(), Stop> {
    warning::warn(&format!("the key is empty, wanted 1 to {} bytes", Key::BYTES_MAX))
}

/// Adds what argument 2 says to a number of a row, or subtracts it.
fn count(call: &mut Call<'_>, sign: i64) -> Result<(), Stop> {
    call.count(2, 3)?;
    let rows = call.state::<Table>()?.rows()?;
    let (key, name) = (key(call)?, call.text(1)?.unwrap_or_default());
    call.give_bool(false);
    let Some(key) = key else { return warn_of_empty_key() };
    let Some(column) = rows.column(name) else {
        return warning::warn(&format!("there is no column '{}'", name.escape_ascii()));
    };
    let by = match rows.columns[column].kind {
        Kind::Int => {
            // A float is cut as a cast does it.
            let float = call.argument(2).filter(|by| by.as_double().is_some());
            let by = float.map_or_else(|| call.long(2), |by| to_long(by).map(Some))?;
            Value::Int(by.unwrap_or(1).wrapping_mul(sign))
        }
        Kind::Float => Value::Float(call.double(2)?.unwrap_or(1.0) * sign as f64),
        Kind::Text { .. } => {
            let name = name.escape_ascii();
            return warning::warn(&format!("column '{name}' holds strings, wanted one of numbers"));
        }
    };
    if let Some(sum) = written(rows.table.add(&key, column, &by), &key)? {
        call.give(owned(&sum)?);
    }
    Ok(())
}

/// Gives the table `to`, which is made for one foreach, the rows of the table `from`.
///
/// # Safety
/// Both must be the states of table objects that are alive.
#[unsafe(no_mangle)]
unsafe extern "C" fn ww_table_share(from: *const c_void, to: *const c_void) {
    // SAFETY: the caller vouches for it; states are only ever shared.
    let from = unsafe { &*from.cast::<Table>() };
    // SAFETY: as above.
    let to = unsafe { &*to.cast::<Table>() };
    let phase = match &*from.phase.borrow() {
        Phase::Fresh => Phase::Fresh,
        Phase::Constructed(_) => Phase::Constructed(Vec::new()),
        Phase::Created(rows) => Phase::Created(Rc::clone(rows)),
        Phase::Destroyed => Phase::Destroyed,
    };
    to.phase.replace(phase);
}

methods! {
    fn zim_Swoole_Table___construct(call) {
        call.count(1, 2)?;
        let (size, conflict) = (call.long(0)?.unwrap_or(0), call.double(1)?.unwrap_or(CONFLICT_MIN));
        let state = call.state::<Table>()?;
        if !matches!(*state.phase.borrow(), Phase::Fresh) {
            return Err(exception::throw(Class::PhpError, 0, "the table is constructed already"));
        }
        if !(1..=SIZE_MAX).contains(&size) {
            let why = format!("a table cannot have {size} rows, wanted 1 to {SIZE_MAX}");
            return Err(exception::throw(Class::Exception, 0, &why));
        }
        let size = (size.max(SIZE_MIN) as usize).next_power_of_two();
        state.size.set(size);
        state.conflict.set(conflict.clamp(CONFLICT_MIN, 1.0));
        state.phase.replace(Phase::Constructed(Vec::new()));
        call.this().set_property(slot::SIZE, Owned::long(size as i64))
    }

    fn zim_Swoole_Table_column(call) {
        call.count(2, 3)?;
        let (name, number) = (call.text(0)?.unwrap_or_default(), call.long(1)?.unwrap_or(0));
        let size = call.long(2)?.unwrap_or(0);
        let state = call.state::<Table>()?;
        let added = match name {
            b"" => Err("a column has no name, wanted one".to_owned()),
            _ => kind(name, number, size).and_then(|kind| state.add_column(name, kind)),
        };
        call.give_bool(added.is_ok());
        added.or_else(|why| warning::warn(&why))
    }

    fn zim_Swoole_Table_create(call) {
        call.count(0, 0)?;
        let state = call.state::<Table>()?;
        let created = state.create();
        call.give_bool(created.is_ok());
        match created {
            Ok(()) => call.this().set_property(slot::MEMORY_SIZE, Owned::long(state.memory_size() as i64)),
            Err(why) => warning::warn(&why),
        }
    }

    fn zim_Swoole_Table_destroy(call) {
        call.count(0, 0)?;
        let state = call.state::<Table>()?;
        state.rows()?;
        state.row.replace(None);
        state.phase.replace(Phase::Destroyed);
        call.give_bool(true);
        Ok(())
    }

    fn zim_Swoole_Table_set(call) {
        call.count(2, 2)?;
        let (bytes, row) = (call.text(0)?.unwrap_or_default(), call.array(1)?);
        let rows = call.state::<Table>()?.rows()?;
        call.give_bool(false);
        let Some(key) = Key::new(bytes) else {
            let (length, most) = (bytes.len(), Key::BYTES_MAX);
            return warning::warn(&format!("the key is {length} bytes long, wanted 1 to {most}"));
        };
        // All casts come first: they may run code of the script's.
        let mut changes = Vec::new();
        let row = row.map(Owned::copy).and_then(Array::of);
        for (name, value) in row.iter().flat_map(Array::elements) {
            let name = match name {
                array::Key::Name(name) => name,
                array::Key::Index(index) => index.to_string().into_bytes(),
            };
            if let Some(column) = rows.column(&name) {
                changes.push((column, rows.cast(column, &value)?));
            }
        }
        let is_written = written(rows.table.set(&key, &changes), &key)?.is_some();
        call.give_bool(is_written);
        Ok(())
    }

    fn zim_Swoole_Table_get(call) {
        call.count(1, 2)?;
        let rows = call.state::<Table>()?.rows()?;
        let key = key(call)?;
        let field = match call.argument(1) {
            Some(field) if !field.is_null() => call.text(1)?,
            _ => None,
        };
        call.give_bool(false);
        let Some(key) = key else { return Ok(()) };
        let found = match field {
            Some(name) => {
                let Some(column) = rows.column(name) else { return Ok(()) };
                let value = heard(rows.table.value(&key, column))?.flatten();
                value.as_ref().map(owned).transpose()?
            }
            None => {
                let values = heard(rows.table.get(&key))?.flatten();
                values.map(|values| rows.array(&values)).transpose()?
            }
        };
        if let Some(found) = found {
            call.give(found);
        }
        Ok(())
    }

    fn zim_Swoole_Table_del(call) {
        call.count(1, 1)?;
        let rows = call.state::<Table>()?.rows()?;
        let removed = key(call)?.map(|key| heard(rows.table.remove(&key))).transpose()?;
        call.give_bool(removed.flatten().unwrap_or(false));
        Ok(())
    }

    fn zim_Swoole_Table_exists(call) {
        call.count(1, 1)?;
        let rows = call.state::<Table>()?.rows()?;
        let exists = key(call)?.map(|key| heard(rows.table.contains(&key))).transpose()?;
        call.give_bool(exists.flatten().unwrap_or(false));
        Ok(())
    }

    fn zim_Swoole_Table_incr(call) {
        count(call, 1)
    }

    fn zim_Swoole_Table_decr(call) {
        count(call, -1)
    }

    fn zim_Swoole_Table_count(call) {
        call.count(0, 1)?;
        let rows = call.state::<Table>()?.rows()?;
        let count = heard(rows.table.count())?.unwrap_or(0);
        call.give_long(count as i64);
        Ok(())
    }

    fn zim_Swoole_Table_getSize(call) {
        call.count(0, 0)?;
        let size = call.state::<Table>()?.size.get();
        call.give_long(size as i64);
        Ok(())
    }

    fn zim_Swoole_Table_getMemorySize(call) {
        call.count(0, 0)?;
        let bytes = call.state::<Table>()?.memory_size();
        call.give_long(bytes as i64);
        Ok(())
    }

    fn zim_Swoole_Table_stats(call) {
        call.count(0, 0)?;
        let rows = call.state::<Table>()?.rows()?;
        call.give_bool(false);
        let Some(stats) = heard(rows.table.stats())? else { return Ok(()) };
        let beside = stats.rows_max - rows.table.size();
        let entries = [
            ("num", stats.rows as u64),
            ("conflict_count", stats.conflicts),
            ("conflict_max_level", stats.place_rows_max.saturating_sub(1)),
            ("insert_count", stats.inserts),
            ("update_count", stats.updates),
            ("delete_count", stats.removals),
            ("available_slice_num", (stats.rows_max - stats.rows).min(beside) as u64),
            ("total_slice_num", beside as u64),
        ];
        let mut array = Array::new(entries.len() as u32)?;
        for (name, number) in entries {
            array.set(name, Owned::long(number.cast_signed()))?;
        }
        call.give(array.into_value());
        Ok(())
    }

    fn zim_Swoole_Table_rewind(call) {
        call.count(0, 0)?;
        let state = call.state::<Table>()?;
        state.cursor.replace(Cursor::default());
        state.advance()
    }

    fn zim_Swoole_Table_next(call) {
        call.count(0, 0)?;
        call.state::<Table>()?.advance()
    }

    fn zim_Swoole_Table_valid(call) {
        call.count(0, 0)?;
        let is_valid = call.state::<Table>()?.row.borrow().is_some();
        call.give_bool(is_valid);
        Ok(())
    }

    fn zim_Swoole_Table_current(call) {
        call.count(0, 0)?;
        let state = call.state::<Table>()?;
        let row = state.row.borrow().clone();
        if let Some((_, values)) = row {
            let array = state.rows()?.array(&values)?;
            call.give(array);
        }
        Ok(())
    }

    fn zim_Swoole_Table_key(call) {
        call.count(0, 0)?;
        let key = call.state::<Table>()?.row.borrow().as_ref().map(|(key, _)| *key);
        key.map_or(Ok(()), |key| call.give_bytes(key.bytes()))
    }
}
