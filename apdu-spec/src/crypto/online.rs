//! The key of a load terminal's line to the background system, which both ends have.

use core::fmt;

use super::Key;
use super::mac::MacKey;
use super::session_key::DerivationKey;
use crate::element::{KeyReference, Kind, Mac, SamId};
use crate::online::{AnswerHead, Message, RequestHead, Subject};
use crate::signature::{Heading, Name};
use crate::wire::{Element, Writer};

/// Longest input, in bytes.
const INPUT_MAX: usize = 256;

/// Makes the MACs of one load terminal's requests and of their answers.
pub struct OnlineKey {
    reference: KeyReference,
    key: MacKey,
}

impl fmt::Debug for OnlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnlineKey(not shown)")
    }
}

impl OnlineKey {
    /// From the record key of this terminal.
    #[must_use]
    pub fn new(record_key: Key, reference: KeyReference, terminal: SamId) -> Self {
        let key = DerivationKey::new(record_key, reference.algorithm).online_key(terminal);
        Self { reference, key }
    }

    /// The MAC of a request with these fields.
    #[must_use]
    pub fn request<F: Element>(&self, kind: Kind, message: Message, fields: &F) -> Mac {
        let heading = Heading::new(Name::Request, kind, self.reference);
        self.sign(&RequestHead { heading, message }, fields)
    }

    /// The MAC of an answer with these fields, to the request that has this MAC.
    #[must_use]
    pub fn answer<F: Element>(
        &self,
        kind: Kind,
        (subject, request): (Subject, Mac),
        message: Message,
        fields: &F,
    ) -> Mac {
        let heading = Heading::new(Name::Answer, kind, self.reference);
        self.sign(&AnswerHead { heading, subject, request, message }, fields)
    }

    fn sign<H: Element, F: Element>(&self, head: &H, fields: &F) -> Mac {
        const { assert!(H::MAX + F::MAX <= INPUT_MAX, "a message is longer than its buffer") };
        let mut input = [0; INPUT_MAX];
        let mut writer = Writer::new(&mut input);
        head.encode(&mut writer);
        fields.encode(&mut writer);
        // The assertion above leaves no way to overflow.
        self.key.mac(writer.finish().unwrap_or_default())
    }
}
