//! Card management: personalisation of an application that is selected.

use crate::personalisation::DataGroup;
use crate::wire::Concealed;
use crate::{command_set, layout};

/// P1 of STORE DATA: more blocks follow.
pub const MORE: u8 = 0x00;
/// P1 of STORE DATA: this is the last block.
pub const LAST: u8 = 0x80;

layout! {
    /// STORE DATA: one data group.
    pub struct DataBlock {
        /// 80 for the last block, else 00 (P1).
        last: u8,
        /// Number of the block, from 0 (P2).
        block: u8,
        /// Which data group.
        group: DataGroup,
        /// Its content, a layout of `personalisation`.
        content: Concealed<200>,
    }
}

command_set! {
    /// Card management.
    pub enum ManagementCommand {
        /// STORE DATA: brings one data group to the selected application; with P1 80 the
        /// application becomes PERSONALIZED, if nothing is missing, else 6985.
        StoreData = [0x80 0xE2 * *] DataBlock => (),
            in [Selectable], status [WRONG_P1_P2, WRONG_DATA, CONDITIONS_NOT_SATISFIED,
                NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, 11.11; data groups project-defined";
    }
}
