//! Cards of protocol T=0, whose transport shows through to the application: a command cannot
//! both bring and fetch data, so that an answer is announced with 61xx and fetched with GET
//! RESPONSE, and a wrong Le is corrected with 6Cxx (ISO/IEC 7816-3, 12.2; 7816-4, 11.8).
//!
//! [`T0`] is a reader around a reader of such a card; what uses it sees whole APDUs, as with
//! T=1. Extended lengths would need ENVELOPE; they are passed on as they are.

use super::Reader;
use crate::Error;

/// GET RESPONSE.
const GET_RESPONSE: u8 = 0xC0;
/// Longest answer, without its status word: what an extended Le can ask for.
const ANSWER_MAX: usize = 65_536;

/// A reader of a T=0 card.
#[derive(Debug)]
pub struct T0<R>(pub R);

impl<R: Reader> Reader for T0<R> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let command = to_tpdu(command);
        let mut answer = self.0.transmit(&command)?;
        if let Some(le) = wrong_le(&answer) {
            answer = self.0.transmit(&with_le(&command, le))?;
        }
        let mut whole = Vec::new();
        while let Some((data, le)) = announced(&answer) {
            whole.extend_from_slice(data);
            let cla = command.first().map_or(0, |cla| channel(*cla));
            answer = self.fetch(cla, le)?;
            // An answer that brings nothing would be fetched for ever.
            let stuck = announced(&answer).is_some_and(|(data, _)| data.is_empty());
            if stuck || whole.len() > ANSWER_MAX {
                return Err(Error::NoAnswer("the card announces an answer without end".into()));
            }
        }
        whole.append(&mut answer);
        Ok(whole)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.reset()
    }
}

impl<R: Reader> T0<R> {
    /// GET RESPONSE; a wrong Le is corrected here too.
    fn fetch(&mut self, cla: u8, le: u8) -> Result<Vec<u8>, Error> {
        let answer = self.0.transmit(&[cla, GET_RESPONSE, 0, 0, le])?;
        match wrong_le(&answer) {
            Some(le) => self.0.transmit(&[cla, GET_RESPONSE, 0, 0, le]),
            None => Ok(answer),
        }
    }
}

/// The command as T=0 carries it: case 1 gets P3 = 00, case 4 loses its Le (ISO/IEC 7816-3,
/// 12.2.1 and 12.2.4).
fn to_tpdu(command: &[u8]) -> Vec<u8> {
    let mut tpdu = command.to_vec();
    match *command {
        [_, _, _, _] => tpdu.push(0),
        [_, _, _, _, lc, ref rest @ ..] if lc > 0 && rest.len() == usize::from(lc) + 1 => {
            tpdu.pop();
        }
        _ => {}
    }
    tpdu
}

/// The Le that the card wants instead (6Cxx).
const fn wrong_le(answer: &[u8]) -> Option<u8> {
    match answer {
        [0x6C, le] => Some(*le),
        _ => None,
    }
}

/// The command with this Le in place of its own.
fn with_le(command: &[u8], le: u8) -> Vec<u8> {
    let head = command.get(..4).unwrap_or(command);
    [head, &[le]].concat()
}

/// What has come, and how much more the card has (61xx).
fn announced(answer: &[u8]) -> Option<(&[u8], u8)> {
    match answer {
        [data @ .., 0x61, more] => Some((data, *more)),
        _ => None,
    }
}

/// The class of GET RESPONSE: that of the command, without secure messaging; 00 where it was
/// a class of the card's own.
const fn channel(cla: u8) -> u8 {
    match cla {
        0x00..=0x1F => cla & 0x03,
        0x40..=0x7F => cla & 0xDF,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Expects commands, in order, and answers them.
    struct Script(VecDeque<(Vec<u8>, Vec<u8>)>);

    impl Reader for Script {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
            let (expected, answer) = self.0.pop_front().expect("no command more");
            assert_eq!(hex::encode(command), hex::encode(expected));
            Ok(answer)
        }
        fn reset(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }

    fn exchange(command: &str, script: &[(&str, &str)]) -> Result<String, Error> {
        let bytes = |text: &str| hex::decode(text).unwrap();
        let script = script.iter().map(|(command, answer)| (bytes(command), bytes(answer))).collect();
        let mut reader = T0(Script(script));
        let answer = reader.transmit(&bytes(command));
        assert!(reader.0.0.is_empty(), "commands are missing");
        answer.map(hex::encode)
    }

    #[test]
    fn commands_as_t0_carries_them() {
        let cases = [
            ("00a40000", "00a4000000"),                   // case 1
            ("00b0000010", "00b0000010"),                 // case 2
            ("00a4000002aabb", "00a4000002aabb"),         // case 3
            ("00a4000002aabb00", "00a4000002aabb"),       // case 4
            ("00a40000000002aabb", "00a40000000002aabb"), // extended, case 3
        ];
        for (command, sent) in cases {
            assert_eq!(exchange(command, &[(sent, "9000")]).unwrap(), "9000");
        }
    }

    #[test]
    fn an_announced_answer_is_fetched() {
        let script = [("00a4000002aabb", "6103"), ("00c0000003", "0102039000")];
        assert_eq!(exchange("00a4000002aabb00", &script).unwrap(), "0102039000");
        let parts = [("00b0000000", "016102"), ("00c0000002", "02036101"), ("00c0000001", "049000")];
        assert_eq!(exchange("00b0000000", &parts).unwrap(), "010203049000");
    }

    #[test]
    fn a_wrong_le_is_corrected_once() {
        let script = [("00b0000000", "6c02"), ("00b0000002", "01029000")];
        assert_eq!(exchange("00b0000000", &script).unwrap(), "01029000");
        let again = [("00b0000000", "6c02"), ("00b0000002", "6c03")];
        assert_eq!(exchange("00b0000000", &again).unwrap(), "6c03");
        let in_response = [("00a4000001aa", "6100"), ("00c0000000", "6c01"), ("00c0000001", "079000")];
        assert_eq!(exchange("00a4000001aa", &in_response).unwrap(), "079000");
    }

    #[test]
    fn other_answers_pass() {
        for answer in ["9000", "6a82", "0161ff9000", "6281"] {
            assert_eq!(exchange("00b0000001", &[("00b0000001", answer)]).unwrap(), answer);
        }
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let script = [("00b0000001", "6101"), ("00c0000001", "6101")];
        exchange("00b0000001", &script).unwrap_err();
    }

    #[test]
    fn the_class_of_get_response() {
        assert_eq!([0x00, 0x02, 0x0C, 0x90, 0x80, 0x61].map(channel), [0, 2, 0, 0, 0, 0x41]);
    }
}
