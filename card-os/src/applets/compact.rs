//! A position as cards keep it: without NV, which its place tells or which is kept
//! beside it, and without fields that are zero in most lives. Every unit of eight bytes
//! that a purchase does not write is wear that a card does not have.

use apdu_spec::element::{Amount, Balance, Counter, Random};
use apdu_spec::record::Position;
use apdu_spec::wire::{Element, Malformed, Reader, Writer};

/// A [`Position`] but for its NV: flags (1), balance, NT, NV of the last load, NV of the last
/// cancellation if flag 01, offline load if flag 02, random number, receipts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CompactPosition(Position);

const CANCELLED: u8 = 0x01;
const LOADED_OFFLINE: u8 = 0x02;

impl CompactPosition {
    pub(super) const fn new(position: Position) -> Self {
        Self(position)
    }

    /// The position, its NV from elsewhere.
    pub(super) const fn with_nv(self, nv: Counter) -> Position {
        Position { nv, ..self.0 }
    }
}

impl Element for CompactPosition {
    const MIN: usize = Self::MAX - <Counter as Element>::MAX - <Amount as Element>::MAX;
    const MAX: usize = 1 + Position::MAX - <Counter as Element>::MAX;

    fn encode(&self, writer: &mut Writer<'_>) {
        let Position { balance, nt, nv_load, nv_cancellation, offline_load, random, receipts, .. } = self.0;
        let cancelled = if nv_cancellation == Counter::default() { 0 } else { CANCELLED };
        let loaded_offline = if offline_load == Amount::default() { 0 } else { LOADED_OFFLINE };
        writer.put(&[cancelled | loaded_offline]);
        balance.encode(writer);
        nt.encode(writer);
        nv_load.encode(writer);
        if cancelled != 0 {
            nv_cancellation.encode(writer);
        }
        if loaded_offline != 0 {
            offline_load.encode(writer);
        }
        random.encode(writer);
        receipts.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.byte()?;
        let (balance, nt, nv_load) =
            (Balance::decode(reader)?, Counter::decode(reader)?, Counter::decode(reader)?);
        let cancelled = flags & CANCELLED != 0;
        let nv_cancellation = if cancelled { Counter::decode(reader)? } else { Counter::default() };
        let loaded_offline = flags & LOADED_OFFLINE != 0;
        let offline_load = if loaded_offline { Amount::decode(reader)? } else { Amount::default() };
        let (random, receipts) = (Random::decode(reader)?, u8::decode(reader)?);
        let nv = Counter::default();
        Ok(Self(Position { balance, nt, nv, nv_load, nv_cancellation, offline_load, random, receipts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_but_nv() {
        let number = |n| Counter::new(n).unwrap();
        for (cancelled, offline) in [(0, 0), (7, 0), (0, 9), (7, 9)] {
            let position = Position {
                balance: Balance(-310),
                nt: number(9),
                nv: number(8),
                nv_load: number(1),
                nv_cancellation: number(cancelled),
                offline_load: Amount::new(offline).unwrap(),
                random: Random([5; 8]),
                receipts: 3,
            };
            let mut buffer = [0; 64];
            let bytes = CompactPosition::new(position).to_slice(&mut buffer).unwrap();
            let most = CompactPosition::MIN + 3 * usize::from(cancelled > 0) + 4 * usize::from(offline > 0);
            assert_eq!(bytes.len(), most);
            assert_eq!(CompactPosition::from_bytes(bytes).map(|c| c.with_nv(number(8))), Ok(position));
        }
    }
}
