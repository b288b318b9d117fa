//! The log of a Quick card, from what a purse keeps. Its balance is four bytes and its currency
//! two, at fixed places of files that hold nothing else.

use super::{Line, word};
use crate::element::Bcd;
use crate::layout;
use crate::record::{Identity, LogEntry};

layout! {
    /// A record of the log 0104 of the Quick card: 33 bytes.
    #[derive(Copy)]
    pub struct QuickRecord {
        /// 27.
        tag: u8,
        /// Number of the value commit.
        counter: u16,
        /// Amount, minor units.
        amount: u32,
        /// The same in the terminal's currency.
        original: u32,
        /// Currency, ISO 4217 numeric.
        currency: Bcd<2>,
        /// Terminal: operator and number.
        terminal: Bcd<4>,
        /// Its number.
        number: Bcd<4>,
        /// 90.
        status: u8,
        /// Day, YYYYMMDD, UTC.
        date: Bcd<4>,
        /// Time, hhmmss, UTC.
        time: Bcd<3>,
        /// Balance after, minor units.
        balance: i32,
    }
}

impl QuickRecord {
    /// The record of a value commit in a purse of this currency.
    #[must_use]
    pub fn new(entry: &LogEntry, identity: &Identity) -> Option<Self> {
        let Line { nv, amount, balance, sam, time, day } = Line::new(entry)?;
        let amount = amount.unsigned_abs();
        Some(Self {
            tag: 0x27,
            counter: word(nv),
            amount,
            original: amount,
            currency: Bcd::saturating(identity.currency.code.into()),
            terminal: Bcd::last_digits(sam.acquirer.get().into()),
            number: Bcd::last_digits(sam.number.get().into()),
            status: 0x90,
            date: Bcd::day(day),
            time: Bcd::time_of_day(time),
            balance,
        })
    }
}

const _: () = assert!(<QuickRecord as crate::wire::Element>::MAX == 33);
