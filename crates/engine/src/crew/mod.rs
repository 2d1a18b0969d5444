//! Which processes a server has besides master and manager, where they sit, and what they send each other.
//!
//! | module | holds |
//! |---|---|
//! | [`parcel`] | what one sends another, as a record of a ring |
//! | [`post`] | what one has sent, and who has what of it |
//! | `boxes` | the same where the crew are threads |
//! | [`duties`] | a Rust program's handlers for it |
//! | `pending` | who waits for which task |
//! | [`task`], [`message`], [`user_process`] | the front door's part for all of it |
//! | `process`, `thread` | task workers, and processes of the program's own |

pub(crate) mod boxes;
pub mod duties;
pub mod message;
pub mod parcel;
pub(crate) mod pending;
pub mod post;
pub(crate) mod process;
pub mod task;
pub(crate) mod thread;
pub mod user_process;

/// What a process of the crew does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Handles what happens to connections.
    Worker,
    /// Does what workers leave to it, one piece after the other.
    Task,
    /// Runs something of the program's own.
    User,
    /// Keeps the others running, and may send them something.
    Manager,
}

/// How many of each there are.
///
/// Each has a *place*: workers come first, then task workers, then the program's own. A place has two seats in the
/// exchange, one of them for the successor of whoever sits in the other. The manager, which has no successor, has the
/// last seat of all, and counts as the place behind the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    /// Reactors, which have the seats before all others.
    pub reactors: usize,
    /// Those who handle what happens to connections.
    pub workers: usize,
    /// Those who do what workers leave to them.
    pub tasks: usize,
    /// Those who run something of the program's own.
    pub users: usize,
}

impl Crew {
    /// How many places there are, but for the manager's.
    pub fn places(&self) -> usize {
        self.workers + self.tasks + self.users
    }

    /// How many seats there are, those of reactors and the manager's included.
    pub fn seats(&self) -> usize {
        self.managers_seat() + 1
    }

    /// The manager's seat.
    pub fn managers_seat(&self) -> usize {
        self.reactors + 2 * self.places()
    }

    /// What is done at a place.
    pub fn role(&self, place: usize) -> Role {
        if place < self.workers {
            Role::Worker
        } else if place < self.workers + self.tasks {
            Role::Task
        } else if place < self.places() {
            Role::User
        } else {
            Role::Manager
        }
    }

    /// What its process is called in the log.
    pub fn name(&self, place: usize) -> String {
        match self.role(place) {
            Role::Worker => format!("worker {place}"),
            Role::Task => format!("task worker {place}"),
            Role::User => format!("user process {}", place - self.workers - self.tasks),
            Role::Manager => "the manager".to_string(),
        }
    }

    /// The two seats of a place.
    pub fn seats_of(&self, place: usize) -> [usize; 2] {
        [self.reactors + place, self.reactors + self.places() + place]
    }

    /// The place that a seat belongs to; none for a reactor's.
    pub fn place_of(&self, seat: usize) -> Option<usize> {
        let index = seat.checked_sub(self.reactors)?;
        match self.places() {
            places if index < 2 * places => Some(index % places),
            places => (seat == self.managers_seat()).then_some(places),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Crew, Role};

    #[test]
    fn each_seat_belongs_to_one_place() {
        let crew = Crew { reactors: 2, workers: 3, tasks: 2, users: 1 };
        assert_eq!((crew.places(), crew.managers_seat(), crew.seats()), (6, 14, 15));
        let mut seats: Vec<usize> = (0..crew.places()).flat_map(|place| crew.seats_of(place)).collect();
        seats.sort_unstable();
        assert_eq!(seats, (2..14).collect::<Vec<_>>());
        for place in 0..crew.places() {
            assert!(crew.seats_of(place).iter().all(|seat| crew.place_of(*seat) == Some(place)));
        }
        assert_eq!((crew.place_of(1), crew.place_of(14), crew.place_of(15)), (None, Some(6), None));
        let names = [0, 3, 5, 6].map(|place| crew.name(place));
        assert_eq!(names, ["worker 0", "task worker 3", "user process 0", "the manager"]);
        let roles: Vec<Role> = (2..7).map(|place| crew.role(place)).collect();
        assert_eq!(roles, [Role::Worker, Role::Task, Role::Task, Role::User, Role::Manager]);
    }
}
