//! An exchange as a packet that Wireshark dissects: IPv4, UDP port 4729, GSMTAP of type
//! SIM (libosmocore `gsmtap.h`), whose payload is command and answer one after the other,
//! as SIMtrace sends it.
//!
//! Where a command ends cannot be seen in that payload, so the GSMTAP head, whose length
//! is in it, goes on for 16 bytes (project-defined), which other readers pass over:
//!
//! ```text
//! "PURS" (4)  kind of card (1)  flags (1)  length of the command (2)  number of the card (8)
//! ```
//!
//! Flags: 01 secrets were made zero, 02 a reset (no payload), 04 no answer came. From the
//! terminal 10.0.0.1 to the card 10.kind.number. Packets without those 16 bytes, of
//! SIMtrace say, are read too; their commands are split after their length byte.

use apdu_spec::{Apdu, catalog};

use super::pcap::Packet;
use super::{CardKind, CardLabel, Event, Recorded, redact};

const PORT: u16 = 4729;
const VERSION: u8 = 2;
const TYPE_SIM: u8 = 4;
const SUB_APDU: u8 = 0;
const SUB_ATR: u8 = 1;
const MAGIC: &[u8; 4] = b"PURS";
const WITHHELD: u8 = 1;
const RESET: u8 = 2;
const LOST: u8 = 4;
/// GSMTAP head, ours included.
const HEAD: usize = 32;
/// Most bytes of a command and of an answer in a packet: more are cut off in the middle.
const PART_MAX: usize = 32_000;

/// The packet of an exchange, without its secrets; `answer` is missing where it was lost.
#[must_use]
pub fn exchange(card: CardLabel, number: u32, command: &[u8], answer: Option<&[u8]>) -> Vec<u8> {
    let mut sent = clipped(command, 0);
    let mut withheld = redact::command(&mut sent);
    let answer = answer.map(|bytes| {
        let mut bytes = bytes.to_vec();
        withheld |= redact::answer(command, &mut bytes);
        clipped(&bytes, 2)
    });
    let lost = if answer.is_none() { LOST } else { 0 };
    let flags = (if withheld { WITHHELD } else { 0 }) | lost;
    let mut payload = head(card, number, SUB_APDU, flags, sent.len());
    payload.extend(sent);
    payload.extend(answer.unwrap_or_default());
    datagram(card, &payload)
}

/// The packet of a reset.
#[must_use]
pub fn reset(card: CardLabel, number: u32) -> Vec<u8> {
    datagram(card, &head(card, number, SUB_ATR, RESET, 0))
}

/// At most [`PART_MAX`] bytes, the last `kept` among them.
fn clipped(bytes: &[u8], kept: usize) -> Vec<u8> {
    if bytes.len() <= PART_MAX {
        return bytes.to_vec();
    }
    [&bytes[..PART_MAX - kept], &bytes[bytes.len() - kept..]].concat()
}

fn head(card: CardLabel, number: u32, sub_type: u8, flags: u8, command: usize) -> Vec<u8> {
    let mut head = vec![VERSION, u8::try_from(HEAD / 4).unwrap_or_default(), TYPE_SIM, 0, 0, 0, 0, 0];
    head.extend(number.to_be_bytes());
    head.extend([sub_type, 0, 0, 0]);
    head.extend(MAGIC);
    head.extend([card.kind as u8, flags]);
    head.extend(u16::try_from(command).unwrap_or(u16::MAX).to_be_bytes());
    head.extend(card.number.to_be_bytes());
    head
}

/// IPv4 and UDP around a payload. Lengths fit: see [`PART_MAX`].
fn datagram(card: CardLabel, payload: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(more + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let [.., high, low] = card.number.to_be_bytes();
    let [a, b] = length(28);
    let mut ip =
        vec![0x45, 0, a, b, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, card.kind as u8, high, low];
    let sum: u32 = ip.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !u16::try_from(folded & 0xFFFF).unwrap_or_default();
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    ip.extend(PORT.to_be_bytes());
    ip.extend(PORT.to_be_bytes());
    ip.extend(length(8));
    ip.extend([0, 0]);
    ip.extend(payload);
    ip
}

/// What a packet of a capture records; nothing where it is no GSMTAP of type SIM.
#[must_use]
pub fn parse(packet: &Packet<'_>) -> Option<Recorded> {
    let payload = udp(ipv4(packet)?)?;
    let [_, words, TYPE_SIM, ..] = payload else { return None };
    let (head, body) = payload.split_at_checked(usize::from(*words) * 4)?;
    let sub_type = *head.get(12)?;
    let at = Some(packet.at);
    if let Some(ours) = head.get(16..).filter(|ours| ours.len() == 16 && ours.starts_with(MAGIC)) {
        return own(at, ours, body);
    }
    let event = match sub_type {
        SUB_APDU => split(body)?,
        SUB_ATR => Event::Reset,
        _ => return None,
    };
    Some(Recorded { at, card: CardLabel::UNKNOWN, event, withheld: false })
}

/// A packet that this program has written.
fn own(at: Option<std::time::Duration>, head: &[u8], body: &[u8]) -> Option<Recorded> {
    let [_, _, _, _, kind, flags, high, low, number @ ..] = head else { return None };
    let kind = CardKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
    let card = CardLabel { kind, number: u64::from_be_bytes(number.try_into().ok()?) };
    let event = if flags & RESET == 0 {
        let (command, answer) = body.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        let answer = (flags & LOST == 0).then(|| answer.to_vec());
        Event::Exchange { command: command.to_vec(), answer }
    } else {
        Event::Reset
    };
    Some(Recorded { at, card, event, withheld: flags & WITHHELD != 0 })
}

/// The IPv4 packet in a packet of the link types that captures of the loopback have.
fn ipv4<'c>(packet: &Packet<'c>) -> Option<&'c [u8]> {
    let skip = match packet.link {
        0 => 4,    // BSD loopback
        1 => 14,   // Ethernet
        113 => 16, // Linux, cooked
        super::pcap::RAW_IP | 228 => 0,
        276 => 20, // Linux, cooked, second version
        _ => return None,
    };
    packet.bytes.get(skip..).filter(|bytes| bytes.first().is_some_and(|first| first >> 4 == 4))
}

/// The payload of a UDP datagram to or from the port of GSMTAP.
fn udp(ip: &[u8]) -> Option<&[u8]> {
    if *ip.get(9)? != 17 {
        return None;
    }
    let udp = ip.get(usize::from(ip.first()? & 0x0F) * 4..)?;
    let ports: [u8; 4] = *udp.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    if !ports.chunks_exact(2).any(|port| port == PORT.to_be_bytes()) {
        return None;
    }
    udp.get(8..length)
}

/// Command and answer of a payload that does not say where one ends: after Lc and its
/// bytes, where the catalogue or the instruction says that data go to the card, else
/// after the length byte.
fn split(payload: &[u8]) -> Option<Event> {
    let ([cla, ins, p1, p2, body @ ..], _) = payload.split_last_chunk::<2>()? else { return None };
    let header = Apdu { cla: *cla, ins: *ins, p1: *p1, p2: *p2, data: &[], le: 0 };
    let length = usize::from(body.first().copied().unwrap_or(0));
    let sends = catalog::find(&header)
        .map_or_else(|| *ins == 0xA4 || !redact::is_public(payload), |row| row.request.max > row.in_header());
    let command = match body {
        [] => 4,
        _ if sends && body.len() > length => 5 + length,
        _ => 5,
    };
    let (command, answer) = payload.split_at_checked(command)?;
    Some(Event::Exchange { command: command.to_vec(), answer: Some(answer.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::pcap::{self, RAW_IP};
    use std::time::Duration;

    fn read(bytes: &[u8]) -> Option<Recorded> {
        parse(&Packet { at: Duration::ZERO, link: RAW_IP, bytes })
    }

    fn event(bytes: &[u8]) -> Event {
        read(bytes).expect("a packet of ours").event
    }

    #[test]
    fn what_is_written_is_read() {
        let card = CardLabel { kind: CardKind::Sam, number: 0x0102_0304 };
        let command = vec![0x90, 0x5C, 0, 0, 0];
        for answer in [Some(vec![0x6A, 0x83]), None, Some(vec![])] {
            let recorded = read(&exchange(card, 7, &command, answer.as_deref())).unwrap();
            assert_eq!(recorded.card, card);
            assert_eq!(recorded.event, Event::Exchange { command: command.clone(), answer });
        }
        assert_eq!(event(&reset(card, 8)), Event::Reset);
        let packet = exchange(card, 9, &[0, 0x20, 0, 0x80, 1, 0x31], Some(&[0x90, 0]));
        assert!(read(&packet).unwrap().withheld && packet.ends_with(&[0, 0x20, 0, 0x80, 1, 0, 0x90, 0]));
    }

    #[test]
    fn the_longest_frames_fit() {
        let packet = exchange(CardLabel::UNKNOWN, 0, &[0; 70_000], Some(&[0x90; 70_000]));
        let Event::Exchange { command, answer } = event(&packet) else { panic!() };
        assert_eq!((command.len(), answer.map(|a| a.len())), (PART_MAX, Some(PART_MAX)));
    }

    #[test]
    fn packets_of_others() {
        let bare = |payload: &[u8]| {
            let own =
                [&[VERSION, 4, TYPE_SIM, 0, 0, 0, 0, 0, 0, 0, 0, 0, SUB_APDU, 0, 0, 0], payload].concat();
            event(&datagram(CardLabel::UNKNOWN, &own))
        };
        let event = |command: &[u8], answer: &[u8]| Event::Exchange {
            command: command.to_vec(),
            answer: Some(answer.to_vec()),
        };
        assert_eq!(
            bare(&[0xA0, 0xA4, 0, 0, 2, 0x3F, 0, 0x9F, 0x16]),
            event(&[0xA0, 0xA4, 0, 0, 2, 0x3F, 0], &[0x9F, 0x16])
        );
        assert_eq!(bare(&[0, 0xB0, 0, 0, 2, 1, 2, 0x90, 0]), event(&[0, 0xB0, 0, 0, 2], &[1, 2, 0x90, 0]));
        assert_eq!(bare(&[0, 0x84, 0, 0, 0x90, 0]), event(&[0, 0x84, 0, 0], &[0x90, 0]));
        let foreign = datagram(CardLabel::UNKNOWN, &[VERSION, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(read(&foreign).is_none());
        for length in 0..foreign.len() {
            assert!(read(&foreign[..length]).is_none());
        }
    }

    #[test]
    fn a_capture_cut_anywhere_gives_what_is_before_the_cut() {
        let mut file = pcap::head().to_vec();
        for number in 0..3 {
            pcap::write(&mut file, Duration::from_millis(1_500), &reset(CardLabel::purse(1), number))
                .unwrap();
        }
        let size = (file.len() - 24) / 3;
        for length in 24..=file.len() {
            let (packets, cut) = pcap::read(&file[..length]).unwrap();
            assert_eq!(packets.len(), (length - 24) / size);
            assert_eq!(cut.is_some(), !(length - 24).is_multiple_of(size));
            assert!(packets.iter().all(|packet| packet.at == Duration::from_millis(1_500)));
        }
        assert!(
            pcap::read(&file[..23]).is_err() && pcap::read(b"").is_err() && pcap::read(b"hello").is_err()
        );
    }
}
