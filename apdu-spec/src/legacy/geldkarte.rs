//! The files of a Geldkarte, from what a purse keeps.

use super::{Line, cents, word};
use crate::element::{Bcd, IepId, Kind};
use crate::layout;
use crate::personalisation::LegacyView;
use crate::record::{Identity, LogEntry};

layout! {
    /// EF_ID 0003 of the Geldkarte: 24 bytes.
    #[derive(Copy)]
    pub struct CardFile {
        /// Branch key, 67.
        branch: u8,
        /// Short bank code.
        bank: Bcd<3>,
        /// Number of the card: that of the purse within its provider.
        number: Bcd<5>,
        /// Check digit of branch, bank and number.
        check: u8,
        /// Last month, YYMM.
        until: Bcd<2>,
        /// First day, YYMMDD.
        since: Bcd<3>,
        /// Country, ISO 3166 numeric.
        country: Bcd<2>,
        /// Currency, letters of ISO 4217.
        currency: [u8; 3],
        /// Unit of amounts: 01 for 1/100, 02 for 1/10, 04 for 1.
        factor: u8,
        /// Kind of chip, unused, version of the operating system: 0.
        chip: [u8; 3],
    }
}

impl CardFile {
    /// The file of a purse.
    #[must_use]
    pub fn new(identity: &Identity, view: &LegacyView) -> Self {
        let IepId { number, .. } = identity.iep;
        let number = Bcd::last_digits(number.get());
        let digits = 67_000_000 + view.short_bank.get();
        let letters = identity.currency.letters().unwrap_or("XXX");
        let mut currency = [0; 3];
        currency.iter_mut().zip(letters.bytes()).for_each(|(place, letter)| *place = letter);
        Self {
            branch: 0x67,
            bank: view.short_bank,
            number,
            check: check_digit(digits * 10_000_000_000 + number.get()),
            until: Bcd::month(identity.expiry),
            since: Bcd::short_day(view.since),
            country: view.country,
            currency,
            factor: 4 >> identity.currency.exponent.min(2),
            chip: [0; 3],
        }
    }
}

layout! {
    /// EF_BETRAG 0104 of the Geldkarte: 12 bytes.
    #[derive(Copy)]
    pub struct AmountsFile {
        /// Balance.
        balance: Bcd<3>,
        /// Greatest balance.
        maximum: Bcd<3>,
        /// Greatest payment.
        payment: Bcd<3>,
        /// Greatest payment without a MAC: none.
        without_mac: Bcd<3>,
    }
}

impl AmountsFile {
    /// The file of a purse with these amounts, minor units.
    #[must_use]
    pub fn new(balance: i32, maximum: i32, payment: i32) -> Self {
        let without_mac = Bcd::default();
        Self { balance: cents(balance), maximum: cents(maximum), payment: cents(payment), without_mac }
    }
}

layout! {
    /// EF_BOERSE 0105 of the Geldkarte: 27 bytes.
    #[derive(Copy)]
    pub struct AccountFile {
        /// 00: with an account.
        kind: u8,
        /// Bank code.
        bank: Bcd<4>,
        /// Account.
        account: Bcd<5>,
        /// Nothing.
        reserved: [u8; 17],
    }
}

impl AccountFile {
    /// The file of a purse.
    #[must_use]
    pub const fn new(view: &LegacyView) -> Self {
        Self { kind: 0, bank: view.bank, account: view.account, reserved: [0; 17] }
    }
}

layout! {
    /// EF_LSEQ 0106 and EF_BSEQ 0107 of the Geldkarte: 2 bytes.
    #[derive(Copy)]
    pub struct SequenceFile {
        /// Number of the last load, or of the last value commit.
        number: u16,
    }
}

impl SequenceFile {
    /// The file of this counter.
    #[must_use]
    pub const fn new(counter: u32) -> Self {
        Self { number: word(counter) }
    }
}

layout! {
    /// A record of EF_LLOG 0108 of the Geldkarte, a load or unload: 33 bytes.
    #[derive(Copy)]
    pub struct LoadRecord {
        /// Command, as in the Geldkarte: 01 load, 21 unload.
        status: u8,
        /// Number of the load.
        lseq: u16,
        /// Tries.
        retries: u8,
        /// Amount.
        amount: Bcd<3>,
        /// Balance after.
        balance: Bcd<3>,
        /// Operator of the terminal.
        centre: Bcd<3>,
        /// Terminal.
        terminal: Bcd<8>,
        /// Its number of the transaction.
        trace: Bcd<3>,
        /// Day, YYYYMMDD, UTC.
        date: Bcd<4>,
        /// Time, hhmmss, UTC.
        time: Bcd<3>,
        /// Number of the value commit.
        bseq: u16,
    }
}

layout! {
    /// A record of EF_BLOG 0109 of the Geldkarte, a payment or its cancellation: 37 bytes.
    #[derive(Copy)]
    pub struct PaymentRecord {
        /// Command, as in the Geldkarte: 41 debit, 61 credit back.
        status: u8,
        /// Number of the value commit.
        bseq: u16,
        /// Number of the last load.
        lseq: u16,
        /// Amount.
        amount: Bcd<3>,
        /// The merchant's card, the PSAM: operator and number, ten digits each.
        merchant: Bcd<5>,
        /// Its number.
        module: Bcd<5>,
        /// The PSAM's number of the transaction.
        hseq: u32,
        /// Number of its sum: 0, the purse does not know the batch.
        sseq: u32,
        /// Balance after.
        balance: Bcd<3>,
        /// Day, YYYYMMDD, UTC.
        date: Bcd<4>,
        /// Time, hhmmss, UTC.
        time: Bcd<3>,
        /// Version of the key.
        key: u8,
    }
}

impl LoadRecord {
    /// The record of a load or unload.
    #[must_use]
    pub fn new(entry: &LogEntry) -> Option<Self> {
        let Line { nv, amount, balance, sam, time, day } = Line::new(entry)?;
        Some(Self {
            status: status(entry.kind),
            lseq: word(nv),
            retries: 0,
            amount: cents(amount),
            balance: cents(balance),
            centre: Bcd::last_digits(sam.acquirer.get().into()),
            terminal: Bcd::saturating(sam.number.get().into()),
            trace: Bcd::last_digits(entry.order.nt.get().into()),
            date: Bcd::day(day),
            time: Bcd::time_of_day(time),
            bseq: word(nv),
        })
    }
}

impl PaymentRecord {
    /// The record of a payment or cancellation.
    #[must_use]
    pub fn new(entry: &LogEntry) -> Option<Self> {
        let Line { nv, amount, balance, sam, time, day } = Line::new(entry)?;
        Some(Self {
            status: status(entry.kind),
            bseq: word(nv),
            lseq: word(entry.position.nv_load.get()),
            amount: cents(amount),
            merchant: Bcd::saturating(sam.acquirer.get().into()),
            module: Bcd::saturating(sam.number.get().into()),
            hseq: entry.order.nt.get(),
            sseq: 0,
            balance: cents(balance),
            date: Bcd::day(day),
            time: Bcd::time_of_day(time),
            key: entry.key.version,
        })
    }
}

/// Status of a log record of the Geldkarte: instruction in bits 7 to 5 (load 0, unload 1,
/// debit 2, credit back 3), last file written in bit 0.
const fn status(kind: Kind) -> u8 {
    let instruction = match kind {
        Kind::Load | Kind::Recovery => 0,
        Kind::Unload => 1,
        Kind::Purchase => 2,
        Kind::Cancellation => 3,
    };
    instruction << 5 | 1
}

/// Check digit over decimal digits (ISO/IEC 7812-1, annex B).
fn check_digit(digits: u64) -> u8 {
    let mut sum = 0;
    let (mut left, mut double) = (digits, true);
    while left > 0 {
        let digit = left % 10 * if double { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
        (left, double) = (left / 10, !double);
    }
    u8::try_from((10 - sum % 10) % 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Element;

    #[test]
    fn widths_are_those_that_readers_expect() {
        assert_eq!((CardFile::MAX, AmountsFile::MAX, AccountFile::MAX, SequenceFile::MAX), (24, 12, 27, 2));
        assert_eq!((LoadRecord::MAX, PaymentRecord::MAX), (33, 37));
    }

    #[test]
    fn a_check_digit_as_on_payment_cards() {
        // 4012 8888 8888 1881 ends with its own.
        assert_eq!(check_digit(401_288_888_888_188), 1);
    }
}
