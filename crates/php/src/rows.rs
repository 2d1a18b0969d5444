//! The rows of a `Swoole\Table`: PHP's values into columns, and back.

use wirewool_ipc::shared_table::SharedTable;
use wirewool_ipc::shared_table::value::{Kind, Value};

use crate::array::Array;
use crate::guard::Stop;
use crate::zend::layout::Zval;
use crate::zend::value::{Owned, PhpString, to_double, to_long};

/// The values of `Table::TYPE_*`.
const TYPE_INT: i64 = 1;
const TYPE_FLOAT: i64 = 2;
const TYPE_STRING: i64 = 3;

/// A column of a table.
pub(crate) struct Column {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
}

/// A table with its rows.
pub(crate) struct Rows {
    pub(crate) table: SharedTable,
    pub(crate) columns: Vec<Column>,
}

/// The kind of column that `type` and `size` mean, or what is wrong with them.
pub(crate) fn kind(name: &[u8], number: i64, size: i64) -> Result<Kind, String> {
    let name = name.escape_ascii();
    match number {
        TYPE_INT => Ok(Kind::Int),
        TYPE_FLOAT => Ok(Kind::Float),
        TYPE_STRING => match u32::try_from(size) {
            Ok(bytes_max @ 1..) => Ok(Kind::Text { bytes_max }),
            _ => Err(format!("the strings of column '{name}' cannot have {size} bytes, wanted 1 to {}", u32::MAX)),
        },
        _ => Err(format!("{number} is no type for column '{name}', wanted Table::TYPE_INT, TYPE_FLOAT or TYPE_STRING")),
    }
}

impl Rows {
    /// The column of this name.
    pub(crate) fn column(&self, name: &[u8]) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The value that column `column` holds when it is set to `value`: cast, and cut if it is too long.
    pub(crate) fn cast(&self, column: usize, value: &Zval) -> Result<Value, Stop> {
        let Column { name, kind } = &self.columns[column];
        Ok(match *kind {
            Kind::Int => Value::Int(to_long(value)?),
            Kind::Float => Value::Float(to_double(value)?),
            Kind::Text { bytes_max } => {
                let text = PhpString::cast(value)?;
                let (length, most) = (text.bytes().len(), bytes_max as usize);
                if length > most {
                    let name = name.escape_ascii();
                    tracing::warn!("table column '{name}': a string of {length} bytes is cut to {most}");
                }
                Value::Text(text.bytes()[..length.min(most)].to_vec())
            }
        })
    }

    /// A row as PHP sees it.
    pub(crate) fn array(&self, values: &[Value]) -> Result<Owned, Stop> {
        let mut row = Array::new(self.columns.len() as u32)?;
        for (column, value) in self.columns.iter().zip(values) {
            row.set(&column.name, owned(value)?)?;
        }
        Ok(row.into_value())
    }
}

/// A value as PHP sees it.
pub(crate) fn owned(value: &Value) -> Result<Owned, Stop> {
    Ok(match value {
        Value::Int(int) => Owned::long(*int),
        Value::Float(float) => Owned::double(*float),
        Value::Text(bytes) => Owned::string(bytes)?,
    })
}
