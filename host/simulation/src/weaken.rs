//! Protections that a simulation can switch off, each under a name, to see money made or
//! lost: that is how the simulator's oracle is tested, and how one learns what each of them
//! is for.
//!
//! The weak cards are types of their own and exist in this file alone; everything else
//! sees a [`Device`] and does not know which card is in it.

use apdu_spec::crypto::secure_channel::{KeySet, KeyType};
use apdu_spec::protections::{All, Protections};
use background::Vault;
use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;

use crate::faults::chip::{Chip, Flash, Socket};

/// A card of whatever type, in a simulation.
pub trait Device: Send + core::fmt::Debug {
    /// Processes a command APDU.
    fn process(&mut self, command: &[u8], response: &mut Response);

    /// What is left to do after the answer.
    fn housekeep(&mut self);

    /// The chip below; nothing where the card does not start.
    fn chip(&mut self) -> Option<&mut Chip>;

    /// Switches off and on. Power fails again after `cut` more bytes are written, where that
    /// is wanted; the card is off then.
    fn power_cycle(&mut self, cut: Option<usize>) -> Result<(), MemoryError>;

    /// A card of the same type with a copy of this one's memory.
    fn duplicate(&mut self) -> Option<Box<dyn Device>>;
}

/// A card of one type, with its socket.
#[derive(Debug)]
struct Powered<X> {
    card: Option<Card<Chip, X>>,
    socket: Socket,
    durable: bool,
}

impl<X: Protections> Powered<X> {
    fn format(flash: Flash, kind: AppletKind, durable: bool) -> Result<Self, MemoryError> {
        let socket = Socket::default();
        let card =
            Card::format(Chip::new(flash, socket.clone(), durable), &[kind], &KeySet::sample(KeyType::Aes))?;
        Ok(Self { card: Some(card), socket, durable })
    }
}

impl<X: Protections> Device for Powered<X> {
    fn process(&mut self, command: &[u8], response: &mut Response) {
        match &mut self.card {
            Some(card) => card.process(command, response),
            None => response.clear(),
        }
    }

    fn housekeep(&mut self) {
        if let Some(card) = &mut self.card {
            card.housekeep();
        }
    }

    fn chip(&mut self) -> Option<&mut Chip> {
        self.card.as_mut().map(Card::platform)
    }

    fn power_cycle(&mut self, cut: Option<usize>) -> Result<(), MemoryError> {
        drop(self.card.take().map(Card::power_off));
        let flash = self.socket.take().ok_or(MemoryError::NotFormatted)?;
        let mut chip = Chip::new(flash, self.socket.clone(), self.durable);
        if let Some(bytes) = cut {
            chip.cut_after(bytes);
        }
        self.card = Some(Card::power_up(chip)?);
        Ok(())
    }

    fn duplicate(&mut self) -> Option<Box<dyn Device>> {
        let flash = self.chip()?.copy()?;
        let socket = Socket::default();
        let card = Card::power_up(Chip::new(flash, socket.clone(), self.durable)).ok();
        Some(Box::new(Self { card, socket, durable: self.durable }))
    }
}

macro_rules! weaknesses {
    ($($name:literal $variant:ident $switch:ident, $text:literal;)*) => {
        /// A protection that is off.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Weakness {
            $(#[doc = $text] $variant,)*
            /// Chip: what has been written stays when power fails.
            ChipDurable,
            /// Load terminal: value has moved only where the issuer has accepted the evidence.
            EvidenceAccepted,
        }

        impl Weakness {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* Self::ChipDurable, Self::EvidenceAccepted];

            /// The name under which it is switched off.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::ChipDurable => "chip-durable",
                    Self::EvidenceAccepted => "evidence-accepted",
                }
            }

            /// What it is for, in a line.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::ChipDurable => "Chip: what has been written stays when power fails.",
                    Self::EvidenceAccepted => {
                        "Load terminal: value has moved only where the issuer has accepted the evidence."
                    }
                }
            }
        }

        $(#[derive(Debug)] enum $variant {}
        impl Protections for $variant { const $switch: bool = false; })*

        /// A card that has just been formatted, under everything or without one protection.
        pub fn device(
            flash: Flash,
            kind: AppletKind,
            off: Option<Weakness>,
        ) -> Result<Box<dyn Device>, MemoryError> {
            Ok(match off {
                $(Some(Weakness::$variant) => Box::new(Powered::<$variant>::format(flash, kind, true)?),)*
                Some(Weakness::ChipDurable) => Box::new(Powered::<All>::format(flash, kind, false)?),
                Some(Weakness::EvidenceAccepted) | None => {
                    Box::new(Powered::<All>::format(flash, kind, true)?)
                }
            })
        }

        /// The vault of an issuer under everything or without one protection.
        #[must_use]
        pub fn vault(vault: Vault, off: Option<Weakness>) -> Vault {
            match off {
                $(Some(Weakness::$variant) => vault.under::<$variant>(),)*
                Some(Weakness::ChipDurable | Weakness::EvidenceAccepted) | None => vault.under::<All>(),
            }
        }
    };
}

weaknesses! {
    "numbers-under-mac" NumbersUnderMac NUMBERS_UNDER_MAC,
        "All: the numbers of sessions and value commits are in K1 and under S1.";
    "certificate-verified" CertificateVerified CERTIFICATE_VERIFIED,
        "Issuer: S6, the purse's word, is checked.";
    "session-counted" SessionCounted SESSION_COUNTED,
        "Purse: the number of a session is committed before S1 leaves.";
    "order-verified" OrderVerified ORDER_VERIFIED,
        "Purse: S2 is checked before value moves.";
    "balance-checked" BalanceChecked BALANCE_CHECKED,
        "Purse: a purchase stays within balance and overdraft.";
    "receipt-kept" ReceiptKept RECEIPT_KEPT,
        "Purse: the evidence of a value commit is kept until somebody has taken it over.";
    "answer-verified" AnswerVerified ANSWER_VERIFIED,
        "PSAM: S3 is checked before a payment is credited.";
    "last-purchase-proven" LastPurchaseProven LAST_PURCHASE_PROVEN,
        "PSAM: a payment is voided only where its own purse says that it was its last.";
    "payable-by-own-batch" PayableByOwnBatch PAYABLE_BY_OWN_BATCH,
        "Issuer: a payment is owed to its merchant once its own PSAM has handed it in.";
    "continuity-checked" ContinuityChecked CONTINUITY_CHECKED,
        "Issuer: what a purse states and has paid is held against what is known of it.";
    "bounded-waiting" BoundedWaiting BOUNDED_WAITING,
        "Issuer: what waits for its evidence, and what is kept of refusals, is bounded.";
    "acknowledgement-verified" AcknowledgementVerified ACKNOWLEDGEMENT_VERIFIED,
        "PSAM: a batch is forgotten only on the word of the background system.";
}

impl core::str::FromStr for Weakness {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|weakness| weakness.name() == name);
        known.copied().ok_or_else(|| format!("there is no protection {name:?}; `--weaken list` names them"))
    }
}
