//! What is on a card: INSTALL, DELETE, GET STATUS, SET STATUS.

use crate::aid::Aid;
use crate::form::Form;
use crate::layout;
use crate::tlv;
use crate::wire::{Element, Malformed, Octets, Reader, Writer};

/// P1 of INSTALL (Card Specification 2.3.1, table 11-42).
pub mod purpose {
    /// For install.
    pub const INSTALL: u8 = 0x04;
    /// For make selectable.
    pub const SELECTABLE: u8 = 0x08;
    /// Both.
    pub const INSTALL_AND_SELECTABLE: u8 = INSTALL | SELECTABLE;
    /// For personalization.
    pub const PERSONALIZATION: u8 = 0x20;
}

/// P1 of GET STATUS and SET STATUS (Card Specification 2.3.1, tables 11-33 and 11-85).
pub mod subset {
    /// The issuer security domain, and with it the card.
    pub const DOMAIN: u8 = 0x80;
    /// Applications.
    pub const APPLICATIONS: u8 = 0x40;
    /// Executable load files.
    pub const LOAD_FILES: u8 = 0x20;
    /// Executable load files and their modules.
    pub const LOAD_FILES_AND_MODULES: u8 = 0x10;
}

/// Bit of P2 of SET STATUS that locks an application (Card Specification 2.3.1, table 11-5).
pub const LOCKED: u8 = 0x80;

layout! {
    /// INSTALL.
    pub struct InstallRequest {
        /// What for (P1).
        purpose: u8,
        /// 00 (P2).
        reserved: u8,
        /// What of.
        data: InstallData,
    }
}

/// Data field of INSTALL: load file, module, application, privileges (1 or 3 bytes, or none),
/// parameters and token, each behind its length. What is not wanted is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InstallData {
    /// The executable load file.
    pub load_file: Aid,
    /// The module in it.
    pub module: Aid,
    /// The application.
    pub application: Aid,
    /// Its privileges.
    pub privileges: Octets<3>,
    /// Install parameters, BER-TLV.
    pub parameters: Octets<64>,
    /// Install token.
    pub token: Octets<64>,
}

impl InstallData {
    fn parts(&self) -> [&[u8]; 6] {
        [
            self.load_file.as_slice(),
            self.module.as_slice(),
            self.application.as_slice(),
            self.privileges.as_slice(),
            self.parameters.as_slice(),
            self.token.as_slice(),
        ]
    }
}

impl Element for InstallData {
    const MIN: usize = 6;
    const MAX: usize = 6 + 3 * 16 + 3 + 64 + 64;
    const FORM: Form = Form::Octets(Self::MIN, Self::MAX);
    fn encode(&self, writer: &mut Writer<'_>) {
        for part in self.parts() {
            // 64 bytes at most.
            writer.put(&[u8::try_from(part.len()).unwrap_or(u8::MAX)]);
            writer.put(part);
        }
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut part = || {
            let length = usize::from(reader.byte()?);
            reader.take(length)
        };
        Ok(Self {
            load_file: Aid::new(part()?)?,
            module: Aid::new(part()?)?,
            application: Aid::new(part()?)?,
            privileges: Octets::new(part()?)?,
            parameters: Octets::new(part()?)?,
            token: Octets::new(part()?)?,
        })
    }
}

layout! {
    /// Answer to INSTALL and DELETE.
    #[derive(Copy)]
    pub struct Confirmation {
        /// 00: there is no receipt.
        receipt: u8,
    }
}

layout! {
    /// DELETE.
    pub struct DeleteRequest {
        /// 00 or 80, related objects too (P2). Applications have none.
        related: u8,
        /// What.
        what: Deletion,
    }
}

/// What is to be deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deletion {
    /// `4F`: an application.
    Application(Aid),
    /// `D2`, perhaps with `D0` (key identifier): the keys of a version.
    Keys {
        /// The version.
        version: u8,
    },
}

impl Element for Deletion {
    const MIN: usize = 2;
    const MAX: usize = 32;
    const FORM: Form = Form::Octets(Self::MIN, Self::MAX);
    fn encode(&self, writer: &mut Writer<'_>) {
        // Both are shorter than an object may be.
        let _ = match self {
            Self::Application(aid) => tlv::put(writer, 0x4F, aid.as_slice()),
            Self::Keys { version } => tlv::put(writer, 0xD2, &[*version]),
        };
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let objects = reader.rest();
        match (tlv::find(0x4F, objects)?, tlv::find(0xD2, objects)?) {
            (Some(aid), None) if !aid.is_empty() => Aid::new(aid).map(Self::Application),
            (None, Some([version])) => Ok(Self::Keys { version: *version }),
            _ => Err(Malformed),
        }
    }
}

layout! {
    /// GET STATUS.
    pub struct StatusRequest {
        /// Of what (P1).
        subset: u8,
        /// 02: as objects `E3`, 00: as bytes one behind the other (P2).
        form: u8,
        /// `4F` with an AID or the first bytes of one, then perhaps `5C`, a list of tags.
        search: Octets<64>,
    }
}

layout! {
    /// Answer to GET STATUS.
    pub struct StatusResponse {
        /// The lines, one behind the other.
        lines: Octets<254>,
    }
}

layout! {
    /// SET STATUS.
    pub struct SetStatusRequest {
        /// Of what (P1).
        subset: u8,
        /// The new state (P2).
        state: u8,
        /// The application; ignored where P1 is 80, the card.
        application: Aid,
    }
}

/// How GET STATUS answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusForm {
    /// P2 00: length, AID, life cycle, privileges (Card Specification 2.3.1, table 11-36).
    Bytes,
    /// P2 02: objects `E3`.
    Objects,
}

impl StatusForm {
    /// The form of P2; the bit for further occurrences apart.
    pub const fn of(p2: u8) -> Result<Self, Malformed> {
        match p2 {
            0x00 | 0x01 => Ok(Self::Bytes),
            0x02 | 0x03 => Ok(Self::Objects),
            _ => Err(Malformed),
        }
    }
}

/// One line of an answer to GET STATUS.
#[derive(Clone, Debug)]
pub struct ApplicationStatus<'a> {
    /// Its name.
    pub aid: &'a [u8],
    /// Its life cycle.
    pub state: u8,
    /// Its privileges; load files have none.
    pub privileges: Option<[u8; 3]>,
    /// The load file it comes from.
    pub load_file: Option<&'a [u8]>,
    /// The module in it, where modules are asked for.
    pub module: Option<&'a [u8]>,
    /// The security domain it belongs to.
    pub domain: Option<&'a [u8]>,
}

impl ApplicationStatus<'_> {
    /// Appends the line. `tags` is a list as object `5C` has it; nothing stands for all.
    pub fn write(
        &self,
        form: StatusForm,
        tags: Option<&[u8]>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Malformed> {
        if form == StatusForm::Bytes {
            writer.put(&[u8::try_from(self.aid.len()).map_err(|_| Malformed)?]);
            writer.put(self.aid);
            writer.put(&[self.state, self.privileges.map_or(0, |[first, ..]| first)]);
            return Ok(());
        }
        let mut buffer = [0; 96];
        let mut objects = Writer::new(&mut buffer);
        let privileges = self.privileges.as_ref().map(<[u8; 3]>::as_slice);
        let all = [
            (0x4F, Some(self.aid)),
            (0x9F70, Some(core::slice::from_ref(&self.state))),
            (0xC5, privileges),
            (0xC4, self.load_file),
            (0x84, self.module),
            (0xCC, self.domain),
        ];
        for (tag, value) in all {
            if let Some(value) = value.filter(|_| is_listed(tag, tags)) {
                tlv::put(&mut objects, tag, value)?;
            }
        }
        tlv::put(writer, 0xE3, objects.finish()?)
    }
}

/// Whether a list of tags, each of one or two bytes, names this one.
fn is_listed(tag: u16, tags: Option<&[u8]>) -> bool {
    let Some(tags) = tags else { return true };
    let mut reader = Reader::new(tags);
    while let Ok(first) = reader.byte() {
        let next = match first {
            long if long & 0x1F == 0x1F => reader.byte().map_or(0, |low| u16::from_be_bytes([long, low])),
            short => u16::from(short),
        };
        if next == tag {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: ApplicationStatus<'_> = ApplicationStatus {
        aid: b"\xF0A",
        state: 0x0F,
        privileges: Some([0x80, 0, 0]),
        load_file: None,
        module: None,
        domain: None,
    };

    fn written(form: StatusForm, tags: Option<&[u8]>) -> heapless::Vec<u8, 64> {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(STATUS.write(form, tags, &mut writer), Ok(()));
        heapless::Vec::from_slice(writer.finish().unwrap_or_default()).unwrap_or_default()
    }

    #[test]
    fn both_forms_of_a_status() {
        assert_eq!(written(StatusForm::Bytes, None), b"\x02\xF0A\x0F\x80");
        assert_eq!(
            written(StatusForm::Objects, None),
            b"\xE3\x0D\x4F\x02\xF0A\x9F\x70\x01\x0F\xC5\x03\x80\x00\x00"
        );
    }

    #[test]
    fn only_the_tags_that_are_listed() {
        assert_eq!(written(StatusForm::Objects, Some(b"\x9F\x70")), b"\xE3\x04\x9F\x70\x01\x0F");
        assert_eq!(written(StatusForm::Objects, Some(b"\x4F\xC4")), b"\xE3\x04\x4F\x02\xF0A");
        assert_eq!(written(StatusForm::Objects, Some(b"\x9F")), b"\xE3\x00", "a torn list");
    }

    #[test]
    fn deletions() {
        let both = |bytes: &[u8]| Deletion::from_bytes(bytes);
        assert_eq!(both(b"\xD2\x01\x30"), Ok(Deletion::Keys { version: 0x30 }));
        assert_eq!(both(b"\xD0\x01\x01\xD2\x01\x30"), Ok(Deletion::Keys { version: 0x30 }));
        assert!(matches!(both(b"\x4F\x02\xF0A"), Ok(Deletion::Application(_))));
        for wrong in [&b""[..], b"\x4F\x00", b"\xD2\x02\x30\x31", b"\x4F\x01A\xD2\x01\x30", b"\x4F\x02A"] {
            assert_eq!(both(wrong), Err(Malformed));
        }
    }
}
