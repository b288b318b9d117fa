//! Two providers with an issuer of cards, keys of two generations, purses under any name,
//! PSAMs: on cards that are switched off and on again.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::batch::Acknowledgement;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::{Holder, card_key};
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{
    Currency, Date, IepId, KeyReference, Kind, Mac, ProviderId, PurseNumber, Random, SamCounter,
};
use apdu_spec::personalisation::{
    DataGroup, Function, Generation, KeyData, KeyFloor, PinPolicy, PurseParameters, SamParameters,
};
use apdu_spec::purse::{
    BalanceResponse, CreditLoad, DebitIep, DebitUnload, Execute, GetBalance, GetPurseData, InitializeIep,
    InitializeLoad, InitializePurchase, InitializeTransfer, InitializeUnload, LogLine, PurseInformation,
};
use apdu_spec::record::{Counterpart, Decision, Identity, Order, Terms, balance_after};
use apdu_spec::sam::{
    CloseBatch, CreditPsam, CreditRequest, GetChallenge, GetSamData, InitializePsam, OpenPurchase,
    PsamAcknowledge, SamInformation,
};
use apdu_spec::security_domain::DataBlock;
use apdu_spec::signature::{Heading, Name, S2};
use apdu_spec::wire::List;
use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use host::Error;
use host::card::domain::{Access, SecurityDomain};
use host::card::purse::PurseCard;
use host::card::{execute, select};
use host::reader::Reader;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;
use system_tests::chip::Chip;
use system_tests::scheme::{GROUP, NOW, amount, sam_id};

/// Purchases until a purse must give receipts away, and a batch is full.
pub(crate) const ROUND: u32 = 14;
/// The key group of loads and unloads.
const LOAD_GROUP: u8 = 0;

/// A card in a reader.
#[derive(Debug)]
pub(crate) struct Station {
    card: Option<Card<Chip>>,
    response: Response,
}

impl Station {
    /// A blank card.
    pub(crate) fn blank(kind: AppletKind, seed: u64) -> Self {
        let (blocks, size) = if kind == AppletKind::Sam { (16, 4 << 10) } else { (8, 2 << 10) };
        let card = Card::create(Chip::new(blocks, size, seed), &[kind]).unwrap();
        Self { card: Some(card), response: Response::new() }
    }

    /// Milliseconds that the card has asked to wait so far.
    pub(crate) fn delayed(&mut self) -> u64 {
        self.card.as_mut().unwrap().platform().delayed()
    }

    /// A channel to its issuer's security domain.
    pub(crate) fn domain(&mut self) -> SecurityDomain<&mut Self> {
        SecurityDomain::open(self, &Access::initial(), &mut random()).unwrap()
    }

    /// Its issuer stores data groups for an application.
    pub(crate) fn store(&mut self, name: &[u8], blocks: &[DataBlock]) -> Result<(), Error> {
        self.domain().personalise(&aid(name), blocks)
    }
}

impl Reader for Station {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let card = self.card.as_mut().unwrap();
        card.process(command, &mut self.response);
        card.housekeep();
        Ok(self.response.to_vec())
    }

    fn reset(&mut self) -> Result<(), Error> {
        let chip = self.card.take().unwrap().power_off();
        self.card = Some(Card::open(chip)?);
        Ok(())
    }
}

pub(crate) fn random() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(7)
}

pub(crate) fn aid(name: &[u8]) -> Aid {
    Aid::new(name).unwrap()
}

/// The status word of what was refused, and the command that it was answered to.
pub(crate) fn refused<T>(result: Result<T, Error>) -> (&'static str, StatusWord) {
    match result {
        Err(Error::Status { command, status }) => (command, status),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

// Keys.

fn reference(function: Function, version: u8) -> KeyReference {
    let of_first = system_tests::scheme::reference(function);
    KeyReference { version, ..of_first }
}

fn master(function: Function, version: u8) -> Key {
    Key::new([function as u8 ^ version << 4; 16])
}

fn own_key(holder: impl Into<Holder>, function: Function, version: u8) -> Key {
    card_key(&master(function, version), holder.into(), function, reference(function, version))
}

fn key_data(function: Function, version: u8, key: Key) -> KeyData {
    KeyData { function, reference: reference(function, version), key }
}

const PURSE_KEYS: [Function; 3] = [Function::Load, Function::Purchase, Function::Certificate];

/// All keys of a version, for an application that is in use.
pub(crate) fn generation(keys: impl IntoIterator<Item = KeyData>) -> DataBlock {
    let mut list = List::new();
    keys.into_iter().for_each(|key| list.push(key).unwrap());
    DataBlock::of(false, 0, DataGroup::Generation, &Generation { keys: list }).unwrap()
}

/// Those of a purse.
pub(crate) fn purse_keys(iep: IepId, version: u8) -> [KeyData; 3] {
    PURSE_KEYS.map(|function| key_data(function, version, own_key(iep, function, version)))
}

/// Those of a PSAM: of purchases alone.
pub(crate) fn sam_keys(version: u8) -> [KeyData; 1] {
    [key_data(Function::Purchase, version, master(Function::Purchase, version))]
}

pub(crate) fn floor(version: u8) -> DataBlock {
    DataBlock::of(false, 0, DataGroup::KeyFloor, &KeyFloor { version }).unwrap()
}

// Purses.

pub(crate) fn provider(number: u32) -> ProviderId {
    ProviderId::new(number).unwrap()
}

pub(crate) fn iep(of: u32, number: u64) -> IepId {
    IepId { provider: provider(of), number: PurseNumber::new(number).unwrap() }
}

/// What makes a purse: keys of this version, and perhaps a PIN.
pub(crate) fn purse_blocks(iep: IepId, version: u8, pin: Option<&PinPolicy>) -> Vec<DataBlock> {
    let identity = Identity {
        iep,
        expiry: Date(NOW.date().0 + 365),
        currency: Currency::EUR,
        maximum: apdu_spec::element::Balance(1_000_000),
    };
    let parameters =
        PurseParameters { identity, overdraft: amount(0), purchase_limit: amount(100_000), key_floor: 1 };
    let first = DataBlock::of(false, 0, DataGroup::Purse, &parameters).unwrap();
    let pin = pin.map(|pin| DataBlock::of(false, 1, DataGroup::Pin, pin).unwrap());
    let keys = (2..).zip(purse_keys(iep, version));
    let keys = keys.map(|(block, key)| DataBlock::of(block == 4, block, DataGroup::Key, &key).unwrap());
    core::iter::once(first).chain(pin).chain(keys).collect()
}

/// A card with a purse under the name of its kind.
pub(crate) fn purse(of: u32, number: u64, version: u8) -> Station {
    let mut station = Station::blank(AppletKind::Purse, number);
    station.store(Aid::PURSE, &purse_blocks(iep(of, number), version, None)).unwrap();
    station
}

pub(crate) fn balance(station: &mut Station, name: &[u8]) -> i32 {
    let _ = select(station, name);
    let BalanceResponse { balance, .. } = execute::<GetBalance>(station, &()).unwrap();
    balance.0
}

/// What anybody can read of a purse.
pub(crate) fn shown(station: &mut Station, name: &[u8]) -> (PurseInformation, i32, Vec<LogLine>) {
    let balance = balance(station, name);
    let information = execute::<GetPurseData>(station, &()).unwrap();
    (information, balance, PurseCard::selected(station).log().unwrap())
}

fn counterpart() -> Counterpart {
    Counterpart { sam: sam_id(900), challenge: Random([9; 8]) }
}

/// An online load or unload with the purse that is selected; its issuer has all receipts.
pub(crate) fn transfer_here(station: &mut Station, kind: Kind, minor: u32) -> Result<(), Error> {
    let request = InitializeTransfer { version: u8::MAX, counterpart: counterpart(), amount: amount(minor) };
    let initialized = match kind {
        Kind::Load => execute::<InitializeLoad>(station, &request),
        _ => execute::<InitializeUnload>(station, &request),
    }?;
    let (key, position) = (initialized.key, initialized.statement.position);
    assert_eq!(key.group, LOAD_GROUP);
    let own = own_key(initialized.statement.identity.iep, Function::Load, key.version);
    let context =
        SessionContext { kind, nt: position.nt, random: position.random, counterpart: counterpart() };
    let k1 = DerivationKey::new(own, key.algorithm).statement_key(&context);
    let after = balance_after(kind, position.balance, request.amount).unwrap();
    let terms = Terms::decision(Decision::Approved(after));
    let order =
        Order { amount: request.amount, time: NOW, nt: SamCounter(1), taken_over: position.nv, terms };
    let heading = Heading::new(Name::S2, kind, key);
    let s2 = S2 { heading, s1: initialized.s1, sam: counterpart().sam, order };
    let execution = Execute { order, s2: k1.order_key(order.nt).sign(&s2) };
    match kind {
        Kind::Load => execute::<CreditLoad>(station, &execution),
        _ => execute::<DebitUnload>(station, &execution),
    }
    .map(drop)
}

pub(crate) fn load(station: &mut Station, name: &[u8], minor: u32) -> Result<(), Error> {
    select(station, name)?;
    transfer_here(station, Kind::Load, minor)
}

pub(crate) fn unload(station: &mut Station, name: &[u8], minor: u32) -> Result<(), Error> {
    select(station, name)?;
    transfer_here(station, Kind::Unload, minor)
}

// PSAMs.

/// A PSAM with purchase keys of these versions, for purses of these providers.
pub(crate) fn psam(number: u32, versions: &[u8], providers: &[u32]) -> Station {
    let mut station = Station::blank(AppletKind::Sam, u64::from(number) << 32);
    let sam = sam_id(number);
    let mut list = List::new();
    providers.iter().for_each(|of| list.push(provider(*of)).unwrap());
    let parameters = SamParameters {
        sam,
        expiry: Date(NOW.date().0 + 365),
        currency: Currency::EUR,
        purchase_limit: amount(100_000),
        time: NOW,
        window: 365 * 86_400,
        group: GROUP,
        providers: list,
    };
    let mut keys: Vec<_> = versions.iter().flat_map(|version| sam_keys(*version)).collect();
    keys.push(key_data(Function::Record, 1, own_key(sam, Function::Record, 1)));
    keys.push(key_data(Function::Cancellation, 1, master(Function::Cancellation, 1)));
    let first = DataBlock::of(false, 0, DataGroup::Sam, &parameters).unwrap();
    let last = keys.len();
    let keys = (1..)
        .zip(&keys)
        .map(|(block, key)| DataBlock::of(usize::from(block) == last, block, DataGroup::Key, key).unwrap());
    let blocks: Vec<_> = core::iter::once(first).chain(keys).collect();
    station.store(Aid::PSAM, &blocks).unwrap();
    select(&mut station, Aid::PSAM).unwrap();
    station
}

/// Closes the batch, and acknowledges it as a background system that has it all.
pub(crate) fn collect(psam: &mut Station) {
    let trailer = execute::<CloseBatch>(psam, &()).unwrap();
    let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
    let (list_min, resolved, mac) = (0, List::new(), Mac::default());
    let mut acknowledgement = Acknowledgement { sam, batch, s4, time: NOW, list_min, resolved, mac };
    let reference = reference(Function::Record, 1);
    let key = DerivationKey::new(own_key(sam, Function::Record, 1), reference.algorithm).record_key(batch);
    acknowledgement.mac = key.sign(&acknowledgement.input(reference));
    execute::<PsamAcknowledge>(psam, &acknowledgement).unwrap();
}

// Purchases.

/// The first half of a purchase with the purse that is selected: the version of its key, and
/// what the PSAM orders.
pub(crate) fn order(station: &mut Station, psam: &mut Station, minor: u32) -> Result<(u8, Execute), Error> {
    let SamInformation { sam, group, version, .. } = execute::<GetSamData>(psam, &())?;
    let challenge = execute::<GetChallenge>(psam, &())?.challenge;
    let counterpart = Counterpart { sam, challenge };
    let request = InitializePurchase { group, version, counterpart };
    let initialized = execute::<InitializeIep>(station, &request)?;
    let request = OpenPurchase {
        key: initialized.key,
        statement: initialized.statement,
        s1: initialized.s1,
        amount: amount(minor),
        time: NOW,
    };
    let opened = execute::<InitializePsam>(psam, &request)?;
    Ok((initialized.key.version, Execute { order: opened.order, s2: opened.s2 }))
}

/// A purchase with the purse of this name; the version of its key.
pub(crate) fn pay(station: &mut Station, name: &[u8], psam: &mut Station, minor: u32) -> Result<u8, Error> {
    select(station, name)?;
    let (version, execution) = order(station, psam, minor)?;
    finish(station, psam, &execution)?;
    Ok(version)
}

/// The second half of a purchase.
pub(crate) fn finish(station: &mut Station, psam: &mut Station, execution: &Execute) -> Result<(), Error> {
    let executed = execute::<DebitIep>(station, execution)?;
    let request = CreditRequest { nt: execution.order.nt, s3: executed.s3, s6: executed.s6 };
    execute::<CreditPsam>(psam, &request).map(drop)
}
