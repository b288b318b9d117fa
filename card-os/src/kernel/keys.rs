//! The key directory of an application: which keys it holds, and in which cells.
//!
//! Keys stay in memory; the directory in RAM tells where.

use apdu_spec::crypto::Key;
use apdu_spec::element::KeyReference;
use apdu_spec::personalisation::{Function, KeyData};
use apdu_spec::{Element, StatusWord};

use super::area::{Area, Cell};

/// Most keys of one application.
pub const KEYS_MAX: u8 = 12;
/// Cell of the first key.
const FIRST: u8 = 8;

/// Which keys an application holds.
#[derive(Debug, Default)]
pub struct KeyDirectory(heapless::Vec<(Function, KeyReference, Cell), { KEYS_MAX as usize }>);

impl KeyDirectory {
    /// Reads the directory from the application's cells.
    #[must_use]
    pub fn load(area: &Area<'_>) -> Self {
        let mut directory = Self::default();
        for cell in (FIRST..FIRST + KEYS_MAX).map(Cell) {
            let Some(data) = area.get::<KeyData>(cell) else { break };
            // As many places as cells.
            let _ = directory.0.push((data.function, data.reference, cell));
        }
        directory
    }

    /// Stores the key of a data group: over the one of the same function, group and version,
    /// else behind the last.
    pub fn store(&mut self, area: &mut Area<'_>, content: &[u8]) -> Result<(), StatusWord> {
        let data = KeyData::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
        let same = |held: &&(Function, KeyReference, Cell)| {
            held.0 == data.function
                && (held.1.group, held.1.version) == (data.reference.group, data.reference.version)
        };
        let next = u8::try_from(self.0.len()).unwrap_or(KEYS_MAX);
        let cell = match self.0.iter().find(same) {
            Some(held) => held.2,
            None if next < KEYS_MAX => Cell(FIRST + next),
            None => return Err(StatusWord::NOT_ENOUGH_MEMORY),
        };
        let _ = area.change().set(cell, &data).commit()?;
        *self = Self::load(area);
        Ok(())
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
            .ok_or(StatusWord::REFERENCE_NOT_FOUND)
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
