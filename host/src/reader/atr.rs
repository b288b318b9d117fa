//! The answer to reset of the card: what it says of itself before the first command.
//!
//! T=1 alone (ISO/IEC 7816-3, 8.2), because a virtual reader hands whole APDUs through and
//! has no T=0 layer. Historical bytes are COMPACT-TLV (ISO/IEC 7816-4, 12.1.1).

/// Longest answer to reset (ISO/IEC 7816-3, 8.1).
pub const ATR_MAX: usize = 33;

/// Direct convention.
const TS: u8 = 0x3B;
/// TD1: T=1 is offered first, TD2 follows.
const TD1: u8 = 0x81;
/// TD2: TA3 and TB3 follow, for T=1.
const TD2: u8 = 0x31;
/// TA3: IFSC, 254 bytes (ISO/IEC 7816-3, 11.4.2).
const TA3: u8 = 0xFE;
/// TB3: BWI 4, CWI 5 (ISO/IEC 7816-3, 11.4.3).
const TB3: u8 = 0x45;

/// At most 15 (ISO/IEC 7816-3, 8.2.2).
const HISTORICAL_COUNT: u8 = 9;
/// Historical bytes (ISO/IEC 7816-4, 12.1.1.2 to 12.1.1.9).
#[rustfmt::skip]
const HISTORICAL: [u8; HISTORICAL_COUNT as usize] = [
    // Category indicator: COMPACT-TLV data objects.
    0x80,
    // Card service data: applications are selected by full and by partial DF name, no MF.
    0x31, 0xC1,
    // Card capabilities: DF names, full and partial; data units of a byte, written in a way of
    // our own; extended lengths.
    0x73, 0xC0, 0x21, 0x40,
    // Status indicator: life cycle, operational and activated.
    0x81, 0x05,
];

/// The answer to reset.
pub const ATR: [u8; 16] = build();

const fn build() -> [u8; 16] {
    let mut atr = [0; 16];
    // T0: TD1 follows, and so many historical bytes.
    let head = [TS, 0x80 | HISTORICAL_COUNT, TD1, TD2, TA3, TB3];
    let mut at = 0;
    while at < head.len() + HISTORICAL.len() {
        atr[at] = if at < head.len() { head[at] } else { HISTORICAL[at - head.len()] };
        at += 1;
    }
    atr[at] = check(&atr);
    atr
}

/// TCK: the exclusive or of everything from T0 on is zero with it (ISO/IEC 7816-3, 8.2.5).
const fn check(atr: &[u8]) -> u8 {
    let (mut sum, mut at) = (0, 1);
    while at < atr.len() {
        sum ^= atr[at];
        at += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_well_formed() {
        assert_eq!(hex::encode_upper(ATR), "3B898131FE458031C173C021408105A4");
        assert!(ATR.len() <= ATR_MAX);
        assert_eq!(check(&ATR), 0, "TCK");
        assert_eq!(usize::from(ATR[1] & 0x0F), HISTORICAL.len());
    }

    /// Tag and length of each data object lead to the next one, and to the end.
    #[test]
    fn historical_bytes_are_compact_tlv() {
        let mut rest = &HISTORICAL[1..];
        let mut tags = Vec::new();
        while let [head, tail @ ..] = rest {
            tags.push(head >> 4);
            rest = &tail[usize::from(head & 0x0F)..];
        }
        assert_eq!(tags, [3, 7, 8]);
    }
}
