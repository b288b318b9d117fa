//! What one transaction of clearing has at hand: the store, the journal, and the
//! purses and modules it has touched. Purses are written once, at the end.

use std::collections::HashMap;

use apdu_spec::batch::Trailer;
use apdu_spec::element::{BatchNumber, Counter, IepId, ProviderId, SamId, Time};
use apdu_spec::record::{LogEntry, Position, ValueRecord};

use super::exception::{Exception, Reason};
use super::guarantee::{Facts, Guarantee};
use super::post::Item;
use super::{cancellation, claims};
use crate::error::Error;
use crate::ledger::posting::Journal;
use crate::store::Tx;
use crate::store::commits::Side;
use crate::store::participants::{Connection, Module};
use crate::store::purses::Purse;
use crate::transfers::pending;
use crate::vault::Vault;

/// Where a purse stood at one of its sessions: evidence about older ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) nt: Counter,
    pub(crate) nv: Counter,
    pub(crate) nv_load: Counter,
}

impl From<Position> for Standing {
    fn from(position: Position) -> Self {
        Self { nt: position.nt, nv: position.nv, nv_load: position.nv_load }
    }
}

struct Touched {
    purse: Purse,
    changed: bool,
    standings: Vec<Standing>,
    /// NV of the purchases that this transaction brings, where something of the purse waits.
    bought: Vec<Counter>,
    /// The value commit with the highest number, where this transaction has brought it.
    last: Option<(Counter, LogEntry)>,
}

/// When a PSAM had last heard from us when it closed a batch, and when that came in.
type Times = (Time, Time);

/// A transaction of clearing.
pub(crate) struct Booking<'t> {
    pub(crate) tx: &'t Tx<'t>,
    pub(crate) vault: &'t Vault,
    pub(crate) now: Time,
    pub(crate) journal: Journal<'t>,
    purses: HashMap<IepId, Touched>,
    modules: HashMap<SamId, Module>,
    guarantees: HashMap<(ProviderId, Connection), Guarantee>,
    /// The batch that this transaction takes in.
    taken: Option<(SamId, BatchNumber)>,
    batches: HashMap<(SamId, BatchNumber), Option<Times>>,
    /// What purses have paid in a batch of a PSAM that is guaranteed.
    paid: HashMap<(IepId, SamId, Option<BatchNumber>), i64>,
}

impl<'t> Booking<'t> {
    pub(crate) fn new(tx: &'t Tx<'t>, vault: &'t Vault, now: Time) -> Self {
        let journal = Journal::new(tx, now);
        Self {
            tx,
            vault,
            now,
            journal,
            purses: HashMap::new(),
            modules: HashMap::new(),
            guarantees: HashMap::new(),
            taken: None,
            batches: HashMap::new(),
            paid: HashMap::new(),
        }
    }

    /// The same, for a batch that is being taken in, whose PSAM had last heard from us at `told`.
    pub(crate) fn of_batch(
        tx: &'t Tx<'t>,
        vault: &'t Vault,
        trailer: &Trailer,
        told: Time,
        now: Time,
    ) -> Self {
        let batch = (trailer.sam, trailer.batch);
        let batches = HashMap::from([(batch, Some((told, now)))]);
        Self { taken: Some(batch), batches, ..Self::new(tx, vault, now) }
    }

    /// A purse as this transaction sees it.
    pub(crate) fn purse(&mut self, iep: IepId) -> Result<Option<&mut Purse>, Error> {
        self.touch(iep).map(|touched| touched.map(|touched| &mut touched.purse))
    }

    /// A module as it was registered.
    pub(crate) fn module(&mut self, sam: SamId) -> Result<Option<Module>, Error> {
        if let Some(module) = self.modules.get(&sam) {
            return Ok(Some(*module));
        }
        let module = self.tx.module(sam)?;
        if let Some(module) = module {
            self.modules.insert(sam, module);
        }
        Ok(module)
    }

    /// Whether the issuer guarantees this payment, which its PSAM has handed in with `batch`; without
    /// one, of a PSAM that is lost.
    pub(crate) fn guaranteed(
        &mut self,
        value: &ValueRecord,
        batch: Option<BatchNumber>,
    ) -> Result<Result<(), Reason>, Error> {
        let (iep, sam) = (value.identity.iep, value.entry.counterpart.sam);
        let Some(module) = self.module(sam)? else { return Ok(Err(Reason::UnknownModule)) };
        let guarantee = self.guarantee(iep.provider, module.connection)?;
        let facts = Facts {
            made: value.entry.order.time,
            hotlisted: self.purse(iep)?.and_then(|purse| purse.hotlisted),
            batch: batch.map(|batch| self.times(sam, batch)).transpose()?.flatten(),
            before: self.paid(iep, sam, batch)?,
            amount: value.entry.order.amount.get().into(),
        };
        Ok(guarantee.covers(&facts))
    }

    /// Counts a payment that is guaranteed.
    pub(crate) fn count(&mut self, value: &ValueRecord, batch: Option<BatchNumber>) -> Result<(), Error> {
        let (iep, sam) = (value.identity.iep, value.entry.counterpart.sam);
        let before = self.paid(iep, sam, batch)?;
        let sum = before.checked_add(value.entry.order.amount.get().into()).ok_or(Error::Overflow)?;
        self.paid.insert((iep, sam, batch), sum);
        Ok(())
    }

    fn guarantee(&mut self, provider: ProviderId, connection: Connection) -> Result<Guarantee, Error> {
        if let Some(guarantee) = self.guarantees.get(&(provider, connection)) {
            return Ok(*guarantee);
        }
        let guarantee = self.tx.guarantee(provider, connection)?;
        self.guarantees.insert((provider, connection), guarantee);
        Ok(guarantee)
    }

    fn times(&mut self, sam: SamId, batch: BatchNumber) -> Result<Option<Times>, Error> {
        if let Some(times) = self.batches.get(&(sam, batch)) {
            return Ok(*times);
        }
        let times = match self.tx.batch(sam, batch)? {
            Some(stored) => {
                let told = self.tx.told_time(sam, stored.trailer.time)?;
                told.map(|told| (told, stored.received))
            }
            None => None,
        };
        self.batches.insert((sam, batch), times);
        Ok(times)
    }

    fn paid(&mut self, iep: IepId, sam: SamId, batch: Option<BatchNumber>) -> Result<i64, Error> {
        if let Some(paid) = self.paid.get(&(iep, sam, batch)) {
            return Ok(*paid);
        }
        // Nothing of a batch that is being taken in was known before.
        let new = batch.is_some_and(|batch| self.taken == Some((sam, batch)));
        let paid = if new { 0 } else { self.tx.guaranteed(iep, sam, batch)? };
        self.paid.insert((iep, sam, batch), paid);
        Ok(paid)
    }

    /// The value commit before this number.
    pub(crate) fn before(&mut self, iep: IepId, nv: Counter) -> Result<Option<LogEntry>, Error> {
        let tx = self.tx;
        if let Some((last, entry)) = self.known(iep)?.last
            && last < nv
        {
            return Ok(Some(entry));
        }
        let found = tx.neighbour(iep, nv, Side::Below)?;
        Ok(found.map(|found| found.evidence.value().entry))
    }

    /// The value commit after this number.
    pub(crate) fn after(&mut self, iep: IepId, nv: Counter) -> Result<Option<LogEntry>, Error> {
        let tx = self.tx;
        let Some(next) = nv.next() else { return Ok(None) };
        if self.known(iep)?.purse.highest < next {
            return Ok(None);
        }
        let found = tx.neighbour(iep, next, Side::From)?;
        Ok(found.map(|found| found.evidence.value().entry))
    }

    /// Notes what the purse states of itself.
    pub(crate) fn state(&mut self, iep: IepId, position: &Position) -> Result<(), Error> {
        let touched = self.known(iep)?;
        let purse = &mut touched.purse;
        if position.nv >= purse.stated_nv {
            (purse.stated_nv, purse.stated_cancellation) = (position.nv, position.nv_cancellation);
            touched.changed = true;
        }
        Ok(())
    }

    /// Moves the shadow balance.
    pub(crate) fn move_shadow(&mut self, iep: IepId, delta: i64) -> Result<(), Error> {
        let touched = self.known(iep)?;
        touched.purse.shadow = touched.purse.shadow.checked_add(delta).ok_or(Error::Overflow)?;
        touched.changed = true;
        Ok(())
    }

    /// Notes that the value commit `nv` is known, and how far there are no gaps now.
    pub(crate) fn advance(&mut self, iep: IepId, nv: Counter, entry: &LogEntry) -> Result<(), Error> {
        let tx = self.tx;
        let touched = self.known(iep)?;
        if nv > touched.purse.highest {
            touched.last = Some((nv, *entry));
        }
        if touched.purse.waiting {
            touched.bought.push(nv);
        }
        let purse = &mut touched.purse;
        purse.highest = purse.highest.max(nv);
        touched.changed = true;
        while let Some(next) = purse.complete.next()
            && next <= purse.highest
            && (next == nv || tx.has_commit(iep, next)?)
        {
            purse.complete = next;
        }
        Ok(())
    }

    /// Puts a purse on the hotlist.
    pub(crate) fn hotlist(&mut self, iep: IepId) -> Result<(), Error> {
        let now = self.now;
        let touched = self.known(iep)?;
        touched.purse.hotlisted.get_or_insert(now);
        touched.changed = true;
        Ok(())
    }

    /// Notes that something of a purse is in doubt, to be looked at before the end.
    pub(crate) fn doubt(&mut self, iep: IepId) -> Result<(), Error> {
        self.known(iep)?.purse.doubts = true;
        Ok(())
    }

    /// Notes where a purse stood, where that may settle a doubt.
    pub(crate) fn observe(&mut self, iep: IepId, standing: Standing) -> Result<(), Error> {
        let touched = self.known(iep)?;
        if touched.purse.doubts {
            touched.standings.push(standing);
        }
        Ok(())
    }

    /// Keeps a record that cannot be booked as it says.
    pub(crate) fn refuse(&mut self, item: &Item, reason: Reason) -> Result<Result<(), Reason>, Error> {
        let value = item.evidence.value();
        let exception =
            Exception::of_purse(reason, value.identity.iep, value.entry.nv(), item.evidence.to_vec());
        let (sam, batch) = item.sender.unzip();
        let exception = Exception { sam, batch, ..exception };
        match item.sender {
            Some(_) => self.tx.append_exception(&exception, self.now)?,
            None => self.tx.insert_exception(&exception, self.now)?,
        }
        Ok(Err(reason))
    }

    /// Settles what is in doubt about a purse, as far as the evidence goes.
    pub(crate) fn resolve(&mut self, iep: IepId) -> Result<(), Error> {
        let touched = self.known(iep)?;
        let (bought, standings) =
            (core::mem::take(&mut touched.bought), core::mem::take(&mut touched.standings));
        cancellation::take_up(self, iep, &bought)?;
        if !self.known(iep)?.purse.doubts {
            return Ok(());
        }
        claims::decide(self, iep, &standings)?;
        pending::decide(self, iep, &standings)
    }

    /// Settles doubts and writes what has changed. In order of the purses, so that the
    /// same batch always writes the same rows in the same order.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let is_doubtful = |touched: &Touched| touched.purse.doubts || !touched.bought.is_empty();
        let doubtful = self.purses.iter().filter(|(_, touched)| is_doubtful(touched)).map(|(iep, _)| *iep);
        let mut doubtful: Vec<_> = doubtful.collect();
        doubtful.sort_unstable();
        doubtful.into_iter().try_for_each(|iep| self.resolve(iep))?;

        if !self.vault.off().continuity {
            self.check_floors()?;
        }
        let mut changed: Vec<_> = self.purses.values().filter(|touched| touched.changed).collect();
        changed.sort_unstable_by_key(|touched| touched.purse.iep);
        changed.into_iter().try_for_each(|touched| self.tx.update_purse(&touched.purse))?;
        self.journal.finish()
    }

    /// Hotlists the purses that have paid more than they can have had. What is voided may have been
    /// credited back and spent already.
    fn check_floors(&mut self) -> Result<(), Error> {
        let low = |purse: &Purse| purse.shadow < -i64::from(purse.overdraft.get());
        let below = self.purses.values().filter(|touched| touched.changed && low(&touched.purse));
        let mut below: Vec<_> = below.map(|touched| touched.purse).collect();
        below.sort_unstable_by_key(|purse| purse.iep);
        for purse in below {
            let missing = -i64::from(purse.overdraft.get()) - self.tx.voids(purse.iep)? - purse.shadow;
            if missing > 0 {
                self.hotlist(purse.iep)?;
                let exception = Exception::of_purse(Reason::BelowFloor, purse.iep, None, Vec::new());
                let detail = format!("{}: {} missing", exception.detail, purse.currency.show(missing));
                self.tx.insert_exception(&Exception { detail, ..exception }, self.now)?;
            }
        }
        Ok(())
    }

    fn touch(&mut self, iep: IepId) -> Result<Option<&mut Touched>, Error> {
        if !self.purses.contains_key(&iep) {
            let Some(purse) = self.tx.purse(iep)? else { return Ok(None) };
            self.purses.insert(
                iep,
                Touched { purse, changed: false, standings: Vec::new(), bought: Vec::new(), last: None },
            );
        }
        Ok(self.purses.get_mut(&iep))
    }

    fn known(&mut self, iep: IepId) -> Result<&mut Touched, Error> {
        self.touch(iep)?.ok_or_else(|| Error::NotRegistered(format!("purse {iep}")))
    }
}
