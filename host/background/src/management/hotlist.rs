//! Purses that are not to be accepted.

use apdu_spec::element::{IepId, Time};

use crate::background::Background;
use crate::error::Error;

impl Background {
    /// Puts a purse on the hotlist: loads are refused, payments from `now` on are kept as
    /// exceptions.
    pub fn hotlist(&mut self, iep: IepId, now: Time) -> Result<(), Error> {
        self.store.transaction("hotlist", |tx| {
            let mut purse = tx.purse(iep)?.ok_or_else(|| Error::NotRegistered(format!("purse {iep}")))?;
            purse.hotlisted.get_or_insert(now);
            tx.update_purse(&purse)
        })
    }
}
