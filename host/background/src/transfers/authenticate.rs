//! Who asks: a load terminal is heard under the MAC of its own key, before anything is looked at
//! or kept.

use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{KeyReference, SamId};
use network::authentication::Question;
use network::{RejectionCode, Signed};

use crate::background::Background;
use crate::error::Error;
use crate::store::participants::Role;

impl Background {
    /// The key of the load terminal that asks, where its MAC is good.
    pub(crate) fn authenticate<Q: Question>(&mut self, asked: &Signed<Q>) -> Result<OnlineKey, Error> {
        let terminal = asked.fields.subject().terminal;
        let reference = self.load_terminal_key(terminal)?.ok_or_else(|| unknown(terminal))?;
        let key = self.vault.online_key(terminal, reference)?;
        if asked.is_by(&key) {
            return Ok(key);
        }
        let text = format!(
            "the MAC of load terminal {terminal} is wrong; is its key the one that it was registered with?"
        );
        Err(Error::rejected(RejectionCode::WrongMac, text))
    }

    fn load_terminal_key(&mut self, terminal: SamId) -> Result<Option<KeyReference>, Error> {
        let module = self.store.transaction("a load terminal", |tx| tx.module(terminal))?;
        Ok(module.filter(|module| module.role == Role::LoadTerminal).and_then(|module| module.record_key))
    }
}

pub(super) fn unknown(terminal: SamId) -> Error {
    let text = format!("load terminal {terminal} is not registered; register it first");
    Error::rejected(RejectionCode::Unknown, text)
}
