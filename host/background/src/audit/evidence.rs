//! Whether each record says what its row says, and is under the MACs that it came in with.

use apdu_spec::batch::Trailer;
use apdu_spec::element::{Kind, Mac, SamId};
use apdu_spec::record::{BatchRecord, ValueRecord};

use super::finding::{Finding, FindingKind};
use super::verify::Progress;
use crate::clearing::seal::Seal;
use crate::clearing::verify::{context, order_signature, statement_mac, verify, verify_cancellation};
use crate::error::Error;
use crate::store::Tx;
use crate::store::audit::{Columns, Each, packed};
use crate::store::code;
use crate::store::commits::Evidence;
use crate::store::transfers::Transfer;
use crate::vault::Vault;

/// What is wrong with a record, in words; nothing where nothing is.
type Wrong = Option<&'static str>;

const COLUMNS: &str = "does not say what its row says";
const S5: &str = "is not under its module's MAC (S5)";

/// All findings about records.
pub(super) fn check(tx: &Tx<'_>, vault: &Vault, progress: Progress<'_>) -> Vec<Finding> {
    let auditor = Auditor { tx, vault };
    let mut findings = Vec::new();
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress("records and their MACs", done, done);
    };
    each(
        &mut findings,
        &mut step,
        |each| tx.audited_commits(each),
        |row, evidence| auditor.commit(row, evidence),
    );
    each(&mut findings, &mut step, |each| tx.audited_claims(each), |row, record| auditor.claim(row, record));
    each(
        &mut findings,
        &mut step,
        |each| tx.audited_waiting(each),
        |row, evidence| auditor.waiting(row, evidence),
    );
    each(
        &mut findings,
        &mut step,
        |each| tx.audited_transfers(each),
        |row, transfer| auditor.transfer(row, transfer),
    );
    each(&mut findings, &mut step, |each| tx.audited_batches(each), |row, batch| auditor.batch(row, batch));
    findings
}

/// Checks each row of one kind; what cannot be read is a finding of its own.
fn each<T>(
    findings: &mut Vec<Finding>,
    step: &mut dyn FnMut(),
    rows: impl FnOnce(Each<'_, T>) -> Result<(), Error>,
    check: impl Fn(&Columns, &T) -> Result<Wrong, Error>,
) {
    let mut found = Vec::new();
    let read = rows(&mut |about, row| {
        step();
        match row.and_then(|(columns, row)| check(&columns, &row)) {
            Ok(None) => {}
            Ok(Some(wrong)) => found.push(Finding::new(FindingKind::Evidence, about, wrong)),
            Err(error) => found.push(Finding::new(FindingKind::Unreadable, about, error.to_string())),
        }
        Ok(())
    });
    findings.append(&mut found);
    if let Err(error) = read {
        findings.push(Finding::new(FindingKind::Unreadable, "records", error.to_string()));
    }
}

struct Auditor<'a> {
    tx: &'a Tx<'a>,
    vault: &'a Vault,
}

impl Auditor<'_> {
    fn commit(&self, row: &Columns, evidence: &Evidence) -> Result<Wrong, Error> {
        let ValueRecord { identity, entry } = evidence.value();
        let (purse, sam) = packed(identity.iep, entry.counterpart.sam);
        let (nv, nt) = (entry.nv().map(|nv| nv.get()), entry.order.nt.get());
        let said = [
            purse,
            nv.unwrap_or_default().into(),
            entry.kind as i64,
            sam,
            nt.into(),
            entry.order.amount.get().into(),
        ];
        if *row != said {
            return Ok(Some(COLUMNS));
        }
        if let Evidence::Batch(record) = evidence
            && !self.is_sealed(record)?
        {
            return Ok(Some(S5));
        }
        self.word(evidence.value())
    }

    /// The purse's own word: S3 and S6, which lead to S1 and S2.
    fn word(&self, value: &ValueRecord) -> Result<Wrong, Error> {
        let verdict = match value.entry.kind {
            Kind::Cancellation => match self.tx.commit(value.identity.iep, value.entry.position.nv)? {
                Some(purchase) => verify_cancellation(self.vault, value, purchase.evidence.value()),
                None => return Ok(Some("cancels a purchase that is not there")),
            },
            _ => verify(self.vault, value),
        };
        Ok(verdict.err().map(|reason| reason.text()))
    }

    fn claim(&self, row: &Columns, record: &BatchRecord) -> Result<Wrong, Error> {
        let ValueRecord { identity, entry } = &record.value;
        let (purse, sam) = packed(identity.iep, entry.counterpart.sam);
        let nv = entry.nv().map(|nv| nv.get()).unwrap_or_default();
        let numbers = (entry.order.nt.get().into(), entry.position.nt.get().into());
        let said = [sam, numbers.0, purse, numbers.1, nv.into(), entry.order.amount.get().into()];
        if *row != said {
            return Ok(Some(COLUMNS));
        }
        Ok((!self.is_sealed(record)?).then_some(S5))
    }

    /// A cancellation that waits has no purchase yet to check its MACs with.
    fn waiting(&self, row: &Columns, evidence: &Evidence) -> Result<Wrong, Error> {
        let ValueRecord { identity, entry } = evidence.value();
        let nv = entry.nv().map(|nv| nv.get()).unwrap_or_default();
        if *row != [code::purse(identity.iep), nv.into()] {
            return Ok(Some(COLUMNS));
        }
        match evidence {
            Evidence::Batch(record) => Ok((!self.is_sealed(record)?).then_some(S5)),
            Evidence::Plain(_) => Ok(None),
        }
    }

    fn transfer(&self, row: &Columns, transfer: &Transfer) -> Result<Wrong, Error> {
        let request = &transfer.request;
        let (purse, sam) = packed(transfer.iep(), request.counterpart.sam);
        let currency = code::currency(request.initialized.statement.identity.currency);
        let (nt, nv) = (transfer.nt().get().into(), transfer.nv_before().get().into());
        let (kind, funding) = (transfer.kind() as i64, transfer.funding() as i64);
        let said = [purse, nt, kind, funding, sam, currency, nv, transfer.amount().get().into()];
        if *row != said {
            return Ok(Some(COLUMNS));
        }
        self.order(transfer)
    }

    /// S1 of the request, and S2 of the answer.
    fn order(&self, Transfer { request, answer, .. }: &Transfer) -> Result<Wrong, Error> {
        let (kind, initialized, counterpart) = (request.kind, &request.initialized, request.counterpart);
        let (key, statement) = (initialized.key, self.vault.covered(initialized.statement));
        let k1 =
            self.vault.statement_key(statement.identity.iep, key, &context(kind, &statement, counterpart))?;
        let s1 = statement_mac(&k1, kind, key, statement, counterpart, request.amount);
        if s1 != initialized.s1 {
            return Ok(Some("the purse's statement (S1) is wrong"));
        }
        let s2 =
            order_signature(&k1.order_key(answer.order.nt), kind, key, s1, counterpart.sam, answer.order);
        Ok((s2 != answer.s2).then_some("the order (S2) is wrong"))
    }

    fn batch(&self, row: &Columns, (s4, trailer): &([u8; 8], Trailer)) -> Result<Wrong, Error> {
        if *row != [code::sam(trailer.sam), trailer.batch.get().into()] || Mac(*s4) != trailer.s4 {
            return Ok(Some(COLUMNS));
        }
        let Some(seal) = self.seal(trailer.sam, trailer.batch)? else {
            return Ok(Some("is of an unknown module"));
        };
        Ok((!seal.closes(trailer)).then_some("is not under its module's MAC (S4)"))
    }

    fn is_sealed(&self, record: &BatchRecord) -> Result<bool, Error> {
        Ok(self.seal(record.sam, record.batch)?.is_some_and(|seal| seal.is_sealed(record)))
    }

    /// The seal of a module for one of its batches.
    fn seal(&self, sam: SamId, batch: apdu_spec::element::BatchNumber) -> Result<Option<Seal>, Error> {
        let reference = self.tx.module(sam)?.and_then(|module| module.record_key);
        reference.map(|reference| Seal::of(self.vault, sam, batch, reference)).transpose()
    }
}
