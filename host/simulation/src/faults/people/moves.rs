//! Moves: every command and every message that there is. Whoever adds one to an interface has to add it
//! here as well, because each is sent by a `match` over all of them.

use host::card::execute;
use host::reader::Reader;
use network::Request;

use apdu_spec::purse::PurseCommand;
use apdu_spec::sam::SamCommand;

use super::draft::Draft;
use crate::faults::chance::Chance;
use crate::faults::rates::Fault;

/// A move.
#[derive(Clone, Debug)]
pub enum Move {
    /// At a PSAM.
    Sam(SamCommand),
    /// At a purse.
    Purse(PurseCommand),
    /// To the background system.
    Office(Request),
}

/// How a move is drawn; nothing where what it needs was never seen.
type Draw = fn(&mut Draft<'_>) -> Option<Move>;

macro_rules! moves {
    ($set:ident in $module:ident as $variant:ident, $all:ident: $($name:ident),*) => {
        const $all: &[Draw] = &[$(|draft| Some(Move::$variant($set::$name(draft.draw()?)))),*];

        impl Sent for $set {
            fn send(&self, reader: &mut dyn Reader) {
                match self {
                    $(Self::$name(request) => drop(execute::<apdu_spec::$module::$name>(reader, request)),)*
                }
            }
        }
    };
}

/// A command that is sent; what comes of it, the notebook hears.
pub(super) trait Sent {
    fn send(&self, reader: &mut dyn Reader);
}

moves! { SamCommand in sam as Sam, AT_PSAM:
    GetChallenge, InitializePsam, VerifyPurse, CreditPsam, PsamComplete, CloseBatch, ReadTrailer, PsamCollect,
    PsamAcknowledge, StoreReceipt, PsamCancel, PsamRenounce, GetSamData
}

moves! { PurseCommand in purse as Purse, AT_PURSE:
    InitializeLoad, InitializeIep, InitializeUnload, CreditLoad, CreditCancellation, DebitIep, DebitUnload,
    PreviousByNt, PreviousByNv, GetBalance, ReadRecord, GetPurseData, VerifyPin, ChangePin, ResetPin
}

/// Messages: one of each kind, and one that was sent before.
const TO_OFFICE: &[Draw] = &[
    |draft| Some(Move::Office(Request::AuthoriseTransfer(draft.draw()?))),
    |draft| Some(Move::Office(Request::CompleteTransfer(draft.draw()?))),
    |draft| Some(Move::Office(Request::ResolveTransfer(draft.draw()?))),
    |draft| Some(Move::Office(Request::SubmitBatch(draft.draw()?))),
    |draft| draft.repeated().map(Move::Office),
];

impl Move {
    /// The word for it. A new message has to be drawn above.
    #[must_use]
    pub fn name(&self) -> String {
        let debug = match self {
            Self::Sam(command) => format!("{command:?}"),
            Self::Purse(command) => format!("{command:?}"),
            Self::Office(Request::AuthoriseTransfer(_)) => "AuthoriseTransfer".into(),
            Self::Office(Request::CompleteTransfer(_)) => "CompleteTransfer".into(),
            Self::Office(Request::ResolveTransfer(_)) => "ResolveTransfer".into(),
            Self::Office(Request::SubmitBatch(_)) => "SubmitBatch".into(),
        };
        debug.split('(').next().unwrap_or_default().into()
    }
}

/// The order of an honest protocol, from which a person strays at any move.
#[derive(Clone, Debug)]
pub struct Plan {
    order: &'static [Draw],
    next: usize,
}

macro_rules! order {
    ($($variant:ident $set:ident::$name:ident),* $(,)?) => {
        &[$(|draft| Some(Move::$variant($set::$name(draft.draw()?)))),*]
    };
}

/// What merchants, holders and attendants do all day.
const ORDERS: [&[Draw]; 5] = [
    order![
        Sam SamCommand::GetChallenge, Purse PurseCommand::InitializeIep, Sam SamCommand::InitializePsam,
        Purse PurseCommand::DebitIep, Sam SamCommand::CreditPsam,
    ],
    order![
        Sam SamCommand::GetChallenge, Purse PurseCommand::PreviousByNv, Sam SamCommand::PsamCancel,
        Purse PurseCommand::CreditCancellation,
    ],
    order![Sam SamCommand::GetChallenge, Purse PurseCommand::PreviousByNv, Sam SamCommand::StoreReceipt],
    order![
        Sam SamCommand::CloseBatch, Sam SamCommand::PsamCollect, Sam SamCommand::PsamCollect,
        Sam SamCommand::PsamCollect, Office Request::SubmitBatch, Sam SamCommand::PsamAcknowledge,
    ],
    order![
        Purse PurseCommand::InitializeLoad, Office Request::AuthoriseTransfer, Purse PurseCommand::CreditLoad,
        Office Request::CompleteTransfer,
    ],
];

impl Plan {
    /// What a person begins with: payments and batches are a merchant's, loads an attendant's.
    #[must_use]
    pub fn of(person: Fault, chance: &mut Chance) -> Self {
        let order = match person {
            Fault::Merchant => chance.place(4),
            Fault::Holder => chance.place(3),
            _ => 4,
        };
        Self { order: ORDERS[order], next: 0 }
    }

    /// The next move: as it should be, or any.
    pub(super) fn next(&mut self, draft: &mut Draft<'_>) -> Option<Move> {
        if draft.chance.below(4) == 0 {
            return any(draft);
        }
        let Some(draw) = self.order.get(self.next) else {
            *self = Self { order: ORDERS[draft.chance.place(ORDERS.len())], next: 0 };
            return any(draft);
        };
        self.next += 1;
        draw(draft)
    }
}

/// Any move that there is.
fn any(draft: &mut Draft<'_>) -> Option<Move> {
    let all = [AT_PSAM, AT_PURSE, TO_OFFICE][draft.chance.place(3)];
    all[draft.chance.place(all.len())](draft)
}

#[test]
fn every_command_and_every_message_is_drawn() {
    use crate::faults::system::System;
    use crate::faults::{Plan as Run, Rates};
    let rates = Rates::parse("merchant=0.2,holder=0.2,attendant=0.2").expect("rates");
    let rows = SamCommand::ROWS.iter().chain(PurseCommand::ROWS).map(|row| row.name);
    let messages = ["AuthoriseTransfer", "CompleteTransfer", "ResolveTransfer", "SubmitBatch"];
    let mut waiting: std::collections::BTreeSet<_> = rows.chain(messages).collect();
    let mut system = System::new(&Run::new(1), rates, true).expect("a system");
    for step in 1..=600 {
        system.step(step).expect("a step");
        let lines = system.shared.lock().trace.replace(Vec::new()).unwrap_or_default();
        for line in &lines {
            waiting.remove(line.trim());
        }
    }
    assert!(waiting.is_empty(), "never drawn: {waiting:?}");
}
