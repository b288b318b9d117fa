//! Rows of what is said about a purchase without the purse's word, and of
//! cancellations that wait for their purchase.

use apdu_spec::element::{Counter, IepId, SamCounter, SamId};
use apdu_spec::record::{BatchRecord, ValueRecord};
use rusqlite::params;

use super::code::{self, Bytes, get};
use super::commits::Evidence;
use super::{Tx, column_code};
use crate::error::Error;

column_code! {
    /// What has become of a claim.
    ClaimState {
        /// S2 has left, nothing came back.
        Open = 1,
        /// The purse's word has come in: it is a payment.
        Paid = 2,
        /// The purse was never debited.
        NotDebited = 3,
        /// The PSAM has voided it, the purse's word is not known.
        Voided = 4,
    }
}

/// A claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The PSAM.
    pub sam: SamId,
    /// Its number of the purchase.
    pub nt_sam: SamCounter,
    /// The session of the purse.
    pub nt: Counter,
    /// NV that the purse's commit would have.
    pub nv: Counter,
    /// State.
    pub state: ClaimState,
}

impl Tx<'_> {
    /// Stores what a PSAM says; false where its number is that of another purchase. What the
    /// purse has said stands; a voided purchase stays voided; anything else gives way to
    /// what comes later.
    pub fn upsert_claim(&self, record: &BatchRecord, nv: Counter, state: ClaimState) -> Result<bool, Error> {
        let sql = "INSERT INTO claim VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   ON CONFLICT DO UPDATE SET state = excluded.state, evidence = excluded.evidence
                   WHERE claim.state = 1 AND claim.purse = excluded.purse AND claim.nv = excluded.nv";
        let ValueRecord { identity, entry } = &record.value;
        let row = params![
            code::sam(entry.counterpart.sam),
            entry.order.nt.get(),
            code::purse(identity.iep),
            entry.position.nt.get(),
            nv.get(),
            entry.order.amount.get(),
            state,
            Bytes::of(record)
        ];
        Ok(self.execute(sql, row)? == 1 || self.has_claim(record, nv)?)
    }

    /// Whether something is known of this very purchase.
    fn has_claim(&self, record: &BatchRecord, nv: Counter) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM claim WHERE sam = ?1 AND nt_sam = ?2 AND purse = ?3 AND nv = ?4";
        let ValueRecord { identity, entry } = &record.value;
        let (sam, nt_sam) = (code::sam(entry.counterpart.sam), entry.order.nt.get());
        let row = params![sam, nt_sam, code::purse(identity.iep), nv.get()];
        self.first(sql, row, |_| Ok(())).map(|found| found.is_some())
    }

    /// Claims of a purse that are open, or voided without the purse's word.
    pub fn claims_in_doubt(&self, iep: IepId) -> Result<Vec<Claim>, Error> {
        let sql = "SELECT sam, nt_sam, nt, nv, state FROM claim WHERE purse = ?1 AND state IN (1, 4)";
        self.all(sql, [code::purse(iep)], |row| {
            Ok(Claim {
                sam: code::to_sam(get(row, 0)?)?,
                nt_sam: code::sam_counter(row, 1)?,
                nt: code::counter(row, 2)?,
                nv: code::counter(row, 3)?,
                state: get(row, 4)?,
            })
        })
    }

    /// Closes a claim.
    pub fn set_claim_state(&self, claim: &Claim, state: ClaimState) -> Result<(), Error> {
        let sql = "UPDATE claim SET state = ?3 WHERE sam = ?1 AND nt_sam = ?2";
        self.execute(sql, params![code::sam(claim.sam), claim.nt_sam.get(), state]).map(drop)
    }

    /// Parks a cancellation until its purchase comes in.
    pub fn insert_waiting(&self, evidence: &Evidence, nv: Counter) -> Result<(), Error> {
        let iep = code::purse(evidence.value().identity.iep);
        let sql = "INSERT OR IGNORE INTO waiting VALUES (?1, ?2, ?3)";
        self.execute(sql, params![iep, nv.get(), evidence.bytes()]).map(drop)
    }

    /// Takes out the cancellations that would have this NV.
    pub fn take_waiting(&self, iep: IepId, nv: Counter) -> Result<Vec<Evidence>, Error> {
        let sql = "DELETE FROM waiting WHERE purse = ?1 AND nv = ?2 RETURNING evidence";
        self.all(sql, params![code::purse(iep), nv.get()], |row| Evidence::read(row, 0))
    }
}
