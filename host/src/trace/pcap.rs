//! The classic pcap file, as libpcap writes it (link types: tcpdump.org/linktypes.html).
//!
//! Our own, because it is forty lines each way and the crates for it carry pcapng, which
//! Wireshark reads but which is not needed here.
//!
//! ```text
//! file := magic (4) version 2.4 (4) zero (8) greatest length (4) link type (4) packet*
//! packet := seconds (4) micro- or nanoseconds (4) length here (4) length on the wire (4) bytes
//! ```
//!
//! Both byte orders and both resolutions are read; little endian and microseconds written.

use std::io::{self, Write};
use std::time::Duration;

/// Link type of packets that begin with an IP header.
pub const RAW_IP: u32 = 101;
/// Greatest length of a packet that is written or read.
pub const PACKET_MAX: usize = 262_144;
/// First four bytes of a file with microseconds, as a number.
const MICROSECONDS: u32 = 0xA1B2_C3D4;
const NANOSECONDS: u32 = 0xA1B2_3C4D;
/// The block type that every pcapng file begins with.
const PCAPNG: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];
const HEAD: usize = 24;

/// The head of a file of packets that begin with an IP header.
#[must_use]
pub fn head() -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&MICROSECONDS.to_le_bytes());
    (head[4], head[6]) = (2, 4);
    head[16..20].copy_from_slice(&262_144_u32.to_le_bytes());
    head[20..].copy_from_slice(&RAW_IP.to_le_bytes());
    head
}

/// Appends a packet that was seen at `at`, a time since 1970-01-01T00:00:00Z.
pub fn write(out: &mut dyn Write, at: Duration, packet: &[u8]) -> io::Result<()> {
    let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
    let length = u32::try_from(packet.len()).map_err(io::Error::other)?;
    let mut record = Vec::with_capacity(16 + packet.len());
    for number in [seconds, at.subsec_micros(), length, length] {
        record.extend_from_slice(&number.to_le_bytes());
    }
    record.extend_from_slice(packet);
    out.write_all(&record)
}

/// Whether these bytes begin like a capture of either format.
#[must_use]
pub fn is_capture(bytes: &[u8]) -> bool {
    order(bytes).is_some() || bytes.starts_with(&PCAPNG)
}

/// One packet of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'c> {
    /// When, since 1970-01-01T00:00:00Z.
    pub at: Duration,
    /// Link type of the file.
    pub link: u32,
    /// The packet.
    pub bytes: &'c [u8],
}

type Number = fn([u8; 4]) -> u32;

/// How numbers are read, and what a unit of the fraction is in nanoseconds.
fn order(bytes: &[u8]) -> Option<(Number, u32)> {
    let magic = *bytes.first_chunk::<4>()?;
    let orders: [Number; 2] = [u32::from_le_bytes, u32::from_be_bytes];
    orders.into_iter().find_map(|number| match number(magic) {
        MICROSECONDS => Some((number, 1_000)),
        NANOSECONDS => Some((number, 1)),
        _ => None,
    })
}

/// All packets of a capture, or what is wrong with it. A capture that is cut short gives
/// the packets before the cut and the reason.
pub fn read(bytes: &[u8]) -> Result<(Vec<Packet<'_>>, Option<String>), String> {
    if bytes.starts_with(&PCAPNG) {
        return Err("this is a pcapng file; make a pcap of it: editcap -F pcap FILE NEW".into());
    }
    let (number, unit) = order(bytes).ok_or("this is no pcap file")?;
    let (head, mut rest) = bytes.split_at_checked(HEAD).ok_or("the head of the pcap file is cut short")?;
    let word = |bytes: &[u8], place: usize| {
        bytes.get(place..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |word| number(*word))
    };
    // The upper bits tell of a frame check sequence.
    let link = word(head, 20) & 0xFFFF;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let cut = Some(format!("packet {} is cut short", packets.len() + 1));
        let Some((record, tail)) = rest.split_at_checked(16) else { return Ok((packets, cut)) };
        let length = word(record, 8) as usize;
        if length > PACKET_MAX {
            let reason = format!("packet {} is damaged: a length of {length} bytes", packets.len() + 1);
            return Ok((packets, Some(reason)));
        }
        let Some((packet, tail)) = tail.split_at_checked(length) else { return Ok((packets, cut)) };
        let nanoseconds = u64::from(word(record, 4)) * u64::from(unit);
        let at = Duration::from_secs(word(record, 0).into()) + Duration::from_nanos(nanoseconds);
        packets.push(Packet { at, link, bytes: packet });
        rest = tail;
    }
    Ok((packets, None))
}
