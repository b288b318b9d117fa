//! A card: takes commands apart, guards the life cycle, and hands them to the
//! application that is selected, through the issuer's secure channel where one is open.

use apdu_spec::crypto::secure_channel::{KeySet, KeyType};
use apdu_spec::declare::{Command, Row, refusal};
use apdu_spec::interindustry::{self, InterindustryCommand, SelectRequest};
use apdu_spec::legacy::SelectMaster;
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::protections::{All, Protections};
use apdu_spec::security_domain::{ExternalAuthenticate, InitializeUpdate};
use apdu_spec::{Apdu, Element, StatusWord, aid::Aid};

use super::area::Area;
use super::domain::{self, Managed, SecurityDomain};
use super::memory::{Memory, MemoryError};
use super::registry::{Application, Registry};
use crate::applets::AppletKind;
use crate::platform::Platform;

/// A response APDU: data, then the status word.
pub type Response = heapless::Vec<u8, 258>;

/// The command that makes files current before any name was selected.
const MASTER_FILE: Row = SelectMaster::ROW;
/// The commands of the security domain that an application passes on to it.
const CHANNEL: &[Row] = &[InitializeUpdate::ROW, ExternalAuthenticate::ROW];
/// The label of the security domain in its FCI.
const DOMAIN_LABEL: &str = "ISD";

/// What is selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Selected {
    /// The issuer security domain, as after power-up.
    Domain,
    /// The application in this place.
    Application(usize),
}

/// A card that is powered. What it checks is a type; [`All`] of it, unless a simulation says
/// otherwise.
#[derive(Debug)]
pub struct Card<P, X = All> {
    memory: Memory<P>,
    domain: SecurityDomain,
    registry: Registry<X>,
    selected: Selected,
}

impl<P: Platform> Card<P> {
    /// Formats the chip and installs applications, not yet personalised. The security domain
    /// has the keys of [sample cards](KeySet::sample), to be replaced in personalisation.
    /// Whatever was on the chip is lost.
    pub fn create(platform: P, kinds: &[AppletKind]) -> Result<Self, MemoryError> {
        Self::format(platform, kinds, &KeySet::sample(KeyType::Aes))
    }

    /// Powers a card up: opens its memory at the last committed state.
    pub fn open(platform: P) -> Result<Self, MemoryError> {
        Self::power_up(platform)
    }
}

impl<P: Platform, X: Protections> Card<P, X> {
    /// [`Card::create`] under any protections, with the manufacturer's own keys.
    pub fn format(platform: P, kinds: &[AppletKind], keys: &KeySet) -> Result<Self, MemoryError> {
        let mut memory = Memory::format(platform)?;
        let (cell, codes) = Registry::<X>::initial(kinds)?;
        let mut kernel = Area::kernel(&mut memory);
        let diversification = kernel.random();
        let mut change = kernel.change();
        domain::initialize(change.set(cell, &codes), keys, diversification);
        change.commit().map_err(|_| MemoryError::Full).map(drop)?;
        Self::attach(memory)
    }

    /// [`Card::open`] under any protections.
    pub fn power_up(platform: P) -> Result<Self, MemoryError> {
        Self::attach(Memory::open(platform)?)
    }

    fn attach(mut memory: Memory<P>) -> Result<Self, MemoryError> {
        let registry = Registry::attach(&mut memory)?;
        let domain = SecurityDomain::attach(&mut memory);
        Ok(Self { memory, domain, registry, selected: Selected::Domain })
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
        if !self.domain.has_session_for(command) {
            return self.answer(command, response);
        }
        match self.domain.unwrap(command) {
            Ok(plain) => {
                self.answer(plain.as_slice(), response);
                self.domain.wrap(response);
            }
            Err(status) => put(status, response),
        }
    }

    /// What is left to do after an answer: sealing and reclaiming. Failing here loses
    /// nothing; the next commit reports it.
    pub fn housekeep(&mut self) {
        let _ = self.memory.housekeep();
    }

    /// The response to a command that is not secured, or no longer.
    fn answer(&mut self, command: &[u8], response: &mut Response) {
        let status = self.dispatch(command, response).unwrap_or_else(|status| {
            response.clear();
            status
        });
        put(status, response);
    }

    fn dispatch(&mut self, command: &[u8], response: &mut Response) -> Result<StatusWord, StatusWord> {
        let apdu = Apdu::parse(command)?;
        if let Some(command) = InterindustryCommand::decode(&apdu, LifeCycle::Personalized) {
            let InterindustryCommand::Select(request) = command?;
            return self.select(&request, response);
        }
        if MASTER_FILE.matches(&apdu) {
            self.select_master();
        }
        if ExternalAuthenticate::ROW.matches(&apdu) {
            ExternalAuthenticate::decode(&apdu)?;
            return self.domain.external_authenticate(command, &mut self.memory).map(|()| StatusWord::OK);
        }
        match self.selected {
            Selected::Application(place) if !InitializeUpdate::ROW.matches(&apdu) => {
                self.serve(place, &apdu, response)
            }
            _ => {
                let Self { memory, registry, domain, .. } = self;
                domain.process(&apdu, &mut Managed { storage: memory, registry }, response)
            }
        }
        .map(|()| StatusWord::OK)
    }

    /// A command of the application that is selected. Wrong MACs slow it down.
    fn serve(&mut self, place: usize, apdu: &Apdu<'_>, response: &mut Response) -> Result<(), StatusWord> {
        let level = self.domain.level();
        let (application, mut area) = self.registry.open(place, &mut self.memory, level)?;
        application.slow_down(apdu, &mut area);
        let result = application.applet.process(apdu, application.state, &mut area, response);
        if result == Some(Err(StatusWord::WRONG_MAC)) {
            application.count_wrong_mac(&mut area)?;
        }
        let rows = application.applet.rows();
        result.unwrap_or_else(|| Err(refusal(&[InterindustryCommand::ROWS, CHANNEL, rows], apdu)))
    }

    /// SELECT (ISO/IEC 7816-4, 11.2.2). The application that was selected loses its
    /// session, also where the same one is selected again.
    fn select(&mut self, request: &SelectRequest, response: &mut Response) -> Result<StatusWord, StatusWord> {
        let wanted = request.aid.as_slice();
        let first = match (request.occurrence, self.selected) {
            (interindustry::FIRST | interindustry::FIRST_QUIET, _) => 0,
            (interindustry::NEXT, Selected::Domain) => 1,
            (interindustry::NEXT, Selected::Application(place)) => place + 2,
            _ => return Err(StatusWord::WRONG_P1_P2),
        };
        let quiet = request.occurrence == interindustry::FIRST_QUIET;
        if first == 0 && Aid::SECURITY_DOMAIN.starts_with(wanted) {
            self.make_current(Selected::Domain, &[]);
            describe(Aid::SECURITY_DOMAIN, DOMAIN_LABEL, quiet, response);
            return Ok(match self.domain.state() {
                CardState::Locked | CardState::Terminated => StatusWord::BLOCKED,
                _ => StatusWord::OK,
            });
        }
        if matches!(self.domain.state(), CardState::Locked | CardState::Terminated) {
            return Err(StatusWord::APPLICATION_NOT_FOUND);
        }
        let (place, name) = self.find(wanted, first).ok_or(StatusWord::APPLICATION_NOT_FOUND)?;
        self.make_current(Selected::Application(place), name.as_slice());
        let application = self.registry.get_mut(place).ok_or(StatusWord::INTERNAL_ERROR)?;
        describe(name.as_slice(), application.applet.label(), quiet, response);
        Ok(match application.state {
            LifeCycle::Blocked => StatusWord::BLOCKED,
            _ => StatusWord::OK,
        })
    }

    /// The application of this name, its place at least `first`, counted with the security
    /// domain; where there is none, the one whose name begins so.
    fn find(&self, wanted: &[u8], first: usize) -> Option<(usize, Aid)> {
        let named = |is_meant: fn(&[u8], &[u8]) -> bool| {
            self.registry.iter().filter(|(place, _)| place + 1 >= first).find_map(|(place, application)| {
                let name = application.names().find(|name| is_meant(name, wanted))?;
                Some((place, Aid::new(name).ok()?))
            })
        };
        named(|name, wanted| name == wanted).or_else(|| named(|name, wanted| name.starts_with(wanted)))
    }

    /// Makes an application current under one of its names.
    fn make_current(&mut self, selected: Selected, name: &[u8]) {
        self.domain.deselect();
        if let Selected::Application(before) = self.selected
            && let Some(before) = self.registry.get_mut(before)
        {
            before.applet.deselect();
        }
        self.selected = selected;
        if let Selected::Application(place) = selected
            && let Some(application) = self.registry.get_mut(place)
        {
            application.applet.select(name);
        }
    }

    /// SELECT of the master file: the files of the first application that has some. It answers
    /// to the command then; where none has, nothing is changed.
    fn select_master(&mut self) {
        let files = |application: &Application<X>| {
            application.applet.master_file().filter(|_| application.state == LifeCycle::Personalized)
        };
        let found = self.registry.iter().find_map(|(place, application)| Some((place, files(application)?)));
        if self.domain.state().of_domain() == LifeCycle::Personalized
            && let Some((place, name)) = found
        {
            self.make_current(Selected::Application(place), name);
        }
    }
}

/// Appends the FCI, where one is wanted.
fn describe(name: &[u8], label: &str, quiet: bool, response: &mut Response) {
    if !quiet {
        let mut buffer = [0; 64];
        let fci = apdu_spec::tlv::fci(name, label, &mut buffer).unwrap_or_default();
        let _ = response.extend_from_slice(fci);
    }
}

/// Appends a status word. Data fields are 256 bytes at most, so it always fits.
fn put(status: StatusWord, response: &mut Response) {
    let _ = response.extend_from_slice(&status.to_bytes());
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
