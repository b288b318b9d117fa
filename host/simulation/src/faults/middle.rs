//! Somebody between terminal and purse: turns a bit of a command or of an answer, or swaps
//! success and refusal.

use super::fate::Fate;

/// Somebody between terminal and purse.
pub(super) struct Middle {
    what: u32,
    bit: u32,
}

impl Middle {
    /// What it does this time.
    pub(super) fn draw(fate: &mut Fate) -> Self {
        Self { what: fate.chance.below(3), bit: fate.chance.below(u32::MAX) }
    }

    fn turn(&self, bytes: &mut [u8]) {
        if let Some(count) = u32::try_from(bytes.len() * 8).ok().filter(|count| *count > 0) {
            let bit = self.bit % count;
            bytes[bit as usize / 8] ^= 1 << (bit % 8);
        }
    }

    /// A command on its way.
    pub(super) fn command(&self, command: &[u8]) -> Vec<u8> {
        let mut command = command.to_vec();
        if self.what == 0 && command.len() > 5 {
            self.turn(&mut command[5..]);
        }
        command
    }

    /// An answer on its way.
    pub(super) fn answer(&mut self, mut answer: Vec<u8>) -> Vec<u8> {
        let data = answer.len() - 2;
        match self.what {
            0 => {}
            1 => self.turn(&mut answer[..data]),
            _ if answer[data..] == [0x90, 0x00] => answer[data..].copy_from_slice(&[0x69, 0x85]),
            _ => answer[data..].copy_from_slice(&[0x90, 0x00]),
        }
        answer
    }
}
