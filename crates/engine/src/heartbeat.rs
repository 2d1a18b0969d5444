//! Who of a server's connections is silent for too long, as any of its processes can tell; and word to whoever has them.

use std::time::Duration;
use wirewool_ipc::exchange::Exchange;
use wirewool_ipc::table::Table;

/// The connections of which nothing was received for so long, but for those that are protected or close. With `close`,
/// those that have them close them at once, as they would before long: whoever speaks meanwhile stays.
pub fn silent(table: &Table, exchange: &Exchange, time: Duration, close: bool) -> Vec<u64> {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut owners = Vec::new();
    let mut fds = Vec::new();
    for (fd, connection) in table.silent(ms) {
        fds.push(fd);
        if !owners.contains(&connection.owner) {
            owners.push(connection.owner);
        }
    }
    for owner in owners.into_iter().filter(|owner| close && *owner < exchange.seats()) {
        table.want_look(owner);
        exchange.doorbell(owner).ring();
    }
    fds
}
