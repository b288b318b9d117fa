//! A small world for the tests: a background system, and a purse and a security module
//! in software, which use the same declarations as the cards and nothing of the
//! background system's own.

#![allow(dead_code)] // each test file uses a part

use std::path::PathBuf;

use apdu_spec::Element;
use apdu_spec::batch::{Sums, Trailer};
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::*;
use apdu_spec::personalisation::{DataGroup, Function, KeyData};
use apdu_spec::protections::Protections;
use apdu_spec::purse::{Execute, Initialized, PreviousSignature};
use apdu_spec::record::*;
use apdu_spec::security_domain::DataBlock;
use apdu_spec::signature::{ChainLink, Heading, Name, S1, S2, S3, S5, S6};
use background::audit::verify::{Verification, verify};
use background::store::load_terminals::Permissions;
use background::vault::Lock;
use background::{Background, MerchantId, PurseOrder, SamOrder, Vault, VaultFile};
use network::authentication::Question;
use network::{Batch, Funding, Signed, TransferRequest};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

pub(crate) const NOW: Time = Time(1_700_000_000);
pub(crate) const GROUP: u8 = 1;
pub(crate) const MAXIMUM: i32 = 50_000;
pub(crate) const OVERDRAFT: u32 = 500;
/// What the load terminal may give of the operator's money in a day.
pub(crate) const GIVEN_A_DAY: u32 = 1_000;

pub(crate) fn provider() -> ProviderId {
    ProviderId::new(11).expect("small")
}

pub(crate) fn acquirer() -> AcquirerId {
    AcquirerId::new(77).expect("small")
}

pub(crate) fn sam_id(number: u32) -> SamId {
    SamId { acquirer: acquirer(), number: SamNumber::new(number).expect("small") }
}

pub(crate) fn amount(minor: u32) -> Amount {
    Amount::new(minor).expect("an amount")
}

pub(crate) fn counter(value: u32) -> Counter {
    Counter::new(value).expect("a counter")
}

/// Registers a load terminal that may do everything; its key.
pub(crate) fn load_terminal(background: &mut Background, number: u32) -> OnlineKey {
    let sam = sam_id(number);
    let permissions = Permissions { operator: Some(amount(GIVEN_A_DAY)), ..Permissions::HOLDERS };
    let data = background.register_load_terminal(sam, "Hall", &permissions, NOW).expect("terminal");
    OnlineKey::new(data.key, data.reference, sam)
}

/// Key data among the blocks that personalise a card.
fn keys(blocks: &[DataBlock]) -> Vec<KeyData> {
    let keys = blocks.iter().filter(|block| block.group == DataGroup::Key);
    keys.map(|block| KeyData::from_bytes(block.content.as_slice()).expect("a key")).collect()
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) background: Background,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) file: VaultFile,
    pub(crate) merchant: MerchantId,
    /// The load terminal's own.
    pub(crate) key: OnlineKey,
    algorithm: Algorithm,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Algorithm::AesCmac)
    }

    pub(crate) fn with(algorithm: Algorithm) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut vault = Vault::new();
        vault.add_version(1, algorithm, &[GROUP], &mut rng).expect("keys");
        let file = folder.path().join("vault.json");
        let file = VaultFile::create(&file, Lock::Open, &vault, &mut rng).expect("saved");
        let mut background = Background::create(&folder.path().join("purse.db"), vault).expect("created");
        background.register_issuer(provider(), "Issuer").expect("issuer");
        background.register_acquirer(acquirer(), "Acquirer").expect("acquirer");
        let merchant = background.register_merchant("Bakery", acquirer()).expect("merchant");
        let key = load_terminal(&mut background, 900);
        Self { folder, background, rng, file, merchant, key, algorithm }
    }

    /// The system of an issuer with these protections alone.
    pub(crate) fn under<X: Protections>() -> Self {
        let mut world = Self::new();
        let vault = world.vault().under::<X>();
        let spare = Background::in_memory(world.vault()).expect("in memory");
        drop(std::mem::replace(&mut world.background, spare));
        world.background = Background::open(&world.database(), vault).expect("opened");
        world
    }

    /// What the load terminal asks.
    pub(crate) fn signed<Q: Question>(&self, question: Q) -> Signed<Q> {
        Signed::by(&self.key, question)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("purse.db")
    }

    pub(crate) fn vault(&self) -> Vault {
        VaultFile::open_plain(&self.folder.path().join("vault.json")).expect("vault").1
    }

    pub(crate) fn purse(&mut self, number: u64) -> Purse {
        let iep = IepId { provider: provider(), number: PurseNumber::new(number).expect("small") };
        let order = PurseOrder {
            iep,
            currency: Currency::EUR,
            expiry: Time(NOW.0 + 86_400 * 365).date(),
            maximum: Balance(MAXIMUM),
            overdraft: amount(OVERDRAFT),
            purchase_limit: amount(20_000),
            groups: vec![GROUP],
            versions: vec![1],
            legacy: None,
            pin: None,
        };
        let blocks = self.background.issue_purse(&order, NOW).expect("issued");
        let identity =
            Identity { iep, expiry: order.expiry, currency: order.currency, maximum: order.maximum };
        let zero = Counter::default();
        let position = Position {
            balance: Balance(0),
            nt: zero,
            nv: zero,
            nv_load: zero,
            nv_cancellation: zero,
            offline_total: Amount::default(),
            offline_base: Amount::default(),
            random: Random::default(),
            receipts: 0,
            service: Service::Open,
        };
        Purse { identity, position, keys: keys(&blocks), seed: number }
    }

    pub(crate) fn sam(&mut self, number: u32) -> Sam {
        let merchant = self.merchant;
        self.sam_of(number, merchant)
    }

    pub(crate) fn sam_of(&mut self, number: u32, merchant: MerchantId) -> Sam {
        let order = SamOrder {
            sam: sam_id(number),
            name: format!("Till {number}"),
            merchant,
            expiry: Time(NOW.0 + 86_400 * 365).date(),
            currency: Currency::EUR,
            purchase_limit: amount(20_000),
            group: GROUP,
            versions: vec![1],
            providers: vec![provider()],
            connection: background::store::participants::Connection::Periodic,
        };
        let blocks = self.background.issue_sam(&order, &mut self.rng, NOW).expect("issued");
        let record =
            keys(&blocks).into_iter().find(|key| key.function == Function::Record).expect("record key");
        Sam {
            id: order.sam,
            record,
            nt: SamCounter::default(),
            batch: BatchNumber::new(1).expect("one"),
            previous: Mac::default(),
            sums: Sums::new(),
            time: NOW,
            list: 0,
            oldest: BatchNumber::new(1).expect("one"),
            entries: Vec::new(),
        }
    }

    pub(crate) fn counterpart(&mut self, sam: SamId) -> Counterpart {
        let mut challenge = [0; 8];
        self.rng.fill_bytes(&mut challenge);
        Counterpart { sam, challenge: Random(challenge) }
    }

    /// INITIALIZE IEP for a load or unload, as the terminal passes it on.
    pub(crate) fn ask(&mut self, purse: &mut Purse, kind: Kind, minor: u32) -> TransferRequest {
        let counterpart = self.counterpart(sam_id(900));
        let amount = amount(minor);
        let initialized = purse.initialize(kind, counterpart, amount);
        TransferRequest { kind, funding: Funding::Account, initialized, counterpart, amount, time: NOW }
    }

    /// A whole load or unload.
    pub(crate) fn transfer(&mut self, purse: &mut Purse, kind: Kind, minor: u32) -> ValueRecord {
        let request = self.ask(purse, kind, minor);
        let answer = self.background.authorise(&request, NOW).expect("answered");
        let value = purse.execute(&request, &answer);
        self.background.complete(value, NOW).expect("complete");
        value
    }

    pub(crate) fn load(&mut self, purse: &mut Purse, minor: u32) -> ValueRecord {
        self.transfer(purse, Kind::Load, minor)
    }

    /// A purchase; the record is not in any batch yet.
    pub(crate) fn pay(&mut self, purse: &mut Purse, sam: &mut Sam, minor: u32) -> ValueRecord {
        let counterpart = self.counterpart(sam.id);
        let initialized = purse.initialize(Kind::Purchase, counterpart, Amount::default());
        sam.nt = sam.nt.next().expect("counter");
        let terms = Terms::commitment(Mac([9; 8]));
        let order =
            Order { amount: amount(minor), time: NOW, nt: sam.nt, taken_over: Counter::default(), terms };
        purse.debit(&initialized, counterpart, order)
    }

    /// A purchase whose record is in the open batch.
    pub(crate) fn buy(&mut self, purse: &mut Purse, sam: &mut Sam, minor: u32) -> ValueRecord {
        let value = self.pay(purse, sam, minor);
        sam.entries.push((Outcome::Credited, value));
        value
    }

    pub(crate) fn submit(&mut self, batch: &Batch) {
        let ack = self.background.submit(batch, NOW).expect("acknowledged");
        assert_eq!((ack.sam, ack.batch, ack.s4), (batch.trailer.sam, batch.trailer.batch, batch.trailer.s4));
    }

    pub(crate) fn collect(&mut self, sam: &mut Sam) {
        let batch = sam.close();
        self.submit(&batch);
    }

    pub(crate) fn books(&mut self) -> background::Books {
        self.background.books(provider(), Currency::EUR).expect("books")
    }

    /// Asserts that every figure fits every other one, and gives the terms.
    pub(crate) fn check(&mut self) -> background::Books {
        let books = self.books();
        assert!(books.holds() && books.covered(), "{books:?}");
        assert_eq!(self.background.reconcile().expect("reconciled"), []);
        books
    }

    /// The head of the books.
    pub(crate) fn head(&self) -> PathBuf {
        self.database().with_extension("head")
    }

    /// A whole audit.
    pub(crate) fn look(&self) -> Verification {
        verify(&self.database(), &self.head(), &self.vault(), &mut |_, _, _| ()).expect("verified")
    }

    pub(crate) fn shadow(&mut self, purse: &Purse) -> i64 {
        let line = self.line(purse);
        line.shadow.minor
    }

    pub(crate) fn line(&mut self, purse: &Purse) -> background::reports::PurseLine {
        let name = purse.identity.iep.to_string();
        let lines = self.background.purses().expect("purses");
        lines.into_iter().find(|line| line.purse == name).expect("known")
    }

    pub(crate) fn reasons(&mut self) -> Vec<String> {
        let lines = self.background.exceptions().expect("exceptions");
        lines.into_iter().filter(|line| line.open).map(|line| line.reason).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Purse {
    pub(crate) identity: Identity,
    pub(crate) position: Position,
    keys: Vec<KeyData>,
    seed: u64,
}

impl Purse {
    fn key(&self, function: Function) -> (&KeyData, DerivationKey) {
        let data = self.keys.iter().find(|key| key.function == function).expect("a key");
        (data, DerivationKey::new(data.key.clone(), data.reference.algorithm))
    }

    fn statement(&self) -> Statement {
        Statement { identity: self.identity, position: self.position }
    }

    pub(crate) fn initialize(&mut self, kind: Kind, counterpart: Counterpart, amount: Amount) -> Initialized {
        self.position.nt = self.position.nt.next().expect("counter");
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.position.random = Random(self.seed.to_be_bytes());
        let (data, key) = self.key(function(kind));
        let heading = Heading::new(Name::S1, kind, data.reference);
        let statement = self.statement();
        let k1 = key.statement_key(&context(kind, &self.position, counterpart));
        let s1 = k1.mac_key().sign(&S1 { heading, statement, counterpart, amount });
        Initialized { key: data.reference, statement, s1 }
    }

    /// CREDIT or DEBIT IEP; checks S2 and the decision as a purse does.
    pub(crate) fn execute(&mut self, request: &TransferRequest, answer: &Execute) -> ValueRecord {
        let (kind, counterpart) = (request.kind, request.counterpart);
        let after = balance_after(kind, self.position.balance, request.amount).expect("in range");
        assert_eq!(answer.order.terms.to_decision(), Ok(Decision::Approved(after)));
        let s2 = self.s2(kind, &request.initialized, counterpart, answer.order);
        assert_eq!(s2, answer.s2);
        self.commit(kind, request.initialized.key, counterpart, answer.order, s2)
    }

    fn s2(&self, kind: Kind, initialized: &Initialized, counterpart: Counterpart, order: Order) -> Mac {
        let key = self.order_key(kind, &initialized.statement.position, counterpart, order.nt);
        let heading = Heading::new(Name::S2, kind, initialized.key);
        key.sign(&S2 { heading, s1: initialized.s1, sam: counterpart.sam, order })
    }

    fn order_key(&self, kind: Kind, position: &Position, counterpart: Counterpart, nt: SamCounter) -> MacKey {
        self.key(function(kind)).1.statement_key(&context(kind, position, counterpart)).order_key(nt)
    }

    pub(crate) fn debit(&mut self, initialized: &Initialized, by: Counterpart, order: Order) -> ValueRecord {
        let s2 = self.s2(Kind::Purchase, initialized, by, order);
        self.commit(Kind::Purchase, initialized.key, by, order, s2)
    }

    /// Takes back the purchase that was the last value commit.
    pub(crate) fn cancel(&mut self, purchase: &ValueRecord) -> ValueRecord {
        let entry = purchase.entry;
        let s2 = self.purchase_s2(purchase);
        (self.position.nt, self.position.random) = (entry.position.nt, entry.position.random);
        self.commit(Kind::Cancellation, entry.key, entry.counterpart, entry.order, s2)
    }

    /// What a thief of a PSAM can make: a good S3 over an S6 that no purse made.
    pub(crate) fn forge(&self, purchase: &ValueRecord) -> ValueRecord {
        let LogEntry { key, position, counterpart, order, .. } = purchase.entry;
        let (s2, s6) = (self.purchase_s2(purchase), Mac([0x66; 8]));
        let heading = Heading::new(Name::S3, Kind::Purchase, key);
        let order_key = self.order_key(Kind::Purchase, &position, counterpart, order.nt);
        let s3 = order_key.sign(&S3 { heading, s2, s6 });
        ValueRecord { entry: LogEntry { s3, s6, ..purchase.entry }, ..*purchase }
    }

    fn purchase_s2(&self, purchase: &ValueRecord) -> Mac {
        let LogEntry { key, position, counterpart, order, .. } = purchase.entry;
        let statement = Statement { identity: self.identity, position };
        let k1 =
            self.key(Function::Purchase).1.statement_key(&context(Kind::Purchase, &position, counterpart));
        let heading = Heading::new(Name::S1, Kind::Purchase, key);
        let s1 = k1.mac_key().sign(&S1 { heading, statement, counterpart, amount: Amount::default() });
        self.s2(Kind::Purchase, &Initialized { key, statement, s1 }, counterpart, order)
    }

    fn commit(
        &mut self,
        kind: Kind,
        key: KeyReference,
        by: Counterpart,
        order: Order,
        s2: Mac,
    ) -> ValueRecord {
        let position = self.position;
        let balance = balance_after(kind, position.balance, order.amount).expect("in range");
        let nv = position.nv.next().expect("counter");
        let certificate = self.key(Function::Certificate).1.certificate_key(&context(kind, &position, by));
        let heading = Heading::new(Name::S6, kind, key);
        let s6 = certificate.sign(&S6 {
            heading,
            statement: self.statement(),
            counterpart: by,
            order,
            s2,
            balance,
            nv,
        });
        let heading = Heading::new(Name::S3, kind, key);
        let s3 = self.order_key(kind, &position, by, order.nt).sign(&S3 { heading, s2, s6 });
        (self.position.balance, self.position.nv) = (balance, nv);
        match kind {
            Kind::Load => self.position.nv_load = nv,
            Kind::Cancellation => self.position.nv_cancellation = nv,
            _ => {}
        }
        ValueRecord {
            identity: self.identity,
            entry: LogEntry { kind, key, position, counterpart: by, order, s3, s6 },
        }
    }

    /// GET PREVIOUS IEP SIGNATURE by NT, for the issuer.
    pub(crate) fn previous(
        &self,
        by: Counterpart,
        asked: Counter,
        found: Option<LogEntry>,
    ) -> PreviousSignature {
        let (data, key) = self.key(Function::Load);
        let mut receipt = [0; LogEntry::WIDTH];
        if let Some(entry) = found {
            entry.to_slice(&mut receipt).expect("fits");
        }
        let unsigned = PreviousSignature {
            key: data.reference,
            statement: self.statement(),
            by: Search::Nt,
            asked,
            found: found.is_some().into(),
            receipt,
            mac: Mac::default(),
        };
        let random = Random::default();
        let context = SessionContext { kind: Kind::Recovery, nt: self.position.nt, random, counterpart: by };
        PreviousSignature { mac: key.previous_key(&context).sign(&unsigned.input(by)), ..unsigned }
    }
}

fn function(kind: Kind) -> Function {
    match kind {
        Kind::Load | Kind::Unload => Function::Load,
        _ => Function::Purchase,
    }
}

fn context(kind: Kind, position: &Position, counterpart: Counterpart) -> SessionContext {
    let kind = if kind == Kind::Cancellation { Kind::Purchase } else { kind };
    SessionContext { kind, nt: position.nt, random: position.random, counterpart }
}

pub(crate) struct Sam {
    pub(crate) id: SamId,
    record: KeyData,
    pub(crate) nt: SamCounter,
    pub(crate) batch: BatchNumber,
    pub(crate) previous: Mac,
    /// What it has handed in since it was issued.
    pub(crate) sums: Sums,
    /// The last time that it was told.
    pub(crate) time: Time,
    /// The list of blocked purses that it has.
    pub(crate) list: u32,
    /// Its oldest batch that is not acknowledged.
    pub(crate) oldest: BatchNumber,
    pub(crate) entries: Vec<(Outcome, ValueRecord)>,
}

/// The record of a purchase whose answer never came back.
pub(crate) fn unanswered(value: &ValueRecord) -> ValueRecord {
    let entry = LogEntry { s3: Mac::default(), s6: Mac::default(), ..value.entry };
    ValueRecord { entry, ..*value }
}

impl Sam {
    pub(crate) fn record_key(&self, batch: BatchNumber) -> MacKey {
        DerivationKey::new(self.record.key.clone(), self.record.reference.algorithm).record_key(batch)
    }

    /// Closes the open batch.
    pub(crate) fn close(&mut self) -> Batch {
        let entries = core::mem::take(&mut self.entries);
        let key = self.record_key(self.batch);
        let records: Vec<_> = entries
            .into_iter()
            .enumerate()
            .map(|(index, (outcome, value))| {
                let index = u16::try_from(index).expect("small");
                let (sam, batch, s5) = (self.id, self.batch, Mac::default());
                self.sign(&key, BatchRecord { sam, batch, index, outcome, list: self.list, value, s5 })
            })
            .collect();
        let batch = self.trailer(&key, records);
        self.previous = batch.trailer.s4;
        self.batch = self.batch.next().expect("batches");
        batch
    }

    fn sign(&self, key: &MacKey, record: BatchRecord) -> BatchRecord {
        let heading = Heading::new(Name::S5, record.value.entry.kind, self.record.reference);
        BatchRecord { s5: key.sign(&S5 { heading, record }), ..record }
    }

    fn trailer(&mut self, key: &MacKey, records: Vec<BatchRecord>) -> Batch {
        let chain = records.iter().fold(Mac::default(), |previous, record| {
            let heading = Heading::new(Name::Chain, Kind::Purchase, self.record.reference);
            key.sign(&ChainLink { heading, batch: self.batch, previous, s5: record.s5 })
        });
        records.iter().for_each(|record| record.add_to(&mut self.sums).expect("a sum"));
        let unresolved = records.iter().filter(|record| record.outcome == Outcome::Unresolved).count();
        let mut trailer = Trailer {
            sam: self.id,
            batch: self.batch,
            previous: self.previous,
            count: u16::try_from(records.len()).expect("small"),
            unresolved: u16::try_from(unresolved).expect("small"),
            nt: self.nt,
            time: self.time,
            list: self.list,
            oldest: self.oldest,
            chain,
            s4: Mac::default(),
            sums: self.sums.clone(),
        };
        trailer.s4 = key.sign(&trailer.input(self.record.reference));
        Batch { trailer, records }
    }
}
