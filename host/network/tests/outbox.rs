//! A batch stays in the outbox until it is acknowledged, whatever the link does.

mod support;

use std::fs;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::{Mac, Time};
use apdu_spec::wire::List;
use network::batch_file::{self, Damage};
use network::{Error, Link, Outbox, Rejection, RejectionCode, Request, Response};

/// A background system of one line.
struct Answers<F>(F);

impl<F: FnMut(&network::Batch) -> Result<Response, Error>> Link for Answers<F> {
    fn call(&mut self, request: &Request) -> Result<Response, Error> {
        match request {
            Request::SubmitBatch(batch) => (self.0)(batch),
            _ => Err(Error::Unexpected("another request")),
        }
    }
}

fn acknowledge(batch: &network::Batch) -> Result<Response, Error> {
    let trailer = &batch.trailer;
    let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
    let (time, list_min, resolved, mac) = (Time(0), 0, List::new(), Mac([1; 8]));
    let word = Acknowledgement { sam, batch, s4, time, list_min, resolved, mac };
    Ok(Response::Acknowledged(word))
}

#[test]
fn every_damaged_byte_and_every_cut_is_found() {
    let bytes = batch_file::encode(&support::batch(1, 2));
    assert_eq!(batch_file::decode(&bytes), Ok(support::batch(1, 2)));
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x40;
        assert!(batch_file::decode(&damaged).is_err(), "byte {place}");
        assert!(batch_file::decode(&bytes[..place]).is_err(), "cut at {place}");
    }
    assert_eq!(batch_file::decode(b"no batch at all"), Err(Damage::Magic));
    assert_eq!(batch_file::decode(&bytes[..bytes.len() - 1]), Err(Damage::Checksum));
}

#[test]
fn files_go_only_after_their_acknowledgement() {
    let folder = tempfile::tempdir().expect("folder");
    let outbox = Outbox::open(folder.path().join("out")).expect("outbox");
    outbox.put(&support::batch(1, 2)).expect("put");
    outbox.put(&support::batch(1, 2)).expect("the same again");
    outbox.put(&support::batch(2, 1)).expect("put");
    assert_eq!(outbox.pending().expect("pending").len(), 2);

    let mut lost = Answers(|_: &network::Batch| Err(Error::Unreachable("no carrier".into())));
    assert_eq!(outbox.deliver(&mut lost).expect("deliver").failed.len(), 1);
    assert_eq!(outbox.pending().expect("pending").len(), 2);

    let rejection = Rejection { code: RejectionCode::BadBatch, text: "S4".into() };
    let mut refuses = Answers(move |_: &network::Batch| Ok(Response::Rejected(rejection.clone())));
    assert_eq!(outbox.deliver(&mut refuses).expect("deliver").rejected.len(), 2);
    assert_eq!(outbox.pending().expect("pending").len(), 2);

    let mut wrong = Answers(|_: &network::Batch| acknowledge(&support::batch(7, 0)));
    assert_eq!(outbox.deliver(&mut wrong).expect("deliver").failed.len(), 2);

    let delivery = outbox.deliver(&mut Answers(acknowledge)).expect("deliver");
    assert_eq!(delivery.acknowledged.len(), 2);
    assert!(outbox.pending().expect("pending").is_empty());
    assert!(outbox.deliver(&mut Answers(acknowledge)).expect("again").acknowledged.is_empty());
}

#[test]
fn a_damaged_file_is_named_and_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let outbox = Outbox::open(folder.path()).expect("outbox");
    let path = outbox.put(&support::batch(1, 2)).expect("put");
    outbox.put(&support::batch(2, 2)).expect("put");
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..40]).expect("cut");

    let delivery = outbox.deliver(&mut Answers(acknowledge)).expect("deliver");
    assert_eq!(delivery.acknowledged.len(), 1);
    let (named, error) = &delivery.failed[0];
    assert_eq!(named, &path);
    assert!(error.to_string().contains("checksum"), "{error}");
    assert_eq!(outbox.pending().expect("pending"), std::slice::from_ref(&path));

    // Collected again, as the error says, it takes the place of the damaged file.
    assert!(error.to_string().contains("collect the batch again"), "{error}");
    outbox.put(&support::batch(1, 2)).expect("put again");
    assert_eq!(fs::read(&path).expect("read"), bytes);
    assert_eq!(outbox.deliver(&mut Answers(acknowledge)).expect("deliver").acknowledged.len(), 1);
}

#[test]
fn another_batch_of_the_same_number_does_not_replace_the_first() {
    let folder = tempfile::tempdir().expect("folder");
    let outbox = Outbox::open(folder.path()).expect("outbox");
    outbox.put(&support::batch(1, 2)).expect("put");
    assert!(matches!(outbox.put(&support::batch(1, 3)), Err(Error::Conflict { .. })));
}
