//! STORE DATA, for applications and for the security domain itself, and GET DATA.

use apdu_spec::crypto::secure_channel::{Level, Protocol};
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::personalisation::{DataGroup, DomainParameters};
use apdu_spec::protections::Protections;
use apdu_spec::security_domain::{DataBlock, GetDataRequest, LAST, MORE, tag, write_recognition};
use apdu_spec::wire::Malformed;
use apdu_spec::{Element as _, StatusWord, Writer, tlv};

use super::channel::{attempts, parameters};
use super::{DIVERSIFICATION, Managed, PARAMETERS, SecurityDomain, keys};
use crate::kernel::Response;
use crate::kernel::area::{Area, Storage};

/// Objects that are made of objects.
const TEMPLATES: [u16; 2] = [tag::CARD_DATA, tag::KEY_INFORMATION];
/// Data groups that want encryption.
const SECRET: [DataGroup; 3] = [DataGroup::Key, DataGroup::Generation, DataGroup::Pin];
/// Data groups that an application in use still takes.
const LASTING: [DataGroup; 3] = [DataGroup::Generation, DataGroup::KeyFloor, DataGroup::Pin];

impl SecurityDomain {
    pub(super) fn store_data<X: Protections>(
        &mut self,
        block: &DataBlock,
        card: &mut Managed<'_, X>,
    ) -> Result<(), StatusWord> {
        if ![MORE, LAST].contains(&block.last) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let content = block.content().map_err(|Malformed| StatusWord::WRONG_DATA)?;
        let confidential = self.level().is_some_and(Level::is_confidential);
        if SECRET.contains(&block.group) && !confidential {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        match self.target {
            None => store_own(block.group, content, card.storage),
            Some(place) => {
                let last = block.last == LAST;
                store_for(place, block.group, content, last, card)?;
                self.target = self.target.filter(|_| !last);
                Ok(())
            }
        }
    }
}

/// A data group of the security domain itself.
fn store_own(group: DataGroup, content: &[u8], storage: &mut dyn Storage) -> Result<(), StatusWord> {
    if group != DataGroup::Domain {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    // Nothing is counted while a channel is open: a new limit begins with all its attempts.
    Area::kernel(storage).store::<DomainParameters>(PARAMETERS, content).map(drop)
}

/// A data group of an application. The last one makes it PERSONALIZED, where nothing is
/// missing.
fn store_for<X: Protections>(
    place: usize,
    group: DataGroup,
    content: &[u8],
    last: bool,
    card: &mut Managed<'_, X>,
) -> Result<(), StatusWord> {
    let (application, mut area) = card.registry.open(place, card.storage, None)?;
    match application.state {
        LifeCycle::Selectable => {
            application.applet.store(group, content, &mut area)?;
            if !last {
                return Ok(());
            }
            if !application.applet.is_complete(&area) {
                return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
            }
            application.set_state(LifeCycle::Personalized, &mut area)
        }
        LifeCycle::Personalized if LASTING.contains(&group) => {
            application.applet.store(group, content, &mut area)?;
            application.refresh(&mut area)
        }
        _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
    }
}

/// GET DATA: the object, with tag and length. Under the interindustry class, of a template its
/// value alone, as the tools expect it that ask so.
pub(super) fn get(
    request: GetDataRequest,
    interindustry: bool,
    storage: &mut dyn Storage,
    response: &mut Response,
) -> Result<(), StatusWord> {
    let mut buffer = [0; 128];
    let value = value(request.tag, storage, &mut buffer)?;
    let mut place = [0; 136];
    let object = if interindustry && TEMPLATES.contains(&request.tag) {
        Ok(value)
    } else {
        let mut writer = Writer::new(&mut place);
        tlv::put(&mut writer, request.tag, value).and_then(|()| writer.finish())
    };
    let object = object.map_err(|Malformed| StatusWord::INTERNAL_ERROR)?;
    response.extend_from_slice(object).map_err(|_| StatusWord::INTERNAL_ERROR)
}

/// The value of an object.
fn value<'b>(wanted: u16, storage: &mut dyn Storage, buffer: &'b mut [u8]) -> Result<&'b [u8], StatusWord> {
    let area = Area::kernel(storage);
    let mut writer = Writer::new(buffer);
    match wanted {
        tag::CARD_DATA => write_recognition(protocols(&area), &mut writer),
        tag::KEY_INFORMATION => keys::write_information(&area, &mut writer),
        tag::DIVERSIFICATION => {
            writer.put(&diversification(&area));
            Ok(())
        }
        tag::PRODUCTION => {
            write_production(&area, &mut writer);
            Ok(())
        }
        tag::ATTEMPTS => {
            attempts(&area).encode(&mut writer);
            Ok(())
        }
        _ => return Err(StatusWord::REFERENCE_NOT_FOUND),
    }
    .and_then(|()| writer.finish())
    .map_err(|Malformed| StatusWord::INTERNAL_ERROR)
}

fn diversification(area: &Area<'_>) -> [u8; 10] {
    area.get(DIVERSIFICATION).unwrap_or_default()
}

/// The protocols that the keys of the card are for.
fn protocols(area: &Area<'_>) -> impl Iterator<Item = Protocol> {
    let DomainParameters { scp03, scp02, .. } = parameters(area);
    let [triple_des, aes] = keys::kinds(area);
    let all = [aes.then_some(Protocol::Scp03(scp03)), triple_des.then_some(Protocol::Scp02(scp02))];
    all.into_iter().flatten()
}

/// Card production life cycle data (42 bytes): of a simulated chip the serial number alone.
fn write_production(area: &Area<'_>, writer: &mut Writer<'_>) {
    let [.., a, b, c, d] = diversification(area);
    writer.put(&[0; 12]);
    writer.put(&[a, b, c, d]);
    writer.put(&[0; 26]);
}
