//! The key directory of an application: which keys it holds, and in which cells.
//!
//! Keys stay in memory; the directory in RAM tells where.

use apdu_spec::crypto::Key;
use apdu_spec::element::KeyReference;
use apdu_spec::personalisation::{Function, Generation, KeyData, KeyFloor};
use apdu_spec::{Element, StatusWord};

use super::area::{Area, AreaChange, Cell};

/// Most keys of one application.
pub const KEYS_MAX: u8 = 12;
/// Cell of the first key.
const FIRST: u8 = 8;

fn cells() -> impl Iterator<Item = Cell> {
    (FIRST..FIRST + KEYS_MAX).map(Cell)
}

/// The floor of a data group; it only rises.
pub fn floor(content: &[u8], before: u8) -> Result<u8, StatusWord> {
    let KeyFloor { version } = KeyFloor::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
    if version < before { Err(StatusWord::WRONG_DATA) } else { Ok(version) }
}

/// Which keys an application holds.
#[derive(Debug, Default)]
pub struct KeyDirectory(heapless::Vec<(Function, KeyReference, Cell), { KEYS_MAX as usize }>);

impl KeyDirectory {
    /// Reads the directory from the application's cells.
    #[must_use]
    pub fn load(area: &Area<'_>) -> Self {
        let held = |cell| area.get::<KeyData>(cell).map(|data| (data.function, data.reference, cell));
        // As many places as cells.
        Self(cells().filter_map(held).collect())
    }

    /// Stores the key of a data group: over the one of the same function, group and version,
    /// else in a free place.
    pub fn store(&mut self, area: &mut Area<'_>, content: &[u8]) -> Result<(), StatusWord> {
        let data = KeyData::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
        self.store_all(area, core::slice::from_ref(&data))
    }

    /// Stores all keys of a version, or none of them: at least one for each function and group
    /// that is held and rolled over. A purse that had a part of them could not pay.
    pub fn store_generation(
        &mut self,
        area: &mut Area<'_>,
        content: &[u8],
        rolled: impl Fn(Function) -> bool,
    ) -> Result<(), StatusWord> {
        let generation = Generation::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
        let keys = generation.keys.as_slice();
        let version = keys.first().map(|key| key.reference.version);
        let of_one = |key: &KeyData| Some(key.reference.version) == version && rolled(key.function);
        let brings =
            |function, group| keys.iter().any(|key| key.function == function && key.reference.group == group);
        let all = self.0.iter().filter(|held| rolled(held.0)).all(|held| brings(held.0, held.1.group));
        if keys.is_empty() || !all || !keys.iter().all(of_one) {
            return Err(StatusWord::WRONG_DATA);
        }
        self.store_all(area, keys)
    }

    /// Stores keys in one commit. Where that fails, the directory names what is in memory.
    fn store_all(&mut self, area: &mut Area<'_>, keys: &[KeyData]) -> Result<(), StatusWord> {
        let stored = self.place_all(keys, &mut area.change());
        *self = Self::load(area);
        stored
    }

    fn place_all(&mut self, keys: &[KeyData], change: &mut AreaChange<'_, '_>) -> Result<(), StatusWord> {
        for data in keys {
            change.set(self.place(data)?, data);
        }
        change.commit().map(drop)
    }

    /// The cell of a key, which the directory then names.
    fn place(&mut self, data: &KeyData) -> Result<Cell, StatusWord> {
        let same = |held: &&(Function, KeyReference, Cell)| {
            held.0 == data.function
                && (held.1.group, held.1.version) == (data.reference.group, data.reference.version)
        };
        if let Some(held) = self.0.iter().find(same) {
            return Ok(held.2);
        }
        let is_free = |cell: &Cell| self.0.iter().all(|held| held.2 != *cell);
        let free = cells().find(is_free).ok_or(StatusWord::NOT_ENOUGH_MEMORY)?;
        let entry = (data.function, data.reference, free);
        self.0.push(entry).map_err(|_| StatusWord::NOT_ENOUGH_MEMORY)?;
        Ok(free)
    }

    /// Erases the keys below a version, with a change that says so; not where a function that
    /// is rolled over would be left without one. Those that are still needed for what was done
    /// under them stay until the next time: nothing new is begun with them.
    pub fn retire(
        &self,
        floor: u8,
        rolled: impl Fn(Function) -> bool,
        needed: impl Fn(Function, KeyReference) -> bool,
        change: &mut AreaChange<'_, '_>,
    ) -> Result<(), StatusWord> {
        let held = || self.0.iter().filter(|held| rolled(held.0));
        let survives = |function| held().any(|held| held.0 == function && held.1.version >= floor);
        if !held().all(|held| survives(held.0)) {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        for old in held().filter(|held| held.1.version < floor && !needed(held.0, held.1)) {
            change.clear(old.2);
        }
        change.commit().map(drop)
    }

    /// Whether there is a key for this function.
    #[must_use]
    pub fn has(&self, function: Function) -> bool {
        self.0.iter().any(|held| held.0 == function)
    }

    /// The key with the highest version from `floor` to `offered`.
    pub fn choose(
        &self,
        function: Function,
        group: u8,
        floor: u8,
        offered: u8,
    ) -> Result<KeyReference, StatusWord> {
        self.0
            .iter()
            .filter(|held| held.0 == function && held.1.group == group)
            .map(|held| held.1)
            .filter(|reference| (floor..=offered).contains(&reference.version))
            .max_by_key(|reference| reference.version)
            .ok_or(if offered < floor { StatusWord::KEY_RETIRED } else { StatusWord::REFERENCE_NOT_FOUND })
    }

    /// The key of this function and reference.
    pub fn key(
        &self,
        area: &Area<'_>,
        function: Function,
        reference: KeyReference,
    ) -> Result<Key, StatusWord> {
        self.0
            .iter()
            .find(|held| held.0 == function && held.1 == reference)
            .and_then(|held| area.get::<KeyData>(held.2))
            .map(|data| data.key)
            .ok_or(StatusWord::REFERENCE_NOT_FOUND)
    }
}
