//! Holds the tables against each other: every account against its postings, every
//! merchant against its payments, every issuer's books against the equation.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Error;
use crate::ledger::account::Account;
use crate::ledger::equation::books;
use crate::management::participants::MerchantId;
use crate::store::Tx;
use crate::store::commits::CommitState;

/// Two figures that should be the same and are not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Discrepancy {
    /// What they are about.
    pub about: String,
    /// What one table says.
    pub expected: i64,
    /// What another says.
    pub found: i64,
}

/// All discrepancies; none where the books are right.
pub(crate) fn reconcile(tx: &Tx<'_>) -> Result<Vec<Discrepancy>, Error> {
    let mut all = accounts(tx)?;
    all.extend(merchants(tx)?);
    all.extend(issuers(tx)?);
    Ok(all)
}

fn discrepancy(about: String, expected: i64, found: i64) -> Option<Discrepancy> {
    (expected != found).then_some(Discrepancy { about, expected, found })
}

fn accounts(tx: &Tx<'_>) -> Result<Vec<Discrepancy>, Error> {
    let unbalanced = tx.unbalanced_accounts()?.into_iter().filter_map(|(role, owner, balance, sum)| {
        discrepancy(format!("balance of account {role} of {owner} and its postings"), sum, balance)
    });
    Ok(unbalanced.collect())
}

fn merchants(tx: &Tx<'_>) -> Result<Vec<Discrepancy>, Error> {
    let mut sums = BTreeMap::new();
    for part in tx.merchant_parts()? {
        let (open, paid) = sums.entry((part.merchant, part.currency)).or_insert((0_i64, 0_i64));
        match part.state {
            CommitState::Booked => *open += part.total,
            CommitState::Settled | CommitState::CancelledLate => *paid += part.total,
            CommitState::Unconfirmed
            | CommitState::Withheld
            | CommitState::Voided
            | CommitState::Refunded
            | CommitState::Cancelled
            | CommitState::Recorded => {}
        }
    }
    let mut all = Vec::new();
    for ((MerchantId(number), currency), (open, paid)) in sums {
        let merchant = MerchantId(number);
        let payable = tx.balance(Account::Payable(merchant), currency)?;
        let settled = tx.balance(Account::Settled(merchant), currency)?;
        all.extend(discrepancy(format!("open payments of merchant {number} and its account"), open, payable));
        all.extend(discrepancy(
            format!("settled payments of merchant {number} and its account"),
            paid,
            settled,
        ));
    }
    Ok(all)
}

fn issuers(tx: &Tx<'_>) -> Result<Vec<Discrepancy>, Error> {
    let mut all = Vec::new();
    for scope in tx.scopes()? {
        let books = books(tx, scope.provider, scope.currency)?;
        let of = format!("of issuer {}", books.provider);
        all.extend(discrepancy(format!("money equation {of}"), 0, books.difference()));
        all.extend(discrepancy(format!("shadow balances and float {of}"), books.shadow, books.float));
        all.extend(discrepancy(
            format!("voided purchases and account {of}"),
            books.voided,
            books.voided_account,
        ));
        for (what, expected, account) in [
            ("unconfirmed payments", books.unconfirmed, Account::Unconfirmed(scope.provider)),
            ("withheld payments", books.withheld, Account::Withheld(scope.provider)),
            ("refunds", books.refunded - tx.refund_loads(scope)?, Account::Refunds(scope.provider)),
        ] {
            let found = tx.balance(account, scope.currency)?;
            all.extend(discrepancy(format!("{what} and account {of}"), expected, found));
        }
        let lost = -tx.balance(Account::Suspense(scope.provider), scope.currency)?;
        all.extend(discrepancy(format!("late cancellations and suspense {of}"), books.lost, lost));
    }
    Ok(all)
}
