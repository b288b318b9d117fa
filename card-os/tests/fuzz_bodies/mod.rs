//! What the fuzzer runs, as functions of bytes, so that stable Rust replays the same on the
//! committed seeds and crashes.
//!
//! [`raw`] sends arbitrary frames to one card. [`structured`] sends commands of the
//! catalogue to a purse, a PSAM and a transfer card, with power failing where it likes.

#![allow(dead_code, unreachable_pub, missing_docs)] // the fuzzer and the tests use it each in part
#![allow(clippy::unwrap_used)] // what fails here fails the run

pub mod commands;
pub mod raw;
pub mod structured;

use apdu_spec::catalog::find;
use apdu_spec::{Apdu, StatusWord};

use crate::support::status_of;

/// Takes values from the front of the fuzzer's bytes; zeros when they are used up.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// At most `count` bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(count.min(self.0.len()));
        self.0 = tail;
        head
    }

    /// `count` bytes, filled up with zeros.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = self.take(count).to_vec();
        bytes.resize(count, 0);
        bytes
    }
}

/// Status words that any command may get.
const GENERAL: [StatusWord; 8] = [
    StatusWord::OK,
    StatusWord::WRONG_LENGTH,
    StatusWord::SECURITY_NOT_SATISFIED,
    StatusWord::CONDITIONS_NOT_SATISFIED,
    StatusWord::WRONG_DATA,
    StatusWord::WRONG_P1_P2,
    StatusWord::CLASS_NOT_SUPPORTED,
    StatusWord::INSTRUCTION_NOT_SUPPORTED,
];

/// An answer is well formed and says nothing that is not declared. `torn` says that power
/// may have failed.
pub fn check_answer(command: &[u8], answer: &[u8], torn: bool) {
    let status = status_of(answer);
    let answered = [StatusWord::OK, StatusWord::BLOCKED].contains(&status);
    assert!(answered || answer.len() == 2, "data with {status}");
    let row = Apdu::parse(command).ok().and_then(|apdu| find(&apdu));
    let declared = GENERAL.contains(&status)
        || (torn && status == StatusWord::MEMORY_FAILURE)
        || row.is_some_and(|row| row.status.contains(&status.kind()));
    assert!(declared, "{status} to {command:02X?}");
    if let Some(row) = row.filter(|_| status == StatusWord::OK) {
        let data = &answer[..answer.len() - 2];
        assert!((row.response.visit)(data, &mut |_, _| ()).is_ok(), "{} answers {data:02X?}", row.name);
    }
}
