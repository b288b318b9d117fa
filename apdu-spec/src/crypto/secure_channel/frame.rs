//! A short command APDU in its buffer: header, Lc and data stay where they are while MAC and
//! padding come and go behind the data.

use super::Error;

/// Greatest length of the data field.
const DATA_MAX: usize = 255;

/// A command APDU, taken apart in place.
pub(super) struct Frame<'b> {
    /// CLA, INS, P1, P2.
    header: [u8; 4],
    /// Where CLA and Lc are written back.
    cla: &'b mut u8,
    lc: &'b mut u8,
    /// The buffer behind Lc.
    pub(super) body: &'b mut [u8],
    /// Length of the data at the front of the body.
    pub(super) data: usize,
    le: Option<u8>,
}

impl<'b> Frame<'b> {
    /// Cases 1, 2S, 3S and 4S of ISO/IEC 7816-3; others are [`Error::Length`]. The buffer
    /// has room for Lc also where the command has none.
    pub(super) fn parse(buffer: &'b mut [u8], length: usize) -> Result<Self, Error> {
        let held = buffer.len();
        let [cla, ins, p1, p2, lc, body @ ..] = buffer else {
            return Err(if length == 4 { Error::Buffer } else { Error::Length });
        };
        let announced = usize::from(*lc);
        let (data, le) = match length {
            _ if length > held => return Err(Error::Length),
            4 => (0, None),
            5 => (0, Some(*lc)),
            _ if announced == 0 => return Err(Error::Length),
            _ if length == 5 + announced => (announced, None),
            _ if length == 6 + announced => (announced, body.get(announced).copied()),
            _ => return Err(Error::Length),
        };
        Ok(Self { header: [*cla, *ins, *p1, *p2], cla, lc, body, data, le })
    }

    /// CLA, INS, P1, P2.
    pub(super) const fn header(&self) -> [u8; 4] {
        self.header
    }

    /// The header as MACs cover it: secure messaging indicated, logical channel zero (Card
    /// Specification 2.3.1, E.4.4; Amendment D, 6.2.4).
    pub(super) const fn secured_header(&self) -> [u8; 4] {
        let [cla, ins, p1, p2] = self.header;
        [cla & !0x03 | 0x04, ins, p1, p2]
    }

    /// Whether CLA indicates secure messaging as GlobalPlatform has it; an error where it
    /// is of another kind, or where CLA has no place for it (logical channels 4 to 19).
    pub(super) const fn is_secured(&self) -> Result<bool, Error> {
        match self.header {
            [cla, ..] if cla & 0x40 != 0 => Err(Error::Messaging),
            [cla, ..] => match cla & 0x0C {
                0x00 => Ok(false),
                0x04 => Ok(true),
                _ => Err(Error::Messaging),
            },
        }
    }

    /// Indicates secure messaging in CLA, or no longer.
    pub(super) const fn indicate(&mut self, secured: bool) {
        *self.cla = if secured { *self.cla | 0x04 } else { *self.cla & !0x04 };
    }

    /// Whether `data` bytes fit an APDU and this buffer.
    pub(super) const fn check_room(&self, data: usize, limit: usize) -> Result<(), Error> {
        if data > DATA_MAX {
            Err(Error::TooLong { limit })
        } else if data + self.le.is_some() as usize > self.body.len() {
            Err(Error::Buffer)
        } else {
            Ok(())
        }
    }

    /// Writes Lc and Le around `data` bytes; the length of the APDU.
    pub(super) fn finish(self, data: usize) -> Result<usize, Error> {
        *self.lc = match (data, self.le) {
            (0, le) => le.unwrap_or(0),
            _ => u8::try_from(data).map_err(|_| Error::Length)?,
        };
        if data == 0 {
            return Ok(4 + usize::from(self.le.is_some()));
        }
        if let Some(le) = self.le {
            *self.body.get_mut(data).ok_or(Error::Buffer)? = le;
        }
        Ok(5 + data + usize::from(self.le.is_some()))
    }
}
