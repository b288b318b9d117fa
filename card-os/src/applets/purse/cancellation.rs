//! CREDIT IEP for Cancellation: the last purchase comes back.
//!
//! S2 of the purchase carried a commitment to a secret that only its PSAM can make.
//! The PSAM voids the purchase first and reveals the secret then; whoever shows it
//! to the purse gives the amount back, once, because afterwards the last value
//! commit is no purchase any more.

use apdu_spec::StatusWord;
use apdu_spec::crypto::mac::{MacKey, OneTimeKey};
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Amount, Kind, Mac};
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::purse::Cancel;
use apdu_spec::record::{LogEntry, Statement};
use apdu_spec::signature::{Commitment, Heading, Name, S1, S2, S3};

use super::Purse;
use super::layout::log_entry;
use super::session::{certificate_key, certified};
use crate::kernel::Response;
use crate::kernel::area::Area;

impl<X: Protections> Purse<X> {
    pub(super) fn cancel(
        &mut self,
        request: &Cancel,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        self.session = None;
        let identity = self.parameters()?.identity;
        let purchase = log_entry(area, self.state.nv.get())
            .filter(|entry| entry.kind == Kind::Purchase)
            .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let statement = Statement { identity, position: purchase.position };
        if commitment(request, &statement, &purchase) != purchase.order.terms.to_commitment() {
            return Err(StatusWord::WRONG_MAC);
        }
        self.check_receipts(purchase.order)?;

        let (s2, ks) = self.order_of(&purchase, &statement, area)?;
        let (nt, random) = (purchase.position.nt, purchase.position.random);
        let position = self.state.position(nt, random);
        let mut entry = LogEntry { kind: Kind::Cancellation, position, ..purchase };
        let statement = Statement { identity, position };
        let key = certificate_key(
            &self.keys,
            area,
            statement.position,
            entry.counterpart,
            Kind::Purchase,
            entry.key,
        )?;
        entry.s6 = key.sign(&certified(&statement, &entry, s2)?);
        let heading = Heading::new(Name::S3, Kind::Cancellation, entry.key);
        entry.s3 = ks.sign(&S3 { heading, s2, s6: entry.s6 });
        self.commit(&entry, area, response)
    }

    /// S2 of a purchase in the log, and KS of its session, computed again.
    fn order_of(
        &self,
        purchase: &LogEntry,
        statement: &Statement,
        area: &Area<'_>,
    ) -> Result<(Mac, MacKey), StatusWord> {
        let LogEntry { key, counterpart, order, .. } = *purchase;
        let Statement { position, .. } = *statement;
        let kind = Kind::Purchase;
        let card_key = self.keys.key(area, Function::Purchase, key)?;
        let (statement, random) = (X::covered(*statement), position.random);
        let context = SessionContext { kind, nt: statement.position.nt, random, counterpart };
        let k1 = DerivationKey::new(card_key, key.algorithm).statement_key(&context);
        let heading = |name| Heading::new(name, kind, key);
        let s1 = S1 { heading: heading(Name::S1), statement, counterpart, amount: Amount::default() };
        let s1 = k1.mac_key().sign(&s1);
        let ks = k1.order_key(order.nt);
        let s2 = ks.sign(&S2 { heading: heading(Name::S2), s1, sam: counterpart.sam, order });
        Ok((s2, ks))
    }
}

/// The commitment that this secret makes for that purchase.
fn commitment(request: &Cancel, statement: &Statement, purchase: &LogEntry) -> Mac {
    OneTimeKey::new(request.secret.clone(), purchase.key.algorithm).sign(&Commitment {
        heading: Heading::new(Name::Commitment, Kind::Purchase, purchase.key),
        statement: *statement,
        sam: purchase.counterpart.sam,
        nt: purchase.order.nt,
        amount: purchase.order.amount,
    })
}
