//! AES in cipher block chaining, the whole message in one call of the cipher's backend:
//! choosing the backend again for every block costs a third of the block.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser};
use aes::{Aes128Enc, Block};

struct Chain<'a> {
    blocks: &'a [[u8; 16]],
    last: &'a [u8; 16],
    state: &'a mut [u8; 16],
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chain<'_> {
    #[inline]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        // Local values, so that the exclusive or is one vector operation.
        let next = |state: Block, block: &[u8; 16]| {
            let mut mixed = Block::from(*block);
            mixed.iter_mut().zip(state).for_each(|(byte, state)| *byte ^= state);
            backend.encrypt_block_inplace(&mut mixed);
            mixed
        };
        let state = self.blocks.iter().fold(Block::default(), next);
        *self.state = next(state, self.last).into();
    }
}

/// Leaves in `state` the last block of the chain over `blocks` and `last`, from zero. All of it
/// stays where it is: what has just been written is slow to move.
pub(super) fn chain(cipher: &Aes128Enc, blocks: &[[u8; 16]], last: &[u8; 16], state: &mut [u8; 16]) {
    cipher.encrypt_with_backend(Chain { blocks, last, state });
}
