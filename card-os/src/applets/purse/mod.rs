//! The purse (IEP).
//!
//! `session` opens a session (INITIALIZE IEP), `purchase` and `load` carry out the
//! order (DEBIT IEP, CREDIT IEP; unload is load the other way round), `cancellation`
//! takes the last purchase back, `inquiry` answers questions, `pin` is the holder's PIN, `view`
//! shows the purse to readers of older cards, `layout` says what is kept where.

mod cancellation;
mod inquiry;
mod layout;
mod load;
mod pin;
mod purchase;
mod session;
mod view;

pub use layout::LOG_MAX;
pub(crate) use view::all as all_views;

use core::marker::PhantomData;

use apdu_spec::StatusWord;
use apdu_spec::element::{Counter, KeyReference, Kind};
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::personalisation::{DataGroup, Function, LegacyView, PurseParameters};
use apdu_spec::protections::Protections;
use apdu_spec::purse::PurseCommand;
use apdu_spec::record::LogEntry;

use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::keys::{self, KeyDirectory};
use layout::{LOG, PARAMETERS, SESSIONS, State, VIEW, log_entry};
use pin::Holder;
use session::Session;
use view::View;

/// A purse that is powered: what it knows of its memory, and its session.
#[derive(Debug)]
pub struct Purse<X> {
    parameters: Option<PurseParameters>,
    keys: KeyDirectory,
    state: State,
    nt: Counter,
    session: Option<Session>,
    /// What is known of the holder's PIN.
    holder: Holder,
    /// As what it can be read besides, and whether it is being read so.
    legacy: Option<LegacyView>,
    view: Option<View>,
    protections: PhantomData<X>,
}

impl<X: Protections> Purse<X> {
    /// Reads the purse after power-up.
    pub fn attach(area: &mut Area<'_>) -> Result<Self, &'static str> {
        let nv = area.next(LOG) - 1;
        let state = match nv {
            0 => State::default(),
            nv => {
                let newest = log_entry(area, nv).ok_or("the newest log entry is missing")?;
                State::after(&newest)
                    .filter(|state| state.nv.get() == nv)
                    .ok_or("the newest log entry is impossible")?
            }
        };
        area.keep_from(LOG, nv.saturating_sub(LOG_MAX - 1));
        Ok(Self {
            parameters: area.get(PARAMETERS),
            keys: KeyDirectory::load(area),
            state,
            nt: area.get(SESSIONS).unwrap_or_default(),
            session: None,
            holder: Holder::attach(area),
            legacy: area.get(VIEW),
            view: None,
            protections: PhantomData,
        })
    }

    /// Ends the session.
    pub fn deselect(&mut self) {
        self.session = None;
        self.holder.deselect();
        self.view = None;
    }

    /// Names of its views.
    pub fn views(&self) -> impl Iterator<Item = &'static [u8]> + use<X> {
        view::names(self.legacy.map_or(0, |legacy| legacy.views))
    }

    /// It was selected under the name of one of its views, or under its own.
    pub fn select(&mut self, view: Option<&[u8]>) {
        self.view = view.and_then(View::named);
    }

    /// Whether it is being read through a view.
    #[must_use]
    pub const fn is_viewed(&self) -> bool {
        self.view.is_some()
    }

    /// Stores a data group of personalisation.
    pub fn store(&mut self, group: DataGroup, content: &[u8], area: &mut Area<'_>) -> Result<(), StatusWord> {
        match group {
            DataGroup::Purse => self.parameters = Some(area.store(PARAMETERS, content)?),
            DataGroup::Key => self.keys.store(area, content)?,
            DataGroup::Generation => self.keys.store_generation(area, content, |_| true)?,
            DataGroup::KeyFloor => self.raise_key_floor(area, content)?,
            DataGroup::View => self.legacy = Some(area.store(VIEW, content)?),
            DataGroup::Pin => self.holder.store(area, content)?,
            DataGroup::Sam | DataGroup::Transfer | DataGroup::Domain => return Err(StatusWord::WRONG_DATA),
        }
        Ok(())
    }

    /// Whether personalisation has brought everything: parameters and a key for each function.
    #[must_use]
    pub fn is_complete(&self, _: &Area<'_>) -> bool {
        self.parameters.is_some()
            && [Function::Load, Function::Purchase, Function::Certificate]
                .into_iter()
                .all(|function| self.keys.has(function))
    }

    /// Whether there is no balance, and every merchant has got his evidence: a purse that was
    /// used is emptied by an unload, which takes all of it over.
    #[must_use]
    pub fn is_empty(&self, area: &Area<'_>) -> bool {
        let State { balance, nv, freed, .. } = self.state;
        let unloaded = || log_entry(area, nv.get()).is_some_and(|last| last.kind == Kind::Unload);
        nv.get() == 0 || (balance.0 == 0 && nv.since(freed).is_some_and(|held| held <= 1) && unloaded())
    }

    /// Value commits so far.
    #[must_use]
    pub fn proofs(area: &Area<'_>) -> u32 {
        area.next(LOG)
    }

    /// Retires the keys below a version, in one commit. A purchase that can still be taken back
    /// is so under the keys that it was made with: its PSAM voids it first, and then the amount
    /// must come back.
    fn raise_key_floor(&mut self, area: &mut Area<'_>, content: &[u8]) -> Result<(), StatusWord> {
        let mut parameters = self.parameters()?;
        parameters.key_floor = keys::floor(content, parameters.key_floor)?;
        let last = log_entry(area, self.state.nv.get()).filter(|last| last.kind == Kind::Purchase);
        let needed = |function, reference| {
            last.is_some_and(|LogEntry { key, .. }| match function {
                Function::Purchase => reference == key,
                Function::Certificate => reference == KeyReference { group: 0, ..key },
                _ => false,
            })
        };
        let change = &mut area.change();
        self.keys.retire(parameters.key_floor, |_| true, needed, change.set(PARAMETERS, &parameters))?;
        self.parameters = Some(parameters);
        self.keys = KeyDirectory::load(area);
        Ok(())
    }

    fn parameters(&self) -> Result<PurseParameters, StatusWord> {
        self.parameters.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)
    }

    /// Serves one command. Not inlined: one function of all of them is slower for each.
    #[inline(never)]
    pub fn process(
        &mut self,
        command: &PurseCommand,
        state: LifeCycle,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        use PurseCommand as C;
        match command {
            C::InitializeIep(request) => self.initialize_purchase(request, area, response),
            C::InitializeLoad(request) => self.initialize_transfer(Kind::Load, request, area, response),
            C::InitializeUnload(request) => self.initialize_transfer(Kind::Unload, request, area, response),
            C::DebitIep(request) => self.debit(request, area, response),
            C::CreditLoad(request) => self.transfer(Kind::Load, request, area, response),
            C::DebitUnload(request) => self.transfer(Kind::Unload, request, area, response),
            C::CreditCancellation(request) => self.cancel(request, area, response),
            C::PreviousByNt(request) => self.previous_by_nt(request, state, area, response),
            C::PreviousByNv(request) => self.previous_by_nv(request, state, area, response),
            C::GetBalance(()) => self.balance(response),
            C::ReadRecord(request) => self.read_log(*request, area, response),
            C::GetPurseData(()) => self.information(response),
            C::VerifyPin(request) => self.holder.verify(&request.pin, area),
            C::ChangePin(request) => self.holder.change(request, area),
            C::ResetPin(request) => self.holder.reset(&request.pin, area),
        }
    }
}
