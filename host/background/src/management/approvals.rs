//! Approvals: a load that the operator pays, above what its terminal may give in a day on one
//! person's word, is made once two operators have signed for it. An approval is for one load of one
//! amount to one purse at one terminal, within a day, and is used up by it; a load that moved no
//! value gives it back.

use apdu_spec::element::{Amount, Currency, IepId, SamId, Time};
use apdu_spec::{Element, layout};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::background::Background;
use crate::error::Error;
use crate::store::Tx;
use crate::store::approvals::{Asked, Word};
use crate::store::transfers::TransferState;

/// How many operators have to agree.
pub const SIGNERS: usize = 2;
/// How long an approval is good for, in seconds.
pub const LIFETIME: u32 = 86_400;
/// What a signature is for, so that it is never taken for another; the approval follows.
const PURPOSE: &[u8] = b"purse: approval of a load that the operator pays, version 1\0";

layout! {
    /// What is approved: 26 bytes.
    #[derive(Copy)]
    pub struct Approval {
        /// Its number, which no other approval has.
        number: u32,
        /// The load terminal.
        terminal: SamId,
        /// The purse.
        iep: IepId,
        /// Currency.
        currency: Currency,
        /// Amount, minor units.
        amount: Amount,
        /// When it was asked for.
        asked: Time,
    }
}

/// An approval that waits, with those who have signed.
#[derive(Clone, Debug)]
pub struct OpenApproval {
    /// What is to be approved.
    pub approval: Approval,
    /// Names of those who have signed.
    pub by: Vec<String>,
}

impl Approval {
    /// What an operator signs.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut fields = [0; Self::MAX];
        // The buffer is as long as the longest approval.
        [PURPOSE, self.to_slice(&mut fields).unwrap_or_default()].concat()
    }

    const fn is_late(&self, now: Time) -> bool {
        now.0 > self.asked.0.saturating_add(LIFETIME)
    }

    fn is_signed(&self, word: &Word) -> bool {
        let signature = Signature::from_bytes(&word.signature);
        VerifyingKey::from_bytes(&word.key)
            .is_ok_and(|key| key.verify_strict(&self.text(), &signature).is_ok())
    }
}

/// The names of those who have signed for an approval, as their keys say.
pub(crate) fn signers(tx: &Tx<'_>, approval: &Approval) -> Result<Vec<String>, Error> {
    let words = tx.words(approval.number)?;
    Ok(words.into_iter().filter(|word| approval.is_signed(word)).map(|word| word.name).collect())
}

/// Whether no load stands on an approval.
pub(crate) fn is_unused(tx: &Tx<'_>, asked: &Asked) -> Result<bool, Error> {
    let Some(nt) = asked.used else { return Ok(true) };
    let load = tx.transfer(asked.approval.iep, nt)?;
    Ok(load.is_some_and(|load| load.state == TransferState::Reversed))
}

impl Background {
    /// Approvals that wait for signatures or for their load.
    pub fn open_approvals(&mut self, now: Time) -> Result<Vec<OpenApproval>, Error> {
        self.store.transaction("open approvals", |tx| {
            let mut open = Vec::new();
            for asked in tx.approvals(earliest(now))? {
                if is_unused(tx, &asked)? {
                    let approval = asked.approval;
                    open.push(OpenApproval { approval, by: signers(tx, &approval)? });
                }
            }
            Ok(open)
        })
    }

    /// Takes an operator's signature for an approval; how many are still wanted.
    pub fn approve(
        &mut self,
        number: u32,
        name: &str,
        signature: [u8; 64],
        now: Time,
    ) -> Result<usize, Error> {
        self.store.transaction("approve", |tx| {
            let unknown = |what: String| move || Error::NotRegistered(what);
            let asked = tx.approval(number)?.ok_or_else(unknown(format!("approval {number}")))?;
            let key = tx.operator(name)?.ok_or_else(unknown(format!("operator {name}")))?;
            let word = Word { name: name.to_owned(), key, signature };
            if asked.approval.is_late(now) || !is_unused(tx, &asked)? {
                return Err(Error::BadOrder(
                    "this approval is used or older than a day; ask for the load again",
                ));
            }
            if !asked.approval.is_signed(&word) {
                return Err(Error::BadOrder("this is not the signature of that operator"));
            }
            if !tx.insert_word(number, &word, now)? {
                return Err(Error::BadOrder("this operator has signed already; another one has to"));
            }
            Ok(SIGNERS.saturating_sub(signers(tx, &asked.approval)?.len()))
        })
    }
}

/// When an approval that is still good now can have been asked for.
pub(crate) const fn earliest(now: Time) -> Time {
    Time(now.0.saturating_sub(LIFETIME))
}
