//! One realistic request and response for each command: the purchase of `story`, before it
//! a load, and after it the collection.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::secure_channel::{KeyType, Level, Token};
use apdu_spec::declare::{Command, Row};
use apdu_spec::download::{Download, Parcel};
use apdu_spec::element::{
    Algorithm, Balance, BatchNumber, Currency, Date, KeyReference, Kind, Mac, Pin, SamCounter, Time,
};
use apdu_spec::interindustry::{FIRST, Select, SelectRequest, SelectResponse};
use apdu_spec::legacy::geldkarte::AmountsFile;
use apdu_spec::legacy::{
    BinaryPlace, FileContent, FileId, MasterFile, ReadBinary, ReadFileRecord, RecordPlace, SelectDirectory,
    SelectFile, SelectMaster,
};
use apdu_spec::personalisation::{DataGroup, Function, KeyData};
use apdu_spec::purse::{
    BalanceResponse, Cancel, ChangePin, ChangePinRequest, CreditCancellation, CreditLoad, DebitIep,
    DebitUnload, Execute, Executed, GetBalance, GetPurseData, InitializeIep, InitializeLoad,
    InitializePurchase, InitializeTransfer, InitializeUnload, Initialized, LogLine, PresentPin, PreviousByNt,
    PreviousByNv, PreviousRequest, PurseInformation, ReadLog, ReadRecord, ResetPin, VerifyPin,
};
use apdu_spec::record::{Decision, Order, Terms};
use apdu_spec::sam::{
    CancelPurchase, CancellationSecret, Challenge, CloseBatch, CollectRequest, CompleteRequest, CreditPsam,
    CreditRequest, Credited, GetChallenge, GetSamData, InitializePsam, OpenPurchase, Opened, PsamAcknowledge,
    PsamCancel, PsamCollect, PsamComplete, PsamRenounce, ReadTrailer, ReceiptRequest, RenounceRequest,
    SamInformation, StoreReceipt, TrailerRequest, VerifyContact, VerifyPurse,
};
use apdu_spec::security_domain::{
    Confirmation, DataBlock, DataObject, Delete, DeleteRequest, Deletion, ExternalAuthenticate,
    ExternalAuthenticateRequest, GetData, GetDataRequest, GetStatus, InitializeUpdate,
    InitializeUpdateRequest, InitializeUpdateResponse, Install, InstallData, InstallRequest, KEY_IDENTIFIER,
    KeyBlocks, LOCKED, PutKey, PutKeyRequest, PutKeyResponse, SealedKey, SetStatus, SetStatusRequest,
    StatusRequest, StatusResponse, StoreData, purpose, subset, tag,
};
use apdu_spec::transfer::{
    AppendDownload, AppendParcel, DownloadRequest, GetTransferData, Number, NumberedDownload, ReadDownload,
    ReadParcel, ReleaseRecords, TransferInformation,
};
use apdu_spec::wire::{Element, Octets};

use crate::story::{
    CHALLENGE, FRESH, GROUP, Story, TIME, VERSION, amount, batch, counter, counterpart, identity, sam,
    statement, transfer_card,
};

/// A command with its bytes, both ways.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) row: Row,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
}

fn bytes<E: Element>(value: &E) -> Vec<u8> {
    value.to_slice(&mut [0; 256]).unwrap().to_vec()
}

fn example<C: Command>(request: &C::Request, response: &C::Response) -> Example {
    let request = C::encode(request, &mut [0; 261]).unwrap().to_vec();
    Example { row: C::ROW, request, response: bytes(response) }
}

/// The secret of the one key that the examples store.
pub(crate) const STORED_KEY: [u8; 16] = *b"\xD1\xD2\xD3\xD4\xD5\xD6\xD7\xD8\xD9\xDA\xDB\xDC\xDD\xDE\xDF\xE0";

pub(crate) fn all() -> Vec<Example> {
    let story = Story::tell(Algorithm::AesCmac);
    let story = &story;
    [
        kernel(),
        domain(),
        transfers(story),
        purchase(story),
        inquiries(story),
        collection(story),
        carrier(story),
        pin(),
        files(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn kernel() -> Vec<Example> {
    let fci = b"\x6F\x11\x84\x06\xF0PURSE\xA5\x07\x50\x05PURSE";
    vec![example::<Select>(
        &SelectRequest { occurrence: FIRST, aid: Aid::new(Aid::PURSE).unwrap() },
        &SelectResponse { fci: Octets::new(fci).unwrap() },
    )]
}

/// Card management. The channel is that of `crypto/secure_channel/vectors.rs`, (a); what passes
/// in it is shown in the clear.
fn domain() -> Vec<Example> {
    let octets = |hex: &str| hex::decode(hex).unwrap();
    let aid = |bytes: &[u8]| Aid::new(bytes).unwrap();
    let opening = "00000000000000000000300370 3b1aca81e821f219 081cdc01c26b372d 000003".replace(' ', "");
    let authenticate = octets("8c36f96bcc00724a4e13ad591d7da3f0");
    let reference = KeyReference { algorithm: Algorithm::AesCmac, group: GROUP, version: VERSION };
    let key = KeyData { function: Function::Purchase, reference, key: Key::new(STORED_KEY) };
    let second = aid(b"\xF0PURSE2");
    let install = InstallData {
        load_file: aid(b"\xF0PURSE.file"),
        module: aid(b"\xF0PURSE.module"),
        application: second.clone(),
        privileges: Octets::new(&[0]).unwrap(),
        ..InstallData::default()
    };
    let sealed = |byte| SealedKey {
        kind: KeyType::Aes,
        length: 16,
        sealed: Octets::new(&[byte; 16]).unwrap(),
        check: Some([byte; 3]),
    };
    let status = "E3154F07F0505552534532 9F700107 C503000000".replace(' ', "");
    vec![
        example::<InitializeUpdate>(
            &InitializeUpdateRequest {
                key_version: 0x30,
                host_challenge: Token::from_slice(&octets("08fdf38259a1e0de")).unwrap(),
            },
            &InitializeUpdateResponse::from_bytes(&octets(&opening)).unwrap(),
        ),
        example::<ExternalAuthenticate>(
            &ExternalAuthenticateRequest {
                level: Level::CDecryptionREncryptionCMacRMac,
                cryptogram_and_mac: Octets::new(&authenticate).unwrap(),
            },
            &(),
        ),
        example::<GetStatus>(
            &StatusRequest {
                subset: subset::APPLICATIONS,
                form: 2,
                search: Octets::new(&octets("4F00")).unwrap(),
            },
            &StatusResponse { lines: Octets::new(&octets(&status)).unwrap() },
        ),
        example::<SetStatus>(
            &SetStatusRequest { subset: subset::APPLICATIONS, state: LOCKED, application: second.clone() },
            &(),
        ),
        example::<Install>(
            &InstallRequest { purpose: purpose::INSTALL_AND_SELECTABLE, reserved: 0, data: install },
            &Confirmation { receipt: 0 },
        ),
        example::<Delete>(
            &DeleteRequest { related: 0, what: Deletion::Application(second) },
            &Confirmation { receipt: 0 },
        ),
        example::<PutKey>(
            &PutKeyRequest {
                replaced: 0xFF,
                identifier: KEY_IDENTIFIER,
                version: 0x30,
                keys: KeyBlocks([sealed(1), sealed(2), sealed(3)]),
            },
            &PutKeyResponse { version: 0x30, check_values: [1, 1, 1, 2, 2, 2, 3, 3, 3] },
        ),
        example::<StoreData>(&DataBlock::of(true, 3, DataGroup::Key, &key).unwrap(), &()),
        example::<GetData>(
            &GetDataRequest { tag: tag::DIVERSIFICATION },
            &DataObject { object: Octets::new(&octets("CF0A00010203040506070809")).unwrap() },
        ),
    ]
}

/// The holder's PIN.
fn pin() -> Vec<Example> {
    let pin = |digits| Pin::new(digits).unwrap();
    vec![
        example::<VerifyPin>(&PresentPin { pin: pin("1234") }, &()),
        example::<ChangePin>(&ChangePinRequest { old: pin("1234"), new: pin("567890") }, &()),
        example::<ResetPin>(&PresentPin { pin: pin("0000") }, &()),
    ]
}

/// Loads and unloads. Their MACs are made up: `signatures.txt` has a purchase only.
fn transfers(story: &Story) -> Vec<Example> {
    let key = KeyReference { group: 0, ..story.key };
    let request =
        InitializeTransfer { version: VERSION, counterpart: counterpart(CHALLENGE), amount: amount(2_000) };
    let initialized = Initialized { key, statement: statement(), s1: Mac([0xA1; 8]) };
    let execute = |balance| {
        let terms = Terms::decision(Decision::Approved(Balance(balance)));
        let order =
            Order { amount: amount(2_000), time: TIME, nt: SamCounter(9), taken_over: counter(3), terms };
        Execute { order, s2: Mac([0xA2; 8]) }
    };
    let executed = Executed { s3: Mac([0xA3; 8]), s6: Mac([0xA6; 8]) };
    vec![
        example::<InitializeLoad>(&request, &initialized),
        example::<InitializeUnload>(&request, &initialized),
        example::<CreditLoad>(&execute(7_000), &executed),
        example::<DebitUnload>(&execute(3_000), &executed),
        example::<CreditCancellation>(&Cancel { secret: story.secret.clone() }, &executed),
    ]
}

fn purchase(story: &Story) -> Vec<Example> {
    let (key, statement, s1) = (story.key, statement(), story.s1);
    let (order, s2, s3, s6) = (story.order, story.s2, story.s3, story.s6);
    let initialize =
        InitializePurchase { group: GROUP, version: VERSION, counterpart: counterpart(CHALLENGE) };
    let open = OpenPurchase { key, statement, s1, amount: order.amount, time: TIME };
    let nt = order.nt;
    vec![
        example::<GetChallenge>(&(), &Challenge { challenge: CHALLENGE }),
        example::<InitializeIep>(&initialize, &Initialized { key, statement, s1 }),
        example::<InitializePsam>(&open, &Opened { order, s2 }),
        example::<DebitIep>(&Execute { order, s2 }, &Executed { s3, s6 }),
        example::<CreditPsam>(
            &CreditRequest { nt, s3, s6 },
            &Credited { batch: batch(), index: 5, s5: story.record.s5 },
        ),
        example::<VerifyPurse>(&VerifyContact { key, statement, s1, time: TIME }, &()),
        example::<PsamCancel>(
            &CancelPurchase { nt, previous: story.previous },
            &CancellationSecret { secret: story.secret.clone(), amount: order.amount },
        ),
        example::<PsamRenounce>(&RenounceRequest { nt }, &()),
    ]
}

fn inquiries(story: &Story) -> Vec<Example> {
    let asked = |number| PreviousRequest {
        group: GROUP,
        version: VERSION,
        counterpart: counterpart(FRESH),
        number: counter(number),
    };
    let not_debited = apdu_spec::purse::PreviousSignature { found: 0, receipt: [0; 91], ..story.previous };
    let balance =
        BalanceResponse { balance: Balance(-310), maximum: Balance(15_000), currency: Currency::GBP };
    let line = LogLine {
        kind: Kind::Purchase,
        nv: counter(4),
        nt: counter(7),
        time: TIME,
        sam: sam(),
        nt_sam: SamCounter(42),
        amount: amount(1_250),
        balance: Balance(3_750),
    };
    let information = PurseInformation {
        identity: identity(),
        overdraft: amount(500),
        nt: counter(7),
        nv: counter(4),
        receipts: 3,
    };
    vec![
        example::<PreviousByNt>(&asked(7), &story.previous),
        example::<PreviousByNv>(&asked(4), &story.previous),
        example::<GetBalance>(&(), &balance),
        example::<ReadRecord>(&ReadLog { record: 1 }, &line),
        example::<GetPurseData>(&(), &information),
        example::<PsamComplete>(&CompleteRequest { nt: SamCounter(42), previous: not_debited }, &()),
        example::<StoreReceipt>(&ReceiptRequest { previous: story.previous }, &()),
    ]
}

fn collection(story: &Story) -> Vec<Example> {
    let information = SamInformation {
        sam: sam(),
        expiry: Date(21_000),
        currency: Currency::EUR,
        group: GROUP,
        version: VERSION,
        nt: SamCounter(42),
        open: 1,
        batch: BatchNumber::new(4).unwrap(),
        entries: 6,
        oldest: batch(),
        floor: TIME,
        ceiling: Time(TIME.0 + 86_400),
        list: 7,
    };
    vec![
        example::<CloseBatch>(&(), &story.trailer),
        example::<ReadTrailer>(&TrailerRequest { batch: batch() }, &story.trailer),
        example::<PsamCollect>(&CollectRequest { batch: batch(), index: 5 }, &story.record),
        example::<PsamAcknowledge>(&story.acknowledgement, &()),
        example::<GetSamData>(&(), &information),
    ]
}

fn carrier(story: &Story) -> Vec<Example> {
    let parcel =
        Parcel { sam: sam(), batch: batch(), index: 5, content: Octets::new(&bytes(&story.record)).unwrap() };
    let content = Octets::new(&bytes(&story.acknowledgement)).unwrap();
    let download = Download { sam: sam(), content };
    let information = TransferInformation {
        card: transfer_card(),
        first_parcel: 5,
        next_parcel: 9,
        first_download: 2,
        next_download: 3,
    };
    vec![
        example::<AppendParcel>(&parcel, &Number { number: 8 }),
        example::<ReadParcel>(&Number { number: 8 }, &parcel),
        example::<AppendDownload>(&download, &Number { number: 2 }),
        example::<ReadDownload>(
            &DownloadRequest { sam: sam(), from: 1 },
            &NumberedDownload { number: 2, download: download.clone() },
        ),
        example::<ReleaseRecords>(&story.release, &()),
        example::<GetTransferData>(&(), &information),
    ]
}

/// What a reader of Geldkarte and Quick cards asks for.
fn files() -> Vec<Example> {
    let content = |content: &[u8]| FileContent { bytes: Octets::new(content).unwrap() };
    vec![
        example::<SelectMaster>(&MasterFile { id: Octets::new(&[0x3F, 0x00]).unwrap() }, &()),
        example::<SelectDirectory>(&FileId { id: [0xA2, 0x00] }, &()),
        example::<SelectFile>(&FileId { id: [0x01, 0x04] }, &()),
        example::<ReadBinary>(&BinaryPlace { file: 0x82, offset: 0 }, &content(&[0, 0, 0x13, 0x88])),
        example::<ReadFileRecord>(
            &RecordPlace { record: 1, file: 0x04 },
            &content(&bytes(&AmountsFile::new(5_000, 15_000, 5_000))),
        ),
    ]
}
