//! What dishonest people have seen: the commands and answers of every card, the messages of every line.

use std::collections::{BTreeMap, VecDeque};

use apdu_spec::Element;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::crypto::Key;
use apdu_spec::element::{Kind, SamId};
use apdu_spec::purse::{Execute, Executed, Initialized, PreviousSignature, PurseCommand};
use apdu_spec::record::{BatchRecord, Counterpart, LogEntry, ValueRecord};
use apdu_spec::sam::{CancellationSecret, Challenge, Opened, SamCommand};
use network::{Batch, Request, Response};

use crate::faults::chance::Chance;

/// How much of one kind is remembered.
const PAGES: usize = 12;

/// What was seen of one kind, the latest at the end.
#[derive(Clone, Debug)]
pub struct Seen<T>(VecDeque<T>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(VecDeque::with_capacity(PAGES))
    }
}

impl<T: Clone> Seen<T> {
    pub(super) fn note(&mut self, seen: T) {
        if self.0.len() == PAGES {
            self.0.pop_front();
        }
        self.0.push_back(seen);
    }

    /// Mostly the latest, else any.
    pub(super) fn draw(&self, chance: &mut Chance) -> Option<T> {
        let latest = chance.below(4) > 0;
        let place = if latest { self.0.len().checked_sub(1)? } else { chance.place(self.0.len()) };
        self.0.get(place).cloned()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

/// Everything that they have seen.
#[derive(Clone, Debug, Default)]
pub struct Notebook {
    /// Whether anybody reads it.
    pub open: bool,
    pub(super) counterparts: Seen<Counterpart>,
    pub(super) initialized: Seen<Initialized>,
    pub(super) orders: Seen<Execute>,
    pub(super) executed: Seen<Executed>,
    pub(super) previous: Seen<PreviousSignature>,
    pub(super) secrets: Seen<Key>,
    pub(super) records: Seen<BatchRecord>,
    pub(super) values: Seen<ValueRecord>,
    pub(super) trailers: Seen<Trailer>,
    pub(super) acknowledgements: Seen<Acknowledgement>,
    pub(super) requests: Seen<Request>,
    /// Who asked the purse of the latest session.
    asked: Option<Counterpart>,
    /// Answers of purses by INS and P1, as bytes.
    answers: BTreeMap<(u8, u8), Seen<Vec<u8>>>,
}

/// The element in an answer, where its status word is 9000.
fn data<E: Element>(answer: &[u8]) -> Option<E> {
    let (data, [0x90, 0x00]) = answer.split_last_chunk::<2>()? else { return None };
    E::from_bytes(data).ok()
}

impl Notebook {
    /// A purse was sent a command, and answered.
    pub fn hear_purse(&mut self, bytes: &[u8], command: &PurseCommand, answer: &[u8]) {
        use PurseCommand as C;
        if answer.ends_with(&[0x90, 0x00]) && bytes.len() > 3 {
            self.answers.entry((bytes[1], bytes[2])).or_default().note(answer.to_vec());
        }
        match command {
            C::InitializeIep(request) => self.stated(request.counterpart, answer),
            C::InitializeLoad(request) | C::InitializeUnload(request) => {
                self.stated(request.counterpart, answer)
            }
            C::DebitIep(order) => self.ordered(Kind::Purchase, *order, answer),
            C::CreditLoad(order) => self.ordered(Kind::Load, *order, answer),
            C::DebitUnload(order) => self.ordered(Kind::Unload, *order, answer),
            C::CreditCancellation(_) => {
                data(answer).into_iter().for_each(|executed| self.executed.note(executed))
            }
            C::PreviousByNt(_) | C::PreviousByNv(_) => {
                if let Some(previous) = data::<PreviousSignature>(answer) {
                    let identity = previous.statement.identity;
                    let entry = previous.to_receipt().ok().flatten();
                    entry.into_iter().for_each(|entry| self.values.note(ValueRecord { identity, entry }));
                    self.previous.note(previous);
                }
            }
            _ => {}
        }
    }

    fn stated(&mut self, counterpart: Counterpart, answer: &[u8]) {
        if let Some(initialized) = data(answer) {
            self.asked = Some(counterpart);
            self.initialized.note(initialized);
        }
    }

    /// A purse was ordered to move value; where it did, that makes a record.
    fn ordered(&mut self, kind: Kind, execute: Execute, answer: &[u8]) {
        self.orders.note(execute);
        let Some(executed) = data::<Executed>(answer) else { return };
        self.executed.note(executed);
        let Some((initialized, counterpart)) = self.initialized.0.back().zip(self.asked) else {
            return;
        };
        let Initialized { key, statement, .. } = *initialized;
        let (position, order) = (statement.position, execute.order);
        let Executed { s3, s6 } = executed;
        let entry = LogEntry { kind, key, position, counterpart, order, s3, s6 };
        self.values.note(ValueRecord { identity: statement.identity, entry });
    }

    /// A PSAM was sent a command, and answered.
    pub fn hear_sam(&mut self, sam: SamId, command: &SamCommand, answer: &[u8]) {
        use SamCommand as C;
        match command {
            C::GetChallenge(()) => {
                let challenge = data::<Challenge>(answer);
                challenge.into_iter().for_each(|Challenge { challenge }| {
                    self.counterparts.note(Counterpart { sam, challenge });
                });
            }
            C::InitializePsam(_) => {
                let opened = data::<Opened>(answer);
                opened.into_iter().for_each(|Opened { order, s2 }| self.orders.note(Execute { order, s2 }));
            }
            C::PsamCancel(_) => {
                let given = data::<CancellationSecret>(answer);
                given.into_iter().for_each(|given| self.secrets.note(given.secret));
            }
            C::CloseBatch(()) | C::ReadTrailer(_) => {
                data(answer).into_iter().for_each(|trailer| self.trailers.note(trailer));
            }
            C::PsamCollect(_) => {
                if let Some(record) = data::<BatchRecord>(answer) {
                    self.values.note(record.value);
                    self.records.note(record);
                }
            }
            _ => {}
        }
    }

    /// A message has crossed a line, and was answered or not.
    pub fn hear_line(&mut self, request: &Request, answer: Option<&Response>) {
        self.requests.note(request.clone());
        match answer {
            Some(Response::Acknowledged(word)) => self.acknowledgements.note(word.clone()),
            Some(Response::Decision(decision)) => self.orders.note(decision.fields.execute),
            _ => {}
        }
    }

    /// What a relay answers in the place of a purse to a command that it swallows.
    pub fn invent(&self, bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
        let recorded = (bytes.len() > 3).then(|| self.answers.get(&(bytes[1], bytes[2]))).flatten();
        let mut answer = recorded.and_then(|seen| seen.draw(chance)).unwrap_or_else(|| vec![0x90, 0x00]);
        let data = answer.len() - 2;
        if chance.coin() {
            rand_core::Rng::fill_bytes(chance, &mut answer[..data]);
        }
        answer
    }

    /// A batch that somebody hands in again: a trailer, with the records that are there for it.
    pub(super) fn batch(&self, chance: &mut Chance) -> Option<Batch> {
        let trailer = self.trailers.draw(chance)?;
        let of = |record: &&BatchRecord| (record.sam, record.batch) == (trailer.sam, trailer.batch);
        let mut records: Vec<_> = self.records.iter().filter(of).copied().collect();
        records.sort_by_key(|record| record.index);
        records.dedup_by_key(|record| record.index);
        if chance.below(4) == 0 {
            records.pop();
        }
        Some(Batch { trailer, records })
    }
}
