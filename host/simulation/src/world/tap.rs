//! What people do with a purse at a payment terminal: pay, cancel.

use apdu_spec::element::{Amount, SamCounter, Time};
use host::reader::Reader;
use host::terminal::PaymentTerminal;
use host::terminal::cancellation::TakenBack;
use host::terminal::journal::Intent;
use host::terminal::purchase::{Payment, Receipt};

use super::World;
use crate::Error;

impl World {
    /// A purse and a running terminal, both in hand.
    fn tap(&mut self, number: u64, name: &str) -> Result<(&mut dyn Reader, &mut PaymentTerminal), Error> {
        let sam = self.start_terminal(name)?;
        self.purse(number)?;
        let purse = self.purses.get_mut(&number).ok_or(Error::NoPurse(number))?;
        let names = || Error::NoTerminal(name.into(), String::new());
        Ok((purse, self.terminals.get_mut(&sam).ok_or_else(names)?))
    }

    /// The purse pays at the terminal.
    pub fn pay(&mut self, number: u64, terminal: &str, amount: Amount, now: Time) -> Result<Receipt, Error> {
        let (purse, terminal) = self.tap(number, terminal)?;
        match terminal.pay(purse, amount, now) {
            Ok(Payment::Paid(receipt)) => Ok(receipt),
            Ok(Payment::Refused(status)) => Err(Error::NotPaid(status)),
            Ok(Payment::InDoubt(intent)) => Err(Error::InDoubt(intent.iep)),
            Err(error) => Err(self.explained(number, error)),
        }
    }

    /// The purse shows itself at the terminal and pays nothing.
    pub fn contact(&mut self, number: u64, terminal: &str, now: Time) -> Result<(), Error> {
        let (purse, terminal) = self.tap(number, terminal)?;
        Ok(terminal.contact(purse, now).map(drop)?)
    }

    /// The payment `nt_psam` of the purse is cancelled at its terminal; what the purse has got back.
    pub fn cancel(&mut self, number: u64, terminal: &str, nt_psam: SamCounter) -> Result<TakenBack, Error> {
        let iep = self.iep(number)?;
        let (purse, terminal) = self.tap(number, terminal)?;
        match terminal.cancel(purse, nt_psam) {
            // The PSAM may have voided the payment, and the purse may have taken it back.
            Err(host::Error::NoAnswer(_) | host::Error::InDoubt(_)) => Err(Error::CancellationInDoubt(iep)),
            other => other.map_err(|error| self.explained(number, error)),
        }
    }

    /// Asks the purse what became of its payments that are in doubt at the terminal; each with
    /// its receipt, or nothing where it was never debited.
    pub fn recover(&mut self, number: u64, terminal: &str) -> Result<Vec<(Intent, Option<Receipt>)>, Error> {
        let (purse, terminal) = self.tap(number, terminal)?;
        Ok(terminal.recover(purse)?)
    }
}
