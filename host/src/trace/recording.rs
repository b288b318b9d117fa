//! A recorded session: a capture or a listing, read from its bytes.

use std::time::Duration;

use super::{CardLabel, gsmtap, listing, pcap};

/// What happened to a card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was switched off and on.
    Reset,
    /// A command went to it.
    Exchange {
        /// The command APDU.
        command: Vec<u8>,
        /// The response APDU; missing where none came or none was recorded.
        answer: Option<Vec<u8>>,
    },
}

/// One event of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// When, since 1970-01-01T00:00:00Z; a listing does not say.
    pub at: Option<Duration>,
    /// To which card.
    pub card: CardLabel,
    /// What happened.
    pub event: Event,
    /// Whether zeros stand where secrets were.
    pub withheld: bool,
}

/// Reads a recording. The text says why a file is none, or, beside the events, what is
/// wrong behind them: a capture may be cut short.
pub fn read(bytes: &[u8]) -> Result<(Vec<Recorded>, Option<String>), String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    if !pcap::is_capture(bytes) {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or("this is neither a pcap file nor a text of hexadecimal APDUs")?;
        return listing::read(text).map(|events| (events, None));
    }
    let (packets, damage) = pcap::read(bytes)?;
    let events: Vec<_> = packets.iter().filter_map(gsmtap::parse).collect();
    if events.is_empty() && damage.is_none() {
        let reason =
            format!("none of its {} packets is a GSMTAP packet of type SIM (UDP port 4729)", packets.len());
        return Err(reason);
    }
    Ok((events, damage))
}
