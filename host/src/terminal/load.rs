//! Loads and unloads, online: the purse states where it stands, the authority decides, the purse
//! comes to exactly the balance that was decided, and the authority takes its evidence.
//!
//! A load terminal has no key of purses: whatever a card answers may be a relay's invention. So
//! value has moved, or has not, where the authority says so. Once a request has left, S2 may be
//! out, and who sits on the line may have it: then only the purse's own word ends the session, and
//! until it has come neither money nor cash goes anywhere ([`Transfer::InDoubt`]).

use apdu_spec::element::{Amount, Counter, Kind, Pin, Random, SamId, Search, Time};
use apdu_spec::purse::{Execute, Executed, Initialized, PreviousRequest, PreviousSignature};
use apdu_spec::record::{Counterpart, Decision, LogEntry, ValueRecord};
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::transfer_journal::{TransferIntent, TransferJournal};
use crate::Error;
use crate::card::purse::{LOAD_GROUP, PurseCard, check_asked};
use crate::reader::Reader;

/// Where the money of a load comes from, or that of an unload goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Funding {
    /// The holder's account.
    Account,
    /// Cash at the terminal.
    Cash,
    /// The operator.
    Operator,
    /// What the issuer owes the holder for a voided purchase, of exactly this amount.
    Refund,
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

/// Decides on loads and unloads: the issuer, near or far. What it gives is authentic; an answer
/// that is not under its MAC, a rejection for one, is an error, after which nothing is known.
pub trait LoadAuthority {
    /// Decides; the answer is the order under S2, approval or refusal. The same request
    /// again gets the same answer.
    fn authorise(&mut self, request: &TransferRequest) -> Result<Execute, Error>;

    /// The purse has done it: its evidence is good, and booked.
    fn complete(&mut self, record: &ValueRecord) -> Result<(), Error>;

    /// What became of the session `nt`: the purse's word, asked for by `counterpart`.
    fn resolve(
        &mut self,
        counterpart: Counterpart,
        previous: &PreviousSignature,
        nt: Counter,
    ) -> Result<Resolved, Error>;
}

/// What became of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Whether value moved in it.
    pub moved: bool,
    /// The challenge of the terminal that it was authorised for; zero where it never was.
    pub challenge: Random,
}

/// How a load or unload ended, for now.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// It took place: the authority has taken the purse's evidence. What was unloaded may be paid out.
    Done(TransferIntent),
    /// It moved no value, and never will: what was to be loaded may be given back.
    Refused(TransferIntent, Refusal),
    /// Not known, and why: nothing is paid out, and nothing given back. [`LoadTerminal::resolve`]
    /// asks the purse once more.
    InDoubt(TransferIntent, String),
}

/// Why a load or unload did not take place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The issuer has decided so.
    #[error("the issuer refused")]
    ByIssuer,
    /// The purse has not done it, as it says under a MAC. The reason is under none.
    #[error("{0}")]
    NotDone(String),
}

/// A terminal that loads and unloads purses, online.
pub struct LoadTerminal<'a> {
    id: SamId,
    authority: &'a mut dyn LoadAuthority,
    journal: &'a mut dyn TransferJournal,
    random: &'a mut dyn Rng,
    pin: Option<&'a Pin>,
}

impl std::fmt::Debug for LoadTerminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoadTerminal {}", self.id)
    }
}

impl<'a> LoadTerminal<'a> {
    /// A terminal of this identity.
    pub fn new(
        id: SamId,
        authority: &'a mut dyn LoadAuthority,
        journal: &'a mut dyn TransferJournal,
        random: &'a mut dyn Rng,
    ) -> Self {
        Self { id, authority, journal, random, pin: None }
    }

    /// The same, where the holder has typed a PIN: the purse is shown it before a load.
    #[must_use]
    pub const fn with_pin(mut self, pin: Option<&'a Pin>) -> Self {
        self.pin = pin;
        self
    }

    /// Loads the purse in the reader. An error means that nothing was asked of the authority.
    pub fn load(
        &mut self,
        purse: &mut dyn Reader,
        amount: Amount,
        funding: Funding,
        time: Time,
    ) -> Result<Transfer, Error> {
        self.transfer(Kind::Load, purse, amount, funding, time)
    }

    /// Asks the purse in the reader what became of what is in doubt about it here.
    pub fn resolve(&mut self, purse: &mut dyn Reader) -> Result<Vec<Transfer>, Error> {
        let mut purse = PurseCard::select(purse)?;
        let iep = purse.information()?.identity.iep;
        let open = self.journal.open(iep)?;
        Ok(open.into_iter().map(|intent| self.find_out(&mut purse, intent, not_done())).collect())
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
    ) -> Result<Transfer, Error> {
        let counterpart = self.counterpart();
        let mut purse = PurseCard::select(purse)?;
        if let Some(pin) = self.pin.filter(|_| kind == Kind::Load) {
            purse.verify_pin(pin)?;
        }
        let initialized = purse.initialize_transfer(kind, u8::MAX, counterpart, amount)?;
        let request = TransferRequest { kind, funding, initialized, counterpart, amount, time };
        let intent = request.intent();
        self.journal.intend(&intent)?;
        Ok(match self.carry_out(&mut purse, &request) {
            Ok(()) => self.settled(Transfer::Done(intent)),
            Err(Refusal::ByIssuer) => self.settled(Transfer::Refused(intent, Refusal::ByIssuer)),
            Err(why) => self.find_out(&mut purse, intent, why),
        })
    }

    /// From the request to the evidence. Only what the authority says is an end.
    fn carry_out(&mut self, purse: &mut PurseCard<'_>, request: &TransferRequest) -> Result<(), Refusal> {
        let not_done = |error: Error| Refusal::NotDone(error.to_string());
        let execute = self.authority.authorise(request).map_err(not_done)?;
        // The purse is told of a refusal as well: its session is over then.
        let executed = purse.execute(request.kind, &execute);
        if execute.order.terms.to_decision() == Ok(Decision::Refused) {
            return Err(Refusal::ByIssuer);
        }
        let record = evidence(request, &execute, executed.map_err(not_done)?);
        self.authority.complete(&record).map_err(not_done)
    }

    /// The end of what did not go as it should, or the doubt: the purse is asked, in the same tap.
    fn find_out(&mut self, purse: &mut PurseCard<'_>, intent: TransferIntent, why: Refusal) -> Transfer {
        match self.has_moved(purse, &intent) {
            Ok(true) => self.settled(Transfer::Done(intent)),
            Ok(false) => self.settled(Transfer::Refused(intent, why)),
            Err(error) => Transfer::InDoubt(intent, format!("{why}; {error}")),
        }
    }

    /// Whether the value of an intent has moved, as the purse says to the authority. Its session is
    /// over with that, and an order that is still out is worth nothing.
    fn has_moved(&mut self, purse: &mut PurseCard<'_>, intent: &TransferIntent) -> Result<bool, Error> {
        let counterpart = self.counterpart();
        let (group, version, number) = (LOAD_GROUP, u8::MAX, intent.nt);
        let previous = purse.previous_by_nt(&PreviousRequest { group, version, counterpart, number })?;
        check_asked(&previous, Search::Nt, number)?;
        let found = previous.statement.identity.iep;
        if found != intent.iep {
            return Err(Error::OtherPurse { found, wanted: intent.iep });
        }
        let Resolved { moved, challenge } = self.authority.resolve(counterpart, &previous, number)?;
        // A relay may have stated an old session, which has moved value once and for another.
        Ok(moved && challenge == intent.challenge)
    }

    /// An end, which is noted before it is told. Where that fails nobody may act on it.
    fn settled(&mut self, end: Transfer) -> Transfer {
        let (Transfer::Done(intent) | Transfer::Refused(intent, _) | Transfer::InDoubt(intent, _)) = end;
        match self.journal.settle(&intent) {
            Ok(()) => end,
            Err(error) => Transfer::InDoubt(intent, error.to_string()),
        }
    }
}

/// Why something that was in doubt has not taken place.
fn not_done() -> Refusal {
    Refusal::NotDone("the purse has not done it".into())
}

impl TransferRequest {
    fn intent(&self) -> TransferIntent {
        let Self { kind, funding, initialized, counterpart, amount, time } = *self;
        let (identity, position) = (initialized.statement.identity, initialized.statement.position);
        TransferIntent {
            kind,
            funding,
            iep: identity.iep,
            nt: position.nt,
            challenge: counterpart.challenge,
            amount,
            time,
            balance: position.balance,
            nv: position.nv,
        }
    }
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
