//! A position as cards keep it: without NV, which its place tells or which is kept
//! beside it, and without fields that are zero in most lives. Every unit of eight bytes
//! that a purchase does not write is wear that a card does not have.

use apdu_spec::element::{Amount, Balance, Counter, Random, Service};
use apdu_spec::record::Position;
use apdu_spec::wire::{Element, Malformed, Reader, Writer};

/// A [`Position`] but for its NV: flags and receipts (1), balance, NT, NV of the last load, NV of
/// the last cancellation if flag 80, sums of offline loads if flag 40, random number. Flag 20: the
/// purse is blocked. Receipts are 31 at most; a purse holds 16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CompactPosition(Position);

const CANCELLED: u8 = 0x80;
const LOADED_OFFLINE: u8 = 0x40;
const BLOCKED: u8 = 0x20;
const RECEIPTS: u8 = 0x1F;

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
    const MIN: usize = Self::MAX - <Counter as Element>::MAX - 2 * <Amount as Element>::MAX;
    const MAX: usize = Position::MAX - <Counter as Element>::MAX - 1;

    fn encode(&self, writer: &mut Writer<'_>) {
        let Position { balance, nt, nv_load, nv_cancellation, random, receipts, .. } = self.0;
        let Position { offline_total, offline_base, service, .. } = self.0;
        let cancelled = nv_cancellation != Counter::default();
        let loaded_offline = (offline_total, offline_base) != Default::default();
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = flag(cancelled, CANCELLED) | flag(loaded_offline, LOADED_OFFLINE);
        let blocked = flag(service == Service::Blocked, BLOCKED);
        writer.put(&[flags | blocked | receipts.min(RECEIPTS)]);
        balance.encode(writer);
        nt.encode(writer);
        nv_load.encode(writer);
        if cancelled {
            nv_cancellation.encode(writer);
        }
        if loaded_offline {
            offline_total.encode(writer);
            offline_base.encode(writer);
        }
        random.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.byte()?;
        let (balance, nt, nv_load) =
            (Balance::decode(reader)?, Counter::decode(reader)?, Counter::decode(reader)?);
        let cancelled = flags & CANCELLED != 0;
        let nv_cancellation = if cancelled { Counter::decode(reader)? } else { Counter::default() };
        let loaded_offline = flags & LOADED_OFFLINE != 0;
        let (offline_total, offline_base) = if loaded_offline {
            (Amount::decode(reader)?, Amount::decode(reader)?)
        } else {
            Default::default()
        };
        Ok(Self(Position {
            balance,
            nt,
            nv: Counter::default(),
            nv_load,
            nv_cancellation,
            offline_total,
            offline_base,
            random: Random::decode(reader)?,
            receipts: flags & RECEIPTS,
            service: if flags & BLOCKED == 0 { Service::Open } else { Service::Blocked },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_but_nv() {
        let number = |n| Counter::new(n).unwrap();
        for (cancelled, offline, service) in
            [(0, 0, Service::Open), (7, 0, Service::Blocked), (0, 9, Service::Open), (7, 9, Service::Blocked)]
        {
            let position = Position {
                balance: Balance(-310),
                nt: number(9),
                nv: number(8),
                nv_load: number(1),
                nv_cancellation: number(cancelled),
                offline_total: Amount::new(offline).unwrap(),
                offline_base: Amount::new(offline / 2).unwrap(),
                random: Random([5; 8]),
                receipts: 16,
                service,
            };
            let mut buffer = [0; 64];
            let bytes = CompactPosition::new(position).to_slice(&mut buffer).unwrap();
            let most = CompactPosition::MIN + 3 * usize::from(cancelled > 0) + 8 * usize::from(offline > 0);
            assert_eq!(bytes.len(), most);
            assert_eq!(CompactPosition::from_bytes(bytes).map(|c| c.with_nv(number(8))), Ok(position));
        }
    }
}
