//! Real readers, through PC/SC: pcscd on Linux, the system's own service elsewhere.
//!
//! A [`PcscReader`] holds its card in a PC/SC transaction for as long as it lives, so that no
//! other program comes in between a payment's commands. A lost answer, also an empty one, is
//! [`Error::NoAnswer`], which terminals take as *in doubt*.

use std::time::Duration;

use pcsc::{Card, Context, Disposition, Protocol, Protocols, ReaderState, Scope, ShareMode, State};

use super::Reader;
use super::t0::T0;
use crate::error::{Error, Trouble};

/// Longest response: 65,536 bytes and the status word.
const RESPONSE_MAX: usize = 65_538;
/// How often what is not there is looked for.
const RETRY: Duration = Duration::from_millis(200);
/// How often a card is tried that its driver has lost and pcscd has not missed yet: polls of
/// 400 ms, and a card that has just been put back.
const TRIES: usize = 12;
/// What errors of no reader in particular are told of.
const SERVICE: &str = "PC/SC";

/// A reader that is attached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attached {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub slot: Slot,
}

/// What is in a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Slot {
    /// No card.
    Empty,
    /// A card that does not answer its reset.
    Mute,
    /// A card: its answer to reset, and whether another program has it for itself.
    Card {
        /// Answer to reset.
        atr: Vec<u8>,
        /// Whether another program has it.
        taken: bool,
    },
}

/// A real reader with a card in it, held in a transaction.
pub struct PcscReader {
    name: String,
    card: Card,
    buffer: Vec<u8>,
    /// Whether the card has answered nothing yet.
    fresh: bool,
}

impl std::fmt::Debug for PcscReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PcscReader {}", self.name)
    }
}

/// What a PC/SC error means here.
fn trouble(error: pcsc::Error) -> Trouble {
    match error {
        pcsc::Error::NoService | pcsc::Error::ServiceStopped => Trouble::NoService,
        pcsc::Error::NoReadersAvailable | pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable => {
            Trouble::NoReader(Vec::new())
        }
        pcsc::Error::NoSmartcard | pcsc::Error::RemovedCard => Trouble::NoCard,
        pcsc::Error::SharingViolation => Trouble::Shared,
        pcsc::Error::UnresponsiveCard | pcsc::Error::UnpoweredCard => Trouble::Mute,
        other => Trouble::Other(other.to_string()),
    }
}

fn of_service(error: pcsc::Error) -> Error {
    Error::reader(SERVICE, trouble(error))
}

fn context() -> Result<Context, Error> {
    Context::establish(Scope::User).map_err(of_service)
}

/// The readers of a context; none is no error.
fn list(context: &Context) -> Result<Vec<std::ffi::CString>, Error> {
    match context.list_readers_owned() {
        Err(pcsc::Error::NoReadersAvailable) => Ok(Vec::new()),
        other => other.map_err(of_service),
    }
}

/// The readers that are attached, and what is in them.
pub fn attached() -> Result<Vec<Attached>, Error> {
    let context = context()?;
    let mut states: Vec<ReaderState> =
        list(&context)?.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect();
    if !states.is_empty() {
        context.get_status_change(Duration::ZERO, &mut states).map_err(of_service)?;
    }
    let slot = |state: &ReaderState| match state.event_state() {
        now if now.contains(State::MUTE) => Slot::Mute,
        now if now.contains(State::PRESENT) => {
            Slot::Card { atr: state.atr().to_vec(), taken: now.contains(State::EXCLUSIVE) }
        }
        _ => Slot::Empty,
    };
    let attached =
        |state: &ReaderState| Attached { name: state.name().to_string_lossy().into(), slot: slot(state) };
    Ok(states.iter().map(attached).collect())
}

/// The reader that is meant: of this name, or the only one that has this in its name.
fn choose<'a>(names: &'a [String], wanted: &str) -> Result<&'a str, Trouble> {
    if let Some(name) = names.iter().find(|name| *name == wanted) {
        return Ok(name);
    }
    let alike: Vec<&String> = names.iter().filter(|name| name.contains(wanted)).collect();
    match alike[..] {
        [name] => Ok(name),
        [] => Err(Trouble::NoReader(names.to_vec())),
        _ => Err(Trouble::Ambiguous(alike.into_iter().cloned().collect())),
    }
}

/// The card in a reader, of protocol T=0 or T=1. `patience` says for how long a service, a
/// reader or a card that is not there is waited for still; nothing: no longer.
pub fn connect(
    name: &str,
    patience: &mut dyn FnMut() -> Option<Duration>,
) -> Result<Box<dyn Reader + Send>, Error> {
    loop {
        let error = match PcscReader::connect(name) {
            Ok((reader, Protocol::T0)) => return Ok(Box::new(T0(reader))),
            Ok((reader, _)) => return Ok(Box::new(reader)),
            Err(error) => error,
        };
        let may_come = matches!(
            &error,
            Error::Reader { trouble: Trouble::NoService | Trouble::NoReader(_) | Trouble::NoCard, .. }
        );
        match patience().filter(|left| may_come && !left.is_zero()) {
            Some(left) => std::thread::sleep(left.min(RETRY)),
            None => return Err(error),
        }
    }
}

/// Begins a transaction, which ends with the connection. Who had the card before may have
/// reset it at last, which every other connection is told of once.
fn begin(card: &mut Card) -> Result<(), pcsc::Error> {
    loop {
        match card.transaction() {
            // The guard would borrow the card.
            Ok(transaction) => {
                std::mem::forget(transaction);
                return Ok(());
            }
            Err(pcsc::Error::ResetCard) => {}
            Err(error) => return Err(error),
        }
        card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard)?;
    }
}

impl PcscReader {
    /// Connects to the card in a reader and begins a transaction; the protocol too. Waits for
    /// the end of another program's transaction.
    pub fn connect(name: &str) -> Result<(Self, Protocol), Error> {
        let context = context()?;
        let names = list(&context)?.into_iter().map(|name| name.to_string_lossy().into_owned());
        let names: Vec<String> = names.collect();
        let name = choose(&names, name).map_err(|trouble| Error::reader(name, trouble))?.to_owned();
        let refuse = |error| Error::reader(&name, trouble(error));
        let c_name = std::ffi::CString::new(name.as_str()).unwrap_or_default();
        let mut card = context.connect(&c_name, ShareMode::Shared, Protocols::ANY).map_err(refuse)?;
        let protocol = card.status2_owned().map_err(refuse)?.protocol2().unwrap_or(Protocol::T1);
        begin(&mut card).map_err(refuse)?;
        Ok((Self { name, card, buffer: vec![0; RESPONSE_MAX], fresh: true }, protocol))
    }
}

impl PcscReader {
    /// One exchange. The first one may meet a card that is not there any more and perhaps comes
    /// back: nothing has been carried out then.
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, pcsc::Error> {
        let Self { card, buffer, .. } = self;
        let mut answer = card.transmit(command, buffer).map(<[u8]>::to_vec);
        for _ in 0..TRIES {
            if !self.fresh || answer != Err(pcsc::Error::NotTransacted) {
                break;
            }
            std::thread::sleep(RETRY);
            let again = card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::UnpowerCard);
            if again.and_then(|()| begin(card)).is_ok() {
                answer = card.transmit(command, buffer).map(<[u8]>::to_vec);
            }
        }
        self.fresh &= answer.is_err();
        answer
    }
}

impl Reader for PcscReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.exchange(command).map_err(|error| match error {
            pcsc::Error::RemovedCard | pcsc::Error::NoSmartcard => {
                Error::NoAnswer("the card was taken out of the reader".into())
            }
            pcsc::Error::ResetCard => Error::NoAnswer("another program has reset the card".into()),
            // pcscd's word for a card that its driver has lost and it has not missed yet.
            pcsc::Error::NotTransacted => {
                Error::NoAnswer("the card was taken out of the reader, or has just been put back".into())
            }
            other => Error::NoAnswer(other.to_string()),
        })?;
        // What a card that is torn out leaves behind, as a success.
        if answer.len() < 2 {
            return Err(Error::NoAnswer("the answer was lost".into()));
        }
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        let reconnected = self.card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::UnpowerCard);
        reconnected.map_err(|error| Error::reader(&self.name, trouble(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_that_is_meant() {
        let names = ["Virtual PCD 00 00", "Virtual PCD 00 01", "ACS ACR122U 01 00"].map(String::from);
        assert_eq!(choose(&names, "Virtual PCD 00 01"), Ok("Virtual PCD 00 01"));
        assert_eq!(choose(&names, "ACR122"), Ok("ACS ACR122U 01 00"));
        assert_eq!(choose(&names, "Virtual"), Err(Trouble::Ambiguous(names[..2].to_vec())));
        assert_eq!(choose(&names, "Omnikey"), Err(Trouble::NoReader(names.to_vec())));
        assert_eq!(choose(&[], ""), Err(Trouble::NoReader(vec![])));
    }
}
