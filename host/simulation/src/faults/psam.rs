//! The PSAM of a terminal, and what it commits as events of the model.
//!
//! After each command that may have committed something, and after power has failed, the
//! simulation asks the card where it stands. What it was told to do last and what has changed
//! since then give the event, whether an answer came or not.

use std::sync::{Arc, Mutex, PoisonError};

use apdu_spec::aid::Aid;
use apdu_spec::element::Search;
use apdu_spec::sam::{CancelPurchase, OpenPurchase, Opened, ReceiptRequest, SamCommand, SamInformation};
use host::Error;
use host::reader::Reader;

use super::fate::{Fate, Shared};
use super::slot::{Slot, decode, lost};
use super::system::psam_at;
use super::truth::{Truth, kind, purse_of, sam_of};
use crate::model::{Event, Outcome};
use crate::weaken::Device;

/// GET DATA 0102.
const INFORMATION: &[u8] = &[0x00, 0xCA, 0x01, 0x02, 0x00];

/// The PSAM of a terminal: shared by the terminal and the simulation.
#[derive(Clone, Debug)]
pub struct Psam {
    number: u32,
    module: Arc<Mutex<Module>>,
    shared: Shared,
}

#[derive(Debug)]
struct Module {
    slot: Slot,
    /// Entries of the open batch, and purchases that were open, when it was looked at last.
    entries: u16,
    open: u8,
    /// The command of which it is not known what became.
    doing: Option<SamCommand>,
}

impl Psam {
    /// The PSAM of this number.
    #[must_use]
    pub fn new(number: u32, slot: Slot, shared: Shared) -> Self {
        Self {
            number,
            module: Arc::new(Mutex::new(Module { slot, entries: 0, open: 0, doing: None })),
            shared,
        }
    }

    fn with<T>(&self, action: impl FnOnce(&mut Module) -> T) -> T {
        action(&mut self.module.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The card itself, for who does not tell the truth.
    pub(crate) fn with_device<T>(&self, action: impl FnOnce(&mut dyn Device) -> T) -> T {
        self.with(|module| action(module.slot.device()))
    }

    /// Whether it has power.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.with(|module| module.slot.is_powered())
    }

    /// Switches off and on, and shows where it stands.
    pub fn power_up(&self, fate: &mut Fate) {
        self.with(|module| {
            module.slot.power_up(fate);
            if module.slot.is_powered() {
                module.slot.select(Aid::PSAM);
                module.look(sam_of(self.number), false, None, fate);
            }
        });
    }
}

impl Module {
    /// One exchange, with what the truth hears of it.
    fn exchange(&mut self, sam: usize, command: &[u8], fate: &mut Fate) -> Option<Vec<u8>> {
        let decoded = decode(command, SamCommand::decode);
        self.doing = decoded.clone().filter(commits);
        if !self.slot.exchange(command, fate) {
            return None;
        }
        let answer = self.slot.answer();
        if let Some(decoded) = decoded.filter(|_| fate.notebook.open) {
            fate.notebook.hear_sam(psam_at(sam), &decoded, &answer);
        }
        if self.doing.is_some() {
            let (ok, opened) = (answer.ends_with(&[0x90, 0x00]), self.slot.data::<Opened>());
            self.look(sam, ok, opened, fate);
        }
        self.slot.housekeep(fate);
        Some(answer)
    }

    /// The simulation looks where the PSAM stands, after an answer or the loss of it.
    fn look(&mut self, sam: usize, ok: bool, opened: Option<Opened>, fate: &mut Fate) {
        let truth = &mut fate.truth;
        let Some(stands) = self.slot.ask::<SamInformation>(INFORMATION) else {
            return truth.violate(|| format!("PSAM {sam} does not say where it stands"));
        };
        let [nt, batch, oldest] =
            [stands.nt.get(), stands.batch.get(), stands.oldest.get()].map(|number| number as usize);
        let known = &truth.model.sams[sam];
        // A number that serves again is seen in the answer, or in what is open; an order that took the
        // place of its own purse's and was lost changes nothing that anybody could tell.
        let opens = nt == known.openings.len() + 1 || opened.is_some() || stands.open > self.open;
        let (completes, closes) = (stands.open < self.open, batch == known.closed.len() + 2);
        let forgets = oldest == known.forgotten + 2;
        let added = if closes { 0 } else { stands.entries.saturating_sub(self.entries) };
        (self.entries, self.open) = (stands.entries, stands.open);
        match self.doing.take() {
            Some(SamCommand::InitializePsam(request)) if opens => {
                // Where its table is full, the oldest one makes room.
                claim(sam, added, truth);
                open(sam, &request, opened, truth);
            }
            Some(SamCommand::CreditPsam(request)) if ok || added > 0 => {
                truth.tell(Event::Credited { purchase: (sam, request.nt.get() as usize) });
            }
            Some(SamCommand::PsamComplete(request)) if completes => {
                truth.tell(Event::Completed { purchase: (sam, request.nt.get() as usize) });
            }
            Some(SamCommand::PsamCancel(request)) if ok || added > 0 => {
                proven(sam, &request, truth);
                truth.tell(Event::Voided { purchase: (sam, request.nt.get() as usize) });
            }
            Some(SamCommand::PsamRenounce(request)) if ok || added > 0 => {
                truth.tell(Event::Voided { purchase: (sam, request.nt.get() as usize) });
            }
            Some(SamCommand::StoreReceipt(request)) if ok || added > 0 => {
                store(sam, &request, added > 0, truth);
            }
            Some(SamCommand::CloseBatch(())) => {
                claim(sam, added, truth);
                if closes {
                    truth.tell(Event::BatchClosed { sam });
                }
            }
            Some(SamCommand::PsamAcknowledge(_)) if forgets => {
                truth.tell(Event::Acknowledged { sam, batch: oldest - 1 });
            }
            _ => truth.must(added == 0, || format!("PSAM {sam} has recorded what nobody told it")),
        }
        truth.sam_seen(sam, [nt, batch, oldest]);
    }
}

/// Whether a command may commit something.
const fn commits(command: &SamCommand) -> bool {
    use SamCommand as C;
    matches!(command, C::InitializePsam(_) | C::CreditPsam(_) | C::PsamComplete(_) | C::PsamCancel(_))
        || matches!(
            command,
            C::StoreReceipt(_) | C::CloseBatch(()) | C::PsamAcknowledge(_) | C::PsamRenounce(_)
        )
}

/// The oldest purchases that are open have become claims, and free numbers that nobody took entries.
fn claim(sam: usize, count: u16, truth: &mut Truth) {
    for _ in 0..count {
        let module = &truth.model.sams[sam];
        let mut open = (1..).zip(&module.openings).skip(module.open.first);
        let waits = |of: &Outcome| matches!(of, Outcome::Open | Outcome::Vacant);
        if let Some((nt, _)) = open.find(|(_, of)| waits(&of.outcome)) {
            truth.tell(Event::Claimed { purchase: (sam, nt) });
        }
    }
}

/// A purchase was opened; where S2 was lost, nothing will be done for it.
fn open(sam: usize, request: &OpenPurchase, opened: Option<Opened>, truth: &mut Truth) {
    let purse = purse_of(request.statement.identity.iep.number.get());
    let session = (purse, request.statement.position.nt.get() as usize);
    let order = opened.map(|opened| opened.order);
    let amount = order.map_or(request.amount, |order| order.amount).get().into();
    let freed = order.map_or(0, |order| order.taken_over.get() as usize);
    truth.tell(Event::PurchaseOpened { sam, session, amount, freed });
    truth.ordered(sam, session, order.map(|order| order.nt.get() as usize));
}

/// A purchase is voided on the word of its own purse about that very purchase.
fn proven(sam: usize, request: &CancelPurchase, truth: &mut Truth) {
    let (purchase, word) = ((sam, request.nt.get() as usize), &request.previous);
    let said = (purse_of(word.statement.identity.iep.number.get()), word.asked.get() as usize);
    let debited = truth.model.debited(purchase);
    truth.must(word.by == Search::Nv && debited == Some(said), || {
        format!("purchase {purchase:?}, debited as {debited:?}, is voided on the word of {said:?}")
    });
}

/// A receipt was taken over, or was there before.
fn store(sam: usize, request: &ReceiptRequest, recorded: bool, truth: &mut Truth) {
    let Ok(Some(entry)) = request.previous.to_receipt() else { return };
    let purse = purse_of(request.previous.statement.identity.iep.number.get());
    let commit = (purse, entry.nv().map_or(0, |nv| nv.get() as usize));
    truth.shown("PSAM", commit, kind(entry.kind), entry.order.amount.get());
    if recorded {
        truth.tell(Event::ReceiptStored { sam, commit });
    }
}

impl Reader for Psam {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut fate = self.shared.lock();
        if fate.crashes() {
            return Err(lost("the terminal is dead"));
        }
        self.with(|module| {
            if !module.slot.is_powered() {
                return Err(lost("the PSAM has no power"));
            }
            let answer = module.exchange(sam_of(self.number), command, &mut fate);
            answer.ok_or_else(|| lost("the PSAM has lost power"))
        })
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.power_up(&mut self.shared.lock());
        Ok(())
    }
}
