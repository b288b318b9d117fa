//! Typed cards over any reader: a command goes out as its request and comes back as
//! its response. [`secure`] puts a secure channel between a card and its reader, [`domain`]
//! manages a card through one.

pub mod domain;
pub mod purse;
pub mod sam;
pub mod secure;
pub mod transfer;

use apdu_spec::aid::Aid;
use apdu_spec::declare::Command;
use apdu_spec::interindustry::{FIRST, FIRST_QUIET, Select, SelectRequest};
use apdu_spec::{Element, StatusWord};
use iso7816_tlv::ber::Tlv;

use crate::Error;
use crate::reader::Reader;

/// Longest short command APDU.
const COMMAND_MAX: usize = 261;

/// Sends one command and takes its answer.
pub fn execute<C: Command>(reader: &mut dyn Reader, request: &C::Request) -> Result<C::Response, Error> {
    let command = C::ROW.name;
    let mut buffer = [0; COMMAND_MAX];
    let apdu = C::encode(request, &mut buffer).map_err(|_| Error::Request { command })?;
    let answer = reader.transmit(apdu)?;
    let (data, status) = answer.split_last_chunk::<2>().ok_or(Error::Answer { command })?;
    let status = StatusWord(u16::from_be_bytes(*status));
    if status != StatusWord::OK {
        return Err(Error::Status { command, status });
    }
    C::Response::from_bytes(data).map_err(|_| Error::Answer { command })
}

/// SELECT without an answer, as in a purchase, where every byte counts.
pub fn select(reader: &mut dyn Reader, aid: &[u8]) -> Result<(), Error> {
    select_as(reader, aid, FIRST_QUIET).map(drop)
}

/// SELECT with FCI; the full AID of what was selected.
pub fn select_with_fci(reader: &mut dyn Reader, aid: &[u8]) -> Result<Vec<u8>, Error> {
    let fci = select_as(reader, aid, FIRST)?;
    aid_of(&fci).ok_or(Error::Answer { command: Select::ROW.name })
}

fn select_as(reader: &mut dyn Reader, aid: &[u8], occurrence: u8) -> Result<Vec<u8>, Error> {
    let aid = Aid::new(aid).map_err(|_| Error::Request { command: Select::ROW.name })?;
    let response = execute::<Select>(reader, &SelectRequest { occurrence, aid })?;
    Ok(response.fci.as_slice().to_vec())
}

/// The DF name (tag 84) in an FCI (ISO/IEC 7816-4 table 12).
fn aid_of(fci: &[u8]) -> Option<Vec<u8>> {
    let (template, []) = Tlv::parse(fci) else { return None };
    let template = template.ok()?;
    let name = template.find(&0x84.try_into().ok()?)?;
    match name.value() {
        iso7816_tlv::ber::Value::Primitive(aid) => Some(aid.clone()),
        iso7816_tlv::ber::Value::Constructed(_) => None,
    }
}
