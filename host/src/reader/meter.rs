//! A reader around a reader that counts what passes, for figures.

use super::Reader;
use crate::Error;

/// What has passed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Commands.
    pub apdus: u64,
    /// Bytes of commands and answers, status words included.
    pub bytes: u64,
}

/// A reader that counts.
#[derive(Debug)]
pub struct Metered<R> {
    reader: R,
    traffic: Traffic,
}

impl<R> Metered<R> {
    /// Counts from here on.
    pub const fn new(reader: R) -> Self {
        Self { reader, traffic: Traffic { apdus: 0, bytes: 0 } }
    }

    /// What has passed so far.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl<R: Reader> Reader for Metered<R> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.reader.transmit(command);
        let answered = answer.as_ref().map_or(0, Vec::len);
        self.traffic.apdus += 1;
        self.traffic.bytes += (command.len() + answered) as u64;
        answer
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.reader.reset()
    }
}
