//! Where a joint tear begins: a purse and its PSAM, and another PSAM at another terminal.

use std::mem::replace;

use apdu_spec::element::{Algorithm, IepId, PurseNumber, SamId, SamNumber};
use apdu_spec::sam::PsamAcknowledge;
use card_os::applets::AppletKind;

use crate::account::Account;
use crate::party::{Aim, Party};
use crate::support::world::World;
use crate::support::{Chip, Device, iep, issuer, reference, sam_id};

/// Whose tear is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Purse,
    Sam,
}

impl Side {
    /// This card is torn, the other is not.
    pub const fn aim(self, aim: Aim) -> (Aim, Aim) {
        match self {
            Self::Purse => (aim, None),
            Self::Sam => (None, aim),
        }
    }
}

/// All cards, switched off, and what the background system has of them.
#[derive(Clone)]
pub struct Scene {
    pub purse: Chip,
    pub sam: Chip,
    pub other: Chip,
    pub account: Account,
}

/// All cards in their terminals.
pub struct Parties {
    pub purse: Party,
    pub sam: Party,
    /// Another PSAM, in another terminal. It is never torn.
    pub other: Party,
}

impl Parties {
    pub fn chip(&mut self, side: Side) -> &mut Chip {
        match side {
            Side::Purse => self.purse.chip(),
            Side::Sam => self.sam.chip(),
        }
    }

    /// Power fails at the terminal and comes back.
    pub fn restart(&mut self) {
        self.purse.restart();
        self.sam.restart();
    }
}

/// Value on the purse in the beginning.
const LOADED: u32 = 15_000;

fn other_iep() -> IepId {
    IepId { number: PurseNumber::new(4_712).unwrap(), ..iep() }
}

fn other_sam() -> Chip {
    let id = SamId { number: SamNumber::new(8).unwrap(), ..sam_id() };
    Device::issued(AppletKind::Sam, Algorithm::AesCmac, iep(), id).power_off()
}

impl Scene {
    fn of(world: World, account: Account) -> Self {
        let World { purse, sam } = world;
        Self { purse: purse.power_off(), sam: sam.power_off(), other: other_sam(), account }
    }

    fn world() -> (World, Account) {
        (World::with_balance(LOADED), Account::new(LOADED.into()))
    }

    /// A purse that was loaded and has never paid.
    pub fn young() -> Self {
        let (world, account) = Self::world();
        Self::of(world, account)
    }

    /// The purse has paid once; the NT of that payment is 1.
    pub fn paid(minor: u32) -> Self {
        let (mut world, account) = Self::world();
        world.pay(minor).unwrap();
        Self::of(world, account)
    }

    /// After some hundred payments: the next one makes both cards erase a block. The last
    /// payments at the PSAM are another purse's.
    pub fn reclaiming() -> Self {
        let (mut world, mut account) = Self::world();
        let purse = Self::age(&mut world, &mut account, |world| &mut world.purse).purse;
        world.purse = Device::issued(AppletKind::Purse, Algorithm::AesCmac, other_iep(), sam_id());
        world.load(LOADED).unwrap();
        let scene = Self::age(&mut world, &mut account, |world| &mut world.sam);
        Self { purse, ..scene }
    }

    /// Payments until the next one makes a card erase a block.
    fn age(world: &mut World, account: &mut Account, which: fn(&mut World) -> &mut Device) -> Self {
        for payment in 0..2_000 {
            if payment % 8 == 7 {
                // The PSAM remembers what it has taken over until it is switched off.
                Self::relieve(world, account);
                world.pay(1).unwrap();
                continue;
            }
            let scene = Self::of(replace(world, World::new(Algorithm::AesCmac)), account.clone());
            *world = scene.world_again();
            let before = which(world).chip().blocks_erased();
            world.pay(1).unwrap();
            if which(world).chip().blocks_erased() > before {
                *world = scene.world_again();
                return scene;
            }
        }
        panic!("no payment makes the card erase a block");
    }

    /// The PSAM takes the purse's receipts over, and its batch is collected and acknowledged.
    fn relieve(world: &mut World, account: &mut Account) {
        let nv = world.information().nv.get();
        world.take_over_up_to(nv - 1);
        let (trailer, records) = world.collect();
        account.book(&trailer, &records);
        let acknowledgement =
            issuer::acknowledge(trailer.batch, trailer.s4, reference(Algorithm::AesCmac, 0));
        world.sam.execute::<PsamAcknowledge>(&acknowledgement).unwrap();
    }

    fn world_again(&self) -> World {
        let on = |kind, chip: &Chip| Device::power_on(kind, chip.clone()).unwrap();
        World { purse: on(AppletKind::Purse, &self.purse), sam: on(AppletKind::Sam, &self.sam) }
    }

    /// All cards powered, a tear waiting for purse and PSAM.
    pub fn wake(&self, (purse, sam): (Aim, Aim)) -> Parties {
        Parties {
            purse: Party::new(AppletKind::Purse, self.purse.clone(), purse),
            sam: Party::new(AppletKind::Sam, self.sam.clone(), sam),
            other: Party::new(AppletKind::Sam, self.other.clone(), None),
        }
    }
}
