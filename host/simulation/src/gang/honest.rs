//! Who is honest: holders who pay, merchants who collect, and the attendant of a load terminal, who
//! pays out and gives back what his screen says, and nothing else.

use apdu_spec::element::{Counter, SamCounter};
use apdu_spec::purse::{Execute, PreviousSignature};
use apdu_spec::record::{Counterpart, Outcome, ValueRecord};
use host::terminal::load::{Funding, LoadAuthority, LoadTerminal, Resolved, TransferRequest};
use host::terminal::purchase::Payment;
use network::{Batch, Direct, Request, Response};

use super::cards::Cards;
use super::hand::Relay;
use super::notebook::Notebook;
use super::till::Till;
use super::town::{HONEST_PLACES, HONEST_PURSES, Town, some};
use crate::Error;
use crate::authority::LinkAuthority;
use crate::faults::chance::Chance;
use crate::faults::system::load_terminal;
use crate::weaken::Weakness;

/// Greatest payment of the honest, minor units.
const PAYMENT: u32 = 300;
/// Greatest load, minor units.
const LOAD: u32 = 4_000;

impl Town {
    /// A move of somebody honest. What passes the counter, the gang may read.
    pub fn honest_move(
        &mut self,
        chance: &mut Chance,
        till: &mut Till,
        notebook: &mut Notebook,
    ) -> Result<(), Error> {
        let (purse, at) = (chance.place(HONEST_PURSES), chance.place(HONEST_PLACES.len()));
        match chance.below(10) {
            0..=5 => self.sell(purse, at, chance, till),
            6..=7 => self.load_honest(purse, chance, till)?,
            _ => {
                let batches = self.collect(at)?;
                batches
                    .iter()
                    .flat_map(|batch| &batch.records)
                    .for_each(|record| notebook.records.add(*record));
            }
        }
        Ok(())
    }

    /// An honest merchant sells something to whoever has this card.
    pub fn sell(&mut self, card: usize, at: usize, chance: &mut Chance, till: &mut Till) {
        let now = self.system.now;
        let paid = self.terminals[at].pay(&mut self.cards.hand(card), some(chance, PAYMENT), now);
        if let Ok(Payment::Paid(receipt)) = paid {
            till.sold((at, receipt.nt_psam), receipt.amount);
        }
    }

    /// A customer brings something back, with one card or two behind a relay. The cashier asks for the
    /// payment on the receipt; the goods are back where the PSAM has voided it, whatever he is told.
    pub fn take_back(
        &mut self,
        (at, nt): (usize, SamCounter),
        (one, other): (usize, usize),
        chance: &mut Chance,
        till: &mut Till,
    ) {
        if let Some((first, second)) = self.cards.hands(one, other) {
            let _ = self.terminals[at].cancel(&mut Relay::before(first, Some(second), chance), nt);
        }
        if self.is_voided(at, nt) {
            till.taken_back((at, nt));
        }
    }

    /// Whether a PSAM has voided this payment, as its open batch says.
    fn is_voided(&mut self, at: usize, nt: SamCounter) -> bool {
        let sam = self.terminals[at].sam();
        let Ok(stands) = sam.information() else { return false };
        let mut records = (0..stands.entries).filter_map(|index| sam.collect(stands.batch, index).ok());
        records.any(|record| record.outcome == Outcome::Voided && record.value.entry.order.nt == nt)
    }

    /// A holder who has little loads his purse from his account.
    fn load_honest(&mut self, purse: usize, chance: &mut Chance, till: &mut Till) -> Result<(), Error> {
        let (mut random, minor) = (chance.clone(), some(chance, LOAD));
        let now = self.system.now;
        let end = self.attend(&mut random, |terminal, cards| {
            terminal.load(&mut cards.hand(purse), minor, Funding::Account, now)
        });
        end.into_iter().try_for_each(|end| till.attended(self, &end))
    }

    /// Somebody comes to the attendant's load terminal.
    pub fn attend<T>(
        &mut self,
        random: &mut Chance,
        action: impl FnOnce(&mut LoadTerminal<'_>, &mut Cards) -> T,
    ) -> T {
        let believes = !self.has(Weakness::EvidenceAccepted);
        let Self { system, cards, doubts, .. } = self;
        let line = Direct(system.office.background.at(system.now));
        let mut authority = Screen { authority: LinkAuthority::new(line, &system.load_key), believes };
        let mut terminal = LoadTerminal::new(load_terminal(), &mut authority, doubts, random);
        action(&mut terminal, cards)
    }

    /// An honest merchant brings in what his PSAM has; the batches.
    pub fn collect(&mut self, at: usize) -> Result<Vec<Batch>, Error> {
        let mut batches = Vec::new();
        for collected in self.terminals[at].collect()? {
            let batch = Batch { trailer: collected.trailer, records: collected.records };
            if let Response::Acknowledged(word) = self.say(&Request::SubmitBatch(batch.clone())) {
                self.terminals[at].acknowledge(&word)?;
            }
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// What an attendant hears of the issuer: all of it, or, where he believes the card, not that the
/// issuer has rejected its answer.
#[derive(Debug)]
struct Screen<A> {
    authority: A,
    believes: bool,
}

impl<A: LoadAuthority> LoadAuthority for Screen<A> {
    fn authorise(&mut self, request: &TransferRequest) -> Result<Execute, host::Error> {
        self.authority.authorise(request)
    }

    fn complete(&mut self, record: &ValueRecord) -> Result<(), host::Error> {
        let accepted = self.authority.complete(record);
        if self.believes { Ok(()) } else { accepted }
    }

    fn resolve(
        &mut self,
        counterpart: Counterpart,
        previous: &PreviousSignature,
        nt: Counter,
    ) -> Result<Resolved, host::Error> {
        self.authority.resolve(counterpart, previous, nt)
    }
}
