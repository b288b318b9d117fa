//! Real readers, through PC/SC.

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode};

use super::Reader;
use crate::Error;

/// Longest response: 65,536 bytes and the status word.
const RESPONSE_MAX: usize = 65_538;

/// A real reader with a card in it, held alone.
pub struct PcscReader {
    card: Card,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for PcscReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PcscReader")
    }
}

/// What a PC/SC error means here.
fn no_answer(error: pcsc::Error) -> Error {
    let advice = match error {
        pcsc::Error::NoService | pcsc::Error::ServiceStopped => "the PC/SC daemon does not run; start pcscd",
        pcsc::Error::NoReadersAvailable | pcsc::Error::UnknownReader => "no such reader is attached",
        pcsc::Error::NoSmartcard | pcsc::Error::RemovedCard => "there is no card in the reader",
        pcsc::Error::SharingViolation => "another program holds the card; end it first",
        pcsc::Error::UnresponsiveCard => "the card is mute; clean it or turn it over",
        _ => return Error::NoAnswer(error.to_string()),
    };
    Error::NoAnswer(advice.into())
}

/// Names of the readers that are attached.
pub fn names() -> Result<Vec<String>, Error> {
    let context = Context::establish(Scope::User).map_err(no_answer)?;
    let names = context.list_readers_owned().map_err(no_answer)?;
    Ok(names.iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

impl PcscReader {
    /// Connects to the card in the first reader whose name contains `name`.
    pub fn connect(name: &str) -> Result<Self, Error> {
        let context = Context::establish(Scope::User).map_err(no_answer)?;
        let readers = context.list_readers_owned().map_err(no_answer)?;
        let reader = readers
            .iter()
            .find(|reader| reader.to_string_lossy().contains(name))
            .ok_or_else(|| no_answer(pcsc::Error::UnknownReader))?;
        let card = context.connect(reader, ShareMode::Exclusive, Protocols::ANY).map_err(no_answer)?;
        Ok(Self { card, buffer: vec![0; RESPONSE_MAX] })
    }
}

impl Reader for PcscReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.card.transmit(command, &mut self.buffer).map_err(no_answer)?;
        if answer.len() < 2 {
            return Err(Error::NoAnswer("the answer was lost".into()));
        }
        Ok(answer.to_vec())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.card.reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::UnpowerCard).map_err(no_answer)
    }
}
