//! Batches on their way to the background system, and acknowledgements on their way
//! back: over a line, or on a transfer card that somebody carries.

use apdu_spec::element::{BatchNumber, SamId, Time};
use background::clearing::settle::Settlement;
use network::{Batch, Direct, Outbox};

use crate::delivery::HandedIn;
use crate::failure::{Failure, verdict};
use crate::scheme::Connection;
use crate::{Error, World};

/// Acknowledgements that stay on board of a transfer card, which may pass many terminals before
/// it is back at one.
const DOWNLOADS_KEPT: u32 = 512;

/// What a terminal gave out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collected {
    /// The terminal.
    pub terminal: String,
    /// How.
    pub connection: Connection,
    /// Batches that are on their way now.
    pub batches: Vec<BatchNumber>,
    /// Batches for which the transfer card had no room: the PSAM keeps them.
    pub left: Vec<BatchNumber>,
    /// Acknowledgements that it took from the transfer card.
    pub acknowledged: usize,
}

/// What came of clearing.
#[derive(Debug, Default)]
pub struct Cleared {
    /// Batches that are stored now, by module and number.
    pub stored: Vec<(SamId, BatchNumber)>,
    /// Batches that the background system refused, or of which pieces are missing.
    pub refused: Vec<Failure>,
    /// Who could not deliver.
    pub failed: Vec<Failure>,
    /// What merchants are paid, where anything was to be settled.
    pub settlement: Option<Settlement>,
}

impl Cleared {
    /// Takes in what came of a later clearing.
    pub fn extend(&mut self, later: Self) {
        self.stored.extend(later.stored);
        self.refused.extend(later.refused);
        self.failed.extend(later.failed);
        self.settlement = later.settlement;
    }

    /// An error that names all that was refused or failed, where anything was.
    pub fn verdict(&self) -> Result<(), Error> {
        verdict(self.refused.iter().chain(&self.failed).cloned().collect())
    }
}

impl World {
    /// Collects at all these terminals; who could not give out, or not everything, is named, and
    /// the others go on.
    pub fn collect_all(&mut self, names: &[String]) -> (Vec<Collected>, Vec<Failure>) {
        let (mut collected, mut failed) = (Vec::new(), Vec::new());
        for name in names {
            let failure = match self.collect(name) {
                Ok(done) => {
                    let failure = done.full();
                    collected.push(done);
                    failure
                }
                Err(Error::Transfer(error)) => Some(Failure::new(self.transfer_name(), error)),
                Err(error) => Some(Failure::new(name, error)),
            };
            failed.extend(failure.filter(|failure| !failed.contains(failure)));
        }
        (collected, failed)
    }

    /// Collects at one terminal: to its outbox, or onto the transfer card after taking the
    /// acknowledgements that the card brings.
    pub fn collect(&mut self, name: &str) -> Result<Collected, Error> {
        let connection = self.scheme.terminal(name)?.connection;
        let number = self.start_terminal(name)?;
        let (batches, left, acknowledged) = match connection {
            Connection::Online => (self.collect_online(number)?, Vec::new(), 0),
            Connection::Never => self.visit(number)?,
        };
        Ok(Collected { terminal: name.into(), connection, batches, left, acknowledged })
    }

    fn collect_online(&mut self, number: u32) -> Result<Vec<BatchNumber>, Error> {
        let outbox = Outbox::open(self.terminal_home(number).join("outbox"))?;
        let Some(terminal) = self.terminals.get_mut(&number) else { return Ok(Vec::new()) };
        let mut batches = Vec::new();
        for collected in terminal.collect()? {
            batches.push(collected.trailer.batch);
            outbox.put(&Batch { trailer: collected.trailer, records: collected.records })?;
        }
        Ok(batches)
    }

    /// The transfer card comes to a terminal that is never connected.
    fn visit(&mut self, number: u32) -> Result<(Vec<BatchNumber>, Vec<BatchNumber>, usize), Error> {
        self.start_transfer().map_err(|error| Error::Transfer(error.into()))?;
        let (Some(terminal), Some(card)) = (self.terminals.get_mut(&number), self.transfer.as_mut()) else {
            return Ok((Vec::new(), Vec::new(), 0));
        };
        let acknowledged = terminal.take_downloads(card)?.taken;
        let boarded = terminal.collect_onto(card)?;
        Ok((boarded.batches, boarded.left, acknowledged))
    }

    /// Clears: delivers the outboxes, reads the transfer card, sends acknowledgements back,
    /// settles merchants. Who cannot deliver is named, and the others are settled.
    pub fn clear(&mut self, now: Time) -> Result<Cleared, Error> {
        let mut cleared = Cleared::default();
        for name in self.names(Connection::Online) {
            if let Err(error) = self.deliver(&name, now, &mut cleared) {
                cleared.failed.push(Failure::new(name, error));
            }
        }
        if let Err(error) = self.unload_transfer_card(now, &mut cleared) {
            cleared.failed.push(Failure::new(self.transfer_name(), error));
        }
        cleared.settlement = Some(self.background.settle(now)?).filter(|s| s.number.is_some());
        Ok(cleared)
    }

    /// Delivers one outbox over the line; the PSAM gets its acknowledgements at once. Where its
    /// terminal does not start, the outbox is delivered all the same.
    pub fn deliver(&mut self, name: &str, now: Time, cleared: &mut Cleared) -> Result<(), Error> {
        let number = self.scheme.terminal(name)?.sam;
        let outbox = Outbox::open(self.terminal_home(number).join("outbox"))?;
        let delivery = outbox.deliver(&mut Direct(self.background.at(now)))?;
        cleared.stored.extend(delivery.acknowledged.iter().map(|word| (word.sam, word.batch)));
        let rejected = delivery.rejected.iter().map(|(path, r)| format!("{}: {}", path.display(), r.text));
        cleared.refused.extend(rejected.map(|error| Failure::new(name, error)));
        cleared.failed.extend(delivery.failed.iter().map(|(_, error)| Failure::new(name, error)));
        self.start_terminal(name)?;
        let Some(terminal) = self.terminals.get_mut(&number) else { return Ok(()) };
        for acknowledgement in &delivery.acknowledged {
            terminal.acknowledge(acknowledgement)?;
        }
        Ok(())
    }

    /// The transfer card has come to the background system. What it brought is released once
    /// it is stored, or refused.
    pub fn unload_transfer_card(&mut self, now: Time, cleared: &mut Cleared) -> Result<(), Error> {
        self.start_transfer()?;
        let Some(card) = self.transfer.as_mut() else { return Ok(()) };
        let handed_in = HandedIn::from(card, &mut Direct(self.background.at(now)))?;
        let answered = handed_in.answer(card, &mut self.background, DOWNLOADS_KEPT);
        cleared.stored.extend(handed_in.stored.into_keys());
        cleared.refused.extend(handed_in.refused);
        cleared.failed.extend(handed_in.unanswered);
        answered
    }
}

impl Collected {
    /// What stays at the terminal, where anything does: the card is full.
    fn full(&self) -> Option<Failure> {
        let left: Vec<_> = self.left.iter().map(ToString::to_string).collect();
        let error = format!(
            "the transfer card is full: bring it to the background system (`purse clear`); until then these \
             batches stay in the PSAM: {}",
            left.join(", ")
        );
        (!left.is_empty()).then(|| Failure::new(&self.terminal, error))
    }
}
