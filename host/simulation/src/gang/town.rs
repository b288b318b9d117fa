//! Who and what there is: the parts of a simulated system, in nobody's hands but their owners'.

use std::collections::BTreeSet;

use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Amount, BatchNumber, IepId, Kind, Random, SamId};
use background::store::load_terminals::Permissions;
use background::store::participants::Connection;
use background::store::transfers::{Transfer, TransferState};
use background::{Background, MerchantId};
use host::card::sam::SamCard;
use host::terminal::PaymentTerminal;
use host::terminal::journal::LineJournal;
use host::terminal::transfer_journal::TransferIntent;
use network::{Funding, Request, Response, Service as _};
use rand_core::Rng as _;

use super::Plan;
use super::cards::Cards;
use super::hand::{Module, Watch};
use super::members::Gang;
use super::till::Till;
use crate::Error;
use crate::faults::chance::Chance;
use crate::faults::disk::Disk;
use crate::faults::rates::Rates;
use crate::faults::run;
use crate::faults::system::{START, System, acquirer, amount, iep, module, provider};
use crate::weaken::Weakness;

/// Purses of honest holders: the first ones.
pub const HONEST_PURSES: usize = 3;
/// All purses that were issued.
pub const PURSES: u32 = 6;
/// Places of the gang's PSAMs.
pub const GANG_PLACES: [usize; 2] = [0, 1];
/// Places of honest merchants.
pub const HONEST_PLACES: [usize; 2] = [2, 3];
/// Number of the gang's load terminal.
const GANG_TERMINAL: u32 = 901;
/// What one purse is guaranteed in one batch, minor units: little, so that it is reached.
pub const GUARANTEED: Amount = Amount::new(3_000).expect("an amount");

/// Everybody and everything.
#[derive(Debug)]
pub struct Town {
    pub(super) system: System,
    /// Purses, and copies of them.
    pub cards: Cards,
    /// Terminals of honest merchants, in the order of [`HONEST_PLACES`].
    pub(super) terminals: Vec<PaymentTerminal>,
    /// What is in doubt at the attendant's load terminal.
    pub(super) doubts: Vec<TransferIntent>,
    /// Load terminal of the gang, and its key.
    pub(super) own: (SamId, OnlineKey),
    /// Honest merchants, in the order of [`HONEST_PLACES`].
    pub(super) merchants: Vec<MerchantId>,
    /// Batches that were taken in.
    pub(super) stored: BTreeSet<(SamId, BatchNumber)>,
    watch: Watch,
    pub(super) weaken: Option<Weakness>,
}

impl Town {
    /// Issues and installs everything.
    pub fn new(plan: &Plan) -> Result<Self, Error> {
        let parts = run::Plan { purses: PURSES, weaken: plan.weaken, ..run::Plan::new(plan.seed) };
        let mut system = System::new(&parts, Rates::NONE, false)?;
        let watch = Watch::default();
        let purses = core::mem::take(&mut system.purses);
        let books = &mut system.office.background;
        let terminal = module(GANG_TERMINAL);
        let data = books.register_load_terminal(terminal, "of the gang", &Permissions::HOLDERS, START)?;
        let mut guarantee = books.guarantee(provider(), Connection::Periodic)?;
        guarantee.total = GUARANTEED;
        if plan.copies {
            books.set_guarantee(provider(), Connection::Periodic, &guarantee)?;
        }
        let name = |place: usize| format!("merchant {}", place + 1);
        let merchants = HONEST_PLACES.map(|place| books.register_merchant(&name(place), acquirer()));
        let merchants = merchants.into_iter().collect::<Result<_, _>>()?;
        let terminals = HONEST_PLACES.map(|place| {
            let psam = Module::new(system.sites[place].psam.clone(), place, watch.clone());
            let journal = LineJournal::over(Disk::new(system.shared.clone()), true)?;
            PaymentTerminal::start(Box::new(psam), Box::new(journal))
        });
        let terminals = terminals.into_iter().collect::<Result<_, _>>()?;
        Ok(Self {
            system,
            cards: Cards::new(purses, watch.clone()),
            terminals,
            doubts: Vec::new(),
            own: (terminal, OnlineKey::new(data.key, data.reference, terminal)),
            merchants,
            stored: BTreeSet::new(),
            watch,
            weaken: plan.weaken,
        })
    }

    /// What is seen of all cards.
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The background system.
    pub const fn books(&mut self) -> &mut Background {
        &mut self.system.office.background
    }

    /// Time passes: minutes, now and then days.
    pub fn pass(&mut self, chance: &mut Chance) {
        let seconds = if chance.below(200) == 0 { chance.below(3 * 86_400) } else { chance.below(600) };
        self.system.now.0 = self.system.now.0.saturating_add(seconds);
    }

    /// The PSAM at a place, as its merchant drives it.
    pub fn psam(&self, place: usize) -> SamCard {
        let psam = self.system.sites[place].psam.clone();
        SamCard::selected(Box::new(Module::new(psam, place, self.watch.clone())))
    }

    /// What was paid in for each purse, less what was paid back, as the books have it, minor units. What
    /// the issuer owed its holder already was paid in before.
    pub fn transferred(&mut self) -> Result<Vec<i64>, Error> {
        let purses = 0..self.cards.purses();
        purses.map(|purse| iep(purse).map_or(Ok(0), |iep| self.transferred_by(iep))).collect()
    }

    fn transferred_by(&mut self, iep: IepId) -> Result<i64, Error> {
        let all = self.books().transfers(iep)?;
        let minor = |transfer: &Transfer| i64::from(transfer.request.amount.get());
        let moved = all.iter().map(|transfer| match (transfer.request.kind, transfer.state) {
            (Kind::Unload, TransferState::Confirmed | TransferState::Complete) => -minor(transfer),
            (Kind::Unload, _) | (_, TransferState::Refused | TransferState::Reversed) => 0,
            _ if transfer.request.funding == Funding::Refund => 0,
            _ => minor(transfer),
        });
        Ok(moved.sum())
    }

    /// A message to the background system, and what it answers.
    pub fn say(&mut self, request: &Request) -> Response {
        let (name, now) = (name(request), self.system.now);
        let answer = self.books().at(now).serve(&request.encode());
        let response = Response::decode(&answer).expect("its own words");
        self.watch.note(name, !matches!(response, Response::Rejected(_)));
        if let Response::Acknowledged(word) = &response {
            self.stored.insert((word.sam, word.batch));
        }
        response
    }

    /// Whether a protection is on.
    pub fn has(&self, protection: Weakness) -> bool {
        self.weaken != Some(protection)
    }

    /// The end: whoever is honest brings everything in, the gang what it likes.
    pub fn close(&mut self, gang: &mut Gang, till: &mut Till) -> Result<(), Error> {
        let mut chance = gang.last_chance();
        for _ in 0..3 {
            for at in 0..HONEST_PLACES.len() {
                self.collect(at)?;
            }
            gang.hand_in(self, &mut chance);
            till.settle(self)?;
        }
        self.watch.clone().report(till);
        till.close(self)
    }
}

/// Minor units of most payments and loads.
pub fn some(chance: &mut Chance, most: u32) -> Amount {
    amount(1 + chance.below(most))
}

/// Eight bytes that nobody has seen.
pub fn fresh(chance: &mut Chance) -> Random {
    Random(chance.next_u64().to_be_bytes())
}

const fn name(request: &Request) -> &'static str {
    match request {
        Request::AuthoriseTransfer(_) => "AuthoriseTransfer",
        Request::CompleteTransfer(_) => "CompleteTransfer",
        Request::ResolveTransfer(_) => "ResolveTransfer",
        Request::SubmitBatch(_) => "SubmitBatch",
    }
}
