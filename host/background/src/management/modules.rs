//! Modules in use: what issuers guarantee for them, and which are lost.

use apdu_spec::element::{ProviderId, SamId, Time};

use crate::background::Background;
use crate::clearing::guarantee::Guarantee;
use crate::error::Error;
use crate::store::participants::{Connection, Role};

impl Background {
    /// Declares a PSAM lost for ever: no batch of it will come in any more. Payments that are known
    /// from receipts alone are paid at the next settlement, where they can no longer be taken back.
    pub fn declare_lost(&mut self, sam: SamId, reason: &str, now: Time) -> Result<(), Error> {
        self.store.transaction("declare a module lost", |tx| {
            let psam = tx.module(sam)?.filter(|module| module.role == Role::Psam);
            if psam.is_none() {
                return Err(Error::NotRegistered(format!("PSAM {sam}")));
            }
            tx.set_lost(sam, reason, now).map(drop)
        })
    }

    /// What an issuer guarantees to merchants with terminals of this kind.
    pub fn guarantee(&mut self, provider: ProviderId, connection: Connection) -> Result<Guarantee, Error> {
        self.store.transaction("a guarantee", |tx| tx.guarantee(provider, connection))
    }

    /// Changes what an issuer guarantees from now on.
    pub fn set_guarantee(
        &mut self,
        provider: ProviderId,
        connection: Connection,
        guarantee: &Guarantee,
    ) -> Result<(), Error> {
        self.store.transaction("set a guarantee", |tx| match tx.issuer(provider)? {
            Some(_) => tx.set_guarantee(provider, connection, guarantee),
            None => Err(Error::NotRegistered(format!("issuer {provider}"))),
        })
    }

    /// Demands that PSAMs have this list of blocked purses, or a newer one; they hear of it with
    /// their next acknowledgement.
    pub fn demand_list(&mut self, provider: ProviderId, list: u32) -> Result<(), Error> {
        self.store.transaction("demand a list", |tx| match tx.set_list_min(provider, list)? {
            true => Ok(()),
            false => Err(Error::NotRegistered(format!("issuer {provider}"))),
        })
    }
}
