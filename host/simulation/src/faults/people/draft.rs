//! Fields of moves, drawn: mostly from the notebook, so that a move can go on from what was seen, and
//! now and then invented.

use apdu_spec::batch::Acknowledgement;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Amount, BatchNumber, Counter, Kind, Mac, Pin, SamCounter, Time};
use apdu_spec::purse::{
    Cancel, ChangePinRequest, Execute, Executed, InitializePurchase, InitializeTransfer, Initialized,
    PresentPin, PreviousRequest, PreviousSignature, ReadLog,
};
use apdu_spec::record::{Counterpart, ValueRecord};
use apdu_spec::sam::{
    CancelPurchase, CollectRequest, CompleteRequest, CreditRequest, OpenPurchase, ReceiptRequest,
    RenounceRequest, TrailerRequest, VerifyContact,
};
use network::authentication::Question;
use network::{Batch, Funding, Request, ResolveRequest, Signed, TransferRequest};
use rand_core::Rng;

use super::notebook::Notebook;
use crate::faults::chance::Chance;
use crate::faults::crooks::{mac, random};
use crate::faults::fate::Fate;
use crate::faults::system::{VERSION, amount, load_terminal, module};

/// What a move is drawn from.
#[derive(Debug)]
pub struct Draft<'d> {
    notebook: &'d Notebook,
    pub(super) chance: &'d mut Chance,
    key: &'d OnlineKey,
    now: Time,
}

/// Can be drawn: seen or invented. Nothing where it was never seen and cannot be invented.
pub(super) trait Drawn: Sized {
    /// One of them.
    fn draw(draft: &mut Draft<'_>) -> Option<Self>;
}

impl<'d> Draft<'d> {
    /// From what was seen until now, with the key of a load terminal.
    pub const fn new(fate: &'d mut Fate, key: &'d OnlineKey, now: Time) -> Self {
        Self { notebook: &fate.notebook, chance: &mut fate.chance, key, now }
    }

    fn seldom(&mut self) -> bool {
        self.chance.below(12) == 0
    }

    /// One of this kind.
    pub(super) fn draw<T: Drawn>(&mut self) -> Option<T> {
        T::draw(self)
    }

    /// A message that was sent before, as it was.
    pub(super) fn repeated(&mut self) -> Option<Request> {
        self.notebook.requests.draw(self.chance)
    }
}

macro_rules! drawn {
    ($($name:ident { $($field:ident),* })*) => {
        $(impl Drawn for $name {
            fn draw(draft: &mut Draft<'_>) -> Option<Self> {
                Some(Self { $($field: draft.draw()?),* })
            }
        })*
    };
}

// Each field by itself: one from here, another from there.
drawn! {
    CompleteRequest { nt, previous }
    CancelPurchase { nt, previous }
    RenounceRequest { nt }
    ReceiptRequest { previous }
    TrailerRequest { batch }
    CollectRequest { batch, index }
    Cancel { secret }
    PresentPin { pin }
    ChangePinRequest { old, new }
    InitializePurchase { group, version, counterpart }
    InitializeTransfer { version, counterpart, amount }
    PreviousRequest { group, version, counterpart, number }
    ResolveRequest { counterpart, previous, nt }
}

macro_rules! seen {
    ($($name:ident in $page:ident;)*) => {
        $(impl Drawn for $name {
            fn draw(draft: &mut Draft<'_>) -> Option<Self> {
                draft.notebook.$page.draw(draft.chance)
            }
        })*
    };
}

// Under MACs: what nobody has made, nobody takes.
seen! {
    Initialized in initialized;
    PreviousSignature in previous;
}

impl Drawn for () {
    fn draw(_: &mut Draft<'_>) -> Option<Self> {
        Some(())
    }
}

/// A group, a key version, an index.
impl Drawn for u8 {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        Some(if draft.seldom() { 0 } else { VERSION })
    }
}

impl Drawn for u16 {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        Self::try_from(draft.chance.below(24)).ok()
    }
}

impl Drawn for Amount {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let seen = draft.notebook.orders.draw(draft.chance).map(|execute| execute.order.amount);
        Some(match draft.chance.below(16) {
            0 => amount(draft.chance.below(3)),
            1 => Self::MAX,
            2..=5 => seen.unwrap_or_default(),
            _ => amount(1 + draft.chance.below(200)),
        })
    }
}

/// NT or NV: about where a purse stands.
impl Drawn for Counter {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let position = draft.notebook.initialized.draw(draft.chance)?.statement.position;
        let stands = if draft.chance.coin() { position.nt } else { position.nv }.get();
        Self::new((stands + draft.chance.below(3)).saturating_sub(draft.chance.below(2)))
    }
}

impl Drawn for SamCounter {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let seen = draft.notebook.orders.draw(draft.chance)?.order.nt.get();
        Some(Self(if draft.seldom() { draft.chance.below(seen.saturating_add(2)) } else { seen }))
    }
}

impl Drawn for BatchNumber {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let closed = draft.notebook.trailers.draw(draft.chance).map_or(0, |trailer| trailer.batch.get());
        Self::new(closed + draft.chance.below(2))
    }
}

impl Drawn for Time {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let late = if draft.seldom() { draft.chance.below(100_000) } else { 0 };
        Some(Self(draft.now.0.saturating_add(late)))
    }
}

impl Drawn for Counterpart {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let seen = draft.notebook.counterparts.draw(draft.chance);
        if !draft.seldom() && seen.is_some() {
            return seen;
        }
        let sam = if draft.chance.coin() { load_terminal() } else { module(1 + draft.chance.below(4)) };
        Some(Self { sam, challenge: random(draft.chance) })
    }
}

impl Drawn for Mac {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        Some(mac(draft.chance))
    }
}

impl Drawn for Key {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let mut invented = [0; 16];
        draft.chance.fill_bytes(&mut invented);
        draft.notebook.secrets.draw(draft.chance).or(Some(Self::new(invented)))
    }
}

impl Drawn for Pin {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        Self::new(&format!("{:04}", draft.chance.below(10_000))).ok()
    }
}

impl Drawn for VerifyContact {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let Initialized { key, statement, s1 } = draft.draw()?;
        Some(Self { key, statement, s1, time: draft.draw()? })
    }
}

impl Drawn for OpenPurchase {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let VerifyContact { key, statement, s1, time } = draft.draw()?;
        Some(Self { key, statement, s1, amount: draft.draw()?, time })
    }
}

/// What a purse answered, with the number of some purchase.
impl Drawn for CreditRequest {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let Executed { s3, s6 } = draft.notebook.executed.draw(draft.chance)?;
        let s6 = if draft.seldom() { draft.draw()? } else { s6 };
        Some(Self { nt: draft.draw()?, s3, s6 })
    }
}

impl Drawn for Execute {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let mut execute = draft.notebook.orders.draw(draft.chance)?;
        if draft.seldom() {
            execute.order.amount = draft.draw()?;
        }
        Some(execute)
    }
}

impl Drawn for Acknowledgement {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let mut word = draft.notebook.acknowledgements.draw(draft.chance)?;
        if draft.seldom() {
            word.batch = draft.draw()?;
        }
        Some(word)
    }
}

impl Drawn for ReadLog {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        u8::try_from(1 + draft.chance.below(4)).ok().map(|record| Self { record })
    }
}

impl Drawn for TransferRequest {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let kind = if draft.chance.below(3) == 0 { Kind::Unload } else { Kind::Load };
        let sources = [Funding::Account, Funding::Cash, Funding::Operator, Funding::Refund];
        let funding = sources[draft.chance.place(sources.len())];
        let (initialized, counterpart) = (draft.draw()?, draft.draw()?);
        Some(Self { kind, funding, initialized, counterpart, amount: draft.draw()?, time: draft.draw()? })
    }
}

impl Drawn for ValueRecord {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let mut value = draft.notebook.values.draw(draft.chance)?;
        if draft.seldom() {
            value.entry.order.amount = draft.draw()?;
        }
        Some(value)
    }
}

/// Under the key of the load terminal, or under a MAC that is none.
impl<Q: Question + Drawn> Drawn for Signed<Q> {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        let signed = Self::by(draft.key, draft.draw()?);
        Some(if draft.seldom() { Self { mac: draft.draw()?, ..signed } } else { signed })
    }
}

impl Drawn for Batch {
    fn draw(draft: &mut Draft<'_>) -> Option<Self> {
        draft.notebook.batch(draft.chance)
    }
}
