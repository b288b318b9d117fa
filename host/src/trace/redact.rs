//! Takes secrets out of APDUs, after the declaration of their fields: zeros stand where
//! keys, PINs and personalisation data were, so that lengths stay true.
//!
//! What is not declared is not known to be harmless: the data of a command that is not in
//! the catalogue goes, but for [reading commands](PUBLIC). Status words always stay.

use apdu_spec::declare::DATA_MAX;
use apdu_spec::{Apdu, StatusWord, catalog, leaves};

/// Instructions of ISO/IEC 7816-4 and GlobalPlatform whose data are no secrets: SELECT,
/// READ BINARY, READ RECORD, GET DATA, GET CHALLENGE, GET STATUS, MANAGE CHANNEL. Not GET
/// RESPONSE: what it fetches belongs to the command before it.
pub const PUBLIC: [u8; 9] = [0xA4, 0xB0, 0xB1, 0xB2, 0xB3, 0xCA, 0x84, 0xF2, 0x70];

/// Whether the data of a command that is not in the catalogue may be shown.
#[must_use]
pub(crate) fn is_public(command: &[u8]) -> bool {
    command.get(1).is_some_and(|instruction| PUBLIC.contains(instruction))
}

/// Makes the secrets of a command zero. Whether there were any, or may have been.
pub fn command(bytes: &mut [u8]) -> bool {
    let copy = bytes.to_vec();
    let start = if bytes.get(4) == Some(&0) && bytes.len() > 7 { 7 } else { 5 };
    let Ok(apdu) = Apdu::parse(&copy) else { return clear(bytes, 5) };
    let data = &apdu.data;
    match catalog::find(&apdu) {
        None if is_public(&copy) || data.is_empty() => false,
        None => clear_part(bytes, start, data.len()),
        Some(row) if !row.request.has_secret() => false,
        Some(row) => {
            let mut buffer = [0; DATA_MAX + 2];
            let Ok(length) = row.body(&apdu, &mut buffer).map(<[u8]>::len) else { return clear(bytes, 5) };
            let body = &mut buffer[..length];
            leaves::redact(&row.request, body);
            if let Some(place) = bytes.get_mut(start..start + data.len()) {
                place.copy_from_slice(&body[row.in_header()..]);
            }
            true
        }
    }
}

/// Makes the secrets of the answer to a command zero; the status word stays.
pub fn answer(to: &[u8], bytes: &mut [u8]) -> bool {
    let Some((data, status)) = bytes.split_last_chunk_mut::<2>() else { return clear(bytes, 0) };
    if data.is_empty() {
        return false;
    }
    match Apdu::parse(to).ok().and_then(|apdu| catalog::find(&apdu)) {
        None if is_public(to) => false,
        None => clear(data, 0),
        Some(row) if StatusWord(u16::from_be_bytes(*status)) == StatusWord::OK => {
            leaves::redact(&row.response, data)
        }
        Some(row) => row.response.has_secret() && clear(data, 0),
    }
}

fn clear(bytes: &mut [u8], from: usize) -> bool {
    let rest = bytes.len().saturating_sub(from);
    clear_part(bytes, from, rest)
}

fn clear_part(bytes: &mut [u8], from: usize, length: usize) -> bool {
    bytes.iter_mut().skip(from).take(length).for_each(|byte| *byte = 0);
    length > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> (String, bool) {
        let mut bytes = hex::decode(text).unwrap();
        let any = command(&mut bytes);
        (hex::encode_upper(bytes), any)
    }

    fn redacted_answer(to: &str, text: &str) -> String {
        let mut bytes = hex::decode(text).unwrap();
        answer(&hex::decode(to).unwrap(), &mut bytes);
        hex::encode_upper(bytes)
    }

    #[test]
    fn declared_secrets_go_and_the_rest_stays() {
        // STORE DATA: the group stays, its content goes.
        assert_eq!(redacted("80E288030481010101"), ("80E288030481010100".into(), true));
        assert_eq!(redacted("80E28803000004810101A5"), ("80E2880300000481010100".into(), true));
        assert_eq!(
            redacted(&format!("9052060010{}00", "A5".repeat(16))).0,
            format!("9052060010{}00", "00".repeat(16))
        );
        assert_eq!(redacted("905C000000"), ("905C000000".into(), false));
        let (secret, none) = (format!("{}9000", "A5".repeat(16)), format!("{}9000", "00".repeat(16)));
        assert_eq!(redacted_answer("908A00000300000100", &secret), none);
        assert_eq!(redacted_answer("908A00000300000100", "A5A56A80"), "00006A80");
        assert_eq!(redacted_answer("905C000000", "FFFFFECA00003A98033A029000"), "FFFFFECA00003A98033A029000");
    }

    #[test]
    fn what_is_not_declared_goes_too() {
        // VERIFY with a PIN, PUT KEY, and a frame that is no APDU.
        assert_eq!(redacted("002000800431323334"), ("002000800400000000".into(), true));
        assert_eq!(redacted("80D80081024041"), ("80D80081020000".into(), true));
        assert_eq!(redacted("0020008009313233"), ("0020008009000000".into(), true));
        assert_eq!(redacted("0020"), ("0020".into(), false));
        assert_eq!(redacted("00A4000C023F00"), ("00A4000C023F00".into(), false));
        assert_eq!(redacted_answer("00C0000010", "A5A59000"), "00009000");
        assert_eq!(redacted_answer("00B0000002", "A5A59000"), "A5A59000");
    }
}
