//! From elements of the wire to byte vectors and back, for messages that are
//! longer than an APDU.

use apdu_spec::{Element, Malformed, Reader};

/// Longest single element of a message.
const ELEMENT_MAX: usize = 256;

/// Appends one element.
pub(crate) fn put<E: Element>(out: &mut Vec<u8>, element: &E) {
    const { assert!(E::MAX <= ELEMENT_MAX, "an element is longer than its buffer") };
    let mut buffer = [0; ELEMENT_MAX];
    // The assertion above leaves no way to overflow.
    out.extend_from_slice(element.to_slice(&mut buffer).unwrap_or_default());
}

/// Appends a count of items or bytes; memory holds fewer than 2^32 of either.
fn put_count(out: &mut Vec<u8>, count: usize) {
    put(out, &u32::try_from(count).unwrap_or(u32::MAX));
}

/// Appends items behind their count.
pub(crate) fn put_list<E: Element>(out: &mut Vec<u8>, items: &[E]) {
    put_count(out, items.len());
    out.reserve(items.len() * E::MAX);
    items.iter().for_each(|item| put(out, item));
}

/// Items behind their count. A count that the bytes cannot hold is refused before
/// anything is allocated for it.
pub(crate) fn take_list<E: Element>(reader: &mut Reader<'_>) -> Result<Vec<E>, Malformed> {
    const { assert!(E::MIN > 0, "items without bytes could be counted without end") };
    let count = usize::try_from(u32::decode(reader)?).map_err(|_| Malformed)?;
    if count > reader.remaining() / E::MIN {
        return Err(Malformed);
    }
    (0..count).map(|_| E::decode(reader)).collect()
}

/// Appends a text behind its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// A text behind its length.
pub(crate) fn take_text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let length = usize::try_from(u32::decode(reader)?).map_err(|_| Malformed)?;
    let bytes = reader.take(length)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)
}
