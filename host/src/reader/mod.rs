//! Readers: whatever carries an APDU to a card and its answer back.
//!
//! [`virtual_reader`] runs the card in this process, [`image`] is the memory of such a
//! card in a file, `pcsc` (feature) drives real readers, [`remote`] a card that another process serves.
//! Our card in a reader of others: [`serve`] over sockets, [`vpcd`] its protocol, [`atr`] what it
//! says first. [`meter`] counts what passes.

pub mod atr;
pub mod image;
pub mod meter;
#[cfg(feature = "pcsc")]
pub mod pcsc;
pub mod remote;
pub mod serve;
pub mod socket;
pub mod t0;
pub mod virtual_reader;
pub mod vpcd;

use crate::Error;

/// Carries one APDU at a time to one card.
pub trait Reader {
    /// Sends a command APDU; the response APDU, two bytes at least.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error>;

    /// Switches the card off and on.
    fn reset(&mut self) -> Result<(), Error>;
}

impl<R: Reader + ?Sized> Reader for Box<R> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        (**self).transmit(command)
    }
    fn reset(&mut self) -> Result<(), Error> {
        (**self).reset()
    }
}

impl<R: Reader + ?Sized> Reader for &mut R {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        (**self).transmit(command)
    }
    fn reset(&mut self) -> Result<(), Error> {
        (**self).reset()
    }
}
