//! A purse in a reader.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::Key;
use apdu_spec::element::{Amount, Counter, Kind, Pin, Search};
use apdu_spec::purse::{
    BalanceResponse, Cancel, ChangePin, ChangePinRequest, CreditCancellation, CreditLoad, DebitIep,
    DebitUnload, Execute, Executed, GetBalance, GetPurseData, InitializeIep, InitializeLoad,
    InitializePurchase, InitializeTransfer, InitializeUnload, Initialized, LogLine, PresentPin, PreviousByNt,
    PreviousByNv, PreviousRequest, PreviousSignature, PurseInformation, ReadLog, ReadRecord, ResetPin,
    VerifyPin,
};
use apdu_spec::record::Counterpart;
use apdu_spec::{Command as _, StatusWord};

use super::{execute, select};
use crate::Error;
use crate::reader::Reader;

/// Key group of loads and unloads.
pub const LOAD_GROUP: u8 = 0;

/// A purse whose application is selected.
pub struct PurseCard<'r> {
    reader: &'r mut dyn Reader,
    blocked: bool,
}

impl std::fmt::Debug for PurseCard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PurseCard")
    }
}

impl<'r> PurseCard<'r> {
    /// Selects the purse. One that is blocked is selected all the same: it answers questions.
    pub fn select(reader: &'r mut dyn Reader) -> Result<Self, Error> {
        let selected = select(reader, Aid::PURSE);
        Self::after(selected, reader)
    }

    /// What SELECT has made current, with its result.
    pub fn after(selected: Result<(), Error>, reader: &'r mut dyn Reader) -> Result<Self, Error> {
        let blocked = match selected {
            Err(error) if error.status() == Some(StatusWord::BLOCKED) => true,
            other => other.map(|()| false)?,
        };
        Ok(Self { reader, blocked })
    }

    /// Whether the purse has said that it is blocked.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// A purse that is selected already, behind a secure channel.
    pub fn selected(reader: &'r mut dyn Reader) -> Self {
        Self { reader, blocked: false }
    }

    /// For what a blocked purse refuses without saying why.
    const fn in_use(&self) -> Result<(), Error> {
        if self.blocked { Err(Error::Blocked) } else { Ok(()) }
    }

    /// VERIFY.
    pub fn verify_pin(&mut self, pin: &Pin) -> Result<(), Error> {
        self.in_use()?;
        execute::<VerifyPin>(self.reader, &PresentPin { pin: pin.clone() }).map_err(of_pin)
    }

    /// CHANGE REFERENCE DATA.
    pub fn change_pin(&mut self, old: &Pin, new: &Pin) -> Result<(), Error> {
        self.in_use()?;
        let request = ChangePinRequest { old: old.clone(), new: new.clone() };
        execute::<ChangePin>(self.reader, &request).map_err(of_pin)
    }

    /// RESET RETRY COUNTER, in the issuer's channel alone.
    pub fn reset_pin(&mut self, pin: &Pin) -> Result<(), Error> {
        execute::<ResetPin>(self.reader, &PresentPin { pin: pin.clone() }).map_err(of_pin)
    }

    /// INITIALIZE IEP for Purchase.
    pub fn initialize_purchase(
        &mut self,
        group: u8,
        version: u8,
        counterpart: Counterpart,
    ) -> Result<Initialized, Error> {
        self.in_use()?;
        execute::<InitializeIep>(self.reader, &InitializePurchase { group, version, counterpart })
    }

    /// INITIALIZE IEP for Load or Unload.
    pub fn initialize_transfer(
        &mut self,
        kind: Kind,
        version: u8,
        counterpart: Counterpart,
        amount: Amount,
    ) -> Result<Initialized, Error> {
        self.in_use()?;
        let request = InitializeTransfer { version, counterpart, amount };
        match kind {
            Kind::Unload => execute::<InitializeUnload>(self.reader, &request),
            _ => match execute::<InitializeLoad>(self.reader, &request) {
                Err(error) if error.status() == Some(StatusWord::SECURITY_NOT_SATISFIED) => {
                    Err(Error::PinWanted)
                }
                other => other,
            },
        }
    }

    /// DEBIT IEP or CREDIT IEP: the counterpart's order.
    pub fn execute(&mut self, kind: Kind, request: &Execute) -> Result<Executed, Error> {
        match kind {
            Kind::Load => execute::<CreditLoad>(self.reader, request),
            Kind::Unload => execute::<DebitUnload>(self.reader, request),
            _ => execute::<DebitIep>(self.reader, request),
        }
    }

    /// CREDIT IEP for Cancellation.
    pub fn cancel(&mut self, secret: Key) -> Result<Executed, Error> {
        execute::<CreditCancellation>(self.reader, &Cancel { secret })
    }

    /// GET PREVIOUS IEP SIGNATURE by NT.
    pub fn previous_by_nt(&mut self, request: &PreviousRequest) -> Result<PreviousSignature, Error> {
        execute::<PreviousByNt>(self.reader, request)
    }

    /// GET PREVIOUS IEP SIGNATURE by NV.
    pub fn previous_by_nv(&mut self, request: &PreviousRequest) -> Result<PreviousSignature, Error> {
        execute::<PreviousByNv>(self.reader, request)
    }

    /// GET BALANCE.
    pub fn balance(&mut self) -> Result<BalanceResponse, Error> {
        execute::<GetBalance>(self.reader, &())
    }

    /// GET DATA 0101.
    pub fn information(&mut self) -> Result<PurseInformation, Error> {
        execute::<GetPurseData>(self.reader, &())
    }

    /// The whole log, newest first.
    pub fn log(&mut self) -> Result<Vec<LogLine>, Error> {
        let mut lines = Vec::new();
        for record in 1..=u8::MAX {
            match execute::<ReadRecord>(self.reader, &ReadLog { record }) {
                Ok(line) => lines.push(line),
                Err(error) if error.status() == Some(StatusWord::RECORD_NOT_FOUND) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(lines)
    }
}

/// What a refused PIN means.
fn of_pin(error: Error) -> Error {
    match error.status() {
        Some(StatusWord::AUTHENTICATION_BLOCKED) => Error::PinBlocked,
        Some(StatusWord::REFERENCE_NOT_FOUND) => Error::NoPin,
        Some(status) => status.tries_left().map_or(error, Error::WrongPin),
        None => error,
    }
}

/// The answer must repeat the question.
pub(crate) fn check_asked(previous: &PreviousSignature, by: Search, asked: Counter) -> Result<(), Error> {
    let same = (previous.by, previous.asked) == (by, asked);
    if same { Ok(()) } else { Err(Error::Answer { command: PreviousByNt::ROW.name }) }
}
