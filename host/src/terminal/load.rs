//! Loads, online: the purse states where it stands, the authority decides, the purse
//! comes to exactly the balance that was decided.
//!
//! A load that is in doubt needs no journal here: the authority has it, and the purse's
//! next S1 tells whether it took place. [`LoadTerminal::resolve`] asks at once.

use apdu_spec::StatusWord;
use apdu_spec::element::{Amount, Counter, Kind, Mac, Pin, Random, SamId, Search, Time};
use apdu_spec::purse::{Execute, Executed, Initialized, PreviousRequest, PreviousSignature};
use apdu_spec::record::{Counterpart, LogEntry, ValueRecord};
use rand_core::Rng;

use crate::Error;
use crate::card::purse::{LOAD_GROUP, PurseCard, check_asked};
use crate::reader::Reader;

/// Where the money of a load comes from, or that of an unload goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Funding {
    /// The holder's account.
    Account,
    /// Cash at the terminal.
    Cash,
    /// The operator, for a refund.
    Operator,
}

/// What an authority is asked.
#[derive(Clone, Copy, Debug)]
pub struct TransferRequest {
    /// Load or unload.
    pub kind: Kind,
    /// Where the money comes from.
    pub funding: Funding,
    /// What the purse stated, under S1.
    pub initialized: Initialized,
    /// The terminal and its challenge.
    pub counterpart: Counterpart,
    /// Amount, minor units.
    pub amount: Amount,
    /// Now.
    pub time: Time,
}

/// Decides on loads and unloads: the issuer, near or far.
pub trait LoadAuthority {
    /// Decides; the answer is the order under S2, approval or refusal. The same request
    /// again gets the same answer.
    fn authorise(&mut self, request: &TransferRequest) -> Result<Execute, Error>;

    /// The purse has done it: its evidence.
    fn complete(&mut self, record: &ValueRecord) -> Result<(), Error>;

    /// What became of the session `nt`: the purse's word, asked for by `counterpart`. Whether
    /// value moved.
    fn resolve(
        &mut self,
        counterpart: Counterpart,
        previous: &PreviousSignature,
        nt: Counter,
    ) -> Result<bool, Error>;
}

/// A terminal that loads and unloads purses, online.
pub struct LoadTerminal<'a> {
    id: SamId,
    authority: &'a mut dyn LoadAuthority,
    random: &'a mut dyn Rng,
    pin: Option<&'a Pin>,
}

impl std::fmt::Debug for LoadTerminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoadTerminal {}", self.id)
    }
}

/// A load or unload that took place.
#[derive(Clone, Copy, Debug)]
pub struct Transferred {
    /// The evidence.
    pub record: ValueRecord,
    /// Whether the authority has it too. If not, the purse's next S1 brings it.
    pub reported: bool,
}

impl<'a> LoadTerminal<'a> {
    /// A terminal of this identity.
    pub fn new(id: SamId, authority: &'a mut dyn LoadAuthority, random: &'a mut dyn Rng) -> Self {
        Self { id, authority, random, pin: None }
    }

    /// The same, where the holder has typed a PIN: the purse is shown it before a load.
    #[must_use]
    pub const fn with_pin(mut self, pin: Option<&'a Pin>) -> Self {
        self.pin = pin;
        self
    }

    /// Loads the purse in the reader.
    pub fn load(
        &mut self,
        purse: &mut dyn Reader,
        amount: Amount,
        funding: Funding,
        time: Time,
    ) -> Result<Transferred, Error> {
        self.transfer(Kind::Load, purse, amount, funding, time)
    }

    /// Asks the purse in the reader what became of its session `nt`, and tells the
    /// authority; whether value moved.
    pub fn resolve(&mut self, purse: &mut dyn Reader, nt: Counter) -> Result<bool, Error> {
        let mut purse = PurseCard::select(purse)?;
        self.resolve_with(&mut purse, nt)
    }

    fn resolve_with(&mut self, purse: &mut PurseCard<'_>, nt: Counter) -> Result<bool, Error> {
        let counterpart = self.counterpart();
        let (group, version) = (LOAD_GROUP, u8::MAX);
        let request = PreviousRequest { group, version, counterpart, number: nt };
        let previous = purse.previous_by_nt(&request)?;
        check_asked(&previous, Search::Nt, nt)?;
        self.authority.resolve(counterpart, &previous, nt)
    }

    fn counterpart(&mut self) -> Counterpart {
        let mut challenge = [0; 8];
        self.random.fill_bytes(&mut challenge);
        Counterpart { sam: self.id, challenge: Random(challenge) }
    }

    /// Load or unload: INITIALIZE IEP, decision, CREDIT IEP or DEBIT IEP, evidence.
    pub(super) fn transfer(
        &mut self,
        kind: Kind,
        purse: &mut dyn Reader,
        amount: Amount,
        funding: Funding,
        time: Time,
    ) -> Result<Transferred, Error> {
        let counterpart = self.counterpart();
        let mut purse = PurseCard::select(purse)?;
        if let Some(pin) = self.pin.filter(|_| kind == Kind::Load) {
            purse.verify_pin(pin)?;
        }
        let initialized = purse.initialize_transfer(kind, u8::MAX, counterpart, amount)?;
        let request = TransferRequest { kind, funding, initialized, counterpart, amount, time };
        let execute = self.authority.authorise(&request)?;
        let executed = match purse.execute(kind, &execute) {
            Ok(executed) => executed,
            // Under the MAC of S2, so it may be believed; nothing was held for it.
            Err(error) if refused(&execute, &error) => return Err(Error::RefusedByIssuer),
            Err(error) => return self.find_out(&mut purse, &request, &execute, error),
        };
        let record = evidence(&request, &execute, executed);
        let reported = self.authority.complete(&record).is_ok();
        Ok(Transferred { record, reported })
    }

    /// The answer of the purse was not good, with this error: asked in the same tap.
    fn find_out(
        &mut self,
        purse: &mut PurseCard<'_>,
        request: &TransferRequest,
        execute: &Execute,
        error: Error,
    ) -> Result<Transferred, Error> {
        let statement = request.initialized.statement;
        match self.resolve_with(purse, statement.position.nt) {
            Ok(true) => {
                let none = Executed { s3: Mac::default(), s6: Mac::default() };
                Ok(Transferred { record: evidence(request, execute, none), reported: true })
            }
            Ok(false) => Err(error),
            Err(_) => Err(Error::InDoubt(statement.identity.iep)),
        }
    }
}

/// Whether the order was a refusal and the purse has taken it as such.
fn refused(execute: &Execute, error: &Error) -> bool {
    let decision = execute.order.terms.to_decision();
    error.status() == Some(StatusWord::REFUSED_BY_ISSUER)
        && decision == Ok(apdu_spec::record::Decision::Refused)
}

/// The value commit as it stands in the purse's log.
fn evidence(request: &TransferRequest, execute: &Execute, executed: Executed) -> ValueRecord {
    let Initialized { key, statement, .. } = request.initialized;
    ValueRecord {
        identity: statement.identity,
        entry: LogEntry {
            kind: request.kind,
            key,
            position: statement.position,
            counterpart: request.counterpart,
            order: execute.order,
            s3: executed.s3,
            s6: executed.s6,
        },
    }
}
