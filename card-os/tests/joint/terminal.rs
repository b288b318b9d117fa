//! What a terminal does with the cards; an exchange that gets no answer ends it.

use apdu_spec::StatusWord;
use apdu_spec::batch::Trailer;
use apdu_spec::element::{Counter, Kind, SamCounter};
use apdu_spec::purse::{
    Cancel, CreditCancellation, DebitIep, Execute, GetPurseData, InitializeIep, InitializePurchase,
    PreviousByNt, PreviousByNv, PreviousRequest,
};
use apdu_spec::record::{BatchRecord, Counterpart};
use apdu_spec::sam::{
    CancelPurchase, CloseBatch, CollectRequest, CompleteRequest, CreditPsam, CreditRequest, GetChallenge,
    GetSamData, InitializePsam, OpenPurchase, PsamCancel, PsamCollect, PsamComplete, ReadTrailer,
    ReceiptRequest, StoreReceipt, TrailerRequest,
};

use crate::party::{NO_ANSWER, Party};
use crate::support::world::NOW;
use crate::support::{GROUP, VERSION, amount};

/// A line of the journal: this payment goes to the purse next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intent {
    pub nt_psam: SamCounter,
    pub nt_iep: Counter,
}

/// How far a payment came, as its terminal saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// What the journal holds.
    pub intent: Option<Intent>,
    pub debited: bool,
    pub credited: bool,
}

fn counterpart(sam: &mut Party) -> Result<Counterpart, StatusWord> {
    let challenge = sam.execute::<GetChallenge>(&())?.challenge;
    Ok(Counterpart { sam: sam.execute::<GetSamData>(&())?.sam, challenge })
}

/// A payment, as far as both cards answer.
pub fn pay(
    purse: &mut Party,
    sam: &mut Party,
    minor: u32,
    progress: &mut Progress,
) -> Result<(), StatusWord> {
    let counterpart = counterpart(sam)?;
    let request = InitializePurchase { group: GROUP, version: VERSION, counterpart };
    let initialized = purse.execute::<InitializeIep>(&request)?;
    let (key, statement, s1) = (initialized.key, initialized.statement, initialized.s1);
    let request = OpenPurchase { key, statement, s1, amount: amount(minor), time: NOW };
    let opened = sam.execute::<InitializePsam>(&request)?;
    let nt = opened.order.nt;
    progress.intent = Some(Intent { nt_psam: nt, nt_iep: statement.position.nt });
    let executed = purse.execute::<DebitIep>(&Execute { order: opened.order, s2: opened.s2 })?;
    progress.debited = true;
    sam.execute::<CreditPsam>(&CreditRequest { nt, s3: executed.s3, s6: executed.s6 })?;
    progress.credited = true;
    Ok(())
}

/// Asks the purse what became of a payment in the journal, and tells the PSAM.
pub fn resolve(purse: &mut Party, sam: &mut Party, intent: Intent) -> Result<(), StatusWord> {
    let counterpart = counterpart(sam)?;
    let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number: intent.nt_iep };
    let previous = purse.execute::<PreviousByNt>(&request)?;
    let told = match previous.found {
        0 => sam.execute::<PsamComplete>(&CompleteRequest { nt: intent.nt_psam, previous }),
        _ => sam.execute::<StoreReceipt>(&ReceiptRequest { previous }),
    };
    // The PSAM knows already: its answer was lost.
    if told == Err(StatusWord::RECORD_NOT_FOUND) { Ok(()) } else { told }
}

/// The PSAM takes over all receipts that the purse holds.
pub fn take_over(purse: &mut Party, sam: &mut Party) -> Result<(), StatusWord> {
    let information = purse.execute::<GetPurseData>(&())?;
    let nv = information.nv.get();
    for number in nv - u32::from(information.receipts) + 1..=nv {
        let number = Counter::new(number).unwrap();
        let request =
            PreviousRequest { group: GROUP, version: VERSION, counterpart: counterpart(sam)?, number };
        let previous = purse.execute::<PreviousByNv>(&request)?;
        sam.execute::<StoreReceipt>(&ReceiptRequest { previous })?;
    }
    Ok(())
}

/// The PSAM voids a payment and reveals its secret; the purse takes the amount back.
pub fn cancel(
    purse: &mut Party,
    sam: &mut Party,
    nt: SamCounter,
    revealed: &mut bool,
) -> Result<(), StatusWord> {
    let number = purse.execute::<GetPurseData>(&())?.nv;
    let request = PreviousRequest { group: GROUP, version: VERSION, counterpart: counterpart(sam)?, number };
    let previous = purse.execute::<PreviousByNv>(&request)?;
    let last = previous.to_receipt().map_err(|_| StatusWord::WRONG_DATA)?;
    if last.is_some_and(|last| (last.kind, last.order.nt) == (Kind::Cancellation, nt)) {
        return Ok(()); // it has taken it back already: its answer was lost
    }
    let secret = sam.execute::<PsamCancel>(&CancelPurchase { nt, previous })?.secret;
    *revealed = true;
    match purse.execute::<CreditCancellation>(&Cancel { secret }) {
        Ok(_) => Ok(()),
        Err(status) => Err(status),
    }
}

/// Closes the batch and reads it; nothing where no batch has an entry.
pub fn collect(sam: &mut Party) -> Result<Option<(Trailer, Vec<BatchRecord>)>, StatusWord> {
    let now = sam.execute::<GetSamData>(&())?;
    // Closed, and the answer was lost: asked for again.
    let trailer = if now.oldest < now.batch {
        sam.execute::<ReadTrailer>(&TrailerRequest { batch: now.oldest })?
    } else {
        match sam.execute::<CloseBatch>(&()) {
            Err(StatusWord::RECORD_NOT_FOUND) => return Ok(None),
            trailer => trailer?,
        }
    };
    let batch = trailer.batch;
    let record = |index| sam.execute::<PsamCollect>(&CollectRequest { batch, index });
    let records = (0..trailer.count).map(record).collect::<Result<_, _>>()?;
    Ok(Some((trailer, records)))
}

/// Does it until no card is torn in it; what it does otherwise is an error.
pub fn insist<P, T>(
    parties: &mut P,
    restart: fn(&mut P),
    mut act: impl FnMut(&mut P) -> Result<T, StatusWord>,
) -> T {
    // Each of two cards is torn once.
    for _ in 0..3 {
        match act(parties) {
            Err(NO_ANSWER) => restart(parties),
            done => return done.unwrap(),
        }
    }
    panic!("a card that nobody tears gives no answer");
}
