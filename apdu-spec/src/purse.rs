//! Commands of the purse (IEP).
//!
//! A purchase is INITIALIZE IEP (S1), the PSAM's order (S2), DEBIT IEP (S3, S6).
//! A load is the same with CREDIT IEP, and the issuer in place of the PSAM.

use crate::crypto::Key;
use crate::element::{
    Amount, Balance, Counter, Currency, KeyReference, Kind, Mac, Pin, SamCounter, SamId, Search, Time,
};
use crate::record::{Counterpart, Identity, LogEntry, Order, Statement};
use crate::{command_set, layout};

layout! {
    /// INITIALIZE IEP for Purchase.
    #[derive(Copy)]
    pub struct InitializePurchase {
        /// Key group of the PSAM (P2).
        group: u8,
        /// Highest key version that the PSAM has.
        version: u8,
        /// The PSAM and its challenge.
        counterpart: Counterpart,
    }
}

layout! {
    /// INITIALIZE IEP for Load, or for Unload.
    #[derive(Copy)]
    pub struct InitializeTransfer {
        /// Highest key version that the issuer has.
        version: u8,
        /// The load terminal and its challenge.
        counterpart: Counterpart,
        /// Amount, minor units.
        amount: Amount,
    }
}

layout! {
    /// Answer to every INITIALIZE IEP.
    #[derive(Copy)]
    pub struct Initialized {
        /// The key that the purse chose.
        key: KeyReference,
        /// What it states.
        statement: Statement,
        /// S1.
        s1: Mac,
    }
}

layout! {
    /// DEBIT IEP and CREDIT IEP: the counterpart's order.
    #[derive(Copy)]
    pub struct Execute {
        /// The order.
        order: Order,
        /// S2.
        s2: Mac,
    }
}

layout! {
    /// CREDIT IEP for Cancellation.
    pub struct Cancel {
        /// The secret that the purchase's commitment was made with.
        secret: Key,
    }
}

layout! {
    /// Answer to every value commit.
    #[derive(Copy)]
    pub struct Executed {
        /// S3, for the counterpart.
        s3: Mac,
        /// S6, for the issuer.
        s6: Mac,
    }
}

layout! {
    /// GET PREVIOUS IEP SIGNATURE.
    #[derive(Copy)]
    pub struct PreviousRequest {
        /// Key group for the MAC of the answer; 00 for the issuer (P2).
        group: u8,
        /// Highest key version that the asker has.
        version: u8,
        /// Who asks, with a fresh challenge.
        counterpart: Counterpart,
        /// The NT or NV asked for.
        number: Counter,
    }
}

layout! {
    /// What became of an earlier transaction: 158 bytes.
    #[derive(Copy)]
    pub struct PreviousSignature {
        /// Key of the MAC.
        key: KeyReference,
        /// The purse, where it stands now.
        statement: Statement,
        /// By which number it was asked: under the MAC, so that nobody passes a question by NV
        /// off as one by NT.
        by: Search,
        /// The number asked for.
        asked: Counter,
        /// 01 where a receipt follows; 00 where that transaction moved no value. This
        /// is final when the NT asked for is not above the NT stated.
        found: u8,
        /// The receipt (a `LogEntry`), or zeros.
        receipt: [u8; LogEntry::WIDTH],
        /// MAC over all of it and the asker's challenge.
        mac: Mac,
    }
}

impl PreviousSignature {
    /// The input of its MAC, as the asker `counterpart` knows it.
    #[must_use]
    pub const fn input(&self, counterpart: Counterpart) -> crate::signature::Previous {
        crate::signature::Previous {
            heading: crate::signature::Heading::new(
                crate::signature::Name::Previous,
                Kind::Recovery,
                self.key,
            ),
            counterpart,
            by: self.by,
            asked: self.asked,
            found: self.found,
            statement: self.statement,
            receipt: self.receipt,
        }
    }

    /// The receipt, where one was found.
    pub fn to_receipt(&self) -> Result<Option<LogEntry>, crate::wire::Malformed> {
        match self.found {
            0 => Ok(None),
            1 => crate::wire::Element::from_bytes(&self.receipt).map(Some),
            _ => Err(crate::wire::Malformed),
        }
    }
}

layout! {
    /// Answer to GET BALANCE. For display: nothing authenticates it.
    #[derive(Copy)]
    pub struct BalanceResponse {
        /// Balance, minor units.
        balance: Balance,
        /// Greatest balance, minor units.
        maximum: Balance,
        /// Currency.
        currency: Currency,
    }
}

layout! {
    /// READ RECORD of the log.
    #[derive(Copy)]
    pub struct ReadLog {
        /// Record, from 1, which is the newest (P1).
        record: u8,
    }
}

layout! {
    /// A line of the log, for display: 29 bytes.
    #[derive(Copy)]
    pub struct LogLine {
        /// Type of transaction.
        kind: Kind,
        /// NV.
        nv: Counter,
        /// NT of its session.
        nt: Counter,
        /// When, UTC.
        time: Time,
        /// PSAM or load terminal.
        sam: SamId,
        /// Its number of the transaction.
        nt_sam: SamCounter,
        /// Amount, minor units.
        amount: Amount,
        /// Balance after, minor units.
        balance: Balance,
    }
}

layout! {
    /// Answer to GET DATA 0101: who this purse is. For display.
    #[derive(Copy)]
    pub struct PurseInformation {
        /// Identity, expiry, currency, greatest balance.
        identity: Identity,
        /// Overdraft, minor units.
        overdraft: Amount,
        /// Sessions so far.
        nt: Counter,
        /// Value commits so far.
        nv: Counter,
        /// Receipts held.
        receipts: u8,
    }
}

layout! {
    /// A PIN that is presented or set.
    pub struct PresentPin {
        /// The PIN.
        pin: Pin,
    }
}

layout! {
    /// CHANGE REFERENCE DATA.
    pub struct ChangePinRequest {
        /// The PIN as it is.
        old: Pin,
        /// The PIN as it shall be.
        new: Pin,
    }
}

impl LogEntry {
    /// Width in bytes.
    pub const WIDTH: usize = <Self as crate::wire::Element>::MAX;
}

command_set! {
    /// The purse.
    pub enum PurseCommand {
        /// INITIALIZE IEP for Load: opens a session with the issuer, answers the statement
        /// under S1. Above the purse's limit the PIN must have been verified.
        InitializeLoad = [0x90 0x50 0x00 0x00] InitializeTransfer => Initialized,
            in [Personalized], status [SECURITY_NOT_SATISFIED, REFERENCE_NOT_FOUND, KEY_RETIRED,
                COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); JR/T 0025 (P1); bytes project-defined";
        /// INITIALIZE IEP for Purchase: opens a session with a PSAM, answers the statement
        /// under S1.
        InitializeIep = [0x90 0x50 0x01 *] InitializePurchase => Initialized,
            in [Personalized], status [REFERENCE_NOT_FOUND, KEY_RETIRED, COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); JR/T 0025 (P1); bytes project-defined";
        /// INITIALIZE IEP for Unload: like Load, value leaves the purse.
        InitializeUnload = [0x90 0x50 0x05 0x00] InitializeTransfer => Initialized,
            in [Personalized], status [REFERENCE_NOT_FOUND, KEY_RETIRED, COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); JR/T 0025 (P1); bytes project-defined";
        /// CREDIT IEP for Load: the issuer's decision under S2; credits, answers S3 and S6.
        CreditLoad = [0x90 0x52 0x00 0x00] Execute => Executed,
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, WRONG_MAC, MAXIMUM_EXCEEDED,
                RECEIPTS_FULL, REFUSED_BY_ISSUER, COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); bytes project-defined";
        /// CREDIT IEP for Cancellation: the PSAM's secret gives the last purchase back.
        CreditCancellation = [0x90 0x52 0x06 0x00] Cancel => Executed,
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, WRONG_MAC, MAXIMUM_EXCEEDED,
                RECEIPTS_FULL, COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "CEPS (cancel last purchase); bytes project-defined";
        /// DEBIT IEP for Purchase: the PSAM's order under S2; debits, answers S3 and S6.
        DebitIep = [0x90 0x54 0x01 0x00] Execute => Executed,
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, WRONG_MAC, INSUFFICIENT_BALANCE,
                LIMIT_EXCEEDED, RECEIPTS_FULL, COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); bytes project-defined";
        /// DEBIT IEP for Unload: the issuer's decision under S2; debits, answers S3 and S6.
        DebitUnload = [0x90 0x54 0x05 0x00] Execute => Executed,
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, WRONG_MAC, INSUFFICIENT_BALANCE,
                RECEIPTS_FULL, REFUSED_BY_ISSUER, COUNTER_AT_MAXIMUM, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); bytes project-defined";
        /// GET PREVIOUS IEP SIGNATURE by NT: ends any session and answers, under a MAC, the
        /// receipt of that session or that it moved no value; 6A83 where the log no longer
        /// reaches back that far.
        PreviousByNt = [0x90 0x5A 0x00 *] PreviousRequest => PreviousSignature,
            in [Personalized, Blocked], status [REFERENCE_NOT_FOUND, KEY_RETIRED, RECORD_NOT_FOUND],
            "EN 1546-3 (INS); bytes project-defined";
        /// GET PREVIOUS IEP SIGNATURE by NV: the same for a receipt that is to be taken over.
        PreviousByNv = [0x90 0x5A 0x01 *] PreviousRequest => PreviousSignature,
            in [Personalized, Blocked], status [REFERENCE_NOT_FOUND, KEY_RETIRED],
            "EN 1546-3 (INS); bytes project-defined";
        /// GET BALANCE, for display.
        GetBalance = [0x90 0x5C 0x00 0x00] () => BalanceResponse,
            in [Personalized, Blocked], status [],
            "JR/T 0025 (INS)";
        /// READ RECORD of the log (short file identifier 01), newest first, for display.
        ReadRecord = [0x00 0xB2 * 0x0C] ReadLog => LogLine,
            in [Personalized, Blocked], status [RECORD_NOT_FOUND],
            "ISO/IEC 7816-4:2013, 11.4.3; identifier project-defined";
        /// GET DATA 0101: who this purse is.
        GetPurseData = [0x00 0xCA 0x01 0x01] () => PurseInformation,
            in [Personalized, Blocked], status [],
            "ISO/IEC 7816-4:2013, 11.5.3; tag project-defined";
        /// VERIFY: presents the PIN, for as long as the purse stays selected. The try is counted
        /// before the comparison.
        VerifyPin = [0x00 0x20 0x00 0x80] PresentPin => (),
            in [Personalized], status [WRONG_PIN, AUTHENTICATION_BLOCKED, REFERENCE_NOT_FOUND,
                NOT_ENOUGH_MEMORY],
            "ISO/IEC 7816-4:2013, 11.5.6; ISO 9564-1, format 2";
        /// CHANGE REFERENCE DATA: puts a new PIN in the place of the old one.
        ChangePin = [0x00 0x24 0x00 0x80] ChangePinRequest => (),
            in [Personalized], status [WRONG_PIN, AUTHENTICATION_BLOCKED, REFERENCE_NOT_FOUND,
                NOT_ENOUGH_MEMORY],
            "ISO/IEC 7816-4:2013, 11.5.7";
        /// RESET RETRY COUNTER: a new PIN with all its tries; the issuer's alone, in a secure
        /// channel with encryption.
        ResetPin = [0x00 0x2C 0x02 0x80] PresentPin => (),
            in [Personalized], status [SECURITY_NOT_SATISFIED, REFERENCE_NOT_FOUND, NOT_ENOUGH_MEMORY],
            "ISO/IEC 7816-4:2013, 11.5.10";
    }
}
