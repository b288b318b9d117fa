//! Every message survives its own bytes; no bytes make the decoder panic.

mod support;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Algorithm, BatchNumber, KeyReference, Kind, Mac, Random, SamCounter, SamId, Time};
use apdu_spec::purse::Execute;
use apdu_spec::record::Counterpart;
use apdu_spec::wire::List;
use apdu_spec::{Element, Malformed};
use network::{
    Acceptance, Decision, Error, Fate, Funding, Rejection, RejectionCode, Request, Resolution,
    ResolveRequest, Response, Signed, TransferRequest,
};
use proptest::prelude::*;

fn key(byte: u8) -> OnlineKey {
    let reference = KeyReference { algorithm: Algorithm::AesCmac, group: 0, version: 1 };
    OnlineKey::new(Key::new([byte; 16]), reference, SamId::from_bytes(&[1; SamId::MAX]).expect("a terminal"))
}

fn transfer() -> TransferRequest {
    let mut transfer = [0; TransferRequest::MAX];
    transfer[..3].copy_from_slice(&[Kind::Unload as u8, Funding::Cash as u8, Algorithm::AesCmac as u8]);
    TransferRequest::from_bytes(&transfer).expect("transfer")
}

fn requests() -> Vec<Request> {
    let mut resolve = [0; ResolveRequest::MAX];
    resolve[Counterpart::MAX] = Algorithm::AesCmac as u8;
    vec![
        Request::AuthoriseTransfer(Signed::by(&key(1), transfer())),
        Request::CompleteTransfer(Signed::by(&key(1), support::record(3).value)),
        Request::ResolveTransfer(Signed::by(&key(1), ResolveRequest::from_bytes(&resolve).expect("resolve"))),
        Request::SubmitBatch(support::batch(9, 3)),
    ]
}

fn signed<F>(fields: F) -> Signed<F> {
    Signed { fields, mac: Mac([7; 8]) }
}

fn acknowledgement() -> Acknowledgement {
    let mut resolved = List::new();
    for (nt, paid) in [(7, 1), (8, 0)] {
        let nt = SamCounter(nt);
        resolved.push(apdu_spec::batch::Resolution { nt, paid }).expect("room");
    }
    let sam = SamId::from_bytes(&[1; SamId::MAX]).expect("a PSAM");
    let batch = BatchNumber::new(3).expect("small");
    let [s4, mac] = [1, 2].map(|byte| Mac([byte; 8]));
    Acknowledgement { sam, batch, s4, time: Time(5), list_min: 9, resolved, mac }
}

fn responses() -> Vec<Response> {
    vec![
        Response::Decision(signed(Decision {
            execute: Execute::from_bytes(&[0; Execute::MAX]).expect("execute"),
            time: Time(5),
        })),
        Response::Accepted(signed(Acceptance { time: Time(5) })),
        Response::Resolved(signed(Resolution {
            fate: Fate::Moved,
            challenge: Random([2; 8]),
            time: Time(5),
        })),
        Response::Acknowledged(acknowledgement()),
        Response::Rejected(Rejection { code: RejectionCode::BadBatch, text: "entry 7: S5 is wrong".into() }),
    ]
}

#[test]
fn messages_survive_and_trailing_or_missing_bytes_are_errors() {
    for request in requests() {
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes).expect("own bytes"), request);
        assert!(Request::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        (0..bytes.len()).for_each(|cut| assert!(Request::decode(&bytes[..cut]).is_err()));
    }
    for response in responses() {
        let bytes = response.encode();
        assert_eq!(Response::decode(&bytes).expect("own bytes"), response);
        assert!(Response::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        (0..bytes.len()).for_each(|cut| assert!(Response::decode(&bytes[..cut]).is_err()));
    }
}

#[test]
fn another_version_says_so() {
    assert!(matches!(Request::decode(&[9, 1]), Err(Error::Version { found: 9, expected: 1 })));
}

/// Do not change this test: released bytes stay readable.
#[test]
fn golden_bytes_of_version_1() {
    let accepted = Response::Accepted(signed(Acceptance { time: Time(5) }));
    assert_eq!(accepted.encode(), [1, 0x82, 0, 0, 0, 5, 7, 7, 7, 7, 7, 7, 7, 7]);
    let rejected = Response::Rejected(Rejection { code: RejectionCode::Unknown, text: "no".into() });
    assert_eq!(rejected.encode(), [1, 0x8F, 2, 0, 0, 0, 2, b'n', b'o']);
}

#[test]
fn a_purchase_is_not_asked_of_the_issuer() {
    let mut bytes = requests()[0].encode();
    bytes[2] = Kind::Purchase as u8;
    assert!(matches!(Request::decode(&bytes), Err(Error::Malformed(Malformed))));
}

/// An answer is believed under the key of the terminal, as the answer to its very question.
#[test]
fn an_answer_belongs_to_its_question_and_its_key() {
    let asked = Signed::by(&key(1), transfer());
    assert!(asked.is_by(&key(1)) && !asked.is_by(&key(2)));
    let execute = Execute::from_bytes(&[0; Execute::MAX]).expect("execute");
    let decision = Decision { execute, time: Time(5) };
    let answer = asked.answer(&key(1), decision);
    assert_eq!(asked.answered(&key(1), &answer), Some(decision));
    assert_eq!(asked.answered(&key(2), &answer), None, "under another terminal's key");
    let later = Decision { time: Time(6), ..decision };
    assert_eq!(asked.answered(&key(1), &Signed { fields: later, ..answer }), None, "altered");
    let other = Signed::by(&key(1), TransferRequest { funding: Funding::Account, ..transfer() });
    assert_ne!(other.mac, asked.mac);
    assert_eq!(other.answered(&key(1), &answer), None, "of another question");
}

#[test]
fn a_count_beyond_the_bytes_allocates_nothing() {
    let mut bytes = Request::SubmitBatch(support::batch(1, 0)).encode();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&[0xFF; 4]);
    assert!(Request::decode(&bytes).is_err());
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Request::decode(&bytes);
        let _ = Response::decode(&bytes);
        let _ = network::batch_file::decode(&bytes);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        choice in 0_usize..4, place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = requests()[choice].encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes);
        }
    }
}
