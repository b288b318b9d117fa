//! STORE DATA and GET DATA.

use crate::layout;
use crate::personalisation::DataGroup;
use crate::wire::{Concealed, Element, Malformed, Octets};

/// P1 of STORE DATA: a data group, more blocks follow.
pub const MORE: u8 = 0x08;
/// P1 of STORE DATA: a data group in the last block.
pub const LAST: u8 = 0x88;

/// Tags of GET DATA.
pub mod tag {
    /// Card data: how the card is managed (Card Specification 2.3.1, appendix H).
    pub const CARD_DATA: u16 = 0x0066;
    /// Key information.
    pub const KEY_INFORMATION: u16 = 0x00E0;
    /// What the keys are diversified with.
    pub const DIVERSIFICATION: u16 = 0x00CF;
    /// Card production life cycle.
    pub const PRODUCTION: u16 = 0x9F7F;
    /// Wrong authentications, an [`Attempts`](super::Attempts) (project-defined).
    pub const ATTEMPTS: u16 = 0xDF20;
}

layout! {
    /// STORE DATA: one data group, as DGI, length and value.
    pub struct DataBlock {
        /// 88 for the last block, else 08 (P1).
        last: u8,
        /// Number of the block, from 0 (P2).
        block: u8,
        /// Which data group.
        group: DataGroup,
        /// Length of its content.
        length: u8,
        /// Its content, a layout of `personalisation`.
        content: Concealed<200>,
    }
}

impl DataBlock {
    /// The block of a data group.
    pub fn new(last: bool, block: u8, group: DataGroup, content: &[u8]) -> Result<Self, Malformed> {
        let length = u8::try_from(content.len()).map_err(|_| Malformed)?;
        let last = if last { LAST } else { MORE };
        Ok(Self { last, block, group, length, content: Concealed::new(content)? })
    }

    /// The same block around the layout of its group; no copy of it is left behind.
    pub fn of<E: Element>(last: bool, block: u8, group: DataGroup, content: &E) -> Result<Self, Malformed> {
        let mut buffer = zeroize::Zeroizing::new([0; 200]);
        let bytes = content.to_slice(buffer.as_mut())?;
        Self::new(last, block, group, bytes)
    }

    /// The content, where the length is its own.
    pub fn content(&self) -> Result<&[u8], Malformed> {
        let content = self.content.as_slice();
        if content.len() == usize::from(self.length) { Ok(content) } else { Err(Malformed) }
    }
}

layout! {
    /// GET DATA.
    #[derive(Copy)]
    pub struct GetDataRequest {
        /// Which object (P1-P2).
        tag: u16,
    }
}

layout! {
    /// Answer to GET DATA.
    pub struct DataObject {
        /// The object, tag and length before it.
        object: Octets<254>,
    }
}

layout! {
    /// Authentications that were wrong, 2 bytes.
    #[derive(Copy)]
    pub struct Attempts {
        /// How many in a row; FF for that many or more.
        wrong: u8,
        /// How many block the card; 00 for no limit.
        limit: u8,
    }
}

impl Attempts {
    /// Whether they block the card.
    #[must_use]
    pub const fn block(self) -> bool {
        self.limit > 0 && self.wrong >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_block_from_their_limit_on_where_there_is_one() {
        let block = |wrong, limit| Attempts { wrong, limit }.block();
        assert_eq!(
            [(0, 0), (0xFF, 0), (3, 4), (4, 4), (5, 4), (0xFF, 0xFF)]
                .map(|(wrong, limit)| block(wrong, limit)),
            [false, false, false, true, true, true]
        );
    }
}
