//! What a PSAM checks of a purse: S1, expiry, provider, currency, key; and the answer
//! to GET PREVIOUS IEP SIGNATURE.

use apdu_spec::StatusWord;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Amount, KeyReference, Kind, Random, Time};
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::purse::PreviousSignature;
use apdu_spec::record::{Counterpart, Identity, Statement};
use apdu_spec::sam::VerifyContact;
use apdu_spec::signature::{Heading, Name, S1};

use super::Sam;
use crate::kernel::area::Area;

impl<X: Protections> Sam<X> {
    /// The derivation key of a purse, from this PSAM's master key.
    pub(super) fn purse_key(
        &mut self,
        identity: &Identity,
        reference: KeyReference,
        area: &Area<'_>,
    ) -> Result<DerivationKey, StatusWord> {
        if reference.group != self.parameters()?.group {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        if reference.version < self.key_floor {
            return Err(StatusWord::KEY_RETIRED);
        }
        let Self { keys, master, .. } = self;
        let kept = (reference, reference.algorithm);
        let master = Self::keep(keys, master, area, Function::Purchase, kept)?;
        let key = master.card_key(identity.iep.into(), Function::Purchase, reference);
        Ok(DerivationKey::new(key, reference.algorithm))
    }

    /// The key of a purse and the context of its session with this PSAM, from which K1 comes.
    /// K1 itself is made where it is used: its schedule is slow to move.
    pub(super) fn session(
        &mut self,
        statement: &Statement,
        reference: KeyReference,
        challenge: Random,
        area: &Area<'_>,
    ) -> Result<(DerivationKey, SessionContext), StatusWord> {
        let context = SessionContext {
            kind: Kind::Purchase,
            nt: X::covered(*statement).position.nt,
            random: statement.position.random,
            counterpart: self.counterpart(challenge)?,
        };
        Ok((self.purse_key(&statement.identity, reference, area)?, context))
    }

    /// This PSAM with one of its challenges.
    pub(super) fn counterpart(&self, challenge: Random) -> Result<Counterpart, StatusWord> {
        Ok(Counterpart { sam: self.parameters()?.sam, challenge })
    }

    /// S1 as this purse must have made it.
    pub(super) fn expected_s1(
        &self,
        statement: &Statement,
        reference: KeyReference,
        challenge: Random,
    ) -> Result<S1, StatusWord> {
        Ok(S1 {
            heading: Heading::new(Name::S1, Kind::Purchase, reference),
            statement: X::covered(*statement),
            counterpart: self.counterpart(challenge)?,
            amount: Amount::default(),
        })
    }

    /// Provider, currency, and both expiry dates.
    pub(super) fn check_purse(&self, identity: &Identity, time: Time) -> Result<(), StatusWord> {
        let parameters = self.parameters()?;
        let known = parameters.providers.as_slice().contains(&identity.iep.provider);
        if !known || identity.currency != parameters.currency {
            return Err(StatusWord::FOREIGN_PURSE);
        }
        self.check_clock(time)?;
        if identity.expiry < time.date() || parameters.expiry < time.date() {
            return Err(StatusWord::EXPIRED);
        }
        Ok(())
    }

    /// INITIALIZE PSAM for a contact without debit.
    pub(super) fn verify_contact(
        &mut self,
        request: &VerifyContact,
        area: &Area<'_>,
    ) -> Result<(), StatusWord> {
        let challenge = self.challenge.take().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let (key, context) = self.session(&request.statement, request.key, challenge, area)?;
        let s1 = self.expected_s1(&request.statement, request.key, challenge)?;
        if key.statement_key(&context).mac_key().sign(&s1) != request.s1 {
            return Err(StatusWord::WRONG_MAC);
        }
        self.check_purse(&request.statement.identity, request.time)
    }

    /// Uses the challenge up and checks the MAC of a GET PREVIOUS IEP SIGNATURE.
    pub(super) fn check_previous(
        &mut self,
        previous: &PreviousSignature,
        area: &Area<'_>,
    ) -> Result<(), StatusWord> {
        let challenge = self.challenge.take().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let counterpart = self.counterpart(challenge)?;
        let context = SessionContext {
            kind: Kind::Recovery,
            nt: previous.statement.position.nt,
            random: Random::default(),
            counterpart,
        };
        let key = self.purse_key(&previous.statement.identity, previous.key, area)?.previous_key(&context);
        if key.sign(&previous.input(counterpart)) != previous.mac {
            return Err(StatusWord::WRONG_MAC);
        }
        Ok(())
    }
}
