//! Static RAM of a card: everything it has, since it has no heap.

use apdu_spec::crypto::secure_channel::CardChannel;
use apdu_spec::protections::All;
use card_os::Card;
use card_os::applets::purse::Purse;
use card_os::applets::sam::Sam;
use card_os::applets::transfer::Transfer;
use card_os::kernel::Response;
use card_os::platform::{ChipError, Platform};

/// Longest short command APDU.
const COMMAND: usize = 261;

/// A platform without any state, as on a chip whose memory has fixed addresses.
#[derive(Debug)]
struct Nothing;

impl Platform for Nothing {
    fn block_size(&self) -> usize {
        0
    }
    fn blocks(&self) -> usize {
        0
    }
    fn read(&self, _: usize, _: &mut [u8]) -> Result<(), ChipError> {
        Err(ChipError)
    }
    fn program(&mut self, _: usize, _: &[u8]) -> Result<(), ChipError> {
        Err(ChipError)
    }
    fn erase(&mut self, _: usize) -> Result<(), ChipError> {
        Err(ChipError)
    }
    fn sync(&mut self) -> Result<(), ChipError> {
        Err(ChipError)
    }
    fn random(&mut self, _: &mut [u8]) {}
    fn delay(&mut self, _: u32) {}
}

/// Card, response and command buffer. The card has room for two applications, each as
/// large as the largest applet.
pub const CARD: usize = size_of::<Card<Nothing>>() + size_of::<Response>() + COMMAND;

/// State of each applet alone.
pub const APPLETS: [(&str, usize); 3] = [
    ("purse", size_of::<Purse<All>>()),
    ("PSAM", size_of::<Sam<All>>()),
    ("transfer card", size_of::<Transfer>()),
];

/// What a secure channel keeps of its session; `CardChannel` holds nothing else.
pub const CHANNEL: usize = size_of::<CardChannel>();
