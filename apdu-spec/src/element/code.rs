//! Closed codes: types of transaction and algorithms of keys.

use crate::{code, layout};

code! {
    /// Type of transaction: P1 of INITIALIZE IEP after JR/T 0025; 06 and 07 are project-defined.
    pub enum Kind: u8 {
        /// Value goes into the purse, online.
        Load = 0x00,
        /// Value leaves the purse for a PSAM, offline.
        Purchase = 0x01,
        /// Value leaves the purse for its holder, online.
        Unload = 0x05,
        /// The last purchase comes back.
        Cancellation = 0x06,
        /// The purse tells what became of an earlier transaction.
        Recovery = 0x07,
    }
}

code! {
    /// Algorithm of a key (ALG_IEP): it belongs to the key version. The high nibble is the layout
    /// of all inputs of MACs, so that each record says which one it was made under.
    pub enum Algorithm: u8 {
        /// AES-128 CMAC (NIST SP 800-38B), truncated to eight bytes.
        AesCmac = 0x21,
        /// Retail MAC with two-key Triple DES (ISO/IEC 9797-1 algorithm 3, padding 2).
        RetailMac = 0x22,
    }
}

code! {
    /// What GET PREVIOUS IEP SIGNATURE was asked by (its P1).
    pub enum Search: u8 {
        /// By NT: what became of a session. "Nothing found" says that it moved no value.
        Nt = 0x00,
        /// By NV: a receipt. "Nothing found" says nothing about a session.
        Nv = 0x01,
    }
}

code! {
    /// Whether a purse moves value.
    pub enum Service: u8 {
        /// It does.
        Open = 0x00,
        /// Its issuer has blocked it: it answers questions alone.
        Blocked = 0x01,
    }
}

layout! {
    /// Which key made a MAC: 3 bytes.
    #[derive(Copy)]
    pub struct KeyReference {
        /// Algorithm of the key version.
        algorithm: Algorithm,
        /// Key group: 00 for loads and unloads, from 01 the acquirer's or region's.
        group: u8,
        /// Key version (VK).
        version: u8,
    }
}
