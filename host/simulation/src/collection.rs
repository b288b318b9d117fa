//! Batches on their way to the background system, and acknowledgements on their way
//! back: over a line, or on a transfer card that somebody carries.

use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::{BatchNumber, SamId, Time};
use background::clearing::settle::Settlement;
use host::terminal::collection::{CollectedBatch, unpack};
use host::terminal::downloads::{identity, next_download, send_back};
use network::{Batch, Direct, Outbox};

use crate::scheme::Connection;
use crate::{Error, World};

/// Acknowledgements that stay on board of a transfer card.
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
    /// Acknowledgements that it took from the transfer card.
    pub acknowledged: usize,
}

/// What came of clearing.
#[derive(Debug, Default)]
pub struct Cleared {
    /// Batches that are stored now, by module and number.
    pub stored: Vec<(SamId, BatchNumber)>,
    /// Batches that were refused or could not be delivered, with the reason.
    pub refused: Vec<String>,
    /// What merchants are paid, where anything was to be settled.
    pub settlement: Option<Settlement>,
}

impl World {
    /// Collects at one terminal: to its outbox, or onto the transfer card after taking the
    /// acknowledgements that the card brings.
    pub fn collect(&mut self, name: &str) -> Result<Collected, Error> {
        let connection = self.scheme.terminal(name)?.connection;
        let number = self.start_terminal(name)?;
        let (batches, acknowledged) = match connection {
            Connection::Online => (self.collect_online(number)?, 0),
            Connection::Never => self.visit(number)?,
        };
        Ok(Collected { terminal: name.into(), connection, batches, acknowledged })
    }

    fn collect_online(&mut self, number: u32) -> Result<Vec<BatchNumber>, Error> {
        let outbox = Outbox::open(self.terminal_home(number).join("outbox"))?;
        let Some(terminal) = self.terminals.get_mut(&number) else { return Ok(Vec::new()) };
        let mut batches = Vec::new();
        for collected in terminal.collect()? {
            batches.push(collected.trailer.batch);
            outbox.put(&to_batch(collected))?;
        }
        Ok(batches)
    }

    /// The transfer card comes to a terminal that is never connected.
    fn visit(&mut self, number: u32) -> Result<(Vec<BatchNumber>, usize), Error> {
        self.start_transfer()?;
        let (Some(terminal), Some(card)) = (self.terminals.get_mut(&number), self.transfer.as_mut()) else {
            return Ok((Vec::new(), 0));
        };
        let acknowledged = terminal.take_downloads(card)?.taken;
        Ok((terminal.collect_onto(card)?, acknowledged))
    }

    /// Clears: delivers the outboxes, reads the transfer card, sends acknowledgements back,
    /// settles merchants.
    pub fn clear(&mut self, now: Time) -> Result<Cleared, Error> {
        let mut cleared = Cleared::default();
        for name in self.names(Connection::Online) {
            self.deliver(&name, now, &mut cleared)?;
        }
        self.unload_transfer_card(now, &mut cleared)?;
        cleared.settlement = Some(self.background.settle(now)?).filter(|s| s.number.is_some());
        Ok(cleared)
    }

    /// Delivers one outbox over the line; the PSAM gets its acknowledgements at once.
    pub fn deliver(&mut self, name: &str, now: Time, cleared: &mut Cleared) -> Result<(), Error> {
        let number = self.start_terminal(name)?;
        let outbox = Outbox::open(self.terminal_home(number).join("outbox"))?;
        let delivery = outbox.deliver(&mut Direct(self.background.at(now)))?;
        for acknowledgement in &delivery.acknowledged {
            if let Some(terminal) = self.terminals.get_mut(&number) {
                terminal.acknowledge(acknowledgement)?;
            }
            cleared.stored.push((acknowledgement.sam, acknowledgement.batch));
        }
        let rejected = delivery.rejected.iter().map(|(path, r)| format!("{}: {}", path.display(), r.text));
        cleared.refused.extend(rejected);
        cleared.refused.extend(delivery.failed.iter().map(|(_, error)| error.to_string()));
        Ok(())
    }

    /// The transfer card has come to the background system. What it brought is released once
    /// it is stored, or kept as an exception: a refused batch left on board would keep the
    /// PSAM from bringing the right one, which it still has.
    pub fn unload_transfer_card(&mut self, now: Time, cleared: &mut Cleared) -> Result<(), Error> {
        self.start_transfer()?;
        let Some(card) = self.transfer.as_mut() else { return Ok(()) };
        let delivery = unpack(card)?;
        let mut acknowledgements: Vec<Acknowledgement> = Vec::new();
        if delivery.batches.is_empty() && delivery.incomplete.is_empty() {
            return Ok(());
        }
        for batch in delivery.batches {
            let key = (batch.trailer.sam, batch.trailer.batch);
            match self.background.submit(&to_batch(batch), now) {
                Ok(acknowledgement) => {
                    cleared.stored.push(key);
                    acknowledgements.push(acknowledgement);
                }
                Err(background::Error::Rejected(rejection)) => {
                    cleared.refused.push(format!("batch {} of PSAM {}: {}", key.1, key.0, rejection.text));
                }
                Err(error) => return Err(error.into()),
            }
        }
        for (sam, batch) in &delivery.incomplete {
            cleared.refused.push(format!("batch {batch} of PSAM {sam}: incomplete; the PSAM still has it"));
        }
        // The card may pass many terminals before it is back at one, so that
        // acknowledgements stay on board for long.
        let downloads = next_download(card)?.saturating_sub(DOWNLOADS_KEPT).max(1);
        let release = self.background.release(identity(card)?, delivery.next_parcel, downloads)?;
        Ok(send_back(card, &release, &acknowledgements)?)
    }
}

fn to_batch(collected: CollectedBatch) -> Batch {
    Batch { trailer: collected.trailer, records: collected.records }
}
