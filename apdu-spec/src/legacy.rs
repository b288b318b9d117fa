//! File views: a purse of ours can be read besides as a Geldkarte or as a Quick card.
//!
//! Files, names and layouts are those that readers of these cards expect; numbers are packed
//! decimal (BCD) or big endian as they were. Nothing can be written, nothing here is
//! authenticated, and what a place cannot hold stands as the nearest that it can: a balance
//! below zero is 0, an amount above 9,999.99 is 9,999.99.
//!
//! [`geldkarte`] and [`quick`] are the files of either, this file is how they are read.
//!
//! Sequence numbers count value commits (NV), of a load those of loads and payments alike;
//! two bytes hold the lowest 16 bits. Cards that the views imitate counted both apart.

pub mod geldkarte;
pub mod quick;

use crate::element::{Bcd, Date, SamId, Time};
use crate::record::LogEntry;
use crate::wire::Octets;
use crate::{command_set, layout};

/// Greatest length of what a file command answers.
pub const CONTENT_MAX: usize = 40;

layout! {
    /// SELECT of a directory or file.
    #[derive(Copy)]
    pub struct FileId {
        /// File identifier.
        id: [u8; 2],
    }
}

layout! {
    /// SELECT of the master file.
    pub struct MasterFile {
        /// 3F00, or nothing.
        id: Octets<2>,
    }
}

layout! {
    /// READ RECORD of any file.
    #[derive(Copy)]
    pub struct RecordPlace {
        /// Record, from 1, which is the newest (P1).
        record: u8,
        /// Short file identifier in the upper five bits, 0 for the current file; 4 in the
        /// lower three (P2).
        file: u8,
    }
}

layout! {
    /// READ BINARY.
    #[derive(Copy)]
    pub struct BinaryPlace {
        /// 80 and short file identifier; without 80, the offset's upper byte in the current
        /// file (P1).
        file: u8,
        /// Offset (P2).
        offset: u8,
    }
}

layout! {
    /// What a file holds.
    pub struct FileContent {
        /// A record, or bytes from the offset, at most Le.
        bytes: Octets<{ CONTENT_MAX }>,
    }
}

command_set! {
    /// Reading a file view. Served once its application or master file is selected.
    pub enum FileCommand {
        /// SELECT of the master file: makes the Geldkarte view current, whatever was selected.
        SelectMaster = [0x00 0xA4 0x00 0x0C] MasterFile => (),
            in [Personalized], status [APPLICATION_NOT_FOUND],
            "ISO/IEC 7816-4:2013, 11.2.2";
        /// SELECT of a directory below the master file.
        SelectDirectory = [0x00 0xA4 0x01 0x0C] FileId => (),
            in [Personalized], status [APPLICATION_NOT_FOUND],
            "ISO/IEC 7816-4:2013, 11.2.2";
        /// SELECT of a file of the current directory.
        SelectFile = [0x00 0xA4 0x02 0x0C] FileId => (),
            in [Personalized], status [APPLICATION_NOT_FOUND],
            "ISO/IEC 7816-4:2013, 11.2.2";
        /// READ BINARY.
        ReadBinary = [0x00 0xB0 * *] BinaryPlace => FileContent,
            in [Personalized], status [APPLICATION_NOT_FOUND, WRONG_OFFSET],
            "ISO/IEC 7816-4:2013, 11.3.3";
        /// READ RECORD.
        ReadFileRecord = [0x00 0xB2 * *] RecordPlace => FileContent,
            in [Personalized], status [APPLICATION_NOT_FOUND, RECORD_NOT_FOUND, WRONG_P1_P2],
            "ISO/IEC 7816-4:2013, 11.4.3";
    }
}

/// An amount or balance in a place of six digits.
fn cents(minor: i32) -> Bcd<3> {
    Bcd::saturating(u64::try_from(minor).unwrap_or(0))
}

/// The lowest 16 bits of a counter.
const fn word(counter: u32) -> u16 {
    let [_, _, high, low] = counter.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// What all logs say of a value commit.
struct Line {
    nv: u32,
    amount: i32,
    balance: i32,
    sam: SamId,
    time: Time,
    day: Date,
}

impl Line {
    /// Nothing of an entry that cannot be.
    fn new(entry: &LogEntry) -> Option<Self> {
        let time = entry.order.time;
        Some(Self {
            nv: entry.nv()?.get(),
            amount: entry.order.amount.signed(),
            balance: entry.balance_after()?.0,
            sam: entry.counterpart.sam,
            time,
            day: time.date(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_place_cannot_hold_is_the_nearest_it_can() {
        assert_eq!(cents(-5).get(), 0);
        assert_eq!(cents(12_345_678).get(), 999_999);
    }
}
