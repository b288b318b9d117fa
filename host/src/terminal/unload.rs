//! Unloads, online only: value goes back to the holder. The holder is paid once, after
//! the purse's evidence has come.

use apdu_spec::element::{Amount, Kind, Time};

use super::load::{Funding, LoadTerminal, Transferred};
use crate::Error;
use crate::reader::Reader;

impl LoadTerminal<'_> {
    /// Unloads the purse in the reader.
    pub fn unload(
        &mut self,
        purse: &mut dyn Reader,
        amount: Amount,
        funding: Funding,
        time: Time,
    ) -> Result<Transferred, Error> {
        self.transfer(Kind::Unload, purse, amount, funding, time)
    }
}
