//! Personalisation: STORE DATA, block by block.

use apdu_spec::management::{DataBlock, StoreData};

use crate::Error;
use crate::card::{execute, select};
use crate::reader::Reader;

/// Brings `blocks` to the application `aid`. Interrupted, it may be done again from the
/// start, until the last block has made the application PERSONALIZED.
pub fn personalise(reader: &mut dyn Reader, aid: &[u8], blocks: &[DataBlock]) -> Result<(), Error> {
    select(reader, aid)?;
    blocks.iter().try_for_each(|block| execute::<StoreData>(reader, block))
}
