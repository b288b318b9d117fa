//! A world on disk with one purse of 50.00, opened anew for each step: between two steps
//! its cards are files that anybody can copy, write on, or put back.

use std::path::PathBuf;

use apdu_spec::element::{Algorithm, Amount, Time};
use host::terminal::load::Funding;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::world::Limits;
use simulation::{World, day};

pub(crate) const NOW: Time = Time(1_768_197_600);

pub(crate) fn amount(minor: u32) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// Where the world is.
pub(crate) struct Place {
    pub(crate) data: PathBuf,
    _directory: tempfile::TempDir,
    seed: u64,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        let mut place = Self { data, _directory: directory, seed: 3 };
        let random = place.random();
        let mut world =
            World::create(&place.data, day::scheme(), Algorithm::AesCmac, random, NOW).expect("a world");
        let limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };
        world.issue_purse(limits, NOW).expect("a purse");
        world.load(1, amount(5_000), Funding::Cash, NOW).expect("a load");
        place
    }

    /// Another generator each time.
    pub(crate) fn random(&mut self) -> ChaCha12Rng {
        self.seed += 1;
        ChaCha12Rng::seed_from_u64(self.seed)
    }

    /// The world from its files, the cards as they are on disk now.
    pub(crate) fn world(&mut self) -> World {
        let random = self.random();
        World::open(&self.data, random).expect("the world")
    }
}
