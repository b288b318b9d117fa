//! The key sets of the security domain, and PUT KEY.
//!
//! A key set that replaces another one stands beside it until a channel has been opened with
//! it: who loses power or keys on the way still gets in with the old ones.

use apdu_spec::crypto::secure_channel::{ChannelKey, Error, KeySet, KeyType};
use apdu_spec::security_domain::{
    INITIAL_KEY_VERSION, KEY_IDENTIFIER, KeyBlocks, PutKeyRequest, PutKeyResponse, SealedKey,
};
use apdu_spec::wire::{Element, Malformed, Reader, Writer};
use apdu_spec::{StatusWord, tlv};

use super::{KEY_SETS, SecurityDomain};
use crate::kernel::Response;
use crate::kernel::area::{Area, AreaChange, Cell, Storage};
use crate::kernel::dispatch::answer;

/// Key sets that a card holds.
const KEY_SETS_MAX: u8 = 3;
/// Greatest version of a key set that is put; P1 of PUT KEY has seven bits for it.
const VERSION_MAX: u8 = 0x7F;

/// A key set as it is kept: version (1), version that it replaces, else 00 (1), running
/// number (2), type (1), length of a key (1), three keys.
struct Stored {
    version: u8,
    replaces: Option<u8>,
    number: u16,
    keys: KeySet,
}

/// A key set in its place.
pub(super) struct Held {
    pub(super) place: u8,
    pub(super) version: u8,
    /// The version that goes when this one is confirmed.
    replaces: Option<u8>,
    number: u16,
    pub(super) keys: KeySet,
}

impl Element for Stored {
    const MIN: usize = 6 + 3 * 16;
    const MAX: usize = 6 + 3 * 32;
    fn encode(&self, writer: &mut Writer<'_>) {
        let KeySet { enc, mac, dek } = &self.keys;
        writer.put(&[self.version, self.replaces.unwrap_or(0)]);
        self.number.encode(writer);
        // 32 bytes at most.
        writer.put(&[enc.kind() as u8, u8::try_from(enc.expose().len()).unwrap_or(0)]);
        [enc, mac, dek].into_iter().for_each(|key| writer.put(key.expose()));
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let version = reader.byte()?;
        let replaces = Some(reader.byte()?).filter(|version| *version != 0);
        let number = u16::decode(reader)?;
        let kind = KeyType::decode(reader)?;
        let length = usize::from(reader.byte()?);
        let mut key = || ChannelKey::new(kind, reader.take(length)?);
        let keys = KeySet { enc: key()?, mac: key()?, dek: key()? };
        Ok(Self { version, replaces, number, keys })
    }
}

fn key_set_cell(place: u8) -> Cell {
    Cell(KEY_SETS + place)
}

/// The key sets of the card.
fn all(area: &Area<'_>) -> impl Iterator<Item = Held> {
    (0..KEY_SETS_MAX).filter_map(|place| {
        let Stored { version, replaces, number, keys } = area.get(key_set_cell(place))?;
        Some(Held { place, version, replaces, number, keys })
    })
}

/// The key set of a version; of version 00 the newest.
pub(super) fn find(version: u8, area: &Area<'_>) -> Result<Held, StatusWord> {
    let found = match version {
        0 => all(area).max_by_key(|held| held.number),
        version => all(area).find(|held| held.version == version),
    };
    found.ok_or(StatusWord::REFERENCE_NOT_FOUND)
}

/// The key set that goes when this one is confirmed. Keys that were put after it, under the
/// version of those that it was to replace, are not those.
pub(super) fn replaced(held: &Held, area: &Area<'_>) -> Option<Held> {
    all(area).find(|old| Some(old.version) == held.replaces && old.number < held.number)
}

/// The key set of a new card.
pub(super) fn initialize(change: &mut AreaChange<'_, '_>, keys: &KeySet) {
    let stored = Stored { version: INITIAL_KEY_VERSION, replaces: None, number: 0, keys: keys.clone() };
    change.set(key_set_cell(0), &stored);
}

/// A channel was opened with a key set: what it replaces goes.
pub(super) fn confirm(held: Held, replaced: Option<Held>, change: &mut AreaChange<'_, '_>) {
    let Held { place, version, number, keys, replaces } = held;
    if replaces.is_some() {
        change.set(key_set_cell(place), &Stored { version, replaces: None, number, keys });
    }
    if let Some(old) = replaced {
        change.clear(key_set_cell(old.place));
    }
}

/// DELETE of a key set; the last one stays.
pub(super) fn delete(version: u8, area: &mut Area<'_>) -> Result<(), StatusWord> {
    let old = all(area).find(|held| held.version == version).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    if all(area).count() < 2 {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    let mut change = area.change();
    change.clear(key_set_cell(old.place)).commit().map(drop)
}

/// Key information: for each key `C0`, its number (1), version (1), type (1), length (1).
pub(super) fn write_information(area: &Area<'_>, writer: &mut Writer<'_>) -> Result<(), Malformed> {
    for Held { version, keys: KeySet { enc, mac, dek }, .. } in all(area) {
        for (number, key) in (1..).zip([enc, mac, dek]) {
            let length = u8::try_from(key.expose().len()).map_err(|_| Malformed)?;
            tlv::put(writer, 0xC0, &[number, version, key.kind() as u8, length])?;
        }
    }
    Ok(())
}

/// Protocols that the keys of the card are for: Triple DES, AES.
pub(super) fn kinds(area: &Area<'_>) -> [bool; 2] {
    let has = |kind| all(area).any(|held| held.keys.enc.kind() == kind);
    [has(KeyType::TripleDes), has(KeyType::Aes)]
}

impl SecurityDomain {
    pub(super) fn put_key(
        &mut self,
        request: &PutKeyRequest,
        storage: &mut dyn Storage,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let PutKeyRequest { replaced, identifier, version, keys } = request;
        if *identifier != KEY_IDENTIFIER {
            return Err(StatusWord::WRONG_P1_P2);
        }
        if !(1..=VERSION_MAX).contains(version) {
            return Err(StatusWord::WRONG_DATA);
        }
        let keys = self.decrypt(keys)?;
        let [a, b, c] = [&keys.enc, &keys.mac, &keys.dek].map(ChannelKey::check_value);
        let mut check_values = [0; 9];
        check_values.iter_mut().zip([a, b, c].as_flattened()).for_each(|(place, byte)| *place = *byte);
        put(*replaced, *version, keys, &mut Area::kernel(storage))?;
        answer(response, &PutKeyResponse { version: *version, check_values })
    }

    fn decrypt(&mut self, KeyBlocks(sealed): &KeyBlocks) -> Result<KeySet, StatusWord> {
        let mut key = |sealed: &SealedKey| {
            let SealedKey { kind, length, sealed, check } = sealed;
            let key = self
                .channel
                .decrypt_key(*kind, usize::from(*length), sealed.as_slice())
                .map_err(|_: Error| StatusWord::WRONG_DATA)?;
            match check {
                Some(check) if *check != key.check_value() => Err(StatusWord::WRONG_DATA),
                _ => Ok(key),
            }
        };
        let [enc, mac, dek] = sealed;
        let keys = KeySet { enc: key(enc)?, mac: key(mac)?, dek: key(dek)? };
        keys.kind().map_err(|_| StatusWord::WRONG_DATA)?;
        Ok(keys)
    }
}

/// Keeps a key set, in one commit. The initial keys are replaced by whatever comes first. The
/// same keys again, as after an answer that was lost, change nothing.
fn put(replaced: u8, version: u8, keys: KeySet, area: &mut Area<'_>) -> Result<(), StatusWord> {
    let initial = || all(area).any(|held| held.version == INITIAL_KEY_VERSION);
    let replaces = match replaced {
        0 => initial().then_some(INITIAL_KEY_VERSION),
        replaced => Some(replaced),
    };
    let same = all(area).find(|held| held.version == version);
    if same.as_ref().is_some_and(|held| held.keys == keys) {
        return Ok(());
    }
    if replaced != 0 {
        find(replaced, area)?;
    }
    let (place, replaces) = match same {
        // In the place of its own version there is nothing to wait for.
        Some(held) if replaced == version => (held.place, held.replaces),
        Some(_) => return Err(StatusWord::WRONG_DATA),
        None => {
            let is_free = |place: &u8| all(area).all(|held| held.place != *place);
            ((0..KEY_SETS_MAX).find(is_free).ok_or(StatusWord::NOT_ENOUGH_MEMORY)?, replaces)
        }
    };
    let number = all(area).map(|held| held.number).max().unwrap_or(0).saturating_add(1);
    let stored = Stored { version, replaces, number, keys };
    let mut change = area.change();
    change.set(key_set_cell(place), &stored).commit().map(drop)
}
