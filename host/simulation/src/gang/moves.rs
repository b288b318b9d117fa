//! Single commands and messages, each with what the notebook offers, or something made up.

use apdu_spec::element::{BatchNumber, Counter, Kind, Mac, SamCounter, SamId, Time};
use apdu_spec::purse::{Execute, PreviousRequest};
use apdu_spec::record::{Counterpart, ValueRecord};
use apdu_spec::sam::{CreditRequest, OpenPurchase, VerifyContact};
use host::card::purse::PurseCard;
use network::{Batch, Funding, Request, ResolveRequest, Response, Signed, TransferRequest};
use rand_core::Rng as _;

use super::members::{Gang, PAYMENT};
use super::notebook::{Ordered, Stated, Word};
use super::town::{GANG_PLACES, Town, fresh, some};
use crate::faults::chance::Chance;
use crate::faults::system::{GROUP, VERSION, load_terminal, module, psam_at};

impl Gang {
    /// A command to one of their PSAMs.
    pub fn tell_psam(&mut self, town: &mut Town, chance: &mut Chance) {
        let place = GANG_PLACES[chance.place(2)];
        let mut psam = town.psam(place);
        let now = town.system.now;
        let note = &mut self.notebook;
        let word = note.words.pick(chance);
        let order = note.orders.pick(chance);
        let nt = order.map_or(SamCounter(1 + chance.below(9)), |order| order.execute.order.nt);
        let batch = BatchNumber::new(1 + chance.below(6)).unwrap_or_default();
        match chance.below(15) {
            0 => note.challenges.add_all(psam.challenge().map(|challenge| (place, challenge))),
            1 | 2 => {
                let Some(stated) = note.statements.pick(chance) else { return };
                let Stated { initialized, .. } = stated;
                let (key, statement, s1) = (initialized.key, initialized.statement, initialized.s1);
                let (amount, time) = (some(chance, PAYMENT), when(now, chance));
                let opened = psam.open_purchase(&OpenPurchase { key, statement, s1, amount, time });
                note.orders.add_all(opened.map(|opened| {
                    let execute = Execute { order: opened.order, s2: opened.s2 };
                    Ordered { stated, execute }
                }));
            }
            3 => {
                let Some(Stated { initialized, .. }) = note.statements.pick(chance) else { return };
                let (key, statement, s1) = (initialized.key, initialized.statement, initialized.s1);
                let _ = psam.verify_contact(&VerifyContact { key, statement, s1, time: when(now, chance) });
            }
            4 | 5 => {
                let Some((of, executed)) = note.answers.pick(chance) else { return };
                let nt = if chance.below(4) == 0 { nt } else { of };
                let _ = psam.credit(&CreditRequest { nt, s3: executed.s3, s6: executed.s6 });
            }
            6 => drop(word.map(|word| psam.complete(nt, word.previous))),
            7 => drop(word.map(|word| psam.store_receipt(word.previous))),
            8 | 9 => {
                let given = word.and_then(|word| psam.cancel(nt, word.previous).ok());
                note.secrets.add_all(given.map(|given| given.secret));
            }
            10 => drop(psam.renounce(nt)),
            11 => note.trailers.add_all(psam.close_batch()),
            12 => note.trailers.add_all(psam.trailer(batch)),
            13 => {
                let Ok(stands) = psam.information() else { return };
                let batch = if chance.coin() { stands.batch } else { batch };
                let index = u16::try_from(chance.below(u32::from(stands.entries) + 1)).unwrap_or_default();
                note.records.add_all(psam.collect(batch, index));
            }
            _ => drop(note.acknowledgements.pick(chance).map(|word| psam.acknowledge(&word))),
        }
    }

    /// A command to a purse in the hand: most of the time one of theirs.
    pub fn tell_purse(&mut self, town: &mut Town, chance: &mut Chance) {
        let (card, terminal) = (self.any_card(town, chance), town.own.0);
        let mut hand = town.cards.hand(card);
        let mut purse = match chance.below(8) {
            0 => match PurseCard::select(&mut hand) {
                Ok(purse) => purse,
                Err(_) => return,
            },
            _ => PurseCard::selected(&mut hand),
        };
        let note = &mut self.notebook;
        match chance.below(10) {
            0 | 1 => {
                let known = note.challenges.pick(chance);
                let counterpart = known.map_or_else(
                    || stranger(terminal, chance),
                    |(place, challenge)| Counterpart { sam: psam_at(place), challenge },
                );
                let stated = purse.initialize_purchase(GROUP, VERSION, counterpart);
                let kind = Kind::Purchase;
                note.statements.add_all(stated.map(|initialized| Stated { initialized, counterpart, kind }));
            }
            2 => {
                let kind = if chance.coin() { Kind::Load } else { Kind::Unload };
                let counterpart = Counterpart { sam: terminal, challenge: fresh(chance) };
                let stated = purse.initialize_transfer(kind, VERSION, counterpart, some(chance, 4_000));
                note.statements.add_all(stated.map(|initialized| Stated { initialized, counterpart, kind }));
            }
            3 | 4 => {
                let Some(ordered) = note.orders.pick(chance) else { return };
                if let Ok(executed) = purse.execute(ordered.stated.kind, &ordered.execute) {
                    note.executed(&ordered, executed);
                }
            }
            5 | 6 => drop(note.secrets.pick(chance).map(|secret| purse.cancel(secret))),
            _ => self.ask(&mut purse, terminal, chance),
        }
    }

    /// A purse is asked for its word, by whoever.
    fn ask(&mut self, purse: &mut PurseCard<'_>, terminal: SamId, chance: &mut Chance) {
        let Ok(stands) = purse.information() else { return };
        let by_nt = chance.coin();
        let newest = if by_nt { stands.nt } else { stands.nv };
        let back = if chance.coin() { 0 } else { chance.below(6) };
        let number = Counter::new(newest.get().saturating_sub(back)).unwrap_or_default();
        let place = GANG_PLACES[chance.place(2)];
        let (group, sam) = if chance.below(3) == 0 { (0, terminal) } else { (GROUP, psam_at(place)) };
        let challenge = match self.notebook.challenges.pick(chance) {
            Some((at, challenge)) if at == place && group == GROUP => challenge,
            _ => fresh(chance),
        };
        let counterpart = Counterpart { sam, challenge };
        let request = PreviousRequest { group, version: VERSION, counterpart, number };
        let answer = if by_nt { purse.previous_by_nt(&request) } else { purse.previous_by_nv(&request) };
        if let Ok(previous) = answer {
            self.notebook.word(Word { counterpart, previous });
        }
    }

    /// A message to the background system.
    pub fn tell_office(&mut self, town: &mut Town, chance: &mut Chance) {
        let Some(request) = self.message(town, chance) else { return };
        let asked = request.clone();
        let answer = town.say(&request);
        if let (Request::AuthoriseTransfer(asked), Response::Decision(decision)) = (asked, &answer) {
            let TransferRequest { initialized, counterpart, kind, .. } = asked.fields;
            let stated = Stated { initialized, counterpart, kind };
            self.notebook.orders.add(Ordered { stated, execute: decision.fields.execute });
        }
        self.hear(answer);
    }

    fn message(&self, town: &Town, chance: &mut Chance) -> Option<Request> {
        let (terminal, key) = &town.own;
        let note = &self.notebook;
        Some(match chance.below(8) {
            0..=2 => Request::SubmitBatch(self.batch(chance)?),
            3 | 4 => {
                let transfers = |stated: &Stated| stated.kind != Kind::Purchase;
                let Stated { initialized, counterpart, kind } = note.statements.pick_if(chance, transfers)?;
                let funding = [Funding::Account, Funding::Cash, Funding::Operator, Funding::Refund];
                let (funding, amount) = (funding[chance.place(4)], some(chance, 4_000));
                let time = when(town.system.now, chance);
                let asked = TransferRequest { kind, funding, initialized, counterpart, amount, time };
                Request::AuthoriseTransfer(Signed::by(key, asked))
            }
            5 | 6 => {
                let own = |value: &ValueRecord| value.entry.counterpart.sam == *terminal;
                let own =
                    if chance.coin() { note.values.pick_if(chance, own) } else { note.values.pick(chance) };
                Request::CompleteTransfer(Signed::by(key, own?))
            }
            _ => {
                let Word { counterpart, previous } = note.words.pick(chance)?;
                let counterpart =
                    if chance.below(8) == 0 { stranger(*terminal, chance) } else { counterpart };
                let asked = ResolveRequest { counterpart, previous, nt: previous.asked };
                Request::ResolveTransfer(Signed::by(key, asked))
            }
        })
    }

    /// A batch put together from what there is: whole, short, of two, or in another order.
    pub(super) fn batch(&self, chance: &mut Chance) -> Option<Batch> {
        let note = &self.notebook;
        let withheld = self.withheld.map(psam_at);
        let mut trailer = note.trailers.pick_if(chance, |trailer| Some(trailer.sam) != withheld)?;
        let mut records =
            note.records.all(|record| (record.sam, record.batch) == (trailer.sam, trailer.batch));
        records.sort_by_key(|record| record.index);
        records.dedup_by_key(|record| record.index);
        match chance.below(6) {
            0 => drop(records.pop()),
            1 => records.extend(note.records.pick(chance)),
            2 => records.reverse(),
            3 => trailer.s4 = Mac(chance.next_u64().to_be_bytes()),
            _ => {}
        }
        Some(Batch { trailer, records })
    }

    /// What the background system answers is written down.
    pub fn hear(&mut self, answer: Response) {
        if let Response::Acknowledged(word) = answer {
            self.notebook.acknowledgements.add(word);
        }
    }
}

/// Now, or as somebody has set his clock.
fn when(now: Time, chance: &mut Chance) -> Time {
    match chance.below(8) {
        0 => Time(now.0.saturating_sub(chance.below(40 * 86_400))),
        1 => Time(now.0.saturating_add(chance.below(40 * 86_400))),
        _ => now,
    }
}

/// Somebody asks who has no key: a load terminal, or nobody.
fn stranger(terminal: SamId, chance: &mut Chance) -> Counterpart {
    let sam = [terminal, load_terminal(), module(77)][chance.place(3)];
    Counterpart { sam, challenge: fresh(chance) }
}
