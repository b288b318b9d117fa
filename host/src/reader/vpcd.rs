//! The protocol of vpcd, the virtual smart card reader driver of vsmartcard, as a state
//! machine without sockets: bytes come in, messages go out.
//!
//! ```text
//! message := length (2, big endian) payload
//! from the reader   00 power off, 01 power on, 02 reset: not answered
//!                   04 get ATR: answered with it, 33 bytes at most
//!                   a longer payload is a command APDU, answered with the response APDU
//! ```
//!
//! (virtualsmartcard/src/vpcd/vpcd.c.) Where the protocol leaves something open: a payload
//! of no bytes and an unknown control byte are not answered. Nothing is ever answered
//! with length 0, which would hang the driver; a card that is [mute](Mute) is shown by closing
//! the connection.

use super::atr::ATR;
use super::virtual_reader::VirtualReader;
use crate::Error;

/// Control byte: take the power away.
pub const POWER_OFF: u8 = 0;
/// Control byte: give power.
pub const POWER_ON: u8 = 1;
/// Control byte: power off and on.
pub const RESET: u8 = 2;
/// Control byte: the answer to reset, please.
pub const GET_ATR: u8 = 4;

/// Longest payload of a message.
pub const PAYLOAD_MAX: usize = u16::MAX as usize;
/// Bytes before a payload.
pub const LENGTH: usize = 2;

/// A card, as its reader sees it. An error of any of these is a card that does not answer.
pub trait Inserted {
    /// The answer to reset, 33 bytes at most (ISO/IEC 7816-3, 8.1).
    fn atr(&self) -> &[u8] {
        &ATR
    }
    /// Gives power; nothing where it has power.
    fn power_on(&mut self) -> Result<(), Error>;
    /// Takes the power away.
    fn power_off(&mut self);
    /// Carries a command out; the response APDU, two bytes at least.
    fn process(&mut self, command: &[u8]) -> Result<&[u8], Error>;
    /// Does what is left to do once the response has been sent.
    fn housekeep(&mut self);
}

impl Inserted for VirtualReader {
    fn power_on(&mut self) -> Result<(), Error> {
        Self::power_on(self)
    }
    fn power_off(&mut self) {
        Self::power_off(self);
    }
    fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
        Self::process(self, command)
    }
    fn housekeep(&mut self) {
        Self::housekeep(self);
    }
}

/// The card does not answer: the connection must be closed, and stay so for a while.
#[derive(Debug)]
pub struct Mute(pub Error);

/// What a message did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// The card has power now.
    PoweredOn,
    /// The card has none now.
    PoweredOff,
    /// Power went and came.
    Reset,
    /// The answer to reset was asked for.
    AtrAsked,
    /// A command was carried out.
    Command,
    /// No bytes, or an unknown control byte.
    Ignored,
}

/// Carries out one payload from the reader; what is to be sent is put into `answer`, with its
/// length and in one piece, or nothing.
pub fn answer(card: &mut dyn Inserted, payload: &[u8], answer: &mut Vec<u8>) -> Result<Done, Mute> {
    answer.clear();
    match *payload {
        [] => Ok(Done::Ignored),
        [POWER_OFF] => {
            card.power_off();
            Ok(Done::PoweredOff)
        }
        [POWER_ON] => card.power_on().map(|()| Done::PoweredOn).map_err(Mute),
        [RESET] => {
            card.power_off();
            card.power_on().map(|()| Done::Reset).map_err(Mute)
        }
        [GET_ATR] => {
            put(card.atr(), answer);
            Ok(Done::AtrAsked)
        }
        [_] => Ok(Done::Ignored),
        ref command => {
            put(card.process(command).map_err(Mute)?, answer);
            Ok(Done::Command)
        }
    }
}

/// A payload as a message, behind what is in `message`. What is longer than a message can be
/// is cut.
pub fn put(payload: &[u8], message: &mut Vec<u8>) {
    let payload = payload.get(..PAYLOAD_MAX).unwrap_or(payload);
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(payload);
}

/// Finds messages in a stream of bytes that comes in pieces of any size.
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// What lies in the buffer and has not been taken.
    begin: usize,
    end: usize,
}

impl Default for Deframer {
    fn default() -> Self {
        Self { buffer: vec![0; LENGTH + PAYLOAD_MAX], begin: 0, end: 0 }
    }
}

impl Deframer {
    /// Where the next bytes go; never empty once [`Deframer::next`] has found nothing.
    pub fn space(&mut self) -> &mut [u8] {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes have been put into the [space](Deframer::space).
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// The payload of the next message, where all of it is there.
    #[allow(clippy::should_implement_trait)] // what it gives lends from the buffer
    pub fn next(&mut self) -> Option<&[u8]> {
        let (head, rest) = self.buffer.get(self.begin..self.end)?.split_first_chunk::<LENGTH>()?;
        let length = usize::from(u16::from_be_bytes(*head));
        let payload = rest.get(..length)?;
        self.begin += LENGTH + length;
        Some(payload)
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn in_mid_message(&self) -> bool {
        self.begin < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that answers how many bytes the command had.
    #[derive(Default)]
    struct Counting {
        power: bool,
        broken: bool,
        response: Vec<u8>,
    }

    impl Inserted for Counting {
        fn power_on(&mut self) -> Result<(), Error> {
            self.power = !self.broken;
            if self.power { Ok(()) } else { Err(Error::NoAnswer("broken".into())) }
        }
        fn power_off(&mut self) {
            self.power = false;
        }
        fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
            if !self.power {
                return Err(Error::NoAnswer("no power".into()));
            }
            self.response = u32::try_from(command.len()).unwrap().to_be_bytes().to_vec();
            Ok(&self.response)
        }
        fn housekeep(&mut self) {}
    }

    fn sent(card: &mut Counting, payload: &[u8]) -> (Done, Vec<u8>) {
        let mut out = vec![9; 9];
        let done = answer(card, payload, &mut out).unwrap();
        (done, out)
    }

    #[test]
    fn control_bytes() {
        let mut card = Counting::default();
        assert_eq!(sent(&mut card, &[POWER_ON]), (Done::PoweredOn, vec![]));
        assert!(card.power);
        assert_eq!(sent(&mut card, &[RESET]), (Done::Reset, vec![]));
        let atr = [&[0, 16][..], &ATR].concat();
        assert_eq!(sent(&mut card, &[GET_ATR]), (Done::AtrAsked, atr));
        assert_eq!(sent(&mut card, &[POWER_OFF]), (Done::PoweredOff, vec![]));
        assert!(!card.power);
        for unknown in (0..=255).filter(|byte| ![0, 1, 2, 4].contains(byte)) {
            assert_eq!(sent(&mut card, &[unknown]), (Done::Ignored, vec![]));
        }
        assert_eq!(sent(&mut card, &[]), (Done::Ignored, vec![]));
    }

    #[test]
    fn commands_need_power_and_a_card_that_starts() {
        let mut card = Counting::default();
        let mut out = Vec::new();
        answer(&mut card, &[0, 0xA4, 0, 0], &mut out).unwrap_err();
        assert!(out.is_empty());
        sent(&mut card, &[POWER_ON]);
        assert_eq!(sent(&mut card, &[0; 2]), (Done::Command, vec![0, 4, 0, 0, 0, 2]));
        let longest = vec![0; PAYLOAD_MAX];
        assert_eq!(sent(&mut card, &longest), (Done::Command, vec![0, 4, 0, 0, 0xFF, 0xFF]));
        card.broken = true;
        answer(&mut card, &[RESET], &mut out).unwrap_err();
    }

    #[test]
    fn messages_come_in_pieces_of_any_size() {
        let payloads: Vec<Vec<u8>> = [0, 1, 2, 300, PAYLOAD_MAX, 0, 5].map(|length| vec![7; length]).into();
        let mut stream = Vec::new();
        payloads.iter().for_each(|payload| put(payload, &mut stream));
        for step in [1, 2, 3, 1_000, 65_537, stream.len()] {
            let (mut deframer, mut found, mut rest) = (Deframer::default(), Vec::new(), &stream[..]);
            while !rest.is_empty() {
                let space = deframer.space();
                assert!(!space.is_empty());
                let count = space.len().min(step).min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                deframer.filled(count);
                rest = &rest[count..];
                while let Some(payload) = deframer.next() {
                    found.push(payload.to_vec());
                }
            }
            assert_eq!(found, payloads, "pieces of {step}");
            assert!(!deframer.in_mid_message());
        }
    }
}
