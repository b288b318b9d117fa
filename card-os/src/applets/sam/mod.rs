//! The security module of a payment terminal (PSAM).
//!
//! `statement` checks what a purse states, `clock` what the terminal says of time, `purchase` opens
//! and credits payments, `openings` knows which are open, `receipt` takes over what other
//! terminals never got, `cancellation` voids, `collection` closes batches and forgets acknowledged ones, `journal` writes and
//! reads the entries of batches, `layout` says what is kept where.

mod cancellation;
mod clock;
mod collection;
mod journal;
mod layout;
mod openings;
mod purchase;
mod receipt;
mod statement;

use core::marker::PhantomData;

use apdu_spec::StatusWord;
use apdu_spec::crypto::session_key::MasterKey;
use apdu_spec::element::{Algorithm, BatchNumber, Counter, IepId, KeyReference, Random, SamCounter, Time};
use apdu_spec::personalisation::{DataGroup, Function, SamParameters};
use apdu_spec::protections::Protections;
use apdu_spec::sam::{Challenge, SamCommand, SamInformation};

use crate::kernel::Response;
use crate::kernel::area::{Area, Cell};
use crate::kernel::dispatch::answer;
use crate::kernel::keys::{self, KeyDirectory};
use layout::{
    Authority, CLOSED, CLOSED_MAX, ClosedBatch, ENTRIES, KEY_FLOOR, OPEN_BATCH, OPENINGS, OpenBatch,
    PARAMETERS,
};
use purchase::Running;

/// A PSAM that is powered.
#[derive(Debug)]
pub struct Sam<X> {
    parameters: Option<SamParameters>,
    keys: KeyDirectory,
    /// Least version of purchase keys that it still takes.
    key_floor: u8,
    batch: OpenBatch,
    /// Oldest batch that is not acknowledged; the open one where there is none.
    oldest: OpenBatch,
    /// The purchases whose outcome is open, oldest first.
    open: openings::Openings,
    /// Claims in the open batch.
    claims: u16,
    /// What the background system has said last.
    authority: Authority,
    /// Payments are not dated before this time.
    floor: Time,
    /// The challenge that the next purse must answer to. Good once.
    challenge: Option<Random>,
    /// The purchase opened last, its keys at hand.
    running: Option<Running>,
    /// The purse whose receipts are being taken over, and the highest NV so far.
    taken_over: Option<(IepId, Counter)>,
    journal: Option<journal::BatchKey>,
    /// The group's key that the last purse was met with, and the cancellation key: a PSAM
    /// stays powered, so their schedules are kept.
    master: Option<Kept>,
    cancellation: Option<Kept>,
    protections: PhantomData<X>,
}

/// A key, the algorithm it is used with, and its schedule.
type Kept = ((KeyReference, Algorithm), MasterKey);

/// The batch of a PSAM that has never closed one.
const FIRST_BATCH: (u32, u32, u32) = (1, 1, 1);

impl<X: Protections> Sam<X> {
    /// Reads the PSAM after power-up.
    pub fn attach(area: &mut Area<'_>) -> Result<Self, &'static str> {
        let (number, first_entry, first_nt) = FIRST_BATCH;
        let first = OpenBatch {
            number: BatchNumber::new(number).unwrap_or_default(),
            first_entry,
            first_nt: SamCounter(first_nt),
            previous: apdu_spec::element::Mac::default(),
            list: 0,
        };
        let batch: OpenBatch = area.get(OPEN_BATCH).unwrap_or(first);
        let mut sam = Self {
            parameters: area.get(PARAMETERS),
            keys: KeyDirectory::load(area),
            key_floor: area.get(KEY_FLOOR).unwrap_or(0),
            batch,
            oldest: batch,
            open: openings::Openings::new(),
            claims: 0,
            authority: Authority { time: Time(0), list: 0, list_min: 0, nt: SamCounter(0), entry: 0 },
            floor: Time(0),
            challenge: None,
            running: None,
            taken_over: None,
            journal: None,
            master: None,
            cancellation: None,
            protections: PhantomData,
        };
        sam.read_authority(area);
        sam.find_oldest(area);
        sam.find_open(area)?;
        Ok(sam)
    }

    /// The oldest batch that is not acknowledged; what is older may be forgotten.
    fn find_oldest(&mut self, area: &mut Area<'_>) {
        self.oldest = (0..CLOSED_MAX)
            .filter_map(|slot| area.get::<ClosedBatch>(closed_cell(slot)))
            .map(|closed| closed.open)
            .min_by_key(|open| open.number)
            .unwrap_or(self.batch);
        area.keep_from(OPENINGS, self.oldest.first_nt.get());
        area.keep_from(ENTRIES, self.oldest.first_entry);
    }

    /// Ends the session. Open purchases stay open.
    pub fn deselect(&mut self) {
        self.challenge = None;
        self.running = None;
        self.taken_over = None;
    }

    /// Stores a data group of personalisation.
    pub fn store(&mut self, group: DataGroup, content: &[u8], area: &mut Area<'_>) -> Result<(), StatusWord> {
        match group {
            DataGroup::Sam => {
                self.parameters = Some(area.store(PARAMETERS, content)?);
                self.read_authority(area);
            }
            DataGroup::Key => self.keys.store(area, content)?,
            DataGroup::Generation => self.keys.store_generation(area, content, is_rolled)?,
            DataGroup::KeyFloor => self.raise_key_floor(area, content)?,
            _ => return Err(StatusWord::WRONG_DATA),
        }
        Ok(())
    }

    /// Whether personalisation has brought everything.
    #[must_use]
    pub fn is_complete(&self, _: &Area<'_>) -> bool {
        self.parameters.is_some()
            && [Function::Purchase, Function::Record, Function::Cancellation]
                .into_iter()
                .all(|function| self.keys.has(function))
    }

    /// Whether no purchase is open and every record has been acknowledged.
    #[must_use]
    pub fn is_empty(&self, area: &Area<'_>) -> bool {
        self.waiting().next().is_none()
            && self.oldest.number == self.batch.number
            && area.next(ENTRIES) == self.batch.first_entry
    }

    /// Purchases opened so far.
    #[must_use]
    pub fn proofs(area: &Area<'_>) -> u32 {
        area.next(OPENINGS)
    }

    /// Retires the purchase keys below a version, in one commit. Purchases that are open need
    /// theirs.
    fn raise_key_floor(&mut self, area: &mut Area<'_>, content: &[u8]) -> Result<(), StatusWord> {
        if self.waiting().next().is_some() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let floor = keys::floor(content, self.key_floor)?;
        self.keys.retire(floor, is_rolled, |_, _| false, area.change().set(KEY_FLOOR, &floor))?;
        self.key_floor = floor;
        self.keys = KeyDirectory::load(area);
        Ok(())
    }

    fn parameters(&self) -> Result<&SamParameters, StatusWord> {
        self.parameters.as_ref().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)
    }

    /// The key of this function, ready; `kept` is where it stays.
    fn keep<'k>(
        keys: &KeyDirectory,
        kept: &'k mut Option<Kept>,
        area: &Area<'_>,
        function: Function,
        wanted: (KeyReference, Algorithm),
    ) -> Result<&'k MasterKey, StatusWord> {
        if kept.as_ref().is_none_or(|(held, _)| *held != wanted) {
            let key = keys.key(area, function, wanted.0)?;
            *kept = Some((wanted, MasterKey::new(&key, wanted.1)));
        }
        kept.as_ref().map(|(_, key)| key).ok_or(StatusWord::INTERNAL_ERROR)
    }

    /// Serves one command. Not inlined: one function of all of them is slower for each.
    #[inline(never)]
    pub fn process(
        &mut self,
        command: &SamCommand,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        use SamCommand as C;
        match command {
            C::GetChallenge(()) => self.new_challenge(area, response),
            C::InitializePsam(request) => self.open_purchase(request, area, response),
            C::VerifyPurse(request) => self.verify_contact(request, area),
            C::CreditPsam(request) => self.credit(request, area, response),
            C::PsamComplete(request) => self.complete(request, area),
            C::StoreReceipt(request) => self.store_receipt(request, area),
            C::PsamCancel(request) => self.cancel(request, area, response),
            C::PsamRenounce(request) => self.renounce(*request, area),
            C::CloseBatch(()) => self.close_batch(area, response),
            C::ReadTrailer(request) => self.read_trailer(*request, area, response),
            C::PsamCollect(request) => self.collect(*request, area, response),
            C::PsamAcknowledge(request) => self.acknowledge(request, area),
            C::GetSamData(()) => self.information(area, response),
        }
    }

    /// GET CHALLENGE.
    fn new_challenge(&mut self, area: &mut Area<'_>, response: &mut Response) -> Result<(), StatusWord> {
        let challenge = Random(area.random());
        self.challenge = Some(challenge);
        answer(response, &Challenge { challenge })
    }

    /// GET DATA 0102.
    fn information(&self, area: &Area<'_>, response: &mut Response) -> Result<(), StatusWord> {
        let parameters = self.parameters()?;
        let entries = area.next(ENTRIES).saturating_sub(self.batch.first_entry);
        let newest = self.keys.choose(Function::Purchase, parameters.group, 0, u8::MAX)?;
        let information = SamInformation {
            sam: parameters.sam,
            expiry: parameters.expiry,
            currency: parameters.currency,
            group: parameters.group,
            version: newest.version,
            nt: last_nt(area),
            open: u8::try_from(self.waiting().count()).unwrap_or(u8::MAX),
            batch: self.batch.number,
            entries: u16::try_from(entries).unwrap_or(u16::MAX),
            oldest: self.oldest.number,
            floor: self.floor,
            ceiling: self.ceiling()?,
            list: self.authority.list,
        };
        answer(response, &information)
    }
}

/// Generations are of purchase keys. Those of records and cancellations stay for the life of
/// a PSAM: they are its own, and entries that wait are under them.
fn is_rolled(function: Function) -> bool {
    function == Function::Purchase
}

/// The cell of a closed batch.
fn closed_cell(slot: u32) -> Cell {
    Cell(CLOSED + u8::try_from(slot % CLOSED_MAX).unwrap_or(0))
}

/// NT_PSAM of the last purchase opened.
fn last_nt(area: &Area<'_>) -> SamCounter {
    SamCounter(area.next(OPENINGS).saturating_sub(1))
}
