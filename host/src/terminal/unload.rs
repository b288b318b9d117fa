//! Unloads, online only: value goes back to the holder. The holder is paid once, after
//! the authority has taken the purse's evidence: [`Transfer::Done`], and not otherwise.

use apdu_spec::element::{Amount, Kind, Time};

use super::load::{Funding, LoadTerminal, Transfer};
use crate::Error;
use crate::reader::Reader;

impl LoadTerminal<'_> {
    /// Unloads the purse in the reader. An error means that nothing was asked of the authority.
    pub fn unload(
        &mut self,
        purse: &mut dyn Reader,
        amount: Amount,
        funding: Funding,
        time: Time,
    ) -> Result<Transfer, Error> {
        self.transfer(Kind::Unload, purse, amount, funding, time)
    }
}
