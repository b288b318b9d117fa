//! Load and unload: one purse, its issuer, and everybody in between, who may give any S1, S2,
//! evidence or answer of GET PREVIOUS to the other side at any time, again, or never.
//!
//! The issuer keeps everything before it answers, so that its restart changes nothing;
//! a restarted terminal is one that does not deliver. Bound: sessions and losses of
//! power; one purchase may come in between, so that NV and the NV of the last load differ.

mod rules;

use simulation::model::{Event, Kind, Minor, Model};
use system_tests::explore::Machine;

use crate::check;

bugs! {
    /// The same S1 again is booked again.
    BookedAgain,
    /// A load is reversed because time has passed.
    ReversedByTime,
    /// Any value commit since confirms a load.
    AnyCommitConfirms,
    /// GET PREVIOUS leaves the session open.
    SessionSurvives,
    /// S2 frees receipts that the issuer does not have.
    FreedUnknown,
    /// The purse carries a refusal out.
    RefusalIgnored,
    /// The evidence of an unload that comes again is paid again.
    PaidAgain,
    /// A later value commit confirms an unload.
    AnyCommitConfirmsUnload,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Sessions of the purse.
    pub(crate) sessions: u8,
    /// Losses of power.
    pub(crate) tears: u8,
    /// What is wrong.
    pub(crate) bug: Option<Bug>,
}

/// Where the purse stood.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Standing {
    nt: u8,
    nv: u8,
    nv_load: u8,
}

/// What a purse states that it wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Wish {
    Load,
    /// Of an amount that the issuer refuses.
    GreatLoad,
    Unload,
}

impl Wish {
    pub(crate) const fn kind(self) -> Kind {
        if matches!(self, Self::Unload) { Kind::Unload } else { Kind::Load }
    }

    /// Minor units.
    pub(crate) const fn amount(self) -> Minor {
        if matches!(self, Self::GreatLoad) { 2_000_000 } else { 10 }
    }
}

/// S1 of a load or unload.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Statement {
    wish: Wish,
    standing: Standing,
    balance: Minor,
    freed: u8,
}

/// The answer of GET PREVIOUS by NT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Previous {
    pub(crate) asked: u8,
    found: Option<u8>,
    at: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Fate {
    Refused,
    Pending,
    Confirmed,
    Complete,
    Reversed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Transfer {
    nt: u8,
    fate: Fate,
    freed: u8,
}

/// Purse, issuer, messages, and the abstract model beside them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    pub(crate) model: Model,
    /// S1 of every session; nothing where it was a purchase.
    statements: Vec<Option<Statement>>,
    session: bool,
    /// NT of every value commit, and what it is.
    log: Vec<(u8, Kind)>,
    freed: u8,
    transfers: Vec<Transfer>,
    /// Value commits that the issuer knows.
    known: Vec<u8>,
    shadow: Minor,
    previous: Vec<Previous>,
    tears: u8,
}

/// A message is delivered, or power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// INITIALIZE IEP for Load or Unload.
    Initialize { wish: Wish },
    /// The issuer gets S1 of this session.
    Authorise { nt: u8 },
    /// CREDIT IEP or DEBIT IEP with S2 of this session.
    Execute { nt: u8 },
    /// The issuer gets the evidence of this session.
    Complete { nt: u8 },
    /// GET PREVIOUS about this session.
    Previous { asked: u8 },
    /// The issuer gets such an answer.
    Resolve { previous: Previous },
    /// A whole purchase.
    Pay,
    /// The purse loses power.
    Tear,
    /// Time passes: nothing may follow from it.
    Wait,
}

impl State {
    fn nt(&self) -> u8 {
        self.statements.len() as u8
    }

    fn nv(&self) -> u8 {
        self.log.len() as u8
    }

    fn standing(&self) -> Standing {
        let load = self.log.iter().rposition(|(_, kind)| *kind == Kind::Load);
        let nv_load = load.map_or(0, |place| place as u8 + 1);
        Standing { nt: self.nt(), nv: self.nv(), nv_load }
    }

    fn statement(&self, nt: u8) -> Option<Statement> {
        self.statements[usize::from(nt) - 1]
    }

    /// NV of what session `nt` committed.
    fn committed(&self, nt: u8) -> Option<u8> {
        self.log.iter().position(|entry| entry.0 == nt).map(|place| place as u8 + 1)
    }

    /// The answer that the purse has just given.
    pub(crate) fn answer(&self, asked: u8) -> Previous {
        Previous { asked, found: self.committed(asked), at: self.standing() }
    }
}

impl Machine for Load {
    type State = State;
    type Step = Step;
    const SOMETIMES: &'static [&'static str] = &[
        "a load is confirmed by a later word of the purse",
        "a load is complete",
        "a load is reversed",
        "a load is refused",
        "an unload is paid",
        "an unload is reversed",
        "S2 frees receipts",
    ];

    fn start(&self) -> State {
        let mut model = Model::default();
        for event in [Event::PurseIssued { range: (0, 1_000_000) }, Event::SamInstalled] {
            model.apply(event).expect("issued");
        }
        State {
            model,
            statements: Vec::new(),
            session: false,
            log: Vec::new(),
            freed: 0,
            transfers: Vec::new(),
            known: Vec::new(),
            shadow: 0,
            previous: Vec::new(),
            tears: 0,
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        if state.nt() < self.sessions {
            steps.extend([Wish::Load, Wish::GreatLoad, Wish::Unload].map(|wish| Step::Initialize { wish }));
            let balance = state.model.purses[0].balance;
            if balance > 0 && state.log.iter().all(|(_, kind)| *kind != Kind::Purchase) {
                steps.push(Step::Pay);
            }
        }
        for nt in (1..=state.nt()).filter(|nt| state.statement(*nt).is_some()) {
            steps.extend([Step::Authorise { nt }, Step::Previous { asked: nt }]);
            if state.committed(nt).is_some() {
                steps.push(Step::Complete { nt });
            }
        }
        steps.extend(state.transfers.iter().map(|transfer| Step::Execute { nt: transfer.nt }));
        steps.extend(state.previous.iter().map(|previous| Step::Resolve { previous: *previous }));
        if state.session && state.tears < self.tears {
            steps.push(Step::Tear);
        }
        steps.push(Step::Wait);
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        if state.shadow != state.model.purses[0].shadow {
            return Err(format!("the issuer has a shadow balance of {}", state.shadow));
        }
        check(&state.model)
    }

    fn next(&self, state: &State, step: Step) -> Result<(bool, State), String> {
        let mut next = state.clone();
        let accepted = self.act(&mut next, step)?;
        Ok((accepted, next))
    }

    fn seen(&self, state: &State, _: &[Step]) -> u32 {
        let kind = |nt| state.statement(nt).map(|statement| statement.wish.kind());
        let of = |wanted, fate| {
            state.transfers.iter().any(|transfer| transfer.fate == fate && kind(transfer.nt) == Some(wanted))
        };
        let any = |fate| of(Kind::Load, fate);
        let bits = [
            any(Fate::Confirmed),
            any(Fate::Complete),
            any(Fate::Reversed),
            any(Fate::Refused),
            of(Kind::Unload, Fate::Complete),
            of(Kind::Unload, Fate::Reversed),
            state.freed > 0,
        ];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}
