//! A card in the hand of a terminal, which loses power in one of its writes.

use apdu_spec::StatusWord;
use apdu_spec::declare::Command;
use card_os::applets::AppletKind;
use card_os::sim::{State, Tear};

use crate::support::{Chip, Device};

/// Where power fails: after this many writes, and how the next one is left.
pub type Aim = Option<(usize, Tear)>;

/// What a terminal sees of a card without power: no answer.
pub const NO_ANSWER: StatusWord = StatusWord::MEMORY_FAILURE;

/// The last write as a whole; only the answer is missing.
pub const AFTER_ALL: Tear = Tear::Front { piece: usize::MAX, state: State::Prefix(0) };

/// A card, and the tear that waits for it.
pub struct Party {
    device: Device,
    aim: Aim,
    armed_at: usize,
}

impl Party {
    /// Powers a card up and lets the tear wait for its commands.
    pub fn new(kind: AppletKind, chip: Chip, aim: Aim) -> Self {
        let device = Device::power_on(kind, chip).unwrap();
        let mut party = Self { device, aim, armed_at: 0 };
        party.arm();
        party
    }

    fn arm(&mut self) {
        self.armed_at = self.device.chip().writes();
        if let Some((writes, tear)) = self.aim {
            self.device.chip().tear_after(writes, tear);
        }
    }

    /// Off and on again. A tear that has come is over, one that has not goes on waiting.
    pub fn restart(&mut self) {
        let made = self.device.chip().writes() - self.armed_at;
        let torn = self.device.chip().has_failed();
        self.aim = self.aim.filter(|_| !torn).map(|(writes, tear)| (writes - made, tear));
        self.device.power_cycle().unwrap();
        self.arm();
    }

    /// One exchange; a card that has lost power says nothing.
    pub fn execute<C: Command>(&mut self, request: &C::Request) -> Result<C::Response, StatusWord> {
        if self.device.chip().has_failed() {
            return Err(NO_ANSWER);
        }
        self.device.execute::<C>(request)
    }

    pub fn chip(&mut self) -> &mut Chip {
        self.device.chip()
    }
}
