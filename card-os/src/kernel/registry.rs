//! The applications that are installed: which applet, under which name, in which state, in
//! which part of memory.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::Level;
use apdu_spec::declare::Row;
use apdu_spec::layout;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::protections::Protections;
use apdu_spec::{Apdu, Element as _, StatusWord};

use super::area::{Area, Cell, LOGS, Storage};
use super::delay;
use super::memory::MemoryError;
use crate::applets::{Applet, AppletKind, purse};

/// Applications that fit on one card.
pub(crate) const APPLICATIONS_MAX: usize = 2;
/// Shortest name of an application (ISO/IEC 7816-4).
const NAME_MIN: usize = 5;

/// The kernel's cell that says which kinds of applets there are; zero is free.
const KINDS: Cell = Cell(0);
/// The kernel's cell for the first application; those of the others follow.
const INSTANCES: u8 = 2;
/// Each application's cell for its life cycle.
const LIFE_CYCLE: Cell = Cell(31);
/// Each application's cell for [`WrongMacs`].
const WRONG_MACS: Cell = Cell(30);

layout! {
    /// As what an application was installed. Numbers of records never go back: its logs
    /// begin where those of the application before it in this place have ended.
    pub struct Instance {
        /// Records that its first log had had.
        first: u32,
        /// The same of its second.
        second: u32,
        /// Its name.
        name: Aid,
    }
}

layout! {
    /// Wrong MACs in a row. They are forgotten when something has happened that only a right one
    /// brings about: so a right one costs no write.
    #[derive(Copy)]
    pub struct WrongMacs {
        /// How many.
        count: u8,
        /// [`Applet::proofs`] then.
        proofs: u32,
    }
}

/// An installed application.
#[derive(Debug)]
pub(crate) struct Application<X> {
    pub(crate) applet: Applet<X>,
    pub(crate) state: LifeCycle,
    instance: Instance,
    wrong_macs: WrongMacs,
}

/// The installed applications, each in its place.
#[derive(Debug)]
pub(crate) struct Registry<X>([Option<Application<X>>; APPLICATIONS_MAX]);

/// The part of memory of the application in a place.
fn part(place: usize) -> u8 {
    // There are two at most.
    u8::try_from(place + 1).unwrap_or(u8::MAX)
}

fn instance_cell(place: usize) -> Cell {
    Cell(INSTANCES + u8::try_from(place).unwrap_or(0))
}

/// The kinds in all places. Without them the chip was never formatted.
fn kinds(storage: &mut dyn Storage) -> Result<[u8; APPLICATIONS_MAX], MemoryError> {
    Area::kernel(storage).get(KINDS).ok_or(MemoryError::NotFormatted)
}

impl<X: Protections> Registry<X> {
    /// The cell and the content that make a new card of these kinds.
    pub(crate) fn initial(applets: &[AppletKind]) -> Result<(Cell, [u8; APPLICATIONS_MAX]), MemoryError> {
        let mut codes = [0; APPLICATIONS_MAX];
        if applets.len() > APPLICATIONS_MAX {
            return Err(MemoryError::Full);
        }
        codes.iter_mut().zip(applets).for_each(|(code, kind)| *code = *kind as u8);
        Ok((KINDS, codes))
    }

    /// Reads the applications after power-up.
    pub(crate) fn attach(storage: &mut dyn Storage) -> Result<Self, MemoryError> {
        let kinds = kinds(storage)?;
        let mut registry = Self([const { None }; APPLICATIONS_MAX]);
        for (place, (slot, code)) in registry.0.iter_mut().zip(kinds).enumerate() {
            *slot = match AppletKind::from_byte(code) {
                Some(kind) => Some(Application::attach(kind, place, storage)?),
                None => {
                    Area::new(storage, part(place), [0; LOGS]).forget_records();
                    None
                }
            };
        }
        Ok(registry)
    }

    /// The applications with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Application<X>)> {
        self.0.iter().enumerate().filter_map(|(place, slot)| Some((place, slot.as_ref()?)))
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut Application<X>> {
        self.0.get_mut(place)?.as_mut()
    }

    /// The application of this name.
    pub(crate) fn find(&self, name: &Aid) -> Result<usize, StatusWord> {
        let mut all = self.iter();
        let found = all.find(|(_, application)| application.name() == name.as_slice());
        found.map(|(place, _)| place).ok_or(StatusWord::REFERENCE_NOT_FOUND)
    }

    /// An application and its part of memory, in a channel of this security level.
    pub(crate) fn open<'r, 's>(
        &'r mut self,
        place: usize,
        storage: &'s mut dyn Storage,
        level: Option<Level>,
    ) -> Result<(&'r mut Application<X>, Area<'s>), StatusWord> {
        let application = self.get_mut(place).ok_or(StatusWord::INTERNAL_ERROR)?;
        let area = application.area(place, storage).secured(level);
        Ok((application, area))
    }

    /// Installs an application in one commit.
    pub(crate) fn install(
        &mut self,
        kind: AppletKind,
        name: Aid,
        state: LifeCycle,
        storage: &mut dyn Storage,
    ) -> Result<(), StatusWord> {
        if name.as_slice().len() < NAME_MIN || is_reserved(&name) {
            return Err(StatusWord::WRONG_DATA);
        }
        if self.find(&name).is_ok() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let free = self.0.iter().position(Option::is_none);
        let place = free.ok_or(StatusWord::NOT_ENOUGH_MEMORY)?;
        let [first, second] = Area::new(storage, part(place), [0; LOGS]).records_so_far();
        let mut codes = kinds(storage)?;
        if let Some(code) = codes.get_mut(place) {
            *code = kind as u8;
        }
        let mut kernel = Area::kernel(storage);
        let mut change = kernel.change();
        change.set(KINDS, &codes).set(instance_cell(place), &Instance { first, second, name });
        let _ = change.set_in(part(place), LIFE_CYCLE, &(state as u8)).commit()?;
        let application = Application::attach(kind, place, storage)?;
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(application);
        }
        Ok(())
    }

    /// Deletes an application and everything in its part of memory, in one commit. An
    /// application that holds value, or evidence of it, stays.
    pub(crate) fn delete(&mut self, place: usize, storage: &mut dyn Storage) -> Result<(), StatusWord> {
        let (application, area) = self.open(place, storage, None)?;
        if !application.applet.is_empty(&area) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let mut codes = kinds(storage)?;
        if let Some(code) = codes.get_mut(place) {
            *code = 0;
        }
        let mut kernel = Area::kernel(storage);
        let mut change = kernel.change();
        change.set(KINDS, &codes).clear(instance_cell(place)).clear_part(part(place));
        let _ = change.commit()?;
        if let Some(slot) = self.0.get_mut(place) {
            *slot = None;
        }
        Area::new(storage, part(place), [0; LOGS]).forget_records();
        Ok(())
    }
}

/// Names that no application may have: those of the security domain and of the purse's views.
fn is_reserved(name: &Aid) -> bool {
    name.as_slice() == Aid::SECURITY_DOMAIN || purse::all_views().any(|view| view == name.as_slice())
}

impl<X: Protections> Application<X> {
    /// Reads an application; where none was named, it has the name of its kind.
    fn attach(kind: AppletKind, place: usize, storage: &mut dyn Storage) -> Result<Self, MemoryError> {
        let instance = Area::kernel(storage).get(instance_cell(place));
        let unnamed = || Aid::new(kind.aid()).map(|name| Instance { first: 0, second: 0, name });
        let instance = match instance {
            Some(instance) => instance,
            None => unnamed().map_err(|_| MemoryError::Damaged("an application has no name"))?,
        };
        let before = [instance.first, instance.second];
        let mut area = Area::new(storage, part(place), before);
        // Applets count on their logs beginning at 1.
        if before.into_iter().zip(area.records_so_far()).any(|(before, all)| before > all) {
            return Err(MemoryError::Damaged("the logs of an application begin behind their end"));
        }
        area.keep_own_records();
        let state = match area.get::<u8>(LIFE_CYCLE) {
            Some(code) => LifeCycle::from_bytes(&[code])
                .map_err(|_| MemoryError::Damaged("an application is in no state that there is"))?,
            None => LifeCycle::Selectable,
        };
        let wrong_macs = area.get(WRONG_MACS).unwrap_or(WrongMacs { count: 0, proofs: 0 });
        let applet = Applet::attach(kind, &mut area).map_err(MemoryError::Damaged)?;
        Ok(Self { applet, state, instance, wrong_macs })
    }

    fn area<'s>(&self, place: usize, storage: &'s mut dyn Storage) -> Area<'s> {
        Area::new(storage, part(place), [self.instance.first, self.instance.second])
    }

    /// Its name.
    pub(crate) fn name(&self) -> &[u8] {
        self.instance.name.as_slice()
    }

    /// Changes its life cycle. What its applet keeps in RAM is read again.
    pub(crate) fn set_state(&mut self, state: LifeCycle, area: &mut Area<'_>) -> Result<(), StatusWord> {
        if state != self.state {
            let _ = area.change().set(LIFE_CYCLE, &(state as u8)).commit()?;
            self.state = state;
        }
        self.refresh(area)
    }

    /// Reads again what its applet keeps in RAM.
    pub(crate) fn refresh(&mut self, area: &mut Area<'_>) -> Result<(), StatusWord> {
        self.applet = Applet::attach(self.applet.kind(), area).map_err(|_| StatusWord::INTERNAL_ERROR)?;
        Ok(())
    }

    /// Wrong MACs in a row.
    fn wrong_macs(&self, area: &Area<'_>) -> u8 {
        if self.wrong_macs.proofs == self.applet.proofs(area) { self.wrong_macs.count } else { 0 }
    }

    /// Before a command: where it checks a MAC and the last ones were wrong, the card takes its
    /// time, also over power-ups.
    pub(crate) fn slow_down(&self, apdu: &Apdu<'_>, area: &mut Area<'_>) {
        if self.wrong_macs.count == 0 {
            return;
        }
        let wrong = self.wrong_macs(area);
        let checks = |row: &Row| row.matches(apdu) && row.status.contains(&StatusWord::WRONG_MAC);
        if self.applet.rows().iter().any(checks) {
            area.delay(delay::after(wrong));
        }
    }

    /// A MAC was wrong.
    pub(crate) fn count_wrong_mac(&mut self, area: &mut Area<'_>) -> Result<(), StatusWord> {
        let count = self.wrong_macs(area).saturating_add(1).min(delay::CAP);
        let counted = WrongMacs { count, proofs: self.applet.proofs(area) };
        if counted != self.wrong_macs {
            let _ = area.change().set(WRONG_MACS, &counted).commit()?;
            self.wrong_macs = counted;
        }
        Ok(())
    }
}
