//! Cards in process with fixed keys: what the tests and the fuzzer play with.
//!
//! [`Device`] is one card on a simulated chip, [`office`] manages it through a secure channel,
//! [`issuer`] authorises loads and checks what comes in, [`world`] is a purse and a PSAM with a
//! terminal between them.

#![allow(dead_code, unreachable_pub, missing_docs)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test fails by panicking

pub mod issuer;
pub mod office;
pub mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use apdu_spec::aid::Aid;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::{Holder, card_key};
use apdu_spec::declare::Command;
use apdu_spec::element::{
    AcquirerId, Algorithm, Amount, Balance, Bcd, Currency, Date, IepId, KeyReference, ProviderId,
    PurseNumber, SamId, SamNumber, Time,
};
use apdu_spec::personalisation::{
    DataGroup, Function, KeyData, LegacyView, PurseParameters, SamParameters, TransferParameters,
};
use apdu_spec::record::Identity;
use apdu_spec::security_domain::DataBlock;
use apdu_spec::wire::List;
use apdu_spec::{Element, StatusWord};
use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::kernel::memory::{Memory, MemoryError};
use card_os::platform::Platform;
use card_os::sim::SimulatedChip;

/// All cards of the tests have the same part: 32 KiB in 16 blocks.
pub type Chip = SimulatedChip<16, 2048>;

/// The group of the PSAM's purses.
pub const GROUP: u8 = 1;
/// Version of all keys.
pub const VERSION: u8 = 1;
/// Greatest balance of the purse.
pub const MAXIMUM: i32 = 15_000;
/// Greatest purchase, at the purse and at the PSAM.
pub const LIMIT: u32 = 5_000;
/// How long a PSAM does without being told the time, seconds: beyond the last day of its purses.
pub const WINDOW: u32 = 0x4000_0000;

/// The one purse.
pub fn iep() -> IepId {
    IepId { provider: ProviderId::new(280_001).unwrap(), number: PurseNumber::new(4_711).unwrap() }
}

/// The one PSAM.
pub fn sam_id() -> SamId {
    SamId { acquirer: AcquirerId::new(280_101).unwrap(), number: SamNumber::new(7).unwrap() }
}

/// The one transfer card.
pub fn transfer_id() -> SamId {
    SamId { acquirer: AcquirerId::new(280_101).unwrap(), number: SamNumber::new(900).unwrap() }
}

/// The one load terminal.
pub fn load_terminal() -> SamId {
    SamId { acquirer: AcquirerId::new(280_201).unwrap(), number: SamNumber::new(1).unwrap() }
}

pub fn amount(minor: u32) -> Amount {
    Amount::new(minor).unwrap()
}

/// The key reference of a group.
pub const fn reference(algorithm: Algorithm, group: u8) -> KeyReference {
    KeyReference { algorithm, group, version: VERSION }
}

/// The master key of a function.
pub const fn master(function: Function) -> Key {
    Key::new([0xA0 ^ function as u8; 16])
}

/// The key of one card.
pub fn key_of(holder: impl Into<Holder>, function: Function, reference: KeyReference) -> Key {
    card_key(&master(function), holder.into(), function, reference)
}

/// What somebody who listens has heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The card.
    pub kind: AppletKind,
    /// What it was sent; nothing where its power went off and on.
    pub command: Vec<u8>,
    /// What it answered.
    pub answer: Vec<u8>,
}

/// One tape for all the cards that somebody listens to.
pub type Tape = Rc<RefCell<Vec<Exchange>>>;

/// A card on a simulated chip, powered.
#[derive(Debug)]
pub struct Device<P: Platform = Chip> {
    card: Option<Card<P>>,
    pub kind: AppletKind,
    pub tape: Option<Tape>,
}

impl Device {
    /// A blank card, its application selected.
    pub fn blank(kind: AppletKind) -> Self {
        Self::blank_on(kind, Chip::new())
    }

    /// A personalised card, its application selected.
    pub fn personalised(kind: AppletKind, algorithm: Algorithm) -> Self {
        static CHIPS: [OnceLock<Chip>; 6] = [const { OnceLock::new() }; 6];
        let place = (kind as usize - 1) * 2 + usize::from(algorithm == Algorithm::RetailMac);
        let chip = CHIPS[place].get_or_init(|| Self::issued(kind, algorithm, iep(), sam_id()).power_off());
        Self::power_on(kind, chip.clone()).unwrap()
    }

    /// A purse that can be read as these cards besides.
    pub fn viewed(algorithm: Algorithm, views: u8) -> Self {
        let mut device = Self::blank(AppletKind::Purse);
        let mut blocks = personalisation(AppletKind::Purse, algorithm, iep(), sam_id());
        blocks.insert(0, office::block(false, DataGroup::View, &legacy_view(views)));
        office::personalise(&mut device, Aid::PURSE, &blocks);
        device
    }

    /// The same card for another purse or PSAM.
    pub fn issued(kind: AppletKind, algorithm: Algorithm, iep: IepId, sam: SamId) -> Self {
        Self::issued_on(kind, Chip::new(), algorithm, iep, sam)
    }
}

impl<const BLOCKS: usize, const SIZE: usize> Device<SimulatedChip<BLOCKS, SIZE>> {
    /// Off and on again, with good power.
    pub fn power_cycle(&mut self) -> Result<(), MemoryError> {
        let mut chip = self.card.take().unwrap().power_off();
        chip.power_up();
        self.card = Some(Card::open(chip)?);
        self.note(&[], &[]);
        self.select();
        Ok(())
    }
}

impl<P: Platform> Device<P> {
    fn of(kind: AppletKind, card: Card<P>) -> Self {
        let mut device = Self { card: Some(card), kind, tape: None };
        device.select();
        device
    }

    /// A blank card on this part, its application selected.
    pub fn blank_on(kind: AppletKind, chip: P) -> Self {
        Self::of(kind, Card::create(chip, &[kind]).unwrap())
    }

    /// A personalised card on this part.
    pub fn issued_on(kind: AppletKind, chip: P, algorithm: Algorithm, iep: IepId, sam: SamId) -> Self {
        let mut device = Self::blank_on(kind, chip);
        office::personalise(&mut device, kind.aid(), &personalisation(kind, algorithm, iep, sam));
        device
    }

    /// Powers a card up and selects its application.
    pub fn power_on(kind: AppletKind, chip: P) -> Result<Self, MemoryError> {
        Ok(Self::of(kind, Card::open(chip)?))
    }

    pub fn power_off(self) -> P {
        self.card.unwrap().power_off()
    }

    pub fn chip(&mut self) -> &mut P {
        self.card.as_mut().unwrap().platform()
    }

    pub fn select(&mut self) {
        use StatusWord as S;
        let status = office::Line::choose(self, self.kind.aid());
        // Blocked, or the card is locked: tests of that ask on themselves.
        assert!([S::OK, S::BLOCKED, S::APPLICATION_NOT_FOUND].contains(&status), "{status}");
    }

    /// The answer to a command, before the housekeeping behind it.
    pub fn answer(&mut self, command: &[u8], response: &mut Response) {
        self.card.as_mut().unwrap().process(command, response);
        assert!((2..=258).contains(&response.len()), "{} bytes of answer", response.len());
    }

    pub fn housekeep(&mut self) {
        self.card.as_mut().unwrap().housekeep();
    }

    /// One exchange, and the housekeeping behind it.
    pub fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let mut response = Response::new();
        self.answer(command, &mut response);
        self.housekeep();
        let answer = response.to_vec();
        self.note(command, &answer);
        answer
    }

    fn note(&self, command: &[u8], answer: &[u8]) {
        if let Some(tape) = &self.tape {
            let (command, answer) = (command.to_vec(), answer.to_vec());
            tape.borrow_mut().push(Exchange { kind: self.kind, command, answer });
        }
    }

    /// The status word that a command gets.
    pub fn status(&mut self, command: &[u8]) -> StatusWord {
        status_of(&self.transmit(command))
    }

    /// One typed exchange.
    pub fn execute<C: Command>(&mut self, request: &C::Request) -> Result<C::Response, StatusWord> {
        let mut buffer = [0; 262];
        let answer = self.transmit(C::encode(request, &mut buffer).unwrap());
        response_of::<C>(&answer)
    }
}

/// All that a card holds: cells by their tags, and the ends of its logs. Counts of tries and wrong
/// MACs are left out: they are all that a refusal may change.
pub type Holdings = (std::collections::BTreeMap<u8, Vec<u8>>, [u32; 4]);

/// Attempts at authentication; tries of a PIN and wrong MACs of the first application.
const COUNTS: [u8; 3] = [6, 36, 62];

impl<P: Platform + Clone> Device<P> {
    pub fn holdings(&mut self) -> Holdings {
        let memory = Memory::open(self.chip().clone()).unwrap();
        let mut buffer = [0; 256];
        let mut cell = |tag| {
            Some((tag, {
                let length = memory.cell(tag, &mut buffer)?;
                buffer[..length].to_vec()
            }))
        };
        let cells = (0..0x80).filter(|tag| !COUNTS.contains(tag)).filter_map(&mut cell).collect();
        (cells, [0x80, 0x81, 0x82, 0x83].map(|log| memory.next(log)))
    }
}

impl<P: Platform> office::Line for Device<P> {
    fn exchange(&mut self, command: &[u8]) -> Vec<u8> {
        self.transmit(command)
    }
}

/// What an answer says.
pub fn response_of<C: Command>(answer: &[u8]) -> Result<C::Response, StatusWord> {
    match status_of(answer) {
        StatusWord::OK => Ok(C::Response::from_bytes(&answer[..answer.len() - 2]).unwrap()),
        status => Err(status),
    }
}

pub fn status_of(answer: &[u8]) -> StatusWord {
    StatusWord(u16::from_be_bytes(*answer.last_chunk().unwrap()))
}

/// The data groups of a card.
pub fn personalisation(kind: AppletKind, algorithm: Algorithm, iep: IepId, sam: SamId) -> Vec<DataBlock> {
    let currency = Currency::EUR;
    let mut groups = Vec::new();
    let mut group = |group, content: Vec<u8>| groups.push((group, content));
    let key =
        |function, group, key| bytes(&KeyData { function, reference: reference(algorithm, group), key });
    let own = |holder: Holder, function, group| {
        let reference = reference(algorithm, group);
        key(function, group, card_key(&master(function), holder, function, reference))
    };
    match kind {
        AppletKind::Purse => {
            let identity = Identity { iep, expiry: Date(30_000), currency, maximum: Balance(MAXIMUM) };
            let parameters = PurseParameters {
                identity,
                overdraft: amount(500),
                purchase_limit: amount(LIMIT),
                key_floor: VERSION,
            };
            group(DataGroup::Purse, bytes(&parameters));
            group(DataGroup::Key, own(iep.into(), Function::Load, 0));
            group(DataGroup::Key, own(iep.into(), Function::Purchase, GROUP));
            group(DataGroup::Key, own(iep.into(), Function::Certificate, 0));
        }
        AppletKind::Sam => {
            let mut providers = List::new();
            providers.push(iep.provider).unwrap();
            let parameters = SamParameters {
                sam,
                expiry: Date(30_000),
                currency,
                purchase_limit: amount(LIMIT),
                time: Time(1_700_000_000),
                window: WINDOW,
                group: GROUP,
                providers,
            };
            group(DataGroup::Sam, bytes(&parameters));
            group(DataGroup::Key, key(Function::Purchase, GROUP, master(Function::Purchase)));
            group(DataGroup::Key, own(sam.into(), Function::Record, 0));
            group(DataGroup::Key, own(sam.into(), Function::Cancellation, 0));
        }
        AppletKind::Transfer => {
            group(DataGroup::Transfer, bytes(&TransferParameters { card: transfer_id() }));
            group(DataGroup::Key, own(transfer_id().into(), Function::Record, 0));
        }
    }
    let last = groups.len() - 1;
    let blocks = groups.into_iter().enumerate().map(|(index, (group, content))| {
        let number = u8::try_from(index).unwrap();
        DataBlock::new(index == last, number, group, &content).unwrap()
    });
    blocks.collect()
}

/// What these views show that a purse of ours does not have.
pub fn legacy_view(views: u8) -> LegacyView {
    LegacyView {
        views,
        short_bank: Bcd::new(258_765).unwrap(),
        bank: Bcd::new(37_040_044).unwrap(),
        account: Bcd::new(532_013_000).unwrap(),
        country: Bcd::new(280).unwrap(),
        since: Date(19_000),
    }
}

/// The bytes of a value.
pub fn bytes<E: Element>(value: &E) -> Vec<u8> {
    value.to_slice(&mut [0; 260]).unwrap().to_vec()
}
