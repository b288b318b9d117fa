//! Transfer cards: carried between terminals without a line and the background system;
//! late, lost and copied.

use apdu_spec::element::Time;

use super::fate::Shared;
use super::link::{Office, Wire};
use super::rates::Fault;
use super::site::{Connection, Site};
use super::slot::{Carried, Slot};
use super::system::System;
use crate::Error;
use crate::delivery::HandedIn;

/// Downloads that stay on board.
const DOWNLOADS_KEPT: u32 = 64;
/// Steps of the longest detour.
const DETOUR: u32 = 120;

impl System {
    /// A courier goes somewhere.
    pub(super) fn carry(&mut self, step: u64) -> Result<(), Error> {
        let which = self.shared.lock().chance.place(self.couriers.len());
        if self.couriers[which].late > step {
            return Ok(());
        }
        let mut fate = self.shared.lock();
        if fate.happens(Fault::CourierLate) {
            self.couriers[which].late = step + u64::from(fate.chance.below(DETOUR));
            return Ok(());
        }
        if fate.happens(Fault::CourierCopy) {
            self.copies
                .extend(self.couriers[which].slot.device().duplicate().map(|c| Slot::new(c, Fault::Tear)));
        }
        if fate.happens(Fault::CourierLost) {
            drop(fate);
            self.couriers[which] = self.issue_courier()?;
            return Ok(());
        }
        let lonely = |site: &&Site| site.connection == Connection::Never;
        let places: Vec<_> =
            (0..).zip(&self.sites).filter(|(_, site)| lonely(site)).map(|(p, _)| p).collect();
        let (home, place) = (fate.chance.below(3) == 0, fate.chance.place(places.len()));
        drop(fate);
        if home {
            self.bring_in(which);
        } else {
            self.visit(which, places.get(place).copied().unwrap_or(0));
        }
        self.put_down(which);
        Ok(())
    }

    fn put_down(&mut self, which: usize) {
        let slot = &mut self.couriers[which].slot;
        if !slot.is_powered() {
            slot.power_up(&mut self.shared.lock());
        }
    }

    /// A courier comes to a terminal, which is collected where it has no line.
    pub(super) fn visit(&mut self, which: usize, place: usize) {
        let Self { sites, couriers, shared, .. } = self;
        let site = &mut sites[place];
        if site.connection != Connection::Never || !site.start() {
            return;
        }
        shared.lock().tell(|| format!("transfer card {which} comes to terminal {}", place + 1));
        site.since = 0;
        let mut card = Carried::new(&mut couriers[which].slot, shared);
        if let Some(terminal) = &mut site.terminal {
            let downloads = terminal.take_downloads(&mut card);
            let boarded = terminal.collect_onto(&mut card);
            shared.lock().tell(|| format!("  downloads: {downloads:?}; parcels: {boarded:?}"));
        }
        if shared.lock().crashed {
            site.terminal = None;
        }
    }

    /// A courier comes to the background system; a copy of its card comes as well.
    pub(super) fn bring_in(&mut self, which: usize) {
        self.tell(|| format!("transfer card {which} is brought in"));
        let Self { office, couriers, copies, shared, now, .. } = self;
        if let Some(mut copy) = copies.pop() {
            let _ = empty(&mut copy, office, shared, *now);
        }
        let emptied = empty(&mut couriers[which].slot, office, shared, *now);
        shared.lock().tell(|| format!("  {emptied:?}"));
    }
}

/// Hands in what is on board; what is stored is released, and acknowledged on board.
fn empty(slot: &mut Slot, office: &mut Office, shared: &Shared, now: Time) -> Result<(), Error> {
    let mut card = Carried::new(slot, shared);
    let handed_in = HandedIn::from(&mut card, &mut Wire::new(office, shared, now))?;
    handed_in.answer(&mut card, &mut office.background, DOWNLOADS_KEPT)
}
