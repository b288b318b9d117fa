//! INITIALIZE PSAM for Purchase, CREDIT PSAM, PSAM COMPLETE.

use apdu_spec::StatusWord;
use apdu_spec::crypto::mac::{MacKey, OneTimeKey};
use apdu_spec::crypto::session_key::SecretContext;
use apdu_spec::crypto::{Key, session_key::StatementKey};
use apdu_spec::element::{Amount, Counter, IepId, KeyReference, Kind, Mac, SamCounter, Search, Service};
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::record::{Opening, Order, Outcome, Statement, Terms};
use apdu_spec::sam::{CompleteRequest, CreditRequest, Credited, OpenPurchase, Opened};
use apdu_spec::signature::{Commitment, Heading, Name, S2, S3};

use super::journal::Booked;
use super::layout::{
    BATCH_MAX, CLOSING_SIZE, ENTRIES, OPENING_SIZE, OPENINGS, OUTCOME_SIZE, Own, Stored, StoredOpening,
    WHOLE_SIZE,
};
use super::openings::Open;
use super::{Sam, last_nt};
use crate::applets::purse::LOG_MAX;
use crate::kernel::Response;
use crate::kernel::area::{Area, Cell};
use crate::kernel::dispatch::answer;
use crate::kernel::memory::Committed;

/// The purchase opened last: what CREDIT PSAM needs, so that it need not be computed again.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) nt: SamCounter,
    opening: Opening,
    s2: Mac,
    ks: MacKey,
}

impl<X: Protections> Sam<X> {
    /// INITIALIZE PSAM for Purchase. Keys that do not come from one another are made in turn, so
    /// that a processor makes them at the same time; nothing leaves before S1 is right. Not
    /// inlined, like all that a purchase runs through: one function of all commands is slower.
    #[inline(never)]
    pub(super) fn open_purchase(
        &mut self,
        request: &OpenPurchase,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let challenge = self.challenge.take().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let statement = request.statement;
        let nt = self.number(&statement, area)?;
        let secret = self.secret(statement.identity.iep, request.key, statement.position.nt, nt, area)?;
        let (key, context) = self.session(&statement, request.key, challenge, area)?;
        let order = self.order(request, nt, secret);
        let k1 = key.statement_key(&context);
        let s1 = k1.mac_key().sign(&self.expected_s1(&statement, request.key, challenge)?);
        if s1 != request.s1 {
            return Err(StatusWord::WRONG_MAC);
        }
        self.check_purse(&statement.identity, request.time)?;
        self.check_list()?;
        if statement.position.service != Service::Open {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if request.amount == Amount::default() {
            return Err(StatusWord::WRONG_DATA);
        }
        if request.amount > self.parameters()?.purchase_limit {
            return Err(StatusWord::LIMIT_EXCEEDED);
        }
        let opening = Opening { key: request.key, statement, challenge, order: order? };
        self.run(opening, s1, &k1)?;
        let kept = self.keep_open(&opening, area);
        if kept.is_err() {
            self.running = None;
        }
        let committed = kept?;
        self.floor = request.time;
        let running = self.running.as_ref().ok_or(StatusWord::INTERNAL_ERROR)?;
        answer(response, &opened(running, &committed))
    }

    /// The number of this purchase: that of one that was never debited, or the next.
    fn number(&self, statement: &Statement, area: &Area<'_>) -> Result<SamCounter, StatusWord> {
        if let Some(nt) = self.place_for(statement, area) {
            return Ok(nt);
        }
        if self.is_torn_too_often(statement, area) {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        let nt = last_nt(area).next().ok_or(StatusWord::COUNTER_AT_MAXIMUM)?;
        if nt.since(self.batch.first_nt).is_none_or(|count| count >= BATCH_MAX) {
            return Err(StatusWord::NOT_ENOUGH_MEMORY); // the batch is full: collect
        }
        Ok(nt)
    }

    /// The order for this purchase, which `secret` cancels.
    fn order(&self, request: &OpenPurchase, nt: SamCounter, secret: Key) -> Result<Order, StatusWord> {
        let statement = &request.statement;
        let taken_over = self.free_up_to(statement)?;
        let commitment = OneTimeKey::new(secret, request.key.algorithm).sign(&Commitment {
            heading: Heading::new(Name::Commitment, Kind::Purchase, request.key),
            statement: *statement,
            sam: self.parameters()?.sam,
            nt,
            amount: request.amount,
        });
        let terms = Terms::commitment(commitment);
        Ok(Order { amount: request.amount, time: request.time, nt, taken_over, terms })
    }

    /// Up to which NV the purse may free its receipts. An order that leaves no room for it and for
    /// its cancellation would be refused by the purse, so it is not given.
    fn free_up_to(&self, statement: &Statement) -> Result<Counter, StatusWord> {
        let position = &statement.position;
        let held = Some(u32::from(position.receipts)).filter(|held| *held <= LOG_MAX);
        let freed = held.and_then(|held| position.nv.get().checked_sub(held)).and_then(Counter::new);
        let freed = freed.ok_or(StatusWord::WRONG_DATA)?;
        let taken_over = match self.taken_over {
            Some((iep, nv)) if iep == statement.identity.iep && nv <= position.nv => nv.max(freed),
            _ => freed,
        };
        match position.nv.since(taken_over) {
            Some(held) if held <= LOG_MAX - 2 => Ok(taken_over),
            _ => Err(StatusWord::RECEIPTS_FULL),
        }
    }

    /// The secret that cancels a purchase; only this PSAM can make it.
    pub(super) fn secret(
        &mut self,
        iep: IepId,
        key: KeyReference,
        nt_iep: Counter,
        nt_psam: SamCounter,
        area: &Area<'_>,
    ) -> Result<Key, StatusWord> {
        let reference = self.keys.choose(Function::Cancellation, 0, 0, u8::MAX)?;
        let Self { keys, cancellation, .. } = self;
        let kept = (reference, key.algorithm);
        let master = Self::keep(keys, cancellation, area, Function::Cancellation, kept)?;
        Ok(master.cancellation_secret(&SecretContext { iep, nt_iep, nt_psam }))
    }

    /// KS and S2 of an opening, kept until it is credited.
    fn run(&mut self, opening: Opening, s1: Mac, k1: &StatementKey) -> Result<(), StatusWord> {
        let Opening { key, order, .. } = opening;
        let heading = Heading::new(Name::S2, Kind::Purchase, key);
        let ks = k1.order_key(order.nt);
        let s2 = ks.sign(&S2 { heading, s1, sam: self.parameters()?.sam, order });
        self.running = Some(Running { nt: order.nt, opening, s2, ks });
        Ok(())
    }

    /// Commits the opening, with room and a number for its outcome and room for closing the
    /// batch. Where the table is full, the oldest open purchase becomes a claim in the same
    /// commit.
    fn keep_open(&mut self, opening: &Opening, area: &mut Area<'_>) -> Result<Committed, StatusWord> {
        let nt = opening.order.nt;
        if nt <= last_nt(area) {
            area.ensure_room(OPENING_SIZE + WHOLE_SIZE + self.promised() + CLOSING_SIZE)?;
            return self.reopen(opening, false, area);
        }
        if area.numbers_left(ENTRIES) <= self.open.len() || area.numbers_left(OPENINGS) == 0 {
            return Err(StatusWord::COUNTER_AT_MAXIMUM);
        }
        area.ensure_room(OPENING_SIZE + OUTCOME_SIZE + self.promised() + CLOSING_SIZE)?;
        let oldest = self.open.first().copied().filter(|_| self.open.is_full());
        let claim = match oldest {
            Some(open) => Some(self.claim(open.nt, area)?),
            None => None,
        };
        let mut change = area.change();
        change.append(OPENINGS, &StoredOpening::from(opening));
        if let Some((stored, cell)) = &claim {
            change.append(ENTRIES, stored);
            if let Some(cell) = *cell {
                change.clear(cell);
            }
        }
        let committed = change.followed().commit()?;
        if let Some(open) = oldest {
            self.forget_open(open.nt);
            self.claims = self.claims.saturating_add(1);
        }
        // The claim has made room.
        let _ = self.open.push(Open::new(nt));
        Ok(committed)
    }

    /// The entry of a purchase of which nothing came back, and the cell that is free with it.
    fn claim(&mut self, nt: SamCounter, area: &Area<'_>) -> Result<(Stored, Option<Cell>), StatusWord> {
        let own = Own { nt, s3: Mac::default(), s6: Mac::default() };
        let value = self.own_value(&own, &self.opening(nt, area)?)?;
        let (content, cell) = self.content(own, &value, area);
        let (stored, _) = self.prepare(Outcome::Unresolved, content, &value, area)?;
        Ok((stored, cell))
    }

    /// CREDIT PSAM.
    #[inline(never)]
    pub(super) fn credit(
        &mut self,
        request: &CreditRequest,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let (booked, committed) = self.credit_with(request, area)?;
        let credited = credited(self.batch.number, &booked, &committed);
        answer(response, &credited)
    }

    /// Checks S3 and commits the payment.
    pub(super) fn credit_with(
        &mut self,
        request: &CreditRequest,
        area: &mut Area<'_>,
    ) -> Result<(Booked, Committed), StatusWord> {
        let right = self.is_answer(request.nt, request.s3, request.s6, area)?;
        if !right && X::ANSWER_VERIFIED {
            return Err(StatusWord::WRONG_MAC);
        }
        let opening = self.running.as_ref().ok_or(StatusWord::INTERNAL_ERROR)?.opening;
        let own = Own { nt: request.nt, s3: request.s3, s6: request.s6 };
        if self.open(request.nt).is_some() {
            return self.settle(Outcome::Credited, own, &opening, area);
        }
        self.credit_claim(own, &opening, area)
    }

    /// Whether this is what the purse answers once it has carried the order of purchase `nt` out.
    pub(super) fn is_answer(
        &mut self,
        nt: SamCounter,
        s3: Mac,
        s6: Mac,
        area: &Area<'_>,
    ) -> Result<bool, StatusWord> {
        if self.running.as_ref().is_none_or(|running| running.nt != nt) {
            self.resume(nt, area)?;
        }
        let running = self.running.as_ref().ok_or(StatusWord::INTERNAL_ERROR)?;
        let heading = Heading::new(Name::S3, Kind::Purchase, running.opening.key);
        Ok(running.ks.sign(&S3 { heading, s2: running.s2, s6 }) == s3)
    }

    /// A claim was paid after all: the record goes in whole, since the batch with its
    /// opening may be acknowledged before this one.
    fn credit_claim(
        &mut self,
        own: Own,
        opening: &Opening,
        area: &mut Area<'_>,
    ) -> Result<(Booked, Committed), StatusWord> {
        let last = self.own_outcome(own.nt, area).and_then(|(_, stored)| stored.own());
        let silent = last.is_some_and(|last| last.s6 == Mac::default());
        if !silent || self.has_receipt(own.nt, area) {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        let value = self.own_value(&own, opening)?;
        self.keep_receipt(&value, area)
    }

    /// Computes again what CREDIT PSAM needs of a purchase that was opened before.
    fn resume(&mut self, nt: SamCounter, area: &Area<'_>) -> Result<(), StatusWord> {
        let opening = self.opening(nt, area)?;
        let Opening { key, statement, challenge, .. } = opening;
        let (purse, context) = self.session(&statement, key, challenge, area)?;
        let k1 = purse.statement_key(&context);
        let s1 = k1.mac_key().sign(&self.expected_s1(&statement, key, challenge)?);
        self.run(opening, s1, &k1)
    }

    /// PSAM COMPLETE: the purse says that this purchase was never debited. Its place serves the
    /// next purchase; where none comes, the batch says so when it is closed.
    pub(super) fn complete(
        &mut self,
        request: &CompleteRequest,
        area: &mut Area<'_>,
    ) -> Result<(), StatusWord> {
        let previous = &request.previous;
        self.check_previous(previous, area)?;
        if self.open(request.nt).is_none() {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        let opening = self.opening(request.nt, area)?;
        let position = &opening.statement.position;
        // Final once the NT of the purchase has passed.
        let same = previous.statement.identity.iep == opening.statement.identity.iep
            && previous.by == Search::Nt
            && previous.statement.position.nt >= previous.asked;
        if !same || previous.found != 0 || previous.asked > position.nt {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if previous.asked < position.nt {
            return Ok(()); // of a session that this one took the place of
        }
        area.ensure_room(OPENING_SIZE + WHOLE_SIZE + self.promised() + CLOSING_SIZE)?;
        if self.running.as_ref().is_some_and(|running| running.nt == request.nt) {
            self.running = None;
        }
        self.reopen(&opening, true, area).map(drop)
    }
}

/// S2 exists for the terminal only once the opening is committed.
const fn opened(running: &Running, _: &Committed) -> Opened {
    Opened { order: running.opening.order, s2: running.s2 }
}

/// The payment exists for the terminal only once its record is committed.
const fn credited(batch: apdu_spec::element::BatchNumber, booked: &Booked, _: &Committed) -> Credited {
    Credited { batch, index: booked.index, s5: booked.s5 }
}
