//! Who owes whom: one position per acquirer, issuer and currency.

use crate::error::Error;
use crate::store::Tx;
use crate::store::settlements::Position;

/// Keeps the positions of a settlement, before its payments are marked.
pub(crate) fn net(tx: &Tx<'_>, settlement: i64) -> Result<Vec<Position>, Error> {
    let positions = tx.unsettled_by_issuer()?;
    positions.iter().try_for_each(|position| tx.insert_position(settlement, position))?;
    Ok(positions)
}
