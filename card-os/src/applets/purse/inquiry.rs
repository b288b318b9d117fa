//! What a purse tells without moving value: previous signatures, balance, log.

use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Kind, Mac, Random, Search, Service};
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::purse::{
    BalanceResponse, LogLine, PreviousRequest, PreviousSignature, PurseInformation, ReadLog,
};
use apdu_spec::record::{LogEntry, Position, Statement};
use apdu_spec::{Element, StatusWord};

use super::Purse;
use super::layout::{LOG_MAX, log_entry};
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

impl<X: Protections> Purse<X> {
    /// GET PREVIOUS IEP SIGNATURE by NT: what became of a session.
    pub(super) fn previous_by_nt(
        &mut self,
        request: &PreviousRequest,
        state: LifeCycle,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        // A cancellation repeats the NT of its purchase; its purchase is meant.
        let found = self
            .log(area)
            .find(|entry| entry.position.nt == request.number && entry.kind != Kind::Cancellation);
        // "Not debited" needs a log that reaches back beyond the session; where it begins
        // with a cancellation, the purchase of the same NT has left it.
        let oldest = self.log(area).last().filter(|entry| entry.position.nv.get() > 0);
        if found.is_none() && oldest.is_some_and(|oldest| oldest.position.nt >= request.number) {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        self.previous(Search::Nt, request, found, state, area, response)
    }

    /// GET PREVIOUS IEP SIGNATURE by NV: a receipt to be taken over.
    pub(super) fn previous_by_nv(
        &mut self,
        request: &PreviousRequest,
        state: LifeCycle,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let found = self.log(area).find(|entry| entry.nv() == Some(request.number));
        self.previous(Search::Nv, request, found, state, area, response)
    }

    /// The entries of the log, newest first.
    pub(super) fn log<'a, 'm>(&self, area: &'a Area<'m>) -> impl Iterator<Item = LogEntry> + use<'a, 'm, X> {
        let nv = if X::RECEIPT_KEPT { self.state.nv.get() } else { 0 };
        let oldest = nv.saturating_sub(LOG_MAX - 1).max(1);
        (oldest..=nv).rev().map_while(|number| log_entry(area, number))
    }

    /// Ends the session, so that "not debited" is final, and answers under a MAC.
    fn previous(
        &mut self,
        by: Search,
        request: &PreviousRequest,
        found: Option<LogEntry>,
        state: LifeCycle,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        self.session = None;
        let function = if request.group == 0 { Function::Load } else { Function::Purchase };
        let key = self.choose(function, request.group, request.version)?;
        let card_key = self.keys.key(area, function, key)?;
        let identity = self.parameters()?.identity;
        let mut receipt = [0; LogEntry::WIDTH];
        if let Some(entry) = &found {
            entry.to_slice(&mut receipt).map_err(|_| StatusWord::INTERNAL_ERROR)?;
        }
        // A PSAM cancels nothing of a purse that could not take the amount back.
        let service = if state == LifeCycle::Personalized { Service::Open } else { Service::Blocked };
        let position = Position { service, ..self.state.position(self.nt, Random::default()) };
        let mut previous = PreviousSignature {
            key,
            statement: Statement { identity, position },
            by,
            asked: request.number,
            found: u8::from(found.is_some()),
            receipt,
            mac: Mac::default(),
        };
        let (counterpart, nt) = (request.counterpart, self.nt);
        let context = SessionContext { kind: Kind::Recovery, nt, random: Random::default(), counterpart };
        let mac_key = DerivationKey::new(card_key, key.algorithm).previous_key(&context);
        previous.mac = mac_key.sign(&previous.input(counterpart));
        answer(response, &previous)
    }

    /// GET BALANCE.
    pub(super) fn balance(&self, response: &mut Response) -> Result<(), StatusWord> {
        let identity = self.parameters()?.identity;
        let (maximum, currency) = (identity.maximum, identity.currency);
        answer(response, &BalanceResponse { balance: self.state.balance, maximum, currency })
    }

    /// READ RECORD of the log; record 1 is the newest.
    pub(super) fn read_log(
        &self,
        request: ReadLog,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let skip = usize::from(request.record).checked_sub(1).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let entry = self.log(area).nth(skip).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let line = LogLine {
            kind: entry.kind,
            nv: entry.nv().ok_or(StatusWord::INTERNAL_ERROR)?,
            nt: entry.position.nt,
            time: entry.order.time,
            sam: entry.counterpart.sam,
            nt_sam: entry.order.nt,
            amount: entry.order.amount,
            balance: entry.balance_after().ok_or(StatusWord::INTERNAL_ERROR)?,
        };
        answer(response, &line)
    }

    /// GET DATA 0101.
    pub(super) fn information(&self, response: &mut Response) -> Result<(), StatusWord> {
        let parameters = self.parameters()?;
        let information = PurseInformation {
            identity: parameters.identity,
            overdraft: parameters.overdraft,
            nt: self.nt,
            nv: self.state.nv,
            receipts: self.state.position(self.nt, Random::default()).receipts,
        };
        answer(response, &information)
    }
}
