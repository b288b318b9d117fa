//! A payment terminal at its place: PSAM, disk, clock, how its batches travel; and what is
//! heard of its payments.

use apdu_spec::StatusWord;
use apdu_spec::element::{SamCounter, Time};
use host::terminal::PaymentTerminal;
use host::terminal::journal::LineJournal;
use host::terminal::purchase::Payment;
use network::{Batch, Outbox};

use super::disk::Disk;
use super::fate::Fate;
use super::link::Wire;
use super::psam::Psam;
use super::rates::Fault;
use super::truth::sam_of;
use crate::Error;

/// How batches leave a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection {
    /// Over a line, at once.
    Online,
    /// Over a line, now and then.
    Periodic,
    /// On a transfer card.
    Never,
}

/// A payment terminal with its PSAM and its disk.
#[derive(Debug)]
pub struct Site {
    /// Number of its PSAM.
    pub number: u32,
    /// How its batches travel.
    pub connection: Connection,
    /// Its PSAM.
    pub psam: Psam,
    /// Its disk.
    pub disk: Disk,
    /// The terminal, where it runs.
    pub terminal: Option<PaymentTerminal>,
    /// By how much its clock is wrong, seconds.
    pub offset: i64,
    /// Its PSAM has refused the time on it.
    pub refused: bool,
    /// Payments since its last collection.
    pub since: u32,
    /// The payment made last: purse and NT_PSAM.
    pub last: Option<(usize, SamCounter)>,
}

impl Site {
    /// Starts the terminal, where it does not run; whether it runs now.
    pub fn start(&mut self) -> bool {
        if self.terminal.is_none() {
            let journal = LineJournal::over(self.disk.clone(), true);
            let started = journal
                .map(|journal| PaymentTerminal::start(Box::new(self.psam.clone()), Box::new(journal)).ok());
            self.terminal = started.ok().flatten();
        }
        self.terminal.is_some()
    }

    /// The time on its clock.
    #[must_use]
    pub fn time(&self, now: Time) -> Time {
        let shown = i64::from(now.0) + self.offset;
        Time(u32::try_from(shown.max(0)).unwrap_or(u32::MAX))
    }

    /// Now and then its clock jumps, by three days at most.
    pub(super) fn drift(&mut self, fate: &mut Fate) {
        if fate.happens(Fault::Clock) {
            self.offset = i64::from(fate.chance.below(6 * 86_400)) - 3 * 86_400;
        }
    }

    /// What the terminal believes of a payment has to be true. `before` it, its PSAM had given so
    /// many orders.
    pub(super) fn hear(
        &mut self,
        purse: usize,
        paid: Result<Payment, host::Error>,
        before: u64,
        fate: &mut Fate,
    ) {
        if fate.crashed {
            return;
        }
        let sam = sam_of(self.number);
        let (count, last) = fate.truth.orders(sam);
        let ordered = (count > before).then_some((sam, last));
        match (paid, ordered) {
            (Ok(Payment::Paid(receipt)), _) => {
                let nt = receipt.nt_psam;
                fate.truth.believed((sam, nt.get() as usize), receipt.amount.get().into());
                self.last = Some((purse, nt));
            }
            (Ok(Payment::Refused(_)), Some(purchase)) => fate.truth.disbelieved(purchase),
            (Ok(Payment::Refused(_)), None) => {}
            (Ok(Payment::InDoubt(intent)), _) => fate.tell(|| format!("  in doubt: {intent:?}")),
            (Err(error), ordered) => {
                fate.tell(|| format!("  {error}"));
                self.refused |= error.status() == Some(StatusWord::CLOCK_REFUSED);
                ordered.into_iter().for_each(|purchase| fate.truth.not_sent(purchase));
            }
        }
    }

    /// Somebody sets the clock of the terminal by its PSAM, which has refused it.
    pub(super) fn set_clock(&mut self, now: Time) {
        let Some(terminal) = self.terminal.as_mut().filter(|_| self.refused) else { return };
        if let Ok(stands) = terminal.sam().information() {
            let time = now.clamp(stands.floor, stands.ceiling.max(stands.floor));
            self.offset = i64::from(time.0) - i64::from(now.0);
            self.refused = false;
        }
    }

    /// After the PSAM had lost power: it is selected again, or the terminal starts again.
    pub(super) fn stand_up(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && terminal.sam().reset().is_err()
        {
            self.terminal = None;
        }
    }

    /// Batches to the outbox.
    pub(super) fn collect(&mut self) -> Result<(), Error> {
        let outbox = Outbox::over("outbox", self.disk.clone());
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        for collected in terminal.collect()? {
            outbox.put(&Batch { trailer: collected.trailer, records: collected.records })?;
        }
        Ok(())
    }

    /// The outbox over the line, and acknowledgements to the PSAM.
    pub(super) fn deliver(&mut self, line: &mut Wire<'_>) {
        let outbox = Outbox::over("outbox", self.disk.clone());
        let (Ok(delivery), Some(terminal)) = (outbox.deliver(line), &mut self.terminal) else { return };
        for acknowledgement in &delivery.acknowledged {
            let _ = terminal.acknowledge(acknowledgement);
        }
    }
}
