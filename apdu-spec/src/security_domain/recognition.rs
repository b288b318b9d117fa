//! Card recognition data: how a card is managed, in object identifiers of GlobalPlatform (Card
//! Specification 2.3.1, H.2).

use crate::crypto::secure_channel::Protocol;
use crate::tlv;
use crate::wire::{Malformed, Reader, Writer};

/// GlobalPlatform's own branch of the object identifiers: {globalPlatform}.
const BRANCH: [u8; 6] = [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B];
/// {globalPlatform 4 protocol i}: a secure channel protocol with its options.
const PROTOCOL: u8 = 4;
/// Tag of the template, of an object identifier, and of those that name version, identification
/// and secure channels.
const TEMPLATE: u16 = 0x73;
const IDENTIFIER: u16 = 0x06;
const VERSION: u16 = 0x60;
const IDENTIFICATION: u16 = 0x63;
const CHANNEL: u16 = 0x64;

/// Writes the template of a card of version 2.3.1 with these protocols.
pub fn write_recognition(
    protocols: impl IntoIterator<Item = Protocol>,
    writer: &mut Writer<'_>,
) -> Result<(), Malformed> {
    let mut buffer = [0; 96];
    let mut data = Writer::new(&mut buffer);
    write_identifier(&[1], &mut data)?;
    write_object(VERSION, &[2, 2, 3, 1], &mut data)?;
    write_object(IDENTIFICATION, &[3], &mut data)?;
    for [protocol, i] in protocols.into_iter().map(Protocol::to_bytes) {
        write_object(CHANNEL, &[PROTOCOL, protocol, i], &mut data)?;
    }
    tlv::put(writer, TEMPLATE, data.finish()?)
}

/// Identifiers and options (i) of the secure channel protocols that a template names; others than
/// those of [`Protocol`] as well.
pub fn recognised_protocols(template: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    let objects = tlv::find(TEMPLATE, template).ok().flatten().unwrap_or_default();
    let mut reader = Reader::new(objects);
    let all = core::iter::from_fn(move || tlv::take(&mut reader).ok());
    all.filter_map(|(tag, value)| {
        let identifier = tlv::find(IDENTIFIER, value).ok()?.filter(|_| tag == CHANNEL)?;
        match identifier.strip_prefix(&BRANCH)? {
            [PROTOCOL, protocol, i] => Some([*protocol, *i]),
            _ => None,
        }
    })
}

/// An object around an identifier.
fn write_object(tag: u16, numbers: &[u8], writer: &mut Writer<'_>) -> Result<(), Malformed> {
    let mut buffer = [0; 18];
    let mut object = Writer::new(&mut buffer);
    write_identifier(numbers, &mut object)?;
    tlv::put(writer, tag, object.finish()?)
}

/// The identifier of these numbers in the branch.
fn write_identifier(numbers: &[u8], writer: &mut Writer<'_>) -> Result<(), Malformed> {
    let mut buffer = [0; 16];
    let mut identifier = Writer::new(&mut buffer);
    identifier.put(&BRANCH);
    identifier.put(numbers);
    tlv::put(writer, IDENTIFIER, identifier.finish()?)
}
