//! The card that `purse gp` works on: in a reader, in an image file, or one of the scheme's.

use std::path::PathBuf;

use apdu_spec::StatusWord;
use apdu_spec::crypto::derivation::Holder;
use host::card::domain::{
    Access, KeyInformation, SecurityDomain, key_information, refuse_blocked, select_domain,
};
use host::reader::Reader;
use host::trace::{CardLabel, Watched};
use rand_chacha::ChaCha12Rng;
use simulation::world::{AnyReader, Which};
use simulation::{Error, World};

use super::keys::{Keys, has_own};
use crate::{Global, image, process, reader, watch};

/// Which card.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// Number of a purse of the scheme
    #[arg(long, global = true, value_name = "NUMBER")]
    card: Option<u64>,
    /// Name of a terminal of the scheme: its PSAM
    #[arg(long, global = true, value_name = "TERMINAL", conflicts_with = "card")]
    sam: Option<String>,
    /// The transfer card of the scheme
    #[arg(long, global = true, conflicts_with_all = ["card", "sam"])]
    transfer: bool,
    /// A card image
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["card", "sam", "transfer"])]
    image: Option<PathBuf>,
}

/// A card in hand.
pub(crate) struct InHand {
    pub(crate) reader: AnyReader,
    pub(crate) random: ChaCha12Rng,
    /// The scheme it may be of, and whose keys it has.
    scheme: Option<(World, Option<Holder>)>,
}

impl Target {
    fn which(&self) -> Option<Which> {
        let purse = self.card.map(Which::Purse);
        let sam = self.sam.clone().map(Which::Sam);
        purse.or(sam).or(self.transfer.then_some(Which::Transfer))
    }

    /// Takes the card in hand. `scheme` says whether its scheme's keys may be wanted.
    pub(crate) fn take(&self, global: &Global, scheme: bool) -> Result<InHand, Error> {
        let random = process::random(global.seed)?;
        let observer = watch::observer(global)?;
        let connected = reader::connect(global)?;
        if connected.is_some() && (self.which().is_some() || self.image.is_some()) {
            process::usage("--reader and --card, --sam, --transfer or --image are two cards; give one");
        }
        if let Some(which) = self.which() {
            let mut world = process::open_watched(global, observer)?;
            let (reader, holder) = world.card(&which)?;
            return Ok(InHand { reader, random, scheme: Some((world, Some(holder))) });
        }
        let label = CardLabel::UNKNOWN;
        let mut reader: AnyReader = match (connected, &self.image) {
            (Some(reader), _) => Box::new(Watched::new(reader, label, observer)),
            (None, Some(path)) => Box::new(Watched::new(image::open(global, path)?, label, observer)),
            (None, None) => process::usage("which card? Give --card, --sam, --transfer, --image or --reader"),
        };
        let known = scheme && global.data.join("scheme.json").exists() && has_own(&held(&mut reader)?);
        let scheme = if known {
            let world = process::open_watched(global, None)?;
            let holder = world.holder_of(&mut reader)?;
            Some((world, holder))
        } else {
            None
        };
        Ok(InHand { reader, random, scheme })
    }
}

impl InHand {
    /// Opens the security domain of the card.
    pub(crate) fn open(&mut self, keys: &Keys) -> Result<SecurityDomain<&mut dyn Reader>, Error> {
        let held = held(&mut self.reader)?;
        let scheme = self.scheme.as_ref().and_then(|(world, holder)| Some((world, (*holder)?)));
        let access = keys.access(&held, scheme)?;
        SecurityDomain::open(&mut self.reader as &mut dyn Reader, &access, &mut self.random).map_err(
            |error| match error.status() {
                Some(StatusWord::CONDITIONS_NOT_SATISFIED) => Error::Refused(
                    "the card is TERMINATED: nobody manages it any more; `purse gp info` shows what it was"
                        .into(),
                ),
                _ => error.into(),
            },
        )
    }

    /// Opens the security domain of a card to change what is on it, which a blocked card refuses.
    pub(crate) fn manage(&mut self, keys: &Keys) -> Result<SecurityDomain<&mut dyn Reader>, Error> {
        let mut domain = self.open(keys)?;
        refuse_blocked(domain.reader())?;
        Ok(domain)
    }

    /// Opens a channel with keys that were put: what they replace is gone then.
    pub(crate) fn confirm(&mut self, new: &Access) -> Result<(), Error> {
        Ok(SecurityDomain::open(&mut self.reader, new, &mut self.random).map(drop)?)
    }
}

/// The keys that the card tells of; a card that tells nothing has none to tell.
fn held(reader: &mut AnyReader) -> Result<Vec<KeyInformation>, Error> {
    select_domain(reader)?;
    match key_information(reader) {
        Err(error @ host::Error::NoAnswer(_)) => Err(error.into()),
        other => Ok(other.unwrap_or_default()),
    }
}
