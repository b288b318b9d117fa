//! What one transaction of clearing has at hand: the store, the journal, and the
//! purses and modules it has touched. Purses are written once, at the end.

use std::collections::HashMap;

use apdu_spec::element::{Counter, IepId, SamId, Time};
use apdu_spec::record::Position;

use super::exception::{Exception, Reason};
use super::post::Item;
use super::{cancellation, claims};
use crate::error::Error;
use crate::ledger::posting::Journal;
use crate::store::Tx;
use crate::store::participants::Module;
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
}

/// A transaction of clearing.
pub(crate) struct Booking<'t> {
    pub(crate) tx: &'t Tx<'t>,
    pub(crate) vault: &'t Vault,
    pub(crate) now: Time,
    pub(crate) journal: Journal<'t>,
    purses: HashMap<IepId, Touched>,
    modules: HashMap<SamId, Module>,
}

impl<'t> Booking<'t> {
    pub(crate) fn new(tx: &'t Tx<'t>, vault: &'t Vault, now: Time) -> Self {
        let journal = Journal::new(tx, now);
        Self { tx, vault, now, journal, purses: HashMap::new(), modules: HashMap::new() }
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

    /// Moves the shadow balance.
    pub(crate) fn move_shadow(&mut self, iep: IepId, delta: i64) -> Result<(), Error> {
        let touched = self.known(iep)?;
        touched.purse.shadow = touched.purse.shadow.checked_add(delta).ok_or(Error::Overflow)?;
        touched.changed = true;
        Ok(())
    }

    /// Notes that the value commit `nv` is known, and how far there are no gaps now.
    pub(crate) fn advance(&mut self, iep: IepId, nv: Counter) -> Result<(), Error> {
        let tx = self.tx;
        let touched = self.known(iep)?;
        if touched.purse.doubts {
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
        bought.into_iter().try_for_each(|nv| cancellation::take_up(self, iep, nv))?;
        claims::decide(self, iep, &standings)?;
        pending::decide(self, iep, &standings)
    }

    /// Settles doubts and writes what has changed. In order of the purses, so that the
    /// same batch always writes the same rows in the same order.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let doubtful = self.purses.iter().filter(|(_, touched)| touched.purse.doubts).map(|(iep, _)| *iep);
        let mut doubtful: Vec<_> = doubtful.collect();
        doubtful.sort_unstable();
        doubtful.into_iter().try_for_each(|iep| self.resolve(iep))?;

        let mut changed: Vec<_> = self.purses.values().filter(|touched| touched.changed).collect();
        changed.sort_unstable_by_key(|touched| touched.purse.iep);
        changed.into_iter().try_for_each(|touched| self.tx.update_purse(&touched.purse))?;
        self.journal.finish()
    }

    fn touch(&mut self, iep: IepId) -> Result<Option<&mut Touched>, Error> {
        if !self.purses.contains_key(&iep) {
            let Some(purse) = self.tx.purse(iep)? else { return Ok(None) };
            self.purses
                .insert(iep, Touched { purse, changed: false, standings: Vec::new(), bought: Vec::new() });
        }
        Ok(self.purses.get_mut(&iep))
    }

    fn known(&mut self, iep: IepId) -> Result<&mut Touched, Error> {
        self.touch(iep)?.ok_or_else(|| Error::NotRegistered(format!("purse {iep}")))
    }
}
