//! A purse and a PSAM, and the terminal between them that only carries bytes.

use apdu_spec::StatusWord;
use apdu_spec::batch::Trailer;
use apdu_spec::element::{Algorithm, Counter, IepId, Kind, PurseNumber, Random, SamCounter, Time};
use apdu_spec::purse::{
    CreditLoad, DebitIep, DebitUnload, Execute, Executed, GetBalance, GetPurseData, InitializeIep,
    InitializeLoad, InitializePurchase, InitializeTransfer, InitializeUnload, Initialized, PreviousByNt,
    PreviousByNv, PreviousRequest, PreviousSignature, PurseInformation,
};
use apdu_spec::record::{BatchRecord, Counterpart};
use apdu_spec::sam::{
    CancelPurchase, CancellationSecret, CloseBatch, CollectRequest, CreditPsam, CreditRequest, Credited,
    GetChallenge, GetSamData, InitializePsam, OpenPurchase, Opened, PsamCancel, PsamCollect, ReceiptRequest,
    StoreReceipt,
};
use card_os::applets::AppletKind;
use card_os::platform::Platform;

use super::{Chip, Device, GROUP, VERSION, amount, issuer, load_terminal};

/// The time of all payments.
pub const NOW: Time = Time(1_700_000_000);

#[derive(Debug)]
pub struct World<P: Platform = Chip, S: Platform = Chip> {
    pub purse: Device<P>,
    pub sam: Device<S>,
}

/// A purchase that went through.
#[derive(Clone, Copy, Debug)]
pub struct Paid {
    pub counterpart: Counterpart,
    pub initialized: Initialized,
    pub opened: Opened,
    pub executed: Executed,
    pub credited: Credited,
}

impl World {
    /// Both cards personalised; the purse is empty.
    pub fn new(algorithm: Algorithm) -> Self {
        let card = |kind| Device::personalised(kind, algorithm);
        Self { purse: card(AppletKind::Purse), sam: card(AppletKind::Sam) }
    }

    /// Another purse of the issuer, with AES and empty.
    pub fn another_purse(number: u64) -> Device {
        let iep = IepId { number: PurseNumber::new(number).unwrap(), ..super::iep() };
        Device::issued(AppletKind::Purse, Algorithm::AesCmac, iep, load_terminal())
    }

    /// With AES, and this on the purse.
    pub fn with_balance(minor: u32) -> Self {
        let mut world = Self::new(Algorithm::AesCmac);
        world.load(minor).unwrap();
        world
    }
}

impl<P: Platform, S: Platform> World<P, S> {
    pub fn balance(&mut self) -> i32 {
        self.purse.execute::<GetBalance>(&()).unwrap().balance.0
    }

    pub fn information(&mut self) -> PurseInformation {
        self.purse.execute::<GetPurseData>(&()).unwrap()
    }

    pub fn counterpart(&mut self) -> Counterpart {
        let sam = self.sam.execute::<GetSamData>(&()).unwrap().sam;
        let challenge = self.sam.execute::<GetChallenge>(&()).unwrap().challenge;
        Counterpart { sam, challenge }
    }

    /// INITIALIZE IEP for Purchase under a fresh challenge.
    pub fn initialize(&mut self) -> (Counterpart, Initialized) {
        let counterpart = self.counterpart();
        let request = InitializePurchase { group: GROUP, version: VERSION, counterpart };
        (counterpart, self.purse.execute::<InitializeIep>(&request).unwrap())
    }

    /// INITIALIZE PSAM for Purchase.
    pub fn order(&mut self, initialized: &Initialized, minor: u32) -> Result<Opened, StatusWord> {
        let Initialized { key, statement, s1 } = *initialized;
        let request = OpenPurchase { key, statement, s1, amount: amount(minor), time: NOW };
        self.sam.execute::<InitializePsam>(&request)
    }

    /// An order for another purse, which is pulled out.
    pub fn tap(&mut self, purse: &mut Device<P>, minor: u32) -> Result<Opened, StatusWord> {
        std::mem::swap(&mut self.purse, purse);
        let (_, initialized) = self.initialize();
        let opened = self.order(&initialized, minor);
        std::mem::swap(&mut self.purse, purse);
        opened
    }

    pub fn debit(&mut self, opened: &Opened) -> Result<Executed, StatusWord> {
        self.purse.execute::<DebitIep>(&Execute { order: opened.order, s2: opened.s2 })
    }

    pub fn credit(&mut self, nt: SamCounter, executed: Executed) -> Result<Credited, StatusWord> {
        self.sam.execute::<CreditPsam>(&CreditRequest { nt, s3: executed.s3, s6: executed.s6 })
    }

    /// A whole purchase.
    pub fn pay(&mut self, minor: u32) -> Result<Paid, StatusWord> {
        let (counterpart, initialized) = self.initialize();
        let opened = self.order(&initialized, minor)?;
        let executed = self.debit(&opened)?;
        let credited = self.credit(opened.order.nt, executed)?;
        Ok(Paid { counterpart, initialized, opened, executed, credited })
    }

    /// A purchase whose answer to DEBIT IEP never reaches the PSAM.
    pub fn pay_and_lose_the_answer(&mut self, minor: u32) -> Opened {
        let (_, initialized) = self.initialize();
        let opened = self.order(&initialized, minor).unwrap();
        self.debit(&opened).unwrap();
        opened
    }

    /// INITIALIZE IEP for Load or Unload.
    pub fn initialize_transfer(
        &mut self,
        kind: Kind,
        minor: u32,
    ) -> Result<(Counterpart, Initialized), StatusWord> {
        let counterpart = Counterpart { sam: load_terminal(), challenge: Random([0x4C; 8]) };
        let request = InitializeTransfer { version: VERSION, counterpart, amount: amount(minor) };
        let initialized = match kind {
            Kind::Unload => self.purse.execute::<InitializeUnload>(&request),
            _ => self.purse.execute::<InitializeLoad>(&request),
        };
        Ok((counterpart, initialized?))
    }

    /// A load or unload with the issuer.
    pub fn transfer(&mut self, kind: Kind, minor: u32, approve: bool) -> Result<Executed, StatusWord> {
        let (counterpart, initialized) = self.initialize_transfer(kind, minor)?;
        let execute = issuer::authorise(kind, &initialized, counterpart, amount(minor), approve);
        match kind {
            Kind::Unload => self.purse.execute::<DebitUnload>(&execute),
            _ => self.purse.execute::<CreditLoad>(&execute),
        }
    }

    pub fn load(&mut self, minor: u32) -> Result<Executed, StatusWord> {
        self.transfer(Kind::Load, minor, true)
    }

    fn previous_request(&mut self, number: Counter) -> PreviousRequest {
        PreviousRequest { group: GROUP, version: VERSION, counterpart: self.counterpart(), number }
    }

    /// GET PREVIOUS IEP SIGNATURE by NT under a fresh challenge of the PSAM.
    pub fn previous_by_nt(&mut self, nt: Counter) -> Result<PreviousSignature, StatusWord> {
        let request = self.previous_request(nt);
        self.purse.execute::<PreviousByNt>(&request)
    }

    /// The same by NV.
    pub fn previous_by_nv(&mut self, nv: u32) -> Result<PreviousSignature, StatusWord> {
        let request = self.previous_request(Counter::new(nv).unwrap());
        self.purse.execute::<PreviousByNv>(&request)
    }

    /// The PSAM takes over the purse's receipts up to `nv`, from the oldest held.
    pub fn take_over_up_to(&mut self, nv: u32) {
        let information = self.information();
        let oldest = information.nv.get() - u32::from(information.receipts) + 1;
        for nv in oldest..=nv {
            let previous = self.previous_by_nv(nv).unwrap();
            self.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
        }
    }

    /// What the purse says of its last value commit, under a fresh challenge of the PSAM.
    pub fn last_commit(&mut self) -> PreviousSignature {
        let nv = self.information().nv.get();
        self.previous_by_nv(nv).unwrap()
    }

    /// PSAM CANCEL PURCHASE on the word of the purse.
    pub fn void(&mut self, nt: SamCounter) -> Result<CancellationSecret, StatusWord> {
        let previous = self.last_commit();
        self.sam.execute::<PsamCancel>(&CancelPurchase { nt, previous })
    }

    /// Closes the batch and reads all of it.
    pub fn collect(&mut self) -> (Trailer, Vec<BatchRecord>) {
        let trailer = self.sam.execute::<CloseBatch>(&()).unwrap();
        let batch = trailer.batch;
        let record = |index| self.sam.execute::<PsamCollect>(&CollectRequest { batch, index }).unwrap();
        let records = (0..trailer.count).map(record).collect();
        (trailer, records)
    }
}
