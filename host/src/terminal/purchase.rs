//! The payment: [`PaymentTerminal::prepare`] before the tap, then [`Prepared::meet`],
//! [`Stated::order`], [`Ordered::debit`].
//!
//! Nothing that only a status word says is believed: whatever else than a good S3 comes
//! back from DEBIT IEP, the purse is asked what happened, and answers under a MAC.

use apdu_spec::StatusWord;
use apdu_spec::element::{Amount, Balance, IepId, Kind, SamCounter, Time};
use apdu_spec::purse::{Execute, Executed, Initialized};
use apdu_spec::record::{Counterpart, Statement, balance_after};
use apdu_spec::sam::{CreditRequest, Credited, OpenPurchase, Opened, VerifyContact};

use super::journal::Intent;
use super::receipt::{TAKE_OVER_AT_ONCE, TAKE_OVER_FROM};
use super::{PaymentTerminal, recovery};
use crate::Error;
use crate::card::purse::PurseCard;
use crate::reader::Reader;

/// Awaits a purse. The challenge is fetched before the tap.
#[derive(Debug)]
pub struct Prepared<'t> {
    terminal: &'t mut PaymentTerminal,
    counterpart: Counterpart,
}

/// A purse has stated where it stands; awaits the amount.
#[derive(Debug)]
pub struct Stated<'t, 'p> {
    terminal: &'t mut PaymentTerminal,
    purse: PurseCard<'p>,
    initialized: Initialized,
}

/// The PSAM has ordered the debit; awaits the purse's answer.
#[derive(Debug)]
pub struct Ordered<'t, 'p> {
    terminal: &'t mut PaymentTerminal,
    purse: PurseCard<'p>,
    statement: Statement,
    opened: Opened,
}

/// How a payment ended, for now.
#[derive(Debug)]
pub enum Payment {
    /// Paid, and in the PSAM's batch.
    Paid(Receipt),
    /// Not paid, as the purse says under a MAC; the status word says why, unauthenticated.
    Refused(Option<StatusWord>),
    /// Not known. The journal and the PSAM keep the payment open.
    InDoubt(Intent),
}

/// What the payer gets.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// The purse.
    pub iep: IepId,
    /// Amount, minor units.
    pub amount: Amount,
    /// When.
    pub time: Time,
    /// Number of the payment at the PSAM.
    pub nt_psam: SamCounter,
    /// Balance of the purse after it, minor units: from what the purse has said under a MAC that the
    /// PSAM has checked, and not from what it shows.
    pub balance: Option<Balance>,
    /// Where the PSAM keeps it; nothing where the payment was recovered.
    pub credited: Option<Credited>,
}

impl PaymentTerminal {
    /// Gets ready for the next purse.
    pub fn prepare(&mut self) -> Result<Prepared<'_>, Error> {
        let counterpart = self.counterpart()?;
        Ok(Prepared { terminal: self, counterpart })
    }

    /// The whole payment, from the tap on.
    pub fn pay(&mut self, purse: &mut dyn Reader, amount: Amount, time: Time) -> Result<Payment, Error> {
        self.prepare()?.meet(purse)?.order(amount, time)?.debit()
    }

    /// A contact without debit: the purse is genuine and accepted here. Its statement.
    pub fn contact(&mut self, purse: &mut dyn Reader, time: Time) -> Result<Statement, Error> {
        self.prepare()?.meet(purse)?.verify(time)
    }
}

impl<'t> Prepared<'t> {
    /// A purse is there: SELECT and INITIALIZE IEP. Where a payment of this purse is in
    /// doubt here, or the purse holds many receipts, that is settled first.
    pub fn meet<'p>(self, purse: &'p mut dyn Reader) -> Result<Stated<'t, 'p>, Error> {
        let Self { terminal, counterpart } = self;
        let mut purse = PurseCard::select(purse)?;
        let mut initialized = initialize(terminal, &mut purse, counterpart)?;
        let statement = initialized.statement;
        let doubts = recovery::of_purse(terminal, statement.identity.iep);
        let full = statement.position.receipts >= TAKE_OVER_FROM;
        if !doubts.is_empty() || full {
            for intent in &doubts {
                terminal.resolve(&mut purse, intent)?;
            }
            if full {
                terminal.take_over(&mut purse, &statement, TAKE_OVER_AT_ONCE)?;
            }
            let counterpart = terminal.counterpart()?;
            initialized = initialize(terminal, &mut purse, counterpart)?;
        }
        Ok(Stated { terminal, purse, initialized })
    }
}

fn initialize(
    terminal: &PaymentTerminal,
    purse: &mut PurseCard<'_>,
    counterpart: Counterpart,
) -> Result<Initialized, Error> {
    let information = &terminal.information;
    purse.initialize_purchase(information.group, information.version, counterpart)
}

impl<'t, 'p> Stated<'t, 'p> {
    /// What the purse states. Nothing has checked it yet.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.initialized.statement
    }

    /// The PSAM checks the statement and orders the debit.
    pub fn order(self, amount: Amount, time: Time) -> Result<Ordered<'t, 'p>, Error> {
        let Self { terminal, purse, initialized: Initialized { key, statement, s1 } } = self;
        let opened = terminal.sam.open_purchase(&OpenPurchase { key, statement, s1, amount, time })?;
        Ok(Ordered { terminal, purse, statement, opened })
    }

    /// A contact without debit: the PSAM checks the statement, and that is all.
    pub fn verify(self, time: Time) -> Result<Statement, Error> {
        let Self { terminal, initialized: Initialized { key, statement, s1 }, .. } = self;
        terminal.sam.verify_contact(&VerifyContact { key, statement, s1, time })?;
        Ok(statement)
    }
}

impl Ordered<'_, '_> {
    /// The purse pays and the PSAM keeps the record. An error means that nothing was sent
    /// to the purse.
    pub fn debit(self) -> Result<Payment, Error> {
        let Self { terminal, mut purse, statement, opened } = self;
        let intent = Intent {
            nt_psam: opened.order.nt,
            iep: statement.identity.iep,
            nt_iep: statement.position.nt,
            amount: opened.order.amount,
            time: opened.order.time,
        };
        terminal.journal.intend(&intent)?;
        let execute = Execute { order: opened.order, s2: opened.s2 };
        let debited = purse.execute(Kind::Purchase, &execute);
        let credited = debited.and_then(|executed| credit(terminal, &intent, executed));
        match credited {
            Ok(credited) => {
                terminal.settle(&intent);
                let balance = balance_after(Kind::Purchase, statement.position.balance, intent.amount);
                Ok(Payment::Paid(intent.receipt(balance, Some(credited))))
            }
            Err(error) => Ok(terminal.find_out(&mut purse, &intent, error.status())),
        }
    }
}

fn credit(terminal: &mut PaymentTerminal, intent: &Intent, executed: Executed) -> Result<Credited, Error> {
    let Executed { s3, s6 } = executed;
    terminal.sam.credit(&CreditRequest { nt: intent.nt_psam, s3, s6 })
}

impl Intent {
    pub(super) const fn receipt(&self, balance: Option<Balance>, credited: Option<Credited>) -> Receipt {
        let Self { iep, amount, time, nt_psam, .. } = *self;
        Receipt { iep, amount, time, nt_psam, balance, credited }
    }
}
