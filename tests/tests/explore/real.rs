//! The real thing that paths are driven through: cards in this process, spoken to as
//! their types, and a background system with its database in memory.

use apdu_spec::aid::Aid;
use apdu_spec::declare::Command;
use apdu_spec::element::{Algorithm, Balance, BatchNumber, Currency, Date, Kind, Random};
use apdu_spec::purse::{
    CreditLoad, DebitIep, Execute, Executed, InitializeIep, InitializeLoad, InitializePurchase,
    InitializeTransfer, InitializeUnload, Initialized,
};
use apdu_spec::record::{Counterpart, LogEntry, ValueRecord};
use apdu_spec::sam::{
    CollectRequest, CreditPsam, CreditRequest, GetChallenge, InitializePsam, OpenPurchase, Opened,
    PsamCollect, ReadTrailer, TrailerRequest,
};
use apdu_spec::security_domain::DataBlock;
use background::store::load_terminals::Permissions;
use background::{Background, MerchantId, PurseOrder, SamOrder, TransferOrder, Vault};
use card_os::applets::AppletKind;
use host::card::domain::Access;
use host::card::{execute, select};
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::personalise::personalise;
use network::{Batch, Funding, TransferRequest};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::model::{self, Minor};
use system_tests::scheme::{GROUP, NOW, VERSION, acquirer, amount, identity, provider, sam_id};

/// Number of the load terminal.
pub(crate) const LOAD_TERMINAL: u32 = 900;

/// One purse, PSAMs, and the background system.
pub(crate) struct Real {
    pub(crate) purse: VirtualReader,
    pub(crate) sams: Vec<VirtualReader>,
    pub(crate) background: Background,
    pub(crate) merchant: MerchantId,
}

/// A command, as the card answers it; nothing where it refuses.
pub(crate) fn send<C: Command>(reader: &mut VirtualReader, request: &C::Request) -> Option<C::Response> {
    execute::<C>(reader, request).ok()
}

/// A card loses power and is selected again.
pub(crate) fn tear(reader: &mut VirtualReader, aid: &[u8]) {
    reader.reset().expect("it boots");
    select(reader, aid).expect("selected");
}

pub(crate) fn card(kind: AppletKind, aid: &[u8], blocks: &[DataBlock], seed: u64) -> VirtualReader {
    let random = Box::new(ChaCha12Rng::seed_from_u64(seed));
    let mut reader = VirtualReader::blank(kind, random).expect("a card");
    let mut random = ChaCha12Rng::seed_from_u64(!seed);
    personalise(&mut reader, &Access::initial(), aid, blocks, &mut random).expect("personalised");
    select(&mut reader, aid).expect("selected");
    reader
}

impl Real {
    pub(crate) fn new(sams: u32) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let mut vault = Vault::new();
        vault.add_version(VERSION, Algorithm::AesCmac, &[GROUP], &mut random).expect("keys");
        let mut background = Background::in_memory(vault).expect("a database");
        background.register_issuer(provider(), "Issuer").expect("registered");
        background.register_acquirer(acquirer(), "Acquirer").expect("registered");
        let (load_terminal, may) = (sam_id(LOAD_TERMINAL), Permissions::HOLDERS);
        background.register_load_terminal(load_terminal, "load", &may, NOW).expect("registered");
        let merchant = background.register_merchant("Bakery", acquirer()).expect("registered");
        let expiry = Date(NOW.date().0 + 365);
        let sams = (1..=sams).map(|number| {
            let order = SamOrder {
                sam: sam_id(number),
                name: number.to_string(),
                merchant,
                expiry,
                currency: Currency::EUR,
                purchase_limit: amount(100_000),
                group: GROUP,
                versions: vec![VERSION],
                providers: vec![provider()],
                connection: background::store::participants::Connection::Periodic,
            };
            let blocks = background.issue_sam(&order, &mut random, NOW).expect("issued");
            card(AppletKind::Sam, Aid::PSAM, &blocks, number.into())
        });
        let sams = sams.collect();
        let purse = issue(&mut background, 1);
        Self { purse, sams, background, merchant }
    }

    /// Another purse.
    pub(crate) fn customer(&mut self, number: u64) -> VirtualReader {
        issue(&mut self.background, number)
    }

    /// INITIALIZE IEP for a load or unload, and what the terminal asks the authority then.
    pub(crate) fn initialize(&mut self, kind: model::Kind, minor: Minor, challenge: u8) -> TransferRequest {
        let counterpart = Counterpart { sam: sam_id(LOAD_TERMINAL), challenge: Random([challenge; 8]) };
        let amount = amount(u32::try_from(minor).expect("small"));
        let request = InitializeTransfer { version: VERSION, counterpart, amount };
        let (kind, initialized) = match kind {
            model::Kind::Load => (Kind::Load, send::<InitializeLoad>(&mut self.purse, &request)),
            _ => (Kind::Unload, send::<InitializeUnload>(&mut self.purse, &request)),
        };
        let initialized = initialized.expect("a session");
        TransferRequest { kind, funding: Funding::Cash, initialized, counterpart, amount, time: NOW }
    }

    /// A whole load.
    pub(crate) fn load(&mut self, minor: Minor) {
        let request = self.initialize(model::Kind::Load, minor, 9);
        let order = self.background.authorise(&request, NOW).expect("approved");
        let executed = send::<CreditLoad>(&mut self.purse, &order).expect("loaded");
        self.background.complete(evidence(&request, &order, executed), NOW).expect("taken");
    }

    /// A whole purchase at a PSAM.
    pub(crate) fn pay(&mut self, sam: usize, minor: u32) -> bool {
        let Self { purse, sams, .. } = self;
        let challenge = send::<GetChallenge>(&mut sams[sam], &()).expect("a challenge").challenge;
        let number = u32::try_from(sam + 1).expect("few");
        let counterpart = Counterpart { sam: sam_id(number), challenge };
        let request = InitializePurchase { group: GROUP, version: VERSION, counterpart };
        let stated = send::<InitializeIep>(purse, &request).expect("a session");
        let Initialized { key, statement, s1 } = stated;
        let open = OpenPurchase { key, statement, s1, amount: amount(minor), time: NOW };
        let Opened { order, s2 } = send::<InitializePsam>(&mut sams[sam], &open).expect("opened");
        let Executed { s3, s6 } = send::<DebitIep>(purse, &Execute { order, s2 }).expect("debited");
        send::<CreditPsam>(&mut sams[sam], &CreditRequest { nt: order.nt, s3, s6 }).is_some()
    }

    /// A closed batch that a PSAM still has.
    pub(crate) fn batch(&mut self, sam: usize, batch: u8) -> Option<Batch> {
        let batch = BatchNumber::new(batch.into()).expect("small");
        let trailer = send::<ReadTrailer>(&mut self.sams[sam], &TrailerRequest { batch })?;
        let record = |index| send::<PsamCollect>(&mut self.sams[sam], &CollectRequest { batch, index });
        let records = (0..trailer.count).map(record).collect::<Option<_>>()?;
        Some(Batch { trailer, records })
    }

    /// A transfer card.
    pub(crate) fn courier(&mut self, number: u32) -> VirtualReader {
        let order = TransferOrder { card: sam_id(number), name: "courier".into(), version: VERSION };
        let blocks = self.background.issue_transfer(&order, NOW).expect("issued");
        card(AppletKind::Transfer, Aid::TRANSFER, &blocks, number.into())
    }

    /// Purchases as the background system has them: NV, minor units, state.
    pub(crate) fn ledger(&mut self) -> Vec<(usize, Minor, background::reports::PaymentState)> {
        let lines = self.background.payments_of(self.merchant).expect("payments");
        let mut lines: Vec<_> =
            lines.iter().map(|line| (line.nv as usize, line.amount.minor, line.state)).collect();
        lines.sort_unstable_by_key(|line| line.0);
        lines
    }

    /// The shadow balance of the purse.
    pub(crate) fn shadow(&mut self) -> Minor {
        self.background.purses().expect("purses")[0].shadow.minor
    }
}

/// A purse of this number.
fn issue(background: &mut Background, number: u64) -> VirtualReader {
    let order = PurseOrder {
        iep: identity(number).iep,
        currency: Currency::EUR,
        expiry: Date(NOW.date().0 + 365),
        maximum: Balance(1_000_000),
        overdraft: amount(0),
        purchase_limit: amount(100_000),
        groups: vec![GROUP],
        versions: vec![VERSION],
        legacy: None,
        pin: None,
    };
    let blocks = background.issue_purse(&order, NOW).expect("issued");
    card(AppletKind::Purse, Aid::PURSE, &blocks, 999 + number)
}

/// The value commit of a load as the purse has it.
pub(crate) fn evidence(request: &TransferRequest, order: &Execute, executed: Executed) -> ValueRecord {
    let Initialized { key, statement, .. } = request.initialized;
    let (kind, counterpart) = (request.kind, request.counterpart);
    let Executed { s3, s6 } = executed;
    let position = statement.position;
    let entry = LogEntry { kind, key, position, counterpart, order: order.order, s3, s6 };
    ValueRecord { identity: statement.identity, entry }
}
