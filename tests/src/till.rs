//! Purses and PSAMs in this process. A terminal here does nothing but move bytes: what
//! one card answers is, in this order, what the other one takes.

use apdu_spec::Element;
use apdu_spec::aid::Aid;
use apdu_spec::batch::Acknowledgement;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::declare::Command;
use apdu_spec::element::{Amount, BatchNumber, Kind, Mac, Random, SamCounter};
use apdu_spec::interindustry::FIRST_QUIET;
use apdu_spec::personalisation::{DataGroup, Function, KeyData};
use apdu_spec::purse::{CreditLoad, Execute, Executed, InitializeLoad, InitializeTransfer, Initialized};
use apdu_spec::record::{Counterpart, Decision, Order, Terms, balance_after};
use apdu_spec::sam::{CloseBatch, Opened, PsamAcknowledge};
use apdu_spec::security_domain::DataBlock;
use apdu_spec::signature::{Heading, Name, S2};
use apdu_spec::wire::List;
use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use host::card::domain::Access;
use host::terminal::personalise::personalise;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::chip::Chip;
use crate::scheme::{self, GROUP, NOW, VERSION, amount, sam_id};

/// Purchases that a purse makes before [`Till::settle`]: it holds 14 receipts before the last one,
/// that of its load among them.
pub const PURCHASES_A_PURSE: usize = 14;

/// A command APDU: header, data field, and Le 00. The width of a field is known when this is
/// compiled, so that it costs its move and no more.
#[derive(Clone, Copy, Debug)]
pub struct CommandBytes {
    bytes: [u8; 261],
    length: usize,
}

impl core::ops::Deref for CommandBytes {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Default for CommandBytes {
    fn default() -> Self {
        Self { bytes: [0; 261], length: 0 }
    }
}

impl CommandBytes {
    /// A command without data, in the place of the last one.
    #[inline(always)]
    fn begin(&mut self, header: [u8; 4]) -> &mut Self {
        self.bytes[..4].copy_from_slice(&header);
        self.bytes[4] = 0;
        self.length = 5;
        self
    }

    /// A field more.
    #[inline(always)]
    fn field<const N: usize>(&mut self, field: &[u8; N]) -> &mut Self {
        self.bytes[self.length..][..N].copy_from_slice(field);
        self.length += N;
        self
    }

    /// The command is whole: its Lc, and Le behind its data.
    #[inline(always)]
    fn end(&mut self) -> &[u8] {
        self.bytes[4] = u8::try_from(self.length - 5).expect("a short command");
        self.bytes[self.length] = 0;
        self.length += 1;
        self
    }

    /// SELECT without an answer.
    pub fn select(&mut self, aid: &[u8]) -> &[u8] {
        let command = self.begin([0x00, 0xA4, 0x04, FIRST_QUIET]);
        for byte in aid {
            command.field(&[*byte]);
        }
        command.end()
    }

    /// GET CHALLENGE.
    pub fn get_challenge(&mut self) -> &[u8] {
        self.begin([0x00, 0x84, 0x00, 0x00])
    }

    /// INITIALIZE IEP for Purchase.
    pub fn initialize_iep(&mut self, sam: &[u8; 6], challenge: &[u8; 8]) -> &[u8] {
        self.begin([0x90, 0x50, 0x01, GROUP]).field(&[VERSION]).field(sam).field(challenge).end()
    }

    /// INITIALIZE PSAM for Purchase: what INITIALIZE IEP answered, amount and time.
    pub fn initialize_psam(&mut self, initialized: &[u8; Initialized::MAX], amount: Amount) -> &[u8] {
        let (amount, time) = (amount.get().to_be_bytes(), NOW.0.to_be_bytes());
        self.begin([0x90, 0x70, 0x00, 0x00]).field(initialized).field(&amount).field(&time).end()
    }

    /// DEBIT IEP for Purchase: what INITIALIZE PSAM answered.
    pub fn debit_iep(&mut self, opened: &[u8; Opened::MAX]) -> &[u8] {
        self.begin([0x90, 0x54, 0x01, 0x00]).field(opened).end()
    }

    /// CREDIT PSAM: NT_PSAM from the order, and what DEBIT IEP answered.
    ///
    /// # Panics
    /// Never: an order begins with amount (4) and time (4).
    pub fn credit_psam(&mut self, opened: &[u8; Opened::MAX], executed: &[u8; Executed::MAX]) -> &[u8] {
        let nt = opened[8..].first_chunk::<4>().expect("an order");
        self.begin([0x90, 0x72, 0x00, 0x00]).field(nt).field(executed).end()
    }

    /// GET BALANCE.
    pub fn get_balance(&mut self) -> &[u8] {
        self.begin([0x90, 0x5C, 0x00, 0x00])
    }
}

/// A card with its reader, which counts what passes.
#[derive(Debug)]
pub struct Reader {
    card: Card<Chip>,
    response: Response,
    /// Commands so far.
    pub apdus: usize,
    /// Bytes of commands and responses so far.
    pub bytes: usize,
    /// Bytes programmed before answers so far: what the answer had to wait for.
    pub awaited: usize,
}

impl Reader {
    fn new(kind: AppletKind, chip: Chip) -> Self {
        let card = Card::create(chip, &[kind]).expect("formatted");
        Self { card, response: Response::new(), apdus: 0, bytes: 0, awaited: 0 }
    }

    /// Sends a command, lets the card finish its housekeeping; the data of the answer.
    ///
    /// # Panics
    /// Where the status word is not 9000.
    pub fn send(&mut self, command: &[u8]) -> &[u8] {
        let before = self.programmed();
        self.card.process(command, &mut self.response);
        self.awaited += self.programmed() - before;
        self.card.housekeep();
        self.apdus += 1;
        self.bytes += command.len() + self.response.len();
        let (data, status) = self.response.split_last_chunk::<2>().expect("two bytes at least");
        assert_eq!(*status, [0x90, 0x00], "{command:02X?}");
        data
    }

    /// Sends a command that is answered with `N` bytes.
    ///
    /// # Panics
    /// Where it is not, or the status word is not 9000.
    #[inline]
    pub fn exchange<const N: usize>(&mut self, command: &[u8]) -> &[u8; N] {
        self.send(command).try_into().expect("an answer of this length")
    }

    /// Sends a command as its type.
    ///
    /// # Panics
    /// Where the status word is not 9000.
    pub fn execute<C: Command>(&mut self, request: &C::Request) -> C::Response {
        let mut buffer = [0; 261];
        let command = C::encode(request, &mut buffer).expect("fits");
        C::Response::from_bytes(self.send(command)).expect("an answer")
    }

    /// Bytes that the card has programmed so far.
    pub fn programmed(&mut self) -> usize {
        self.card.platform().programmed()
    }

    fn wear(&mut self) -> Wear {
        Wear { total: self.programmed() as f64, awaited: self.awaited as f64 }
    }

    fn personalise<P: Element>(&mut self, aid: &[u8], group: DataGroup, parameters: &P, keys: &[KeyData]) {
        let first = DataBlock::of(false, 0, group, parameters).expect("fits");
        let keys = (1..).zip(keys).map(|(number, key)| {
            let last = usize::from(number) == keys.len();
            DataBlock::of(last, number, DataGroup::Key, key).expect("fits")
        });
        let blocks: Vec<_> = core::iter::once(first).chain(keys).collect();
        let mut random = ChaCha12Rng::seed_from_u64(0);
        personalise(self, &Access::initial(), aid, &blocks, &mut random).expect("personalised");
        self.select(aid);
    }

    fn select(&mut self, aid: &[u8]) {
        self.send(CommandBytes::default().select(aid));
    }
}

impl host::reader::Reader for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        self.card.process(command, &mut self.response);
        self.card.housekeep();
        Ok(self.response.to_vec())
    }

    fn reset(&mut self) -> Result<(), host::Error> {
        Err(host::Error::NoAnswer("a till never takes the power away".into()))
    }
}

/// A purse with its number.
#[derive(Debug)]
pub struct Purse {
    number: u64,
    /// The card.
    pub reader: Reader,
}

impl Purse {
    /// A purse of 16 KiB, personalised and empty.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let mut reader = Reader::new(AppletKind::Purse, Chip::new(8, 2 << 10, number));
        let (parameters, keys) = scheme::purse_data(number);
        reader.personalise(Aid::PURSE, DataGroup::Purse, &parameters, &keys);
        Self { number, reader }
    }

    /// An online load, with the issuer in software, who has all receipts: the purse
    /// forgets them.
    ///
    /// # Panics
    /// Where the purse refuses.
    pub fn load(&mut self, minor: u32) {
        let counterpart = Counterpart { sam: sam_id(900), challenge: Random([9; 8]) };
        let request = InitializeTransfer { version: VERSION, counterpart, amount: amount(minor) };
        self.reader.select(Aid::PURSE);
        let initialized = self.reader.execute::<InitializeLoad>(&request);
        let position = initialized.statement.position;

        let key = scheme::own_key(scheme::identity(self.number).iep, Function::Load);
        let key = DerivationKey::new(key, initialized.key.algorithm);
        let (kind, nt, random) = (Kind::Load, position.nt, position.random);
        let k1 = key.statement_key(&SessionContext { kind, nt, random, counterpart });
        let after = balance_after(kind, position.balance, request.amount).expect("in range");
        let terms = Terms::decision(Decision::Approved(after));
        let order =
            Order { amount: request.amount, time: NOW, nt: SamCounter(1), taken_over: position.nv, terms };
        let heading = Heading::new(Name::S2, kind, initialized.key);
        let s2 = S2 { heading, s1: initialized.s1, sam: counterpart.sam, order };
        let s2 = k1.order_key(order.nt).sign(&s2);
        self.reader.execute::<CreditLoad>(&Execute { order, s2 });
    }
}

/// A PSAM with its identity.
#[derive(Debug)]
pub struct Sam {
    id: [u8; 6],
    /// The card.
    pub reader: Reader,
}

impl Sam {
    /// A PSAM of 64 KiB, personalised.
    ///
    /// # Panics
    /// Never: an identity has six bytes.
    #[must_use]
    pub fn new(number: u32) -> Self {
        let mut reader = Reader::new(AppletKind::Sam, Chip::new(16, 4 << 10, u64::from(number) << 32));
        let (parameters, keys) = scheme::sam_data(number);
        reader.personalise(Aid::PSAM, DataGroup::Sam, &parameters, &keys);
        let mut id = [0; 6];
        sam_id(number).to_slice(&mut id).expect("six bytes");
        Self { id, reader }
    }

    /// What INITIALIZE IEP says of the counterpart, before the challenge.
    #[must_use]
    pub const fn id(&self) -> [u8; 6] {
        self.id
    }

    /// Closes the batch, and acknowledges it as a background system that has it all.
    ///
    /// # Panics
    /// Where the PSAM refuses.
    pub fn collect(&mut self) {
        let trailer = self.reader.execute::<CloseBatch>(&());
        let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
        let (list_min, resolved, mac) = (0, List::new(), Mac::default());
        let mut acknowledgement = Acknowledgement { sam, batch, s4, time: NOW, list_min, resolved, mac };
        let input = acknowledgement.input(scheme::reference(Function::Record));
        acknowledgement.mac = record_key(self.id, batch).sign(&input);
        self.reader.execute::<PsamAcknowledge>(&acknowledgement);
    }
}

fn record_key(id: [u8; 6], batch: BatchNumber) -> apdu_spec::crypto::mac::MacKey {
    let sam = apdu_spec::element::SamId::from_bytes(&id).expect("six bytes");
    let reference = scheme::reference(Function::Record);
    DerivationKey::new(scheme::own_key(sam, Function::Record), reference.algorithm).record_key(batch)
}

/// A whole purchase: three commands to the purse, three to the PSAM.
///
/// # Panics
/// Where one of them refuses.
pub fn purchase(purse: &mut Reader, sam: &mut Sam, amount: Amount) {
    let mut command = CommandBytes::default();
    let challenge = *sam.reader.exchange(command.get_challenge());
    purse.send(command.select(Aid::PURSE));
    let initialized = purse.exchange(command.initialize_iep(&sam.id, &challenge));
    let opened = sam.reader.exchange(command.initialize_psam(initialized, amount));
    let executed = purse.exchange(command.debit_iep(opened));
    let credit = command.credit_psam(opened, executed);
    sam.reader.send(credit);
}

/// Purses and PSAMs that meet in turn: neighbouring purchases of a card have another
/// counterpart and another amount.
#[derive(Debug)]
pub struct Till {
    /// The purses.
    pub purses: Vec<Purse>,
    /// The PSAMs.
    pub sams: Vec<Sam>,
    paid: usize,
}

impl Till {
    /// `purses` purses with value, and `sams` PSAMs. The numbers have no common divisor,
    /// so that everyone meets everyone.
    #[must_use]
    pub fn new(purses: u64, sams: u32) -> Self {
        let purses = (1..=purses).map(Purse::new).collect();
        let mut till = Self { purses, sams: (1..=sams).map(Sam::new).collect(), paid: 0 };
        // Not all of them at the same counters.
        for purse in &mut till.purses {
            (0..purse.number).for_each(|_| purse.load(50_000));
        }
        till
    }

    /// Purchases that may follow before [`Till::settle`].
    #[must_use]
    pub const fn round(&self) -> usize {
        self.purses.len() * PURCHASES_A_PURSE
    }

    /// The next purchase.
    pub fn pay(&mut self) {
        let (purses, sams) = (self.purses.len(), self.sams.len());
        let purse = &mut self.purses[self.paid % purses];
        let sam = &mut self.sams[self.paid % sams];
        let minor = u32::try_from(self.paid % 97).unwrap_or(0) + 3;
        purchase(&mut purse.reader, sam, amount(minor));
        self.paid += 1;
    }

    /// Purses load a little and forget their receipts; PSAMs are collected.
    pub fn settle(&mut self) {
        self.purses.iter_mut().for_each(|purse| purse.load(1_000));
        self.sams.iter_mut().for_each(Sam::collect);
    }

    /// Makes `purchases` purchases and more, to the end of a round, and averages what a
    /// purchase programs; loads and collections are not counted.
    pub fn wear(&mut self, purchases: usize) -> [Wear; 2] {
        let mut sums = [Wear::default(); 2];
        let mut made = 0;
        while made < purchases {
            let before = self.programmed();
            (0..self.round()).for_each(|_| self.pay());
            made += self.round();
            for (sum, (after, before)) in sums.iter_mut().zip(self.programmed().into_iter().zip(before)) {
                sum.total += after.total - before.total;
                sum.awaited += after.awaited - before.awaited;
            }
            self.settle();
        }
        sums.map(|sum| Wear { total: sum.total / made as f64, awaited: sum.awaited / made as f64 })
    }

    fn programmed(&mut self) -> [Wear; 2] {
        let purses = self.purses.iter_mut().map(|purse| purse.reader.wear());
        [Wear::sum(purses), Wear::sum(self.sams.iter_mut().map(|sam| sam.reader.wear()))]
    }
}

/// Bytes programmed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wear {
    /// All of them, with seals and reclaiming.
    pub total: f64,
    /// Those that an answer waited for.
    pub awaited: f64,
}

impl Wear {
    fn sum(wears: impl Iterator<Item = Self>) -> Self {
        wears.fold(Self::default(), |sum, wear| Self {
            total: sum.total + wear.total,
            awaited: sum.awaited + wear.awaited,
        })
    }
}
