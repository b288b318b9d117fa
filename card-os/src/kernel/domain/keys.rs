//! The key sets of the security domain, and PUT KEY.
//!
//! A key set that replaces another one stands beside it until a channel has been opened with
//! it: who loses power or keys on the way still gets in with the old ones.

use apdu_spec::StatusWord;
use apdu_spec::crypto::secure_channel::{ChannelKey, Error, KeySet, KeyType};
use apdu_spec::security_domain::{
    INITIAL_KEY_VERSION, KEY_IDENTIFIER, KeyBlocks, KeyInformation, PutKeyRequest, PutKeyResponse, SealedKey,
};
use apdu_spec::wire::{Element, Malformed, Reader, Writer};

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
pub(super) struct Held {
    pub(super) version: u8,
    /// The version that goes when this one is confirmed.
    replaces: Option<u8>,
    number: u16,
    pub(super) keys: KeySet,
}

impl Element for Held {
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

/// The key sets of the card, with their places.
fn all(area: &Area<'_>) -> impl Iterator<Item = (u8, Held)> {
    (0..KEY_SETS_MAX).filter_map(|place| Some((place, area.get(key_set_cell(place))?)))
}

fn of_version(version: u8, area: &Area<'_>) -> Option<(u8, Held)> {
    all(area).find(|(_, held)| held.version == version)
}

/// The key set of a version; of version 00 the newest.
pub(super) fn find(version: u8, area: &Area<'_>) -> Result<Held, StatusWord> {
    let newest = || all(area).max_by_key(|(_, held)| held.number);
    let found = if version == 0 { newest() } else { of_version(version, area) };
    found.map(|(_, held)| held).ok_or(StatusWord::REFERENCE_NOT_FOUND)
}

/// The key set of a new card.
pub(super) fn initialize(change: &mut AreaChange<'_, '_>, keys: &KeySet) {
    let held = Held { version: INITIAL_KEY_VERSION, replaces: None, number: 0, keys: keys.clone() };
    change.set(key_set_cell(0), &held);
}

/// A channel was opened with a key set: what it replaces goes, in the same commit as `first`,
/// and with keys that were never confirmed what those were to replace.
pub(super) fn confirm<E: Element>(
    version: u8,
    first: (Cell, &E),
    area: &mut Area<'_>,
) -> Result<(), StatusWord> {
    let (place, held) = of_version(version, area).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    let replaced = replaced(&held, area);
    let mut change = area.change();
    change.set(first.0, first.1);
    if held.replaces.is_some() {
        change.set(key_set_cell(place), &Held { replaces: None, ..held });
    }
    for old in replaced {
        change.clear(key_set_cell(old));
    }
    change.commit().map(drop)
}

/// The places of the key sets that go with the confirmation of one. Keys that were put after it,
/// under the version of those that it was to replace, stay.
fn replaced(held: &Held, area: &Area<'_>) -> heapless::Vec<u8, { KEY_SETS_MAX as usize }> {
    let is_old = |old: &Held, version| old.version == version && old.number < held.number;
    let mut version = held.replaces;
    core::iter::from_fn(|| {
        let (place, old) = version.and_then(|version| all(area).find(|(_, old)| is_old(old, version)))?;
        version = old.replaces;
        Some(place)
    })
    .take(KEY_SETS_MAX.into())
    .collect()
}

/// DELETE of a key set; the last one stays.
pub(super) fn delete(version: u8, area: &mut Area<'_>) -> Result<(), StatusWord> {
    let (place, _) = of_version(version, area).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    if all(area).count() < 2 {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    area.change().clear(key_set_cell(place)).commit().map(drop)
}

/// Key information, a key after the other.
pub(super) fn write_information(area: &Area<'_>, writer: &mut Writer<'_>) -> Result<(), Malformed> {
    for (_, Held { version, keys: KeySet { enc, mac, dek }, .. }) in all(area) {
        for (number, key) in (1..).zip([enc, mac, dek]) {
            KeyInformation::of(number, version, &key).write(writer)?;
        }
    }
    Ok(())
}

/// Protocols that the keys of the card are for: Triple DES, AES.
pub(super) fn kinds(area: &Area<'_>) -> [bool; 2] {
    let has = |kind| all(area).any(|(_, held)| held.keys.enc.kind() == kind);
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
        let check_values = keys.check_values();
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
    let initial = || of_version(INITIAL_KEY_VERSION, area).map(|(_, held)| held.version);
    let replaces = if replaced == 0 { initial() } else { Some(replaced) };
    let same = of_version(version, area);
    if same.as_ref().is_some_and(|(_, held)| held.keys == keys) {
        return Ok(());
    }
    if replaced != 0 {
        find(replaced, area)?;
    }
    let (place, replaces) = match same {
        // In the place of its own version there is nothing to wait for.
        Some((place, held)) if replaced == version => (place, held.replaces),
        Some(_) => return Err(StatusWord::WRONG_DATA),
        None => {
            let is_free = |place: &u8| all(area).all(|(taken, _)| taken != *place);
            ((0..KEY_SETS_MAX).find(is_free).ok_or(StatusWord::NOT_ENOUGH_MEMORY)?, replaces)
        }
    };
    let number = all(area).map(|(_, held)| held.number).max().unwrap_or(0).saturating_add(1);
    let held = Held { version, replaces, number, keys };
    area.change().set(key_set_cell(place), &held).commit().map(drop)
}
