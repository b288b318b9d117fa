//! A card: takes commands apart, guards the life cycle, and hands them to the
//! application that is selected, through the issuer's secure channel where one is open.

use apdu_spec::crypto::secure_channel::{KeySet, KeyType};
use apdu_spec::declare::{Command, Row, refusal};
use apdu_spec::interindustry::{InterindustryCommand, Select};
use apdu_spec::legacy::SelectMaster;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::protections::{All, Protections};
use apdu_spec::security_domain::{ExternalAuthenticate, InitializeUpdate};
use apdu_spec::{Apdu, Element, StatusWord};

use super::area::Area;
use super::domain::{self, Managed, SecurityDomain};
use super::memory::{Memory, MemoryError};
use super::registry::Registry;
use super::select::Selected;
use crate::applets::AppletKind;
use crate::platform::Platform;

/// A response APDU: data, then the status word.
pub type Response = heapless::Vec<u8, 258>;

/// The command that makes files current before any name was selected.
const MASTER_FILE: Row = SelectMaster::ROW;
/// The commands of the security domain that an application passes on to it.
const CHANNEL: &[Row] = &[InitializeUpdate::ROW, ExternalAuthenticate::ROW];
/// The classes of the kernel's own commands. Most of an application's are of another one.
const CLASSES: [u8; 3] = [Select::ROW.cla, InitializeUpdate::ROW.cla, ExternalAuthenticate::ROW.cla];

/// A card that is powered. What it checks is a type; [`All`] of it, unless a simulation says
/// otherwise.
#[derive(Debug)]
pub struct Card<P, X = All> {
    memory: Memory<P>,
    pub(super) domain: SecurityDomain,
    pub(super) registry: Registry<X>,
    pub(super) selected: Selected,
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
        if CLASSES.contains(&apdu.cla)
            && let Some(result) = self.serve_itself(&apdu, command, response)
        {
            return result;
        }
        match self.selected {
            Selected::Application(place) => self.serve(place, &apdu, response),
            Selected::Domain => self.manage(&apdu, command, response),
        }
        .map(|()| StatusWord::OK)
    }

    /// A command that is the kernel's whatever is selected; nothing where it is another one.
    fn serve_itself(
        &mut self,
        apdu: &Apdu<'_>,
        command: &[u8],
        response: &mut Response,
    ) -> Option<Result<StatusWord, StatusWord>> {
        if let Some(command) = InterindustryCommand::decode(apdu, LifeCycle::Personalized) {
            let select = |InterindustryCommand::Select(request)| self.select(&request, response);
            return Some(command.and_then(select));
        }
        if MASTER_FILE.matches(apdu) {
            self.select_master();
        }
        let opens_channel = CHANNEL.iter().any(|row| row.matches(apdu));
        opens_channel.then(|| self.manage(apdu, command, response).map(|()| StatusWord::OK))
    }

    /// A command of the security domain.
    fn manage(&mut self, apdu: &Apdu<'_>, command: &[u8], response: &mut Response) -> Result<(), StatusWord> {
        let Self { memory, registry, domain, .. } = self;
        domain.process(apdu, command, &mut Managed { storage: memory, registry }, response)
    }

    /// A command of the application that is selected. Wrong MACs slow it down.
    fn serve(&mut self, place: usize, apdu: &Apdu<'_>, response: &mut Response) -> Result<(), StatusWord> {
        let level = self.domain.level();
        let (application, mut area) = self.registry.open(place, &mut self.memory, level)?;
        self.domain.admit(application.applet.rows(), apdu)?;
        application.slow_down(apdu, &mut area);
        let result = application.applet.process(apdu, application.state, &mut area, response);
        if result == Some(Err(StatusWord::WRONG_MAC)) {
            application.count_wrong_mac(&mut area)?;
        }
        let rows = application.applet.rows();
        result.unwrap_or_else(|| Err(refusal(&[InterindustryCommand::ROWS, CHANNEL, rows], apdu)))
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
