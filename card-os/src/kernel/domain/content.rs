//! What is on the card: INSTALL, DELETE, GET STATUS, SET STATUS.

use apdu_spec::aid::Aid;
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::protections::Protections;
use apdu_spec::security_domain::{
    ApplicationStatus, Confirmation, DeleteRequest, Deletion, InstallData, InstallRequest, LOCKED,
    SetStatusRequest, StatusForm, StatusRequest, purpose, subset,
};
use apdu_spec::{Element as _, StatusWord, Writer, tlv};

use super::channel::{Authentication, authentication};
use super::{AUTHENTICATION, CARD_STATE, Managed, SecurityDomain, keys};
use crate::applets::AppletKind;
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;
use crate::kernel::registry::{Application, Registry};

/// Privileges of the issuer security domain: security domain, card lock, card terminate,
/// selected after power-up (Card Specification 2.3.1, table 6-1).
const PRIVILEGES: [u8; 3] = [0x9C, 0, 0];
/// State of a load file: LOADED.
const LOADED: u8 = 0x01;
/// Greatest length of an answer.
const ANSWER_MAX: usize = 254;

impl SecurityDomain {
    pub(super) fn install<X: Protections>(
        &mut self,
        request: &InstallRequest,
        card: &mut Managed<'_, X>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let InstallRequest { purpose, reserved, data } = request;
        if *reserved != 0 {
            return Err(StatusWord::WRONG_P1_P2);
        }
        match *purpose {
            purpose::INSTALL => make(data, LifeCycle::Installed, card)?,
            purpose::INSTALL_AND_SELECTABLE => make(data, LifeCycle::Selectable, card)?,
            purpose::SELECTABLE => make_selectable(data, card)?,
            purpose::PERSONALIZATION => {
                let place = card.registry.find(&data.application)?;
                let (application, _) = card.registry.open(place, card.storage, None)?;
                if ![LifeCycle::Selectable, LifeCycle::Personalized].contains(&application.state) {
                    return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
                }
                self.target = Some(place);
            }
            _ => return Err(StatusWord::WRONG_P1_P2),
        }
        answer(response, &Confirmation { receipt: 0 })
    }

    pub(super) fn delete<X: Protections>(
        &mut self,
        request: &DeleteRequest,
        card: &mut Managed<'_, X>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        match &request.what {
            Deletion::Application(name) => {
                let place = card.registry.find(name)?;
                card.registry.delete(place, card.storage)?;
                self.target = self.target.filter(|target| *target != place);
            }
            Deletion::Keys { version } => keys::delete(*version, &mut Area::kernel(card.storage))?,
        }
        answer(response, &Confirmation { receipt: 0 })
    }

    pub(super) fn set_status<X: Protections>(
        &mut self,
        request: &SetStatusRequest,
        card: &mut Managed<'_, X>,
    ) -> Result<(), StatusWord> {
        match request.subset {
            subset::DOMAIN => self.set_card_state(request.state, card),
            subset::APPLICATIONS => {
                let place = card.registry.find(&request.application)?;
                let (application, mut area) = card.registry.open(place, card.storage, None)?;
                let next = match (application.state, request.state & LOCKED != 0) {
                    (LifeCycle::Personalized | LifeCycle::Blocked, true) => LifeCycle::Blocked,
                    (LifeCycle::Personalized | LifeCycle::Blocked, false) => LifeCycle::Personalized,
                    _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
                };
                application.set_state(next, &mut area)
            }
            _ => Err(StatusWord::WRONG_P1_P2),
        }
    }

    /// SET STATUS of the card. A state of use also lifts the block of wrong authentications, in the
    /// same commit.
    fn set_card_state<X>(&mut self, code: u8, card: &mut Managed<'_, X>) -> Result<(), StatusWord> {
        let next = CardState::from_bytes(&[code]).map_err(|_| StatusWord::WRONG_P1_P2)?;
        let lifts = self.blocked && next.of_domain() == LifeCycle::Personalized;
        if next == self.state && !lifts {
            return Ok(());
        }
        if next != self.state && !self.state.may_become(next) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let mut area = Area::kernel(card.storage);
        let forgotten = lifts.then(|| Authentication { wrong: 0, ..authentication(&area) });
        let mut change = area.change();
        change.set(CARD_STATE, &next);
        if let Some(forgotten) = forgotten {
            change.set(AUTHENTICATION, &forgotten);
        }
        let _ = change.commit()?;
        self.state = next;
        self.blocked &= !lifts;
        Ok(())
    }
}

/// INSTALL [for install]: the kind is that of the load file.
fn make<X: Protections>(
    data: &InstallData,
    state: LifeCycle,
    card: &mut Managed<'_, X>,
) -> Result<(), StatusWord> {
    let from = data.load_file.as_slice();
    let kind = AppletKind::ALL.into_iter().find(|kind| kind.load_file() == from);
    let kind = kind.ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    if ![kind.module(), &[]].contains(&data.module.as_slice()) {
        return Err(StatusWord::REFERENCE_NOT_FOUND);
    }
    if data.privileges.as_slice().iter().any(|byte| *byte != 0) {
        return Err(StatusWord::WRONG_DATA);
    }
    card.registry.install(kind, data.application.clone(), state, card.storage)
}

/// INSTALL [for make selectable].
fn make_selectable<X: Protections>(data: &InstallData, card: &mut Managed<'_, X>) -> Result<(), StatusWord> {
    let place = card.registry.find(&data.application)?;
    let (application, mut area) = card.registry.open(place, card.storage, None)?;
    if application.state != LifeCycle::Installed {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    application.set_state(LifeCycle::Selectable, &mut area)
}

/// GET STATUS. Everything fits one answer, so there is never a next one.
pub(super) fn status<X: Protections>(
    request: &StatusRequest,
    state: CardState,
    registry: &Registry<X>,
    response: &mut Response,
) -> Result<(), StatusWord> {
    let form = StatusForm::of(request.form).map_err(|_| StatusWord::WRONG_P1_P2)?;
    let search = request.search.as_slice();
    let part = |tag| tlv::find(tag, search).map_err(|_| StatusWord::WRONG_DATA);
    let wanted = part(0x4F)?.unwrap_or_default();
    let tags = part(0x5C)?;
    let mut buffer = [0; ANSWER_MAX];
    let mut writer = Writer::new(&mut buffer);
    let mut found = false;
    let mut line = |line: ApplicationStatus<'_>| {
        if line.aid.starts_with(wanted) {
            found = true;
            // What is too long is reported by the writer.
            let _ = line.write(form, tags, &mut writer);
        }
    };
    match request.subset {
        subset::DOMAIN => line(of_domain(state)),
        subset::APPLICATIONS => {
            registry.iter().for_each(|(_, application)| line(of_application(application)));
        }
        subset::LOAD_FILES => AppletKind::ALL.into_iter().for_each(|kind| line(of_file(kind, None))),
        subset::LOAD_FILES_AND_MODULES => {
            AppletKind::ALL.into_iter().for_each(|kind| line(of_file(kind, Some(kind.module()))));
        }
        _ => return Err(StatusWord::WRONG_P1_P2),
    }
    if !found || request.form & 1 != 0 {
        return Err(StatusWord::REFERENCE_NOT_FOUND);
    }
    let lines = writer.finish().map_err(|_| StatusWord::INTERNAL_ERROR)?;
    response.extend_from_slice(lines).map_err(|_| StatusWord::INTERNAL_ERROR)
}

fn of_domain(state: CardState) -> ApplicationStatus<'static> {
    ApplicationStatus {
        aid: Aid::SECURITY_DOMAIN,
        state: state as u8,
        privileges: Some(PRIVILEGES),
        load_file: None,
        module: None,
        domain: None,
    }
}

fn of_application<X: Protections>(application: &Application<X>) -> ApplicationStatus<'_> {
    ApplicationStatus {
        aid: application.name(),
        state: application.state as u8,
        privileges: Some([0; 3]),
        load_file: Some(application.applet.kind().load_file()),
        module: None,
        domain: Some(Aid::SECURITY_DOMAIN),
    }
}

fn of_file(kind: AppletKind, module: Option<&'static [u8]>) -> ApplicationStatus<'static> {
    ApplicationStatus {
        aid: kind.load_file(),
        state: LOADED,
        privileges: None,
        load_file: None,
        module,
        domain: Some(Aid::SECURITY_DOMAIN),
    }
}
