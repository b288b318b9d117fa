//! The applets, one closed set. Applets use the kernel and never each other.
//!
//! An applet is `attach` (read its state after power-up), `process` (decode, then one
//! handler a command: check, compute, commit, answer, in that order), `deselect`, `store`
//! for personalisation, and `is_empty` before it is deleted.

mod compact;
pub mod purse;
pub mod sam;
pub mod transfer;

pub use apdu_spec::aid::ApplicationKind as AppletKind;
use apdu_spec::declare::Row;
use apdu_spec::legacy::FileCommand;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::personalisation::DataGroup;
use apdu_spec::protections::Protections;
use apdu_spec::purse::PurseCommand;
use apdu_spec::sam::SamCommand;
use apdu_spec::transfer::TransferCommand;
use apdu_spec::{Apdu, StatusWord, aid::Aid};

use crate::kernel::Response;
use crate::kernel::area::Area;
use purse::Purse;
use sam::Sam;
use transfer::Transfer;

/// An applet with its state in RAM.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // static memory: the card is as large as its largest applet
pub enum Applet<X> {
    /// The purse.
    Purse(Purse<X>),
    /// The security module of a payment terminal.
    Sam(Sam<X>),
    /// The transfer card.
    Transfer(Transfer),
}

impl<X: Protections> Applet<X> {
    /// Reads an applet's state from its part of memory; the error names what is missing.
    pub fn attach(kind: AppletKind, area: &mut Area<'_>) -> Result<Self, &'static str> {
        Ok(match kind {
            AppletKind::Purse => Self::Purse(Purse::attach(area)?),
            AppletKind::Sam => Self::Sam(Sam::attach(area)?),
            AppletKind::Transfer => Self::Transfer(Transfer::attach(area)?),
        })
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> AppletKind {
        match self {
            Self::Purse(_) => AppletKind::Purse,
            Self::Sam(_) => AppletKind::Sam,
            Self::Transfer(_) => AppletKind::Transfer,
        }
    }

    /// Names of the views under which it can be selected besides.
    pub fn views(&self) -> impl Iterator<Item = &'static [u8]> {
        let views = if let Self::Purse(purse) = self { Some(purse.views()) } else { None };
        views.into_iter().flatten()
    }

    /// The one of its views under which the master file is, where it has one.
    pub fn master_file(&self) -> Option<&'static [u8]> {
        self.views().find(|name| *name == Aid::GELDKARTE)
    }

    /// It was selected under the name of one of its views, or under its own.
    pub fn select(&mut self, view: Option<&[u8]>) {
        if let Self::Purse(purse) = self {
            purse.select(view);
        }
    }

    /// Its label in the FCI.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Purse(_) => "PURSE",
            Self::Sam(_) => "PSAM",
            Self::Transfer(_) => "TRANSFER",
        }
    }

    /// The rows of the catalogue that it serves at the moment.
    #[must_use]
    pub const fn rows(&self) -> &'static [Row] {
        match self {
            Self::Purse(purse) if purse.is_viewed() => FileCommand::ROWS,
            Self::Purse(_) => PurseCommand::ROWS,
            Self::Sam(_) => SamCommand::ROWS,
            Self::Transfer(_) => TransferCommand::ROWS,
        }
    }

    /// Ends its session.
    pub fn deselect(&mut self) {
        match self {
            Self::Purse(purse) => purse.deselect(),
            Self::Sam(sam) => sam.deselect(),
            Self::Transfer(_) => {}
        }
    }

    /// Processes a command of its set; nothing where the header is of another.
    pub fn process(
        &mut self,
        apdu: &Apdu<'_>,
        state: LifeCycle,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Option<Result<(), StatusWord>> {
        Some(match self {
            Self::Purse(purse) if purse.is_viewed() => FileCommand::decode(apdu, state)?
                .and_then(|command| purse.read_view(&command, apdu.le, area, response)),
            // Commands are long: they are passed where they stand.
            Self::Purse(purse) => match PurseCommand::decode(apdu, state)? {
                Ok(ref command) => purse.process(command, state, area, response),
                Err(status) => Err(status),
            },
            Self::Sam(sam) => match SamCommand::decode(apdu, state)? {
                Ok(ref command) => sam.process(command, area, response),
                Err(status) => Err(status),
            },
            Self::Transfer(transfer) => TransferCommand::decode(apdu, state)?
                .and_then(|command| transfer.process(command, area, response)),
        })
    }

    /// Stores a data group of personalisation.
    pub fn store(&mut self, group: DataGroup, content: &[u8], area: &mut Area<'_>) -> Result<(), StatusWord> {
        match self {
            Self::Purse(purse) => purse.store(group, content, area),
            Self::Sam(sam) => sam.store(group, content, area),
            Self::Transfer(transfer) => transfer.store(group, content, area),
        }
    }

    /// Whether personalisation has brought everything.
    #[must_use]
    pub fn is_complete(&self, area: &Area<'_>) -> bool {
        match self {
            Self::Purse(purse) => purse.is_complete(area),
            Self::Sam(sam) => sam.is_complete(area),
            Self::Transfer(transfer) => transfer.is_complete(area),
        }
    }

    /// A number that only a right MAC raises.
    #[must_use]
    pub fn proofs(&self, area: &Area<'_>) -> u32 {
        match self {
            Self::Purse(_) => Purse::<X>::proofs(area),
            Self::Sam(_) => Sam::<X>::proofs(area),
            Self::Transfer(transfer) => transfer.proofs(),
        }
    }

    /// Whether nothing of value would be lost with it: no balance, and nothing that some other
    /// side still has to be told.
    #[must_use]
    pub fn is_empty(&self, area: &Area<'_>) -> bool {
        match self {
            Self::Purse(purse) => purse.is_empty(area),
            Self::Sam(sam) => sam.is_empty(area),
            Self::Transfer(transfer) => transfer.is_empty(area),
        }
    }
}
