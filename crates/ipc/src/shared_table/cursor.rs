//! Turns a table into its rows, one after the other.

use std::vec;

use super::SharedTable;
use super::key::Key;
use super::value::Value;
use crate::lock::Busy;

/// A walk over the rows of a table. It holds no lock between its steps.
///
/// A row that is there all the time comes once. One that comes or goes meanwhile may come or not, and one that is removed
/// and made again may come twice.
#[derive(Default)]
pub struct Cursor {
    bucket: usize,
    keys: vec::IntoIter<Key>,
}

impl Cursor {
    /// The next row as it is now; none behind the last one.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn next(&mut self, table: &SharedTable) -> Result<Option<(Key, Vec<Value>)>, Busy> {
        loop {
            for key in self.keys.by_ref() {
                // It may have gone since its bucket was looked at.
                if let Some(values) = table.get(&key)? {
                    return Ok(Some((key, values)));
                }
            }
            if self.bucket >= table.size() {
                return Ok(None);
            }
            self.keys = table.keys(self.bucket)?.into_iter();
            self.bucket += 1;
        }
    }
}
