//! Collection: a batch is closed under S4, its records are read, and it is forgotten
//! when the background system has said under a MAC that it is stored.

use apdu_spec::batch::{Acknowledgement, Sum, Trailer};
use apdu_spec::element::{BatchNumber, Kind, Mac};
use apdu_spec::protections::Protections;
use apdu_spec::record::Outcome;
use apdu_spec::sam::{CollectRequest, TrailerRequest};
use apdu_spec::signature::{ChainLink, Heading, Name};
use apdu_spec::wire::List;
use apdu_spec::{StatusWord, batch::PROVIDERS_MAX};

use super::journal::BatchKey;
use super::layout::{
    AUTHORITY, CLOSED_MAX, ClosedBatch, ENTRIES, OPEN_BATCH, OpenBatch, Own, TOTALS, Totals,
};
use super::{Sam, closed_cell, last_nt};
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

impl<X: Protections> Sam<X> {
    /// INITIALIZE PSAM for Collection.
    pub(super) fn close_batch(
        &mut self,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let waiting = self.batch.number.get() - self.oldest.number.get();
        if waiting >= CLOSED_MAX {
            return Err(StatusWord::BATCHES_FULL);
        }
        let number = self.batch.number.next().ok_or(StatusWord::COUNTER_AT_MAXIMUM)?;
        self.claim_open(area)?;
        let trailer = self.trailer(area)?;
        let closed = ClosedBatch { open: self.batch, trailer };
        let first_nt = last_nt(area).next().ok_or(StatusWord::COUNTER_AT_MAXIMUM)?;
        let first_entry = area.next(ENTRIES);
        let (previous, list) = (closed.trailer.s4, self.authority.list);
        let next = OpenBatch { number, first_entry, first_nt, previous, list };
        let cell = closed_cell(self.batch.number.get());
        let _ = area.change().set(cell, &closed).set(OPEN_BATCH, &next).commit()?;
        (self.batch, self.claims) = (next, 0);
        self.find_oldest(area);
        answer(response, &closed.trailer)
    }

    /// Purchases that are still open become claims of this batch, one commit each: a
    /// power cut in between leaves an open batch with some claims, which is as good.
    fn claim_open(&mut self, area: &mut Area<'_>) -> Result<(), StatusWord> {
        while let Some(open) = self.open.first().copied() {
            let opening = self.opening(open.nt, area)?;
            let own = Own { nt: open.nt, s3: Mac::default(), s6: Mac::default() };
            let _ = self.settle(open.abandoned(), own, &opening, area)?;
        }
        Ok(())
    }

    /// The trailer of the open batch, as it is now.
    fn trailer(&self, area: &Area<'_>) -> Result<Trailer, StatusWord> {
        let key = self.batch_key(self.batch.number, area)?;
        let count = area.next(ENTRIES) - self.batch.first_entry;
        let count = u16::try_from(count).map_err(|_| StatusWord::NOT_ENOUGH_MEMORY)?;
        let (mut chain, mut unresolved, mut sums) = (Mac::default(), 0, self.totals(area));
        for index in 0..count {
            let record = self.read_entry(&self.batch, index, area)?;
            chain = self.link(&key, chain, record.s5);
            unresolved += u16::from(record.outcome == Outcome::Unresolved);
            record.add_to(&mut sums).map_err(|_| StatusWord::COUNTER_AT_MAXIMUM)?;
        }
        let mut trailer = Trailer {
            sam: self.parameters()?.sam,
            batch: self.batch.number,
            previous: self.batch.previous,
            count,
            unresolved,
            nt: last_nt(area),
            time: self.authority.time,
            list: self.authority.list,
            oldest: self.oldest.number,
            chain,
            s4: Mac::default(),
            sums,
        };
        trailer.s4 = key.mac.sign(&trailer.input(key.reference));
        Ok(trailer)
    }

    fn link(&self, key: &BatchKey, previous: Mac, s5: Mac) -> Mac {
        let heading = Heading::new(Name::Chain, Kind::Purchase, key.reference);
        key.mac.sign(&ChainLink { heading, batch: self.batch.number, previous, s5 })
    }

    /// What had been handed in before the open batch: the last trailer says it.
    fn totals(&self, area: &Area<'_>) -> List<Sum, PROVIDERS_MAX> {
        let last = self.batch.number.get().checked_sub(1).and_then(BatchNumber::new);
        match last.and_then(|last| self.closed(last, area).ok()) {
            Some(closed) => closed.trailer.sums,
            None => area.get::<Totals>(TOTALS).map_or_else(List::new, |totals| totals.sums),
        }
    }

    fn closed(&self, number: BatchNumber, area: &Area<'_>) -> Result<ClosedBatch, StatusWord> {
        area.get::<ClosedBatch>(closed_cell(number.get()))
            .filter(|closed| closed.open.number == number)
            .ok_or(StatusWord::RECORD_NOT_FOUND)
    }

    /// INITIALIZE PSAM for Collection, again.
    pub(super) fn read_trailer(
        &self,
        request: TrailerRequest,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        answer(response, &self.closed(request.batch, area)?.trailer)
    }

    /// PSAM COLLECT.
    pub(super) fn collect(
        &self,
        request: CollectRequest,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let (batch, count) = if request.batch == self.batch.number {
            (self.batch, area.next(ENTRIES) - self.batch.first_entry)
        } else {
            let closed = self.closed(request.batch, area)?;
            (closed.open, u32::from(closed.trailer.count))
        };
        if u32::from(request.index) >= count {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        answer(response, &self.read_entry(&batch, request.index, area)?)
    }

    /// PSAM COLLECT (acknowledge): the oldest closed batch, or one that is forgotten already.
    pub(super) fn acknowledge(
        &mut self,
        request: &Acknowledgement,
        area: &mut Area<'_>,
    ) -> Result<(), StatusWord> {
        let key = self.batch_key(request.batch, area)?;
        let right = key.mac.sign(&request.input(key.reference)) == request.mac;
        if request.sam != self.parameters()?.sam || !right && X::ACKNOWLEDGEMENT_VERIFIED {
            return Err(StatusWord::WRONG_MAC);
        }
        if request.batch < self.oldest.number {
            return Ok(()); // it came again
        }
        let closed = self.closed(request.batch, area)?;
        if request.batch != self.oldest.number || request.s4 != closed.trailer.s4 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let authority = self.told(request, area);
        let totals = Totals { sums: closed.trailer.sums };
        let mut change = area.change();
        change.clear(closed_cell(request.batch.get())).set(AUTHORITY, &authority).set(TOTALS, &totals);
        let _ = change.commit()?;
        (self.authority, self.floor) = (authority, authority.time);
        self.find_oldest(area);
        Ok(())
    }
}
