//! What purse and issuer do with each message, with the event that it stands for.

use simulation::model::{Event, Kind};

use super::{Bug, Fate, Load, Standing, State, Statement, Step, Transfer, Wish};

impl Load {
    pub(super) fn act(&self, state: &mut State, step: Step) -> Result<bool, String> {
        match step {
            Step::Initialize { wish } => {
                let (before, freed) = (state.standing(), state.freed);
                let standing = Standing { nt: before.nt + 1, ..before };
                let balance = state.model.purses[0].balance;
                state.statements.push(Some(Statement { wish, standing, balance, freed }));
                state.session = true;
                apply(state, Event::SessionOpened { purse: 0 })
            }
            Step::Authorise { nt } => self.authorise(state, nt),
            Step::Execute { nt } => self.credit(state, nt),
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
                let pending = |transfer: &&Transfer| transfer.nt == previous.asked;
                let fate = |state: &State| state.transfers.iter().find(pending).map(|of| of.fate);
                if fate(state) == Some(Fate::Pending) {
                    self.observe(state, Standing { nt: previous.at.nt + 1, ..previous.at })?;
                }
                // An unload may still have to wait for the record that will decide.
                Ok(fate(state) != Some(Fate::Pending))
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
        let Statement { wish, balance, .. } = statement;
        let (kind, minor) = (wish.kind(), wish.amount());
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
        let covered = match wish {
            Wish::Unload => balance >= minor && balance <= state.shadow,
            _ => wish == Wish::Load,
        };
        let approved = latest && covered;
        let complete = (1..).take_while(|nv| state.known.contains(nv)).count() as u8;
        let freed = match self.bug {
            Some(Bug::FreedUnknown) => statement.standing.nv,
            _ => statement.freed.max(complete.min(statement.standing.nv)),
        };
        let fate = if approved { Fate::Pending } else { Fate::Refused };
        state.transfers.push(Transfer { nt, fate, freed });
        if approved && kind == Kind::Load {
            state.shadow += minor;
        }
        let session = (0, nt.into());
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
        state.log.push((nt, state.statement(nt).expect("a transfer").wish.kind()));
        state.freed = transfer.freed;
        apply(state, Event::Executed { purse: 0 })
    }

    /// S6 has come in: the load, and where the purse stood before it.
    fn complete(&self, state: &mut State, nt: u8) -> Result<bool, String> {
        let nv = state.committed(nt).expect("as offered");
        let transfer = state.transfers.iter_mut().find(|transfer| transfer.nt == nt).expect("it was ordered");
        if matches!(transfer.fate, Fate::Refused | Fate::Reversed) {
            return Ok(false);
        }
        transfer.fate = Fate::Complete;
        apply(state, Event::Reported { commit: (0, nv.into()) })?;
        let (first, wish) = (!state.known.contains(&nv), state.statement(nt).expect("a transfer").wish);
        if wish == Wish::Unload && (first || self.bug == Some(Bug::PaidAgain)) {
            state.shadow -= wish.amount();
        }
        if first {
            state.known.push(nv);
            state.known.sort_unstable();
            let standing = state.statement(nt).expect("a load").standing;
            self.observe(state, standing)?;
        }
        Ok(true)
    }

    /// What a later word of the purse says of transfers that are pending.
    fn observe(&self, state: &mut State, standing: Standing) -> Result<(), String> {
        let pending = |of: &&Transfer| of.fate == Fate::Pending;
        let pending: Vec<_> = state.transfers.iter().filter(pending).map(|of| of.nt).collect();
        for nt in pending {
            if let Some(moved) = self.fate(state, nt, standing) {
                conclude(state, nt, moved)?;
            }
        }
        Ok(())
    }

    /// A load leaves its NV in every later statement. An unload leaves none: nothing was
    /// committed since, or its NV turns out to be something else, or it stays pending.
    fn fate(&self, state: &State, nt: u8, standing: Standing) -> Option<bool> {
        let Statement { wish, standing: before, .. } = state.statement(nt).expect("a transfer");
        let later = standing.nt > nt;
        let any = self.bug == Some(Bug::AnyCommitConfirms);
        match wish {
            Wish::Unload => {
                let nv = before.nv + 1;
                let replaced = state.known.contains(&nv) && state.committed(nt) != Some(nv);
                let any = self.bug == Some(Bug::AnyCommitConfirmsUnload);
                let reversed = replaced || later && standing.nv < nv;
                if reversed { Some(false) } else { (any && later).then_some(true) }
            }
            _ if any => later.then_some(standing.nv > before.nv),
            _ => later.then_some(standing.nv_load > before.nv),
        }
    }
}

fn conclude(state: &mut State, nt: u8, moved: bool) -> Result<bool, String> {
    let wish = state.statement(nt).expect("a transfer").wish;
    let transfer = state.transfers.iter_mut().find(|transfer| transfer.nt == nt).expect("pending");
    transfer.fate = if moved { Fate::Confirmed } else { Fate::Reversed };
    if !moved && wish != Wish::Unload {
        state.shadow -= wish.amount();
    }
    apply(state, Event::Concluded { session: (0, nt.into()), moved })
}

/// A whole purchase of 1 at a PSAM that is never collected.
fn pay(state: &mut State) -> Result<bool, String> {
    state.statements.push(None);
    state.session = false;
    let nt = state.nt();
    state.log.push((nt, Kind::Purchase));
    let freed = state.freed.into();
    apply(state, Event::SessionOpened { purse: 0 })?;
    apply(state, Event::PurchaseOpened { sam: 0, session: (0, nt.into()), amount: 1, freed })?;
    apply(state, Event::Executed { purse: 0 })?;
    apply(state, Event::Credited { purchase: (0, 1) })
}

/// The event is true, or this is a counterexample.
fn apply(state: &mut State, event: Event) -> Result<bool, String> {
    state.model.apply(event).map(|()| true).map_err(|refused| format!("{event:?}: {refused:?}"))
}
