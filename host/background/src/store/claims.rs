//! Rows of what is said about a purchase without the purse's word, and of
//! cancellations that wait for their purchase.

use apdu_spec::batch::{RESOLVED_MAX, Resolution};
use apdu_spec::element::{BatchNumber, Counter, IepId, SamCounter, SamId};
use apdu_spec::record::{BatchRecord, ValueRecord};
use rusqlite::{Row, params};

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
    /// The purse.
    pub iep: IepId,
    /// The session of the purse.
    pub nt: Counter,
    /// NV that the purse's commit would have.
    pub nv: Counter,
    /// State.
    pub state: ClaimState,
    /// The batch in which the PSAM said so.
    pub batch: BatchNumber,
}

const SELECT: &str = "SELECT sam, nt_sam, nt, nv, state, evidence, purse FROM claim";

fn read(row: &Row<'_>) -> Result<Claim, Error> {
    Ok(Claim {
        sam: code::to_sam(get(row, 0)?)?,
        nt_sam: code::sam_counter(row, 1)?,
        nt: code::counter(row, 2)?,
        nv: code::counter(row, 3)?,
        state: get(row, 4)?,
        batch: code::element::<BatchRecord>(row, 5)?.batch,
        iep: code::to_iep(get(row, 6)?)?,
    })
}

/// How many cancellations one module may have waiting.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of one NV of one purse.
    pub of_number: u32,
    /// Of one purse.
    pub of_purse: u32,
}

impl Room {
    /// What a module has: a purse holds no more receipts than this.
    pub const OF_A_MODULE: Self = Self { of_number: 2, of_purse: 16 };
    /// For simulations: as many as come in.
    pub const ENDLESS: Self = Self { of_number: u32::MAX, of_purse: u32::MAX };
}

impl Tx<'_> {
    /// Stores what a PSAM says; false where its number is that of another purchase. What the
    /// purse has said stands; a voided purchase stays voided; anything else gives way to
    /// what comes later.
    pub fn upsert_claim(&self, record: &BatchRecord, nv: Counter, state: ClaimState) -> Result<bool, Error> {
        let sql = "INSERT INTO claim VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)
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

    /// What the PSAM says of this purchase.
    pub fn claim(&self, sam: SamId, nt_sam: SamCounter) -> Result<Option<Claim>, Error> {
        self.first(
            &format!("{SELECT} WHERE sam = ?1 AND nt_sam = ?2"),
            params![code::sam(sam), nt_sam.get()],
            read,
        )
    }

    /// Claims of a purse that are open, or voided without the purse's word.
    pub fn claims_in_doubt(&self, iep: IepId) -> Result<Vec<Claim>, Error> {
        self.all(&format!("{SELECT} WHERE purse = ?1 AND state IN (1, 4)"), [code::purse(iep)], read)
    }

    /// Closes a claim. What was open is to be told to its PSAM.
    pub fn set_claim_state(&self, claim: &Claim, state: ClaimState) -> Result<(), Error> {
        let sql = "UPDATE claim SET state = ?3, told = CASE WHEN state = 1 THEN 0 ELSE told END
                   WHERE sam = ?1 AND nt_sam = ?2";
        self.execute(sql, params![code::sam(claim.sam), claim.nt_sam.get(), state]).map(drop)
    }

    /// Claims of a PSAM that are decided and that it has not been told of, as many as an acknowledgement
    /// has room for; from now on it has been told with this batch.
    pub fn tell_claims(&self, sam: SamId, batch: BatchNumber) -> Result<Vec<Resolution>, Error> {
        let sql = "UPDATE claim SET told = ?2 WHERE sam = ?1 AND nt_sam IN
                   (SELECT nt_sam FROM claim WHERE sam = ?1 AND told = 0 ORDER BY nt_sam LIMIT ?3)
                   RETURNING nt_sam, state";
        let most = u32::try_from(RESOLVED_MAX).map_err(|_| Error::Overflow)?;
        let mut told = self.all(sql, params![code::sam(sam), batch.get(), most], |row| {
            let paid = get::<ClaimState>(row, 1)? == ClaimState::Paid;
            Ok(Resolution { nt: code::sam_counter(row, 0)?, paid: paid.into() })
        })?;
        told.sort_unstable_by_key(|resolution| resolution.nt);
        Ok(told)
    }

    /// Parks a cancellation until its purchase comes in; false where `sender` has no room left.
    pub fn insert_waiting(
        &self,
        evidence: &Evidence,
        nv: Counter,
        sender: SamId,
        room: &Room,
    ) -> Result<bool, Error> {
        let iep = code::purse(evidence.value().identity.iep);
        let sql = "INSERT OR IGNORE INTO waiting SELECT ?1, ?2, ?3, ?4
                   WHERE (SELECT COUNT(*) FROM waiting WHERE purse = ?1 AND nv = ?2 AND sam = ?3) < ?5
                   AND (SELECT COUNT(*) FROM waiting WHERE purse = ?1 AND sam = ?3) < ?6";
        let row = params![iep, nv.get(), code::sam(sender), evidence.bytes(), room.of_number, room.of_purse];
        self.execute(sql, row).map(|rows| rows == 1)
    }

    /// Numbers between these, both included, under which cancellations of a purse wait.
    pub fn waiting_between(&self, iep: IepId, first: Counter, last: Counter) -> Result<Vec<Counter>, Error> {
        let sql = "SELECT DISTINCT nv FROM waiting WHERE purse = ?1 AND nv BETWEEN ?2 AND ?3 ORDER BY nv";
        self.all(sql, params![code::purse(iep), first.get(), last.get()], |row| code::counter(row, 0))
    }

    /// Takes out the cancellations that would have this NV.
    pub fn take_waiting(&self, iep: IepId, nv: Counter) -> Result<Vec<Evidence>, Error> {
        let sql = "DELETE FROM waiting WHERE purse = ?1 AND nv = ?2 RETURNING evidence";
        self.all(sql, params![code::purse(iep), nv.get()], |row| Evidence::read(row, 0))
    }
}
