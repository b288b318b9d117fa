//! BER-TLV (ISO/IEC 7816-4 clause 5.2.2): as much of it as FCI and card management need.
//!
//! Tags of one or two bytes, lengths up to 255. The host reads what stands here
//! with a reader of its own, as a second opinion.

use crate::wire::{Malformed, Reader, Writer};

/// Appends `tag`, the length of `value`, and `value`.
pub fn put(writer: &mut Writer<'_>, tag: u16, value: &[u8]) -> Result<(), Malformed> {
    match tag.to_be_bytes() {
        [0, low] => writer.put(&[low]),
        both => writer.put(&both),
    }
    match u8::try_from(value.len()).map_err(|_| Malformed)? {
        short @ ..0x80 => writer.put(&[short]),
        long => writer.put(&[0x81, long]),
    }
    writer.put(value);
    Ok(())
}

/// Tag and value of the first object.
pub fn take<'b>(reader: &mut Reader<'b>) -> Result<(u16, &'b [u8]), Malformed> {
    let tag = match reader.byte()? {
        long if long & 0x1F == 0x1F => u16::from_be_bytes([long, reader.byte()?]),
        short => u16::from(short),
    };
    let length = match reader.byte()? {
        short @ ..=0x7F => short,
        0x81 => reader.byte()?,
        _ => return Err(Malformed),
    };
    Ok((tag, reader.take(usize::from(length))?))
}

/// The value of an object with this tag, in a series of objects.
pub fn find(tag: u16, objects: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader::new(objects);
    let mut found = None;
    while reader.remaining() > 0 {
        let (next, value) = take(&mut reader)?;
        found = found.or((next == tag).then_some(value));
    }
    Ok(found)
}

/// The file control information of an application: `6F { 84 AID, A5 { 50 label } }`.
pub fn fci<'b>(aid: &[u8], label: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], Malformed> {
    let mut inner = [0; 24];
    let mut proprietary = Writer::new(&mut inner);
    put(&mut proprietary, 0x50, label.as_bytes())?;
    let proprietary = proprietary.finish()?;

    let mut template = [0; 48];
    let mut outer = Writer::new(&mut template);
    put(&mut outer, 0x84, aid)?;
    put(&mut outer, 0xA5, proprietary)?;
    let template = outer.finish()?;

    let mut writer = Writer::new(buffer);
    put(&mut writer, 0x6F, template)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fci_bytes() {
        let mut buffer = [0; 64];
        let bytes = fci(b"\xF0A", "P", &mut buffer);
        assert_eq!(bytes, Ok(&b"\x6F\x09\x84\x02\xF0A\xA5\x03\x50\x01P"[..]));
    }

    #[test]
    fn objects_are_found_by_tag() {
        let objects = b"\x4F\x02\xF0A\x9F\x70\x01\x0F\x4F\x00";
        assert_eq!(find(0x4F, objects), Ok(Some(&b"\xF0A"[..])), "the first of two");
        assert_eq!(find(0x9F70, objects), Ok(Some(&b"\x0F"[..])));
        assert_eq!(find(0xC5, objects), Ok(None));
        assert_eq!(find(0xC5, b""), Ok(None));
        for torn in [&b"\x4F"[..], b"\x4F\x02A", b"\x9F", b"\x4F\x82\x00\x01A", b"\x4F\x81"] {
            assert_eq!(find(0xC5, torn), Err(Malformed));
        }
    }

    #[test]
    fn lengths_from_128_take_two_bytes() {
        let mut buffer = [0; 140];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(put(&mut writer, 0x9F7F, &[0; 130]), Ok(()));
        assert_eq!(writer.finish().map(|bytes| bytes.first_chunk::<4>()), Ok(Some(&[0x9F, 0x7F, 0x81, 130])));
    }
}
