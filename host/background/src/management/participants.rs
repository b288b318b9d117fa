//! Issuers, acquirers, merchants and load terminals. Registering the same again is
//! allowed; the same number under another name is not.

use apdu_spec::element::{AcquirerId, ProviderId, SamId, Time};
use apdu_spec::personalisation::{Function, KeyData};
use serde::Serialize;

use crate::background::Background;
use crate::error::Error;
use crate::store::load_terminals::Permissions;
use crate::store::participants::{Connection, Module, Role};

/// Number of a merchant, given out at its registration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct MerchantId(pub u32);

/// Whether a number may be registered under this name.
fn same_name(known: Option<String>, name: &str, what: impl FnOnce() -> String) -> Result<(), Error> {
    match known {
        Some(known) if known == name => Ok(()),
        _ => Err(Error::AlreadyRegistered(what())),
    }
}

impl Background {
    /// Registers an issuer (purse provider).
    pub fn register_issuer(&mut self, provider: ProviderId, name: &str) -> Result<(), Error> {
        self.store.transaction("register issuer", |tx| match tx.insert_issuer(provider, name)? {
            true => Ok(()),
            false => same_name(tx.issuer(provider)?, name, || format!("issuer {provider}")),
        })
    }

    /// Registers an acquirer, or operator of load terminals.
    pub fn register_acquirer(&mut self, acquirer: AcquirerId, name: &str) -> Result<(), Error> {
        self.store.transaction("register acquirer", |tx| match tx.insert_acquirer(acquirer, name)? {
            true => Ok(()),
            false => same_name(tx.acquirer(acquirer)?, name, || format!("acquirer {acquirer}")),
        })
    }

    /// Registers a merchant; the same name gets the same number again.
    pub fn register_merchant(&mut self, name: &str, acquirer: AcquirerId) -> Result<MerchantId, Error> {
        self.store.transaction("register merchant", |tx| {
            if tx.acquirer(acquirer)?.is_none() {
                return Err(Error::NotRegistered(format!("acquirer {acquirer}")));
            }
            match tx.insert_merchant(name, acquirer)? {
                Some(merchant) => Ok(merchant),
                None => tx.merchant(name)?.ok_or(Error::Damaged("merchant")),
            }
        })
    }

    /// Registers a load terminal. Its key, under which it speaks online, is for it alone.
    pub fn register_load_terminal(
        &mut self,
        sam: SamId,
        name: &str,
        permissions: &Permissions,
        now: Time,
    ) -> Result<KeyData, Error> {
        let newest = self.vault.highest(Function::Record, 0);
        let reference = newest.ok_or_else(|| Error::UnknownKey("record key".into()))?;
        let key = self.vault.card_key_data(sam.into(), Function::Record, reference)?;
        let (record_key, connection) = (Some(reference), Connection::Online);
        let terminal = Module { role: Role::LoadTerminal, merchant: None, record_key, connection };
        self.store.transaction("register load terminal", |tx| {
            if tx.acquirer(sam.acquirer)?.is_none() {
                return Err(Error::NotRegistered(format!("acquirer {}", sam.acquirer)));
            }
            match tx.insert_module(sam, &terminal, name, now)? {
                true => tx.insert_load_terminal(sam, permissions),
                false => Err(Error::AlreadyRegistered(format!("module {sam}"))),
            }
        })?;
        Ok(key)
    }
}
