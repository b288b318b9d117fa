//! The gang: all the dishonest, who tell each other everything.

use apdu_spec::batch::Trailer;
use apdu_spec::element::{BatchNumber, Counter, Kind, Mac, Time};
use apdu_spec::purse::{Execute, PreviousRequest};
use apdu_spec::record::Counterpart;
use apdu_spec::sam::{CreditRequest, OpenPurchase};
use host::card::purse::PurseCard;
use host::terminal::load::Funding;
use network::{Batch, Request, Response, Signed, TransferRequest};
use rand_core::Rng as _;

use super::Plan;
use super::hand::Relay;
use super::notebook::{Notebook, Ordered, Stated, Word};
use super::till::Till;
use super::town::{GANG_PLACES, HONEST_PLACES, HONEST_PURSES, Town, fresh, some};
use crate::Error;
use crate::faults::chance::Chance;
use crate::faults::system::{GROUP, VERSION, psam_at};

/// Greatest payment of the gang, minor units.
pub const PAYMENT: u32 = 2_500;

/// Balance from which on a copy of a card is worth the trouble, minor units.
const WORTH_IT: i32 = 2_000;
/// Numbers that a copy uses up at a time, at most.
const NUMBERS: u32 = 60;
/// Batches that are sent at a time by who only wants to fill the disk.
const FLOOD: u32 = 40;

/// The gang.
#[derive(Debug)]
pub struct Gang {
    /// What they have seen.
    pub notebook: Notebook,
    seed: u64,
    copies: bool,
    /// The card that one of them had in his hand last.
    last: usize,
    /// The PSAM whose batches nobody is ever to see, where there is one: what copies have paid there
    /// uses their numbers up.
    pub(super) withheld: Option<usize>,
}

impl Gang {
    /// They have seen nothing yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let withheld = GANG_PLACES.first().copied().filter(|_| plan.copies);
        let (notebook, last) = (Notebook::default(), HONEST_PURSES);
        Self { notebook, seed: plan.seed, copies: plan.copies, last, withheld }
    }

    /// Chance for the end.
    #[must_use]
    pub fn last_chance(&self) -> Chance {
        Chance::of(self.seed, u64::MAX)
    }

    /// One of them makes a move.
    pub fn step(&mut self, town: &mut Town, till: &mut Till, mut chance: Chance) -> Result<(), Error> {
        let chance = &mut chance;
        match chance.below(100) {
            0..=16 => drop(self.pay(town, chance)),
            17..=26 => drop(self.cancel(town, chance)),
            27..=31 if self.is_hiding(town) => {}
            27..=31 => drop(self.transfer(town, chance)),
            32..=36 => drop(self.hand_over(town, chance)),
            37..=52 => self.tell_psam(town, chance),
            53..=64 => self.tell_purse(town, chance),
            65..=76 => self.tell_office(town, chance),
            77..=81 => self.hand_in(town, chance),
            82..=87 if self.is_hiding(town) => {}
            82..=87 => self.visit_attendant(town, chance, till)?,
            88..=92 => {
                let (card, at) = (self.own_card(town, chance), chance.place(HONEST_PLACES.len()));
                town.sell(card, at, chance, till);
            }
            93..=95 => self.bring_back(town, chance, till),
            96 if self.is_careful() => self.go_on_with_a_copy(town, chance),
            97 if self.copies => {
                let card = self.own_card(town, chance);
                if balance(town, card) >= WORTH_IT {
                    town.cards.copy(card);
                }
            }
            98 if self.copies => self.go_on_with_a_copy(town, chance),
            99 => self.flood(town, chance),
            _ => self.lie_about_a_loss(town, chance)?,
        }
        Ok(())
    }

    /// A card of the gang, one of its purses or a copy: the last one half of the time, and always where
    /// copies may not meet.
    pub fn own_card(&mut self, town: &Town, chance: &mut Chance) -> usize {
        if !self.is_careful() && chance.coin() {
            self.last = HONEST_PURSES + chance.place(town.cards.count() - HONEST_PURSES);
        }
        self.last
    }

    /// A card at one of the gang's terminals: sometimes that of an honest customer.
    pub fn any_card(&mut self, town: &Town, chance: &mut Chance) -> usize {
        if chance.below(6) == 0 { chance.place(HONEST_PURSES) } else { self.own_card(town, chance) }
    }

    /// A payment at one of the gang's terminals, broken off anywhere.
    fn pay(&mut self, town: &mut Town, chance: &mut Chance) -> Result<(), host::Error> {
        let (place, card) = (GANG_PLACES[chance.place(2)], self.any_card(town, chance));
        self.pay_with(town, (place, card), (chance.below(8), PAYMENT), chance)
    }

    /// Whether the gang shows one copy of a purse at a time, and never two under one number.
    const fn is_careful(&self) -> bool {
        self.copies && self.seed.is_multiple_of(4)
    }

    /// Whether the issuer must not see the card in use, since there are copies of it.
    const fn is_hiding(&self, town: &Town) -> bool {
        self.is_careful() && town.cards.count() > town.cards.purses()
    }

    /// Another copy takes the place of the card in use: it pays little where nobody ever hears of it,
    /// until it states the same numbers.
    fn go_on_with_a_copy(&mut self, town: &mut Town, chance: &mut Chance) {
        let Some(place) = self.withheld else { return };
        let (live, card) = (self.last, HONEST_PURSES + chance.place(town.cards.count() - HONEST_PURSES));
        if card == live || town.cards.purse_of(card) != town.cards.purse_of(live) {
            return;
        }
        let Some(goal) = numbers(town, live) else { return };
        for _ in 0..NUMBERS {
            let beyond = numbers(town, card).is_none_or(|nv| nv >= goal);
            // Its receipts must not show up elsewhere; the next payment lets it forget them.
            if self.hand_over_at(town, (place, card), u32::MAX).is_err()
                || self.pay_with(town, (place, card), (7, 3), chance).is_err()
                || beyond
            {
                break;
            }
        }
        self.last = card;
    }

    /// Somebody sends batches that are none, as many as he likes.
    fn flood(&mut self, town: &mut Town, chance: &mut Chance) {
        for _ in 0..FLOOD {
            let Some(batch) = self.batch(chance) else { return };
            let s4 = Mac(chance.next_u64().to_be_bytes());
            let number = BatchNumber::new(1 + chance.below(1 << 20)).unwrap_or_default();
            let trailer = Trailer { s4, batch: number, ..batch.trailer };
            town.say(&Request::SubmitBatch(Batch { trailer, records: Vec::new() }));
        }
    }

    /// So many steps of a payment of at most so much.
    fn pay_with(
        &mut self,
        town: &mut Town,
        (place, card): (usize, usize),
        (steps, most): (u32, u32),
        chance: &mut Chance,
    ) -> Result<(), host::Error> {
        let mut psam = town.psam(place);
        let challenge = psam.challenge()?;
        let counterpart = Counterpart { sam: psam_at(place), challenge };
        let now = town.system.now;
        let mut hand = town.cards.hand(card);
        let mut purse = PurseCard::select(&mut hand)?;
        let initialized = purse.initialize_purchase(GROUP, VERSION, counterpart)?;
        let stated = Stated { initialized, counterpart, kind: Kind::Purchase };
        self.notebook.statements.add(stated);
        if steps == 0 {
            return Ok(());
        }
        let (key, statement, s1) = (initialized.key, initialized.statement, initialized.s1);
        let amount = some(chance, most);
        let opened = psam.open_purchase(&OpenPurchase { key, statement, s1, amount, time: now })?;
        let ordered = Ordered { stated, execute: Execute { order: opened.order, s2: opened.s2 } };
        self.notebook.orders.add(ordered);
        if steps == 1 {
            return Ok(());
        }
        let executed = purse.execute(Kind::Purchase, &ordered.execute)?;
        self.notebook.executed(&ordered, executed);
        if steps > 2 {
            psam.credit(&CreditRequest { nt: opened.order.nt, s3: executed.s3, s6: executed.s6 })?;
        }
        Ok(())
    }

    /// The last payment of a card taken back at the gang's PSAM that knows it, broken off anywhere.
    fn cancel(&mut self, town: &mut Town, chance: &mut Chance) -> Result<(), host::Error> {
        let (place, card, steps) =
            (GANG_PLACES[chance.place(2)], self.own_card(town, chance), chance.below(6));
        let mut psam = town.psam(place);
        let counterpart = Counterpart { sam: psam_at(place), challenge: psam.challenge()? };
        let mut hand = town.cards.hand(card);
        let mut purse = PurseCard::select(&mut hand)?;
        let number = purse.information()?.nv;
        let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number };
        let previous = purse.previous_by_nv(&request)?;
        self.notebook.word(Word { counterpart, previous });
        if chance.coin() {
            self.notebook.read_all(&mut psam)?;
        }
        let Ok(Some(entry)) = previous.to_receipt() else { return Ok(()) };
        let secret = psam.cancel(entry.order.nt, previous)?.secret;
        self.notebook.secrets.add(secret.clone());
        if steps > 0 {
            purse.cancel(secret)?;
        }
        Ok(())
    }

    /// The receipts of a card, to any of the gang's PSAMs, broken off anywhere.
    fn hand_over(&mut self, town: &mut Town, chance: &mut Chance) -> Result<(), host::Error> {
        let (place, card) = (GANG_PLACES[chance.place(2)], self.any_card(town, chance));
        self.hand_over_at(town, (place, card), chance.below(24))
    }

    /// So many of its receipts, oldest first.
    fn hand_over_at(
        &mut self,
        town: &mut Town,
        (place, card): (usize, usize),
        most: u32,
    ) -> Result<(), host::Error> {
        let mut psam = town.psam(place);
        let mut hand = town.cards.hand(card);
        let mut purse = PurseCard::select(&mut hand)?;
        let stands = purse.information()?;
        let freed = stands.nv.get().saturating_sub(stands.receipts.into());
        let held = (freed + 1..=stands.nv.get()).filter_map(Counter::new);
        for number in held.take(most as usize) {
            let counterpart = Counterpart { sam: psam_at(place), challenge: psam.challenge()? };
            let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number };
            let previous = purse.previous_by_nv(&request)?;
            self.notebook.word(Word { counterpart, previous });
            psam.store_receipt(previous)?;
        }
        Ok(())
    }

    /// A load or unload at the gang's own terminal, broken off anywhere.
    fn transfer(&mut self, town: &mut Town, chance: &mut Chance) -> Result<(), host::Error> {
        let (card, steps) = (self.own_card(town, chance), chance.below(5));
        let (kind, amount) = if chance.below(3) == 0 { (Kind::Unload, 2_000) } else { (Kind::Load, 4_000) };
        let (amount, counterpart) =
            (some(chance, amount), Counterpart { sam: town.own.0, challenge: fresh(chance) });
        let mut hand = town.cards.hand(card);
        let initialized =
            PurseCard::select(&mut hand)?.initialize_transfer(kind, VERSION, counterpart, amount)?;
        let stated = Stated { initialized, counterpart, kind };
        self.notebook.statements.add(stated);
        let (funding, time) = (network::Funding::Account, town.system.now);
        let asked = TransferRequest { kind, funding, initialized, counterpart, amount, time };
        let asked = Request::AuthoriseTransfer(Signed::by(&town.own.1, asked));
        let Response::Decision(decision) = town.say(&asked) else { return Ok(()) };
        let ordered = Ordered { stated, execute: decision.fields.execute };
        self.notebook.orders.add(ordered);
        if steps == 0 {
            return Ok(());
        }
        let mut hand = town.cards.hand(card);
        let executed = PurseCard::selected(&mut hand).execute(kind, &ordered.execute)?;
        self.notebook.executed(&ordered, executed);
        if steps > 1
            && let Some(value) = self.notebook.values.last()
        {
            self.hear(town.say(&Request::CompleteTransfer(Signed::by(&town.own.1, value))));
        }
        Ok(())
    }

    /// A merchant of the gang closes his batch, and hands in what waits, as it should be.
    pub fn hand_in(&mut self, town: &mut Town, chance: &mut Chance) {
        let place = GANG_PLACES[chance.place(2)];
        if self.withheld == Some(place) {
            return;
        }
        let mut psam = town.psam(place);
        if chance.coin() {
            self.notebook.trailers.add_all(psam.close_batch());
        }
        let Ok(stands) = psam.information() else { return };
        let Ok(trailer) = psam.trailer(stands.oldest) else { return };
        let records = (0..trailer.count).filter_map(|index| psam.collect(stands.oldest, index).ok());
        let batch = Batch { records: records.collect(), trailer };
        self.hear(town.say(&Request::SubmitBatch(batch)));
        if let Some(word) = self.notebook.acknowledgements.last() {
            let _ = psam.acknowledge(&word);
        }
    }

    /// A holder loads or unloads at the honest attendant's, over a relay.
    fn visit_attendant(
        &mut self,
        town: &mut Town,
        chance: &mut Chance,
        till: &mut Till,
    ) -> Result<(), Error> {
        let (card, amount, now) = (self.own_card(town, chance), some(chance, 4_000), town.system.now);
        let funding = if chance.coin() { Funding::Cash } else { Funding::Account };
        let (what, mut random, mut trick) = (chance.below(8), chance.clone(), chance.clone());
        let ends = town.attend(&mut random, |terminal, cards| {
            let mut relay = Relay::before(cards.hand(card), None, &mut trick);
            match what {
                0 => terminal.resolve(&mut relay),
                1..=3 => terminal.unload(&mut relay, amount, funding, now).map(|end| vec![end]),
                _ => terminal.load(&mut relay, amount, funding, now).map(|end| vec![end]),
            }
        });
        ends.into_iter().flatten().try_for_each(|end| till.attended(town, &end))
    }

    /// A customer brings something back to an honest merchant, with one card or two behind a relay.
    fn bring_back(&mut self, town: &mut Town, chance: &mut Chance, till: &mut Till) {
        let Some((at, nt)) = till.some_sale(|count| chance.place(count)) else { return };
        let cards = (self.any_card(town, chance), self.own_card(town, chance));
        town.take_back((at, nt), cards, chance, till);
    }

    /// A merchant says that his PSAM has drowned, and goes on with it; or that of an honest one has.
    fn lie_about_a_loss(&mut self, town: &mut Town, chance: &mut Chance) -> Result<(), Error> {
        if chance.below(20) == 0 {
            let (sam, now) = (psam_at(GANG_PLACES[chance.place(2)]), town.system.now);
            town.books().declare_lost(sam, "it has drowned", now)?;
        } else {
            town.system.now = Time(town.system.now.0.saturating_add(chance.below(3_600)));
        }
        Ok(())
    }
}

/// Balance of a card, minor units.
fn balance(town: &mut Town, card: usize) -> i32 {
    let mut hand = town.cards.hand(card);
    let shown = PurseCard::select(&mut hand).and_then(|mut purse| purse.balance());
    shown.map_or(0, |shown| shown.balance.0)
}

/// NV of a card.
fn numbers(town: &mut Town, card: usize) -> Option<u32> {
    let mut hand = town.cards.hand(card);
    let stands = PurseCard::select(&mut hand).and_then(|mut purse| purse.information());
    stands.ok().map(|stands| stands.nv.get())
}
