//! A card: takes commands apart, guards the life cycle, and hands them to the
//! selected application.

use apdu_spec::declare::{Command, Row, refusal};
use apdu_spec::interindustry::{self, InterindustryCommand, SelectRequest};
use apdu_spec::legacy::SelectMaster;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::management::{DataBlock, LAST, MORE, ManagementCommand};
use apdu_spec::protections::{All, Protections};
use apdu_spec::{Apdu, Element, StatusWord};

use super::area::{Area, Cell};
use super::memory::{Memory, MemoryError};
use crate::applets::{Applet, AppletKind};
use crate::platform::Platform;

/// A response APDU: data, then the status word.
pub type Response = heapless::Vec<u8, 258>;

/// Applications that fit on one card.
pub(crate) const APPLICATIONS_MAX: usize = 2;

/// The kernel's cell that lists the installed applications.
const REGISTRY: Cell = Cell(0);
/// The command that makes files current before any name was selected.
const MASTER_FILE: Row = SelectMaster::ROW;
/// Each application's cell for its life cycle.
const LIFE_CYCLE: Cell = Cell(31);

/// An installed application.
#[derive(Debug)]
struct Application<X> {
    applet: Applet<X>,
    state: LifeCycle,
}

/// A card that is powered. What it checks is a type; [`All`] of it, unless a simulation says
/// otherwise.
#[derive(Debug)]
pub struct Card<P, X = All> {
    memory: Memory<P>,
    applications: heapless::Vec<Application<X>, APPLICATIONS_MAX>,
    selected: Option<usize>,
}

/// The part of memory of an application.
fn instance(index: usize) -> u8 {
    // There are two at most.
    u8::try_from(index + 1).unwrap_or(u8::MAX)
}

impl<P: Platform> Card<P> {
    /// Formats the chip and installs applications, not yet personalised. Whatever was on
    /// the chip is lost.
    pub fn create(platform: P, kinds: &[AppletKind]) -> Result<Self, MemoryError> {
        Self::format(platform, kinds)
    }

    /// Powers a card up: opens its memory at the last committed state.
    pub fn open(platform: P) -> Result<Self, MemoryError> {
        Self::power_up(platform)
    }
}

impl<P: Platform, X: Protections> Card<P, X> {
    /// [`Card::create`] under any protections.
    pub fn format(platform: P, kinds: &[AppletKind]) -> Result<Self, MemoryError> {
        let mut memory = Memory::format(platform)?;
        let mut codes = [0; APPLICATIONS_MAX];
        if kinds.len() > APPLICATIONS_MAX {
            return Err(MemoryError::Full);
        }
        codes.iter_mut().zip(kinds).for_each(|(code, kind)| *code = *kind as u8);
        let mut kernel = Area::new(&mut memory, 0);
        kernel.change().set(REGISTRY, &codes).commit().map_err(|_| MemoryError::Full).map(drop)?;
        Self::attach(memory)
    }

    /// [`Card::open`] under any protections.
    pub fn power_up(platform: P) -> Result<Self, MemoryError> {
        Self::attach(Memory::open(platform)?)
    }

    fn attach(memory: Memory<P>) -> Result<Self, MemoryError> {
        let mut card = Self { memory, applications: heapless::Vec::new(), selected: None };
        let registry = Area::new(&mut card.memory, 0).get::<[u8; APPLICATIONS_MAX]>(REGISTRY);
        let registry = registry.ok_or(MemoryError::NotFormatted)?;
        for (index, code) in registry.into_iter().enumerate() {
            let Some(kind) = AppletKind::from_byte(code) else { continue };
            let mut area = Area::new(&mut card.memory, instance(index));
            let state = area.get::<u8>(LIFE_CYCLE).and_then(LifeCycle::from_byte);
            let applet = Applet::attach(kind, &mut area).map_err(MemoryError::Damaged)?;
            let state = state.unwrap_or(LifeCycle::Selectable);
            let _ = card.applications.push(Application { applet, state });
        }
        Ok(card)
    }

    /// Switches the card off; what is left is the platform.
    pub fn power_off(self) -> P {
        self.memory.into_platform()
    }

    /// The platform, for counting what is written.
    pub const fn platform(&mut self) -> &mut P {
        self.memory.platform()
    }

    /// Processes one command APDU and puts the whole response into `response`.
    /// [`Card::housekeep`] is due once the response has been sent.
    pub fn process(&mut self, command: &[u8], response: &mut Response) {
        response.clear();
        let status = match self.dispatch(command, response) {
            Ok(()) => StatusWord::OK,
            Err(status) => {
                response.clear();
                status
            }
        };
        // Data fields are 256 bytes at most, so the status word always fits.
        let _ = response.extend_from_slice(&status.to_bytes());
    }

    /// What is left to do after an answer: sealing and reclaiming. Failing here loses
    /// nothing; the next commit reports it.
    pub fn housekeep(&mut self) {
        let _ = self.memory.housekeep();
    }

    fn dispatch(&mut self, command: &[u8], response: &mut Response) -> Result<(), StatusWord> {
        let apdu = Apdu::parse(command)?;
        if let Some(command) = InterindustryCommand::decode(&apdu, LifeCycle::Personalized) {
            let InterindustryCommand::Select(request) = command?;
            return self.select(&request, response);
        }
        if MASTER_FILE.matches(&apdu) {
            self.select_master();
        }
        let Some(index) = self.selected else {
            return Err(refusal(&[InterindustryCommand::ROWS], &apdu));
        };
        let Self { memory, applications, .. } = self;
        let application = applications.get_mut(index).ok_or(StatusWord::INTERNAL_ERROR)?;
        let mut area = Area::new(memory, instance(index));
        if let Some(command) = ManagementCommand::decode(&apdu, application.state) {
            let ManagementCommand::StoreData(block) = command?;
            return application.personalise(&block, &mut area);
        }
        application.applet.process(&apdu, application.state, &mut area, response).unwrap_or_else(|| {
            let own = application.applet.rows();
            Err(refusal(&[InterindustryCommand::ROWS, ManagementCommand::ROWS, own], &apdu))
        })
    }

    /// SELECT (ISO/IEC 7816-4, 11.2.2). The application that was selected loses its
    /// session, also where the same one is selected again.
    fn select(&mut self, request: &SelectRequest, response: &mut Response) -> Result<(), StatusWord> {
        let wanted = request.aid.as_slice();
        let first = match request.occurrence {
            interindustry::FIRST | interindustry::FIRST_QUIET => 0,
            interindustry::NEXT => self.selected.map_or(0, |index| index + 1),
            _ => return Err(StatusWord::WRONG_P1_P2),
        };
        let named =
            |application: &Application<X>| application.applet.names().find(|name| name.starts_with(wanted));
        let (found, name) = self
            .applications
            .iter()
            .enumerate()
            .skip(first)
            .find_map(|(index, application)| Some((index, named(application)?)))
            .ok_or(StatusWord::APPLICATION_NOT_FOUND)?;
        self.make_current(found, name);
        if request.occurrence != interindustry::FIRST_QUIET
            && let Some(application) = self.applications.get(found)
        {
            let mut buffer = [0; 64];
            let fci = apdu_spec::tlv::fci(name, application.applet.label(), &mut buffer).unwrap_or_default();
            let _ = response.extend_from_slice(fci);
        }
        Ok(())
    }

    /// Makes an application current under one of its names.
    fn make_current(&mut self, index: usize, name: &[u8]) {
        if let Some(before) = self.selected.and_then(|before| self.applications.get_mut(before)) {
            before.applet.deselect();
        }
        self.selected = Some(index);
        if let Some(application) = self.applications.get_mut(index) {
            application.applet.select(name);
        }
    }

    /// SELECT of the master file: the files of the first application that has some. It answers
    /// to the command then; where none has, nothing is changed.
    fn select_master(&mut self) {
        let mut applets = self.applications.iter().map(|application| &application.applet).enumerate();
        if let Some((index, name)) = applets.find_map(|(index, applet)| Some((index, applet.master_file()?)))
        {
            self.make_current(index, name);
        }
    }
}

impl<X: Protections> Application<X> {
    /// STORE DATA (GlobalPlatform 2.3.1, 11.11): one data group, or the last one.
    fn personalise(&mut self, block: &DataBlock, area: &mut Area<'_>) -> Result<(), StatusWord> {
        if ![MORE, LAST].contains(&block.last) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        self.applet.store(block.group, block.content.as_slice(), area)?;
        if block.last != LAST {
            return Ok(());
        }
        if !self.applet.is_complete(area) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let state = LifeCycle::Personalized;
        let _ = area.change().set(LIFE_CYCLE, &(state as u8)).commit()?;
        self.applet = Applet::attach(self.applet.kind(), area).map_err(|_| StatusWord::INTERNAL_ERROR)?;
        self.state = state;
        Ok(())
    }
}

/// Appends the data of an answer.
pub(crate) fn answer<R: Element>(response: &mut Response, value: &R) -> Result<(), StatusWord> {
    const { assert!(R::MAX <= 256, "an answer is longer than a short response") };
    let before = response.len();
    response.resize_default(before + R::MAX).map_err(|_| StatusWord::INTERNAL_ERROR)?;
    let free = response.get_mut(before..).unwrap_or_default();
    let written = value.to_slice(free).map_err(|_| StatusWord::INTERNAL_ERROR)?.len();
    response.truncate(before + written);
    Ok(())
}
