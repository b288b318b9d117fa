//! People who are dishonest: a merchant, a holder with a relay, an attendant. Each owns what he
//! really owns in life (a PSAM with its terminal and line, purses, the key of a load terminal), knows
//! what has crossed every reader and line ([`notebook`]), and does anything that an interface offers
//! ([`moves`]): honest in one field, repeated in the next, invented in the third ([`draft`]).
//!
//! They conspire: there is one notebook. What they gain must be zero, and nobody tells the oracle what
//! they do: it hears cards and books, as always.

pub mod draft;
pub mod moves;
pub mod notebook;

use apdu_spec::aid::Aid;
use draft::Draft;
use moves::{Move, Sent};
use network::Link;

use super::link::Wire;
use super::rates::Fault;
use super::system::System;

/// Whose turn a step may be.
pub const PEOPLE: [Fault; 3] = [Fault::Merchant, Fault::Holder, Fault::Attendant];
/// Moves in a turn.
const MOVES: u32 = 10;

impl System {
    /// Whose turn it is in this step, where it is a dishonest person's.
    pub(super) fn person(&self) -> Option<Fault> {
        let mut fate = self.shared.lock();
        PEOPLE.into_iter().find(|person| fate.happens(*person))
    }

    /// A dishonest person acts, with a purse and at a PSAM that are his for that time.
    pub(super) fn turn(&mut self, person: Fault) {
        let Some(purse) = self.holder() else { return };
        let place = self.place();
        if !self.sites[place].start() {
            return;
        }
        self.tell(|| format!("{} acts with purse {purse} at PSAM {}", person.name(), place + 1));
        let mut plan = moves::Plan::of(person, &mut self.shared.lock().chance);
        let Self { sites, purses, shared, office, load_key, now, .. } = self;
        let (mut psam, mut tap) = (sites[place].psam.clone(), purses[purse].tap(shared));
        let selected = host::card::select(&mut tap, Aid::PURSE);
        for _ in (0..MOVES).take_while(|_| selected.is_ok()) {
            let next = {
                let mut fate = shared.lock();
                fate.tally.moves += 1;
                let next = plan.next(&mut Draft::new(&mut fate, load_key, *now));
                next.iter().for_each(|next| fate.tell(|| format!("  {}", next.name())));
                next
            };
            match next {
                None => {}
                Some(Move::Sam(command)) => command.send(&mut psam),
                Some(Move::Purse(command)) => command.send(&mut tap),
                Some(Move::Office(request)) => drop(Wire::new(office, shared, *now).call(&request)),
            }
        }
        self.part(purse, place);
    }
}
