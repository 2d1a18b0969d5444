//! Turns what processes of the crew send each other into records of a ring, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wirewool_hub::codec::ENGINE_TAG_MIN;

/// The tag of a parcel's record. Those before it are commands.
pub(crate) const PARCEL: u16 = ENGINE_TAG_MIN + 2;

/// What stands before a parcel's payload, in bytes.
const HEADER_BYTES: usize = 28;

/// What a parcel brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message of the program's.
    Message,
    /// A task, to be done and answered by [`Kind::Done`].
    Task,
    /// Something that came of a task; more may follow.
    Result,
    /// A task is done; with a payload if its [flag](Parcel::flags) says so.
    Done,
    /// A task was begun by somebody who has died. Made here, never sent.
    Lost,
}

/// One occupant of one seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Occupancy {
    /// The seat.
    pub seat: usize,
    /// Which of its occupants, one after the other.
    pub epoch: u32,
}

/// What one process of the crew sends another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What it brings.
    pub kind: Kind,
    /// What its sender says about its payload.
    pub flags: u8,
    /// The sender's place.
    pub from: usize,
    /// Whose task it is about; otherwise the sender.
    pub origin: Occupancy,
    /// The task's number among those of its origin; 0 in a message.
    pub task: u64,
    /// When it was sent.
    pub sent: SystemTime,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl Parcel {
    /// What stands before the payload in its record.
    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let sent = self.sent.duration_since(UNIX_EPOCH).unwrap_or_default();
        let kind = match self.kind {
            Kind::Message => 0,
            Kind::Task => 1,
            Kind::Result => 2,
            Kind::Done => 3,
            Kind::Lost => 4,
        };
        header[0] = kind;
        header[1] = self.flags;
        header[2..4].copy_from_slice(&(self.from as u16).to_le_bytes());
        header[4..8].copy_from_slice(&(self.origin.seat as u32).to_le_bytes());
        header[8..12].copy_from_slice(&self.origin.epoch.to_le_bytes());
        header[12..20].copy_from_slice(&self.task.to_le_bytes());
        header[20..28].copy_from_slice(&(sent.as_micros() as u64).to_le_bytes());
        header
    }

    /// The parcel that a record is; none if it is malformed.
    pub(crate) fn decode(record: &[u8]) -> Option<Parcel> {
        let (parcel, payload) = Parcel::decode_header(record)?;
        Some(Parcel { payload: payload.to_vec(), ..parcel })
    }

    /// The parcel that a record is, without its payload, and that.
    pub(crate) fn decode_header(record: &[u8]) -> Option<(Parcel, &[u8])> {
        let (header, payload) = record.split_first_chunk::<HEADER_BYTES>()?;
        let kind = match header[0] {
            0 => Kind::Message,
            1 => Kind::Task,
            2 => Kind::Result,
            3 => Kind::Done,
            _ => return None,
        };
        let micros = u64::from_le_bytes(header[20..28].try_into().ok()?);
        let parcel = Parcel {
            kind,
            flags: header[1],
            from: u16::from_le_bytes(header[2..4].try_into().ok()?).into(),
            origin: Occupancy {
                seat: u32::from_le_bytes(header[4..8].try_into().ok()?) as usize,
                epoch: u32::from_le_bytes(header[8..12].try_into().ok()?),
            },
            task: u64::from_le_bytes(header[12..20].try_into().ok()?),
            sent: UNIX_EPOCH.checked_add(Duration::from_micros(micros))?,
            payload: Vec::new(),
        };
        Some((parcel, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES, Kind, Occupancy, Parcel};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_parcel_comes_out_as_it_went_in() {
        for kind in [Kind::Message, Kind::Task, Kind::Result, Kind::Done] {
            let parcel = Parcel {
                kind,
                flags: 3,
                from: 1999,
                origin: Occupancy { seat: 4095, epoch: u32::MAX },
                task: u64::MAX - 1,
                sent: UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456),
                payload: b"payload".to_vec(),
            };
            let record = [&parcel.header()[..], &parcel.payload].concat();
            assert_eq!(Parcel::decode(&record), Some(parcel));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        assert_eq!(Parcel::decode(&[0; HEADER_BYTES - 1]), None);
        assert!(Parcel::decode(&[0; HEADER_BYTES]).is_some_and(|parcel| parcel.payload.is_empty()));
        let mut record = [0; HEADER_BYTES];
        record[0] = 4;
        assert_eq!(Parcel::decode(&record), None, "nobody sends that a task is lost");
        assert!(Parcel::decode(&[1; HEADER_BYTES]).is_some());
        assert!(Parcel::decode(&[[1; 20].as_slice(), &[255; 8]].concat()).is_some(), "a time far off is one too");
    }
}
