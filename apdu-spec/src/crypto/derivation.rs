//! Card keys from master keys: NXP AN10922, rev. 2.2.
//!
//! Card key = AN10922(master; holder, function, group, version). The diversification
//! input is `holder (8) | function (1) | group (1) | version (1) | "PURSE" (5)`, 16
//! bytes for AES; Triple DES takes its first 15, the most that AN10922 allows there.

use cmac::{Cmac, KeyInit, Mac as _};
use des::TdesEde2;

use super::Key;
use super::mac::Message;
use super::session_key::MasterKey;
use crate::element::{IepId, KeyReference, SamId};
use crate::personalisation::Function;
use crate::wire::Element;

/// Who holds a derived key: 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder([u8; 8]);

impl From<IepId> for Holder {
    fn from(iep: IepId) -> Self {
        let mut bytes = [0; 8];
        let _ = iep.to_slice(&mut bytes);
        Self(bytes)
    }
}

/// The identity, then two zeros.
impl From<SamId> for Holder {
    fn from(sam: SamId) -> Self {
        let mut bytes = [0; 8];
        let _ = sam.to_slice(&mut bytes);
        Self(bytes)
    }
}

/// The key of one holder for one function.
#[must_use]
pub fn card_key(master: &Key, holder: Holder, function: Function, reference: KeyReference) -> Key {
    MasterKey::new(master, reference.algorithm).card_key(holder, function, reference)
}

impl MasterKey {
    /// The key of one holder for one function. The reference's algorithm must be this
    /// key's own.
    #[must_use]
    pub fn card_key(&self, holder: Holder, function: Function, reference: KeyReference) -> Key {
        let input = diversification(holder, function, reference);
        match self.0.full_cmac(an10922_message(&mut Message::new(), &input)) {
            Ok(cmac) => Key::new(cmac),
            Err(key) => {
                let [input @ .., _] = input;
                an10922_2tdea(key, &input)
            }
        }
    }
}

fn diversification(holder: Holder, function: Function, reference: KeyReference) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = holder.0;
    let [p, u, r, s, i] = *b"PURSE";
    let (function, group, version) = (function as u8, reference.group, reference.version);
    [a, b, c, d, e, f, g, h, function, group, version, p, u, r, s, i]
}

/// AN10922 clause 2.2, AES-128: CMAC of `01 | input`, padded to 32 bytes. The input
/// has 16 to 31 bytes, of which only 16 occur here; 17 bytes are never a whole number
/// of blocks, so that plain CMAC pads them to 32 as AN10922 asks.
fn an10922_message<'m>(message: &'m mut Message<2>, input: &[u8; 16]) -> &'m Message<2> {
    message.write(|writer| {
        writer.put(&[0x01]);
        writer.put(input);
    })
}

/// AN10922 clause 2.4, 2TDEA: CMAC of `21 | input` and of `22 | input`. The input has
/// 15 bytes, so that both are whole blocks.
fn an10922_2tdea(master: &Key, input: &[u8; 15]) -> Key {
    tdea_pair(master, [0x21, 0x22], input)
}

/// Two Triple DES CMACs of `prefix | input`, one after the other.
pub(super) fn tdea_pair(key: &Key, prefixes: [u8; 2], input: &[u8]) -> Key {
    let mut bytes = [0; 16];
    for (half, prefix) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(prefixes) {
        let mut mac = <Cmac<TdesEde2> as KeyInit>::new(key.expose().into());
        mac.update(&[prefix]);
        mac.update(input);
        *half = mac.finalize().into_bytes().into();
    }
    Key::new(bytes)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::crypto::mac::MacKey;
    use crate::element::Algorithm;

    /// AN10922 rev. 2.2: the published inputs are longer or shorter than ours, so the
    /// clauses are checked through the same primitives that the functions use.
    #[test]
    fn published_vectors() {
        let bytes = |text: &str| hex::decode(text).expect("hex");
        let secret: [u8; 16] = bytes("00112233445566778899AABBCCDDEEFF").try_into().expect("16");
        let input = bytes("0104782E21801D803042F54E585020416275");
        let mut message = Message::<2>::new();
        let input = message.write(|writer| writer.put(&input));
        let key = MacKey::new(&Key::new(secret), Algorithm::AesCmac);
        assert_eq!(
            key.full_cmac(input).map(hex::encode_upper),
            Ok("A8DD63A3B89D54B37CA802473FDA9175".into())
        );

        let input = bytes("04782E21801D803042F54E58502041");
        let tdea = an10922_2tdea(&Key::new(secret), &input.try_into().expect("15"));
        assert_eq!(hex::encode_upper(tdea.expose()), "16F8597C9E8910C86B9648D006107DD7");
    }
}
