//! STORE DATA, for applications and for the security domain itself, and GET DATA.

use apdu_spec::crypto::secure_channel::Level;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::personalisation::{DataGroup, DomainParameters};
use apdu_spec::protections::Protections;
use apdu_spec::security_domain::{DataBlock, GetDataRequest, LAST, MORE, tag};
use apdu_spec::wire::Malformed;
use apdu_spec::{Element as _, StatusWord, Writer, tlv};

use super::channel::{Authentication, authentication, parameters};
use super::{AUTHENTICATION, DIVERSIFICATION, Managed, PARAMETERS, SecurityDomain, keys};
use crate::kernel::Response;
use crate::kernel::area::{Area, Storage};

/// GlobalPlatform's own branch of the object identifiers: {globalPlatform}.
const BRANCH: [u8; 6] = [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B];

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
    let parameters = DomainParameters::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
    if parameters.attempts == 0 {
        return Err(StatusWord::WRONG_DATA);
    }
    let mut area = Area::kernel(storage);
    let all = Authentication { attempts: parameters.attempts, ..authentication(&area) };
    area.change().set(PARAMETERS, &parameters).set(AUTHENTICATION, &all).commit().map(drop)
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
        tag::CARD_DATA => write_card_data(&area, &mut writer),
        tag::KEY_INFORMATION => keys::write_information(&area, &mut writer),
        tag::DIVERSIFICATION => {
            writer.put(&diversification(&area));
            Ok(())
        }
        tag::PRODUCTION => {
            write_production(&area, &mut writer);
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

/// Card recognition data (Card Specification 2.3.1, H.2): version 2.3.1 of the specification,
/// and the secure channel protocols with their options.
fn write_card_data(area: &Area<'_>, writer: &mut Writer<'_>) -> Result<(), Malformed> {
    let mut buffer = [0; 96];
    let mut data = Writer::new(&mut buffer);
    let mut identifier = |tag: Option<u16>, numbers: &[u8]| {
        let mut place = [0; 16];
        let mut oid = Writer::new(&mut place);
        oid.put(&BRANCH);
        oid.put(numbers);
        let oid = oid.finish()?;
        let Some(tag) = tag else { return tlv::put(&mut data, 0x06, oid) };
        let mut place = [0; 18];
        let mut object = Writer::new(&mut place);
        tlv::put(&mut object, 0x06, oid)?;
        tlv::put(&mut data, tag, object.finish()?)
    };
    let DomainParameters { scp03, scp02, .. } = parameters(area);
    let [triple_des, aes] = keys::kinds(area);
    identifier(None, &[1])?;
    identifier(Some(0x60), &[2, 2, 3, 1])?;
    identifier(Some(0x63), &[3])?;
    if aes {
        identifier(Some(0x64), &[4, 3, scp03.byte()])?;
    }
    if triple_des {
        identifier(Some(0x64), &[4, 2, scp02 as u8])?;
    }
    tlv::put(writer, 0x73, data.finish()?)
}

/// Card production life cycle data (42 bytes): of a simulated chip the serial number alone.
fn write_production(area: &Area<'_>, writer: &mut Writer<'_>) {
    let [.., a, b, c, d] = diversification(area);
    writer.put(&[0; 12]);
    writer.put(&[a, b, c, d]);
    writer.put(&[0; 26]);
}
