//! Reports: plain figures that serialise, for people and programs.

use apdu_spec::element::{BatchNumber, Counter, Currency, IepId, Kind, ProviderId, SamId};
use serde::Serialize;

use crate::background::Background;
use crate::clearing::reconcile::{Discrepancy, reconcile};
use crate::error::Error;
use crate::ledger::equation::{Books, books};
use crate::management::participants::MerchantId;
use crate::store::Tx;
use crate::store::commits::{CommitState, Line};
use crate::store::participants::Connection;
use crate::store::reports::Scope;
use crate::store::transfers::Transfer;

/// A currency: ISO 4217 number and decimal places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct CurrencyLabel {
    /// ISO 4217 numeric code.
    pub code: u16,
    /// Decimal places of the minor unit.
    pub exponent: u8,
}

impl From<Currency> for CurrencyLabel {
    fn from(Currency { code, exponent }: Currency) -> Self {
        Self { code, exponent }
    }
}

impl From<CurrencyLabel> for Currency {
    fn from(CurrencyLabel { code, exponent }: CurrencyLabel) -> Self {
        Self { code, exponent }
    }
}

/// Minor units of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// Currency.
    pub currency: CurrencyLabel,
}

impl Money {
    pub(crate) fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency: currency.into() }
    }
}

/// What has become of a purchase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentState {
    /// Its own PSAM has not confirmed it: nobody is owed it yet.
    Unconfirmed,
    /// The merchant has to get it.
    Booked,
    /// No guarantee covers it: the merchant's acquirer bears it.
    Withheld,
    /// The merchant has got it.
    Settled,
    /// The PSAM has voided it, the purse has not taken it back.
    Voided,
    /// The PSAM had voided it, and a load has refunded it.
    Refunded,
    /// The purse has taken it back.
    Cancelled,
    /// The purse has taken it back after the merchant was paid.
    CancelledLate,
}

impl From<CommitState> for PaymentState {
    fn from(state: CommitState) -> Self {
        match state {
            CommitState::Booked | CommitState::Recorded => Self::Booked,
            CommitState::Unconfirmed => Self::Unconfirmed,
            CommitState::Withheld => Self::Withheld,
            CommitState::Settled => Self::Settled,
            CommitState::Voided => Self::Voided,
            CommitState::Refunded => Self::Refunded,
            CommitState::Cancelled => Self::Cancelled,
            CommitState::CancelledLate => Self::CancelledLate,
        }
    }
}

/// One purchase at a merchant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PaymentLine {
    /// The purse.
    pub purse: String,
    /// NV of its value commit.
    pub nv: u32,
    /// The PSAM.
    pub sam: String,
    /// Its number of the purchase.
    pub nt: u32,
    /// When.
    pub time: String,
    /// Amount.
    pub amount: Money,
    /// State.
    pub state: PaymentState,
}

/// One exception.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExceptionLine {
    /// Its number.
    pub number: i64,
    /// Why, in a word: a code of [`Reason`](crate::clearing::exception::Reason).
    pub reason: String,
    /// Whether it still stands.
    pub open: bool,
    /// Since when.
    pub time: String,
    /// The module that handed it in.
    pub sam: Option<String>,
    /// Its batch.
    pub batch: Option<u32>,
    /// The purse.
    pub purse: Option<String>,
    /// NV.
    pub nv: Option<u32>,
    /// Why, in a sentence.
    pub detail: String,
}

/// What a merchant has earned in a currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MerchantStatement {
    /// The merchant.
    pub merchant: u32,
    /// Its name.
    pub name: String,
    /// Its acquirer.
    pub acquirer: u32,
    /// Payments, settled and not.
    pub count: i64,
    /// Their sum.
    pub total: Money,
    /// Of this: paid out.
    pub settled: i64,
    /// Of this: to be paid out.
    pub unsettled: i64,
    /// Beside this: known from receipts, and not confirmed by the PSAM that took them.
    pub unconfirmed: i64,
    /// Beside this: outside the issuer's guarantee, so that the acquirer bears it.
    pub withheld: i64,
}

/// A load or unload whose outcome is not known here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TransferLine {
    /// The purse.
    pub purse: String,
    /// NV that it has, if it took place.
    pub nv: u32,
    /// Whether value went into the purse; else out of it.
    pub load: bool,
    /// Amount.
    pub amount: Money,
}

/// What an issuer guarantees to merchants with terminals of a kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GuaranteeLine {
    /// `online`, `periodic` or `never` connected.
    pub terminals: &'static str,
    /// Seconds after a purse was hotlisted.
    pub delay: u32,
    /// Seconds from the last word to a PSAM until its batch has come in.
    pub age: u32,
    /// What one purse pays at one PSAM in one batch.
    pub total: Money,
    /// PSAMs in such terminals, without those that are lost.
    pub psams: u64,
    /// What a copied or broken purse costs the issuer at most, each time that all of them close a
    /// batch, until nobody takes it any more.
    pub exposure: Money,
}

/// An issuer's books, with what is in doubt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct IssuerStatement {
    /// Its name.
    pub name: String,
    /// The money equation.
    pub books: Books,
    /// Purses issued.
    pub purses: usize,
    /// Purses on the hotlist.
    pub hotlisted: usize,
    /// Sum of the negative shadow balances: what holders owe.
    pub receivable: i64,
    /// Cancellations, of all issuers, that wait for their purchase.
    pub waiting: i64,
    /// What is guaranteed to merchants.
    pub guarantees: Vec<GuaranteeLine>,
}

/// A purse as it is known here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PurseLine {
    /// The purse.
    pub purse: String,
    /// Shadow balance.
    pub shadow: Money,
    /// Overdraft, minor units.
    pub overdraft: u32,
    /// All value commits up to this NV are known.
    pub complete: u32,
    /// Highest NV that is known; above `complete` where something is missing.
    pub highest: u32,
    /// Last day.
    pub expiry: String,
    /// Whether it is on the hotlist.
    pub hotlisted: bool,
    /// Whether something of it is in doubt.
    pub doubts: bool,
}

impl Background {
    /// The money equation of one issuer in one currency.
    pub fn books(&mut self, provider: ProviderId, currency: Currency) -> Result<Books, Error> {
        self.store.transaction("books", |tx| books(tx, provider, currency))
    }

    /// Every figure that should be the same as another one and is not.
    pub fn reconcile(&mut self) -> Result<Vec<Discrepancy>, Error> {
        self.store.transaction("reconcile", reconcile)
    }

    /// Shows every value commit that is booked or kept, in order of purse and NV.
    pub fn commits(&mut self, mut each: impl FnMut(IepId, Line)) -> Result<(), Error> {
        self.store.transaction("value commits", |tx| tx.commits(&mut each))
    }

    /// Shows those of these value commits that are known.
    pub fn commits_of(
        &mut self,
        wanted: &[(IepId, Counter)],
        mut each: impl FnMut(IepId, Line),
    ) -> Result<(), Error> {
        self.store.transaction("some value commits", |tx| {
            wanted.iter().try_for_each(|(iep, nv)| {
                tx.commit_line(*iep, *nv).map(|line| line.into_iter().for_each(|line| each(*iep, line)))
            })
        })
    }

    /// What merchants have earned.
    pub fn merchant_statements(&mut self) -> Result<Vec<MerchantStatement>, Error> {
        self.store.transaction("merchant statements", merchant_statements)
    }

    /// The books of every issuer.
    pub fn issuer_statements(&mut self) -> Result<Vec<IssuerStatement>, Error> {
        self.store.transaction("issuer statements", issuer_statements)
    }

    /// All purchases at a merchant.
    pub fn payments_of(&mut self, merchant: MerchantId) -> Result<Vec<PaymentLine>, Error> {
        self.store.transaction("payments of merchant", |tx| tx.payments_of(merchant))
    }

    /// Loads and unloads that are in doubt.
    pub fn transfers_in_doubt(&mut self) -> Result<Vec<TransferLine>, Error> {
        self.store.transaction("transfers in doubt", |tx| {
            let lines = tx.all_pending_transfers()?.into_iter().map(|transfer| {
                let currency = transfer.request.initialized.statement.identity.currency;
                TransferLine {
                    purse: transfer.iep().to_string(),
                    nv: transfer.nv_before().get() + 1,
                    load: transfer.kind() == Kind::Load,
                    amount: Money::new(transfer.amount().get().into(), currency),
                }
            });
            Ok(lines.collect())
        })
    }

    /// A load or unload, by its session, as it is kept.
    pub fn transfer(&mut self, iep: IepId, nt: Counter) -> Result<Option<Transfer>, Error> {
        self.store.transaction("a transfer", |tx| tx.transfer(iep, nt))
    }

    /// All loads and unloads of a purse, as they are kept.
    pub fn transfers(&mut self, iep: IepId) -> Result<Vec<Transfer>, Error> {
        let all = (Counter::default(), Counter::MAX);
        self.store.transaction("transfers", |tx| tx.transfers_between(iep, all.0, all.1))
    }

    /// Whether a batch is stored.
    pub fn is_stored(&mut self, sam: SamId, batch: BatchNumber) -> Result<bool, Error> {
        self.store.transaction("a batch", |tx| Ok(tx.batch(sam, batch)?.is_some()))
    }

    /// The exception queue, closed ones included.
    pub fn exceptions(&mut self) -> Result<Vec<ExceptionLine>, Error> {
        self.store.transaction("exceptions", |tx| tx.exceptions())
    }

    /// All purses.
    pub fn purses(&mut self) -> Result<Vec<PurseLine>, Error> {
        self.store.transaction("purses", |tx| {
            let lines = tx.purses()?.into_iter().map(|purse| PurseLine {
                purse: purse.iep.to_string(),
                shadow: Money::new(purse.shadow, purse.currency),
                overdraft: purse.overdraft.get(),
                complete: purse.complete.get(),
                highest: purse.highest.get(),
                expiry: purse.expiry.to_string(),
                hotlisted: purse.hotlisted.is_some(),
                doubts: purse.is_in_doubt(),
            });
            Ok(lines.collect())
        })
    }
}

fn merchant_statements(tx: &Tx<'_>) -> Result<Vec<MerchantStatement>, Error> {
    let mut statements: Vec<MerchantStatement> = Vec::new();
    for part in tx.merchant_parts()? {
        let (merchant, currency) = (part.merchant.0, CurrencyLabel::from(part.currency));
        let same =
            |last: &&mut MerchantStatement| last.merchant == merchant && last.total.currency == currency;
        if statements.last_mut().filter(same).is_none() {
            statements.push(MerchantStatement {
                merchant,
                name: part.name,
                acquirer: part.acquirer.get(),
                count: 0,
                total: Money { minor: 0, currency },
                settled: 0,
                unsettled: 0,
                unconfirmed: 0,
                withheld: 0,
            });
        }
        let Some(statement) = statements.last_mut() else { continue };
        match part.state {
            CommitState::Booked => statement.unsettled += part.total,
            CommitState::Settled | CommitState::CancelledLate => statement.settled += part.total,
            CommitState::Unconfirmed => {
                statement.unconfirmed += part.total;
                continue;
            }
            CommitState::Withheld => {
                statement.withheld += part.total;
                continue;
            }
            CommitState::Voided | CommitState::Refunded | CommitState::Cancelled | CommitState::Recorded => {
                continue;
            }
        }
        statement.count += part.count;
        statement.total.minor += part.total;
    }
    Ok(statements)
}

fn guarantees(tx: &Tx<'_>, scope: Scope) -> Result<Vec<GuaranteeLine>, Error> {
    let kinds =
        [("online", Connection::Online), ("periodic", Connection::Periodic), ("never", Connection::Never)];
    let line = |(terminals, connection)| {
        let guarantee = tx.guarantee(scope.provider, connection)?;
        let psams = tx.psams(connection)?;
        let exposure = guarantee.of_batches(psams).and_then(|minor| i64::try_from(minor).ok());
        let money = |minor| Money::new(minor, scope.currency);
        Ok(GuaranteeLine {
            terminals,
            delay: guarantee.delay,
            age: guarantee.age,
            total: money(guarantee.total.get().into()),
            psams,
            exposure: money(exposure.ok_or(Error::Overflow)?),
        })
    };
    kinds.into_iter().map(line).collect()
}

fn issuer_statements(tx: &Tx<'_>) -> Result<Vec<IssuerStatement>, Error> {
    let purses = tx.purses()?;
    let waiting = tx.waiting()?;
    let statement = |scope: Scope| {
        let of_scope = purses
            .iter()
            .filter(|purse| (purse.iep.provider, purse.currency) == (scope.provider, scope.currency));
        Ok(IssuerStatement {
            name: tx.issuer(scope.provider)?.unwrap_or_default(),
            books: books(tx, scope.provider, scope.currency)?,
            purses: of_scope.clone().count(),
            hotlisted: of_scope.clone().filter(|purse| purse.hotlisted.is_some()).count(),
            receivable: of_scope.map(|purse| purse.shadow.min(0).saturating_neg()).sum(),
            waiting,
            guarantees: guarantees(tx, scope)?,
        })
    };
    tx.scopes()?.into_iter().map(statement).collect()
}
