//! Interindustry commands that the kernel itself serves.

use crate::aid::Aid;
use crate::wire::Octets;
use crate::{command_set, layout};

/// P2 of SELECT: first or only occurrence, answer with FCI.
pub const FIRST: u8 = 0x00;
/// P2 of SELECT: next occurrence, answer with FCI.
pub const NEXT: u8 = 0x02;
/// P2 of SELECT: first or only occurrence, no answer.
pub const FIRST_QUIET: u8 = 0x0C;

layout! {
    /// SELECT by name.
    pub struct SelectRequest {
        /// 00 first, 02 next, 0C first without answer (P2).
        occurrence: u8,
        /// Name of the application, or its first bytes; empty for the issuer security domain.
        aid: Aid,
    }
}

layout! {
    /// Answer to SELECT.
    pub struct SelectResponse {
        /// File control information, BER-TLV `6F {84, A5 {50}}`; empty with P2 0C.
        fci: Octets<64>,
    }
}

command_set! {
    /// Commands of the kernel.
    pub enum InterindustryCommand {
        /// SELECT: makes an application current; its session, and that of the application
        /// before it, starts anew. 6283: it is current, and blocked.
        Select = [0x00 0xA4 0x04 *] SelectRequest => SelectResponse,
            in [Selectable, Personalized, Blocked, Terminated], status [APPLICATION_NOT_FOUND, WRONG_P1_P2, BLOCKED],
            "ISO/IEC 7816-4:2013, 11.2.2";
    }
}
