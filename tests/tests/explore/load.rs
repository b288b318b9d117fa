//! The load: one purse, its issuer, and everybody in between, who may give any S1, S2,
//! evidence or answer of GET PREVIOUS to the other side at any time, again, or never.
//!
//! The issuer keeps everything before it answers, so that its restart changes nothing;
//! a restarted terminal is one that does not deliver. Bound: sessions and losses of
//! power; one purchase may come in between, so that NV and the NV of the last load differ.

use simulation::model::{Event, Kind, Minor, Model};
use system_tests::explore::Machine;

use crate::check;

/// Protections that can be taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
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

/// S1 of a load; `great` is an amount that the issuer refuses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Statement {
    great: bool,
    standing: Standing,
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
    /// NT of every value commit, and whether it is a load.
    log: Vec<(u8, bool)>,
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
    /// INITIALIZE IEP for Load.
    Initialize { great: bool },
    /// The issuer gets S1 of this session.
    Authorise { nt: u8 },
    /// CREDIT IEP with S2 of this session.
    Credit { nt: u8 },
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

/// Minor units of a load.
#[must_use]
pub(crate) const fn amount(great: bool) -> Minor {
    if great { 2_000_000 } else { 10 }
}

impl State {
    fn nt(&self) -> u8 {
        self.statements.len() as u8
    }

    fn nv(&self) -> u8 {
        self.log.len() as u8
    }

    fn standing(&self) -> Standing {
        let load = self.log.iter().rposition(|(_, load)| *load);
        let nv_load = load.map_or(0, |place| place as u8 + 1);
        Standing { nt: self.nt(), nv: self.nv(), nv_load }
    }

    fn statement(&self, nt: u8) -> Option<Statement> {
        self.statements[usize::from(nt) - 1]
    }

    /// NV of the load that session `nt` committed.
    fn loaded(&self, nt: u8) -> Option<u8> {
        self.log.iter().position(|entry| *entry == (nt, true)).map(|place| place as u8 + 1)
    }

    /// The answer that the purse has just given.
    pub(crate) fn answer(&self, asked: u8) -> Previous {
        Previous { asked, found: self.loaded(asked), at: self.standing() }
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
        "S2 frees receipts",
    ];

    fn start(&self) -> State {
        let mut model = Model::default();
        for event in [Event::PurseIssued { maximum: 1_000_000, overdraft: 0 }, Event::SamInstalled] {
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
            steps.extend([false, true].map(|great| Step::Initialize { great }));
            let balance = state.model.purses[0].balance;
            if balance > 0 && state.log.iter().all(|(_, load)| *load) {
                steps.push(Step::Pay);
            }
        }
        for nt in (1..=state.nt()).filter(|nt| state.statement(*nt).is_some()) {
            steps.extend([Step::Authorise { nt }, Step::Previous { asked: nt }]);
            if state.loaded(nt).is_some() {
                steps.push(Step::Complete { nt });
            }
        }
        steps.extend(state.transfers.iter().map(|transfer| Step::Credit { nt: transfer.nt }));
        steps.extend(state.previous.iter().map(|previous| Step::Resolve { previous: *previous }));
        if state.session && state.tears < self.tears {
            steps.push(Step::Tear);
        }
        steps.push(Step::Wait);
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        if state.shadow != state.model.explained(0) {
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
        let any = |fate| state.transfers.iter().any(|transfer| transfer.fate == fate);
        let bits = [
            any(Fate::Confirmed),
            any(Fate::Complete),
            any(Fate::Reversed),
            any(Fate::Refused),
            state.freed > 0,
        ];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}

impl Load {
    fn act(&self, state: &mut State, step: Step) -> Result<bool, String> {
        match step {
            Step::Initialize { great } => {
                let (before, freed) = (state.standing(), state.freed);
                let standing = Standing { nt: before.nt + 1, ..before };
                state.statements.push(Some(Statement { great, standing, freed }));
                state.session = true;
                apply(state, Event::SessionOpened { purse: 0 })
            }
            Step::Authorise { nt } => self.authorise(state, nt),
            Step::Credit { nt } => self.credit(state, nt),
            Step::Complete { nt } => self.complete(state, nt),
            Step::Previous { asked } => {
                let answer = state.answer(asked);
                if let Err(place) = state.previous.binary_search(&answer) {
                    state.previous.insert(place, answer);
                }
                if self.bug == Some(Bug::SessionSurvives) {
                    return Ok(true);
                }
                state.session = false;
                apply(state, Event::SessionEnded { purse: 0 })
            }
            Step::Resolve { previous } if previous.found.is_some() => self.complete(state, previous.asked),
            Step::Resolve { previous } => {
                let pending = |transfer: &Transfer| transfer.nt == previous.asked;
                let fate = state.transfers.iter().find(|transfer| pending(transfer)).map(|of| of.fate);
                if fate == Some(Fate::Pending) {
                    self.observe(state, Standing { nt: previous.at.nt + 1, ..previous.at })?;
                }
                Ok(true)
            }
            Step::Pay => pay(state),
            Step::Tear => {
                (state.tears, state.session) = (state.tears + 1, false);
                apply(state, Event::SessionEnded { purse: 0 })
            }
            Step::Wait if self.bug == Some(Bug::ReversedByTime) => {
                let nt = state.transfers.iter().find(|of| of.fate == Fate::Pending).map(|of| of.nt);
                nt.map_or(Ok(true), |nt| conclude(state, nt, false))
            }
            Step::Wait => Ok(true),
        }
    }

    fn authorise(&self, state: &mut State, nt: u8) -> Result<bool, String> {
        let statement = state.statement(nt).expect("as offered");
        let minor = amount(statement.great);
        if let Some(known) = state.transfers.iter().find(|transfer| transfer.nt == nt).copied() {
            if self.bug == Some(Bug::BookedAgain) && known.fate != Fate::Refused {
                state.shadow += minor;
            }
            return Ok(known.fate != Fate::Refused);
        }
        let latest = state.transfers.iter().all(|transfer| transfer.nt < nt);
        if latest {
            self.observe(state, statement.standing)?;
        }
        let approved = latest && !statement.great;
        let complete = (1..).take_while(|nv| state.known.contains(nv)).count() as u8;
        let freed = match self.bug {
            Some(Bug::FreedUnknown) => statement.standing.nv,
            _ => statement.freed.max(complete.min(statement.standing.nv)),
        };
        let fate = if approved { Fate::Pending } else { Fate::Refused };
        state.transfers.push(Transfer { nt, fate, freed });
        if approved {
            state.shadow += minor;
        }
        let (session, kind) = ((0, nt.into()), Kind::Load);
        let order = Event::Authorised { session, kind, amount: minor, approved, freed: freed.into() };
        apply(state, order).map(|_| approved)
    }

    fn credit(&self, state: &mut State, nt: u8) -> Result<bool, String> {
        let transfer = *state.transfers.iter().find(|transfer| transfer.nt == nt).expect("as offered");
        let session = std::mem::take(&mut state.session) && nt == state.nt();
        let refused = transfer.fate == Fate::Refused && self.bug != Some(Bug::RefusalIgnored);
        if !session || refused || transfer.freed < state.freed {
            return apply(state, Event::SessionEnded { purse: 0 }).map(|_| false);
        }
        state.log.push((nt, true));
        state.freed = transfer.freed;
        apply(state, Event::Transferred { purse: 0 })
    }

    /// S6 has come in: the load, and where the purse stood before it.
    fn complete(&self, state: &mut State, nt: u8) -> Result<bool, String> {
        let nv = state.loaded(nt).expect("as offered");
        let transfer = state.transfers.iter_mut().find(|transfer| transfer.nt == nt).expect("it was ordered");
        if matches!(transfer.fate, Fate::Refused | Fate::Reversed) {
            return Ok(false);
        }
        transfer.fate = Fate::Complete;
        apply(state, Event::Reported { commit: (0, nv.into()) })?;
        if !state.known.contains(&nv) {
            state.known.push(nv);
            state.known.sort_unstable();
            let standing = state.statement(nt).expect("a load").standing;
            self.observe(state, standing)?;
        }
        Ok(true)
    }

    /// What a later word of the purse says of loads that are pending.
    fn observe(&self, state: &mut State, standing: Standing) -> Result<(), String> {
        let pending = |of: &&Transfer| of.fate == Fate::Pending && of.nt < standing.nt;
        let pending: Vec<_> = state.transfers.iter().filter(pending).map(|of| of.nt).collect();
        for nt in pending {
            let before = state.statement(nt).expect("a load").standing.nv;
            let moved = match self.bug {
                Some(Bug::AnyCommitConfirms) => standing.nv > before,
                _ => standing.nv_load > before,
            };
            conclude(state, nt, moved)?;
        }
        Ok(())
    }
}

fn conclude(state: &mut State, nt: u8, moved: bool) -> Result<bool, String> {
    let minor = amount(state.statement(nt).expect("a load").great);
    let transfer = state.transfers.iter_mut().find(|transfer| transfer.nt == nt).expect("pending");
    transfer.fate = if moved { Fate::Confirmed } else { Fate::Reversed };
    if !moved {
        state.shadow -= minor;
    }
    apply(state, Event::Concluded { session: (0, nt.into()), moved })
}

/// A whole purchase of 1 at a PSAM that is never collected.
fn pay(state: &mut State) -> Result<bool, String> {
    state.statements.push(None);
    state.session = false;
    let nt = state.nt();
    state.log.push((nt, false));
    let freed = state.freed.into();
    apply(state, Event::SessionOpened { purse: 0 })?;
    apply(state, Event::PurchaseOpened { sam: 0, session: (0, nt.into()), amount: 1, freed })?;
    apply(state, Event::Debited { purse: 0 })?;
    apply(state, Event::Credited { purchase: (0, 1) })
}

/// The event is true, or this is a counterexample.
fn apply(state: &mut State, event: Event) -> Result<bool, String> {
    state.model.apply(event).map(|()| true).map_err(|refused| format!("{event:?}: {refused:?}"))
}
