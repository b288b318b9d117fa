//! Every message survives its own bytes; no bytes make the decoder panic.

mod support;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::Kind;
use apdu_spec::purse::Execute;
use apdu_spec::{Element, Malformed};
use network::{Error, Funding, Rejection, RejectionCode, Request, ResolveRequest, Response, TransferRequest};
use proptest::prelude::*;

fn requests() -> Vec<Request> {
    let mut transfer = [0; TransferRequest::MAX];
    transfer[..3].copy_from_slice(&[Kind::Unload as u8, Funding::Cash as u8, 1]);
    let mut resolve = [0; ResolveRequest::MAX];
    resolve[14] = 1;
    vec![
        Request::AuthoriseTransfer(TransferRequest::from_bytes(&transfer).expect("transfer")),
        Request::CompleteTransfer(support::record(3).value),
        Request::ResolveTransfer(ResolveRequest::from_bytes(&resolve).expect("resolve")),
        Request::SubmitBatch(support::batch(9, 3)),
    ]
}

fn responses() -> Vec<Response> {
    vec![
        Response::Decision(Execute::from_bytes(&[0; Execute::MAX]).expect("execute")),
        Response::Accepted,
        Response::Resolved(true),
        Response::Acknowledged(Acknowledgement::from_bytes(&[1; Acknowledgement::MAX]).expect("ack")),
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
    assert_eq!(Response::Accepted.encode(), [1, 0x82]);
    assert_eq!(Response::Resolved(true).encode(), [1, 0x83, 1]);
    let rejected = Response::Rejected(Rejection { code: RejectionCode::Unknown, text: "no".into() });
    assert_eq!(rejected.encode(), [1, 0x8F, 2, 0, 0, 0, 2, b'n', b'o']);
}

#[test]
fn a_purchase_is_not_asked_of_the_issuer() {
    let mut bytes = requests()[0].encode();
    bytes[2] = Kind::Purchase as u8;
    assert!(matches!(Request::decode(&bytes), Err(Error::Malformed(Malformed))));
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
