//! SELECT: which application is current, and under which of its names.

use apdu_spec::interindustry::{self, SelectRequest};
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::protections::Protections;
use apdu_spec::{StatusWord, aid::Aid};

use super::Response;
use super::dispatch::Card;
use crate::platform::Platform;

/// The label of the security domain in its FCI.
const DOMAIN_LABEL: &str = "ISD";

/// What is selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Selected {
    /// The issuer security domain, as after power-up.
    Domain,
    /// The application in this place.
    Application(usize),
}

/// A view of an application under whose name it was selected; none under its own.
type View = Option<&'static [u8]>;

impl<P: Platform, X: Protections> Card<P, X> {
    /// SELECT (ISO/IEC 7816-4, 11.2.2). The application that was selected loses its
    /// session, also where the same one is selected again.
    pub(super) fn select(
        &mut self,
        request: &SelectRequest,
        response: &mut Response,
    ) -> Result<StatusWord, StatusWord> {
        let wanted = request.aid.as_slice();
        let first = match (request.occurrence, self.selected) {
            (interindustry::FIRST | interindustry::FIRST_QUIET, _) => 0,
            (interindustry::NEXT, Selected::Domain) => 1,
            (interindustry::NEXT, Selected::Application(place)) => place + 2,
            _ => return Err(StatusWord::WRONG_P1_P2),
        };
        let quiet = request.occurrence == interindustry::FIRST_QUIET;
        let ended = matches!(self.domain.state(), CardState::Locked | CardState::Terminated);
        if first == 0 && Aid::SECURITY_DOMAIN.starts_with(wanted) {
            self.make_current(Selected::Domain, None);
            describe(Aid::SECURITY_DOMAIN, DOMAIN_LABEL, quiet, response);
            return Ok(if ended { StatusWord::BLOCKED } else { StatusWord::OK });
        }
        let found = if ended { None } else { self.find(wanted, first) };
        let (place, view) = found.ok_or(StatusWord::APPLICATION_NOT_FOUND)?;
        self.make_current(Selected::Application(place), view);
        let application = self.registry.get_mut(place).ok_or(StatusWord::INTERNAL_ERROR)?;
        let name = view.unwrap_or(application.name());
        describe(name, application.applet.label(), quiet, response);
        let blocked = application.state == LifeCycle::Blocked || self.domain.is_blocked();
        Ok(if blocked { StatusWord::BLOCKED } else { StatusWord::OK })
    }

    /// The application of this name, its place at least `first`, counted with the security
    /// domain; where there is none, the one whose name begins so.
    fn find(&self, wanted: &[u8], first: usize) -> Option<(usize, View)> {
        let whole = self.find_by(first, |name| name == wanted);
        whole.or_else(|| self.find_by(first, |name| name.starts_with(wanted)))
    }

    fn find_by(&self, first: usize, is_meant: impl Fn(&[u8]) -> bool) -> Option<(usize, View)> {
        let mut all = self
            .registry
            .iter()
            .filter(|(place, application)| place + 1 >= first && application.state != LifeCycle::Installed);
        all.find_map(|(place, application)| {
            if is_meant(application.name()) {
                return Some((place, None));
            }
            let view = application.applet.views().find(|view| is_meant(view))?;
            Some((place, Some(view)))
        })
    }

    fn make_current(&mut self, selected: Selected, view: View) {
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
            application.applet.select(view);
        }
    }

    /// SELECT of the master file: the files of the first application that has some. It answers
    /// to the command then; where none has, nothing is changed.
    pub(super) fn select_master(&mut self) {
        if self.domain.state().of_domain() != LifeCycle::Personalized {
            return;
        }
        let mut all =
            self.registry.iter().filter(|(_, application)| application.state == LifeCycle::Personalized);
        let found = all.find_map(|(place, application)| Some((place, application.applet.master_file()?)));
        drop(all);
        if let Some((place, view)) = found {
            self.make_current(Selected::Application(place), Some(view));
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
