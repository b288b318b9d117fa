//! The issuer security domain: how a secure channel is opened with it, and how a card is
//! managed through it. What the channel does to commands is in
//! [`secure_channel`](crate::crypto::secure_channel).
//!
//! `content` has the data fields of INSTALL, DELETE, GET STATUS and SET STATUS, `keys` those
//! of PUT KEY, `data` those of STORE DATA and GET DATA, `recognition` the object that says how a
//! card is managed.

mod content;
mod data;
mod keys;
mod recognition;

pub use content::{
    ApplicationStatus, Confirmation, DeleteRequest, Deletion, InstallData, InstallRequest, LOCKED,
    SetStatusRequest, StatusForm, StatusRequest, StatusResponse, purpose, subset,
};
pub use data::{Attempts, DataBlock, DataObject, GetDataRequest, LAST, MORE, tag};
pub use keys::{KEY_IDENTIFIER, KeyBlocks, KeyInformation, PutKeyRequest, PutKeyResponse, SealedKey};

pub use recognition::{recognised_protocols, write_recognition};

use crate::crypto::secure_channel::{Level, Opening, Token};
use crate::wire::Octets;
use crate::{command_set, layout};

/// Key version with which a card comes from its manufacturer.
pub const INITIAL_KEY_VERSION: u8 = 0xFF;

layout! {
    /// INITIALIZE UPDATE.
    pub struct InitializeUpdateRequest {
        /// Version of the keys; 00 for the newest (P1).
        key_version: u8,
        /// The host's challenge: 16 bytes in mode S16 of SCP03, else 8.
        host_challenge: Token,
    }
}

layout! {
    /// Answer to INITIALIZE UPDATE: 28 bytes in SCP02; 29 in SCP03, 45 in mode S16, with
    /// three more where the challenge is pseudo-random.
    pub struct InitializeUpdateResponse {
        /// What the keys are diversified with.
        diversification: [u8; 10],
        /// Version of the keys.
        key_version: u8,
        /// Protocol (02 or 03), then challenge and cryptogram of the card: after the sequence
        /// counter in SCP02; in SCP03 after i, and before the sequence counter, if there is one.
        opening: Opening,
    }
}

layout! {
    /// EXTERNAL AUTHENTICATE.
    pub struct ExternalAuthenticateRequest {
        /// Security level (P1).
        level: Level,
        /// Cryptogram of the host and MAC of this command, 8 bytes each, 16 in mode S16.
        cryptogram_and_mac: Octets<32>,
    }
}

command_set! {
    /// Commands of a security domain, served under CLA 00 as well. All but the first two, GET
    /// DATA and GET STATUS want a secure channel with C-MAC at least; while the card is locked, or
    /// wrong authentications have blocked it, INSTALL, DELETE, PUT KEY and STORE DATA are refused.
    pub enum SecurityDomainCommand {
        /// INITIALIZE UPDATE: begins a secure channel, ends the one before. With an application
        /// selected it is the application's channel, under the same keys.
        InitializeUpdate = [0x80 0x50 * 0x00] InitializeUpdateRequest => InitializeUpdateResponse,
            in [Selectable, Personalized, Blocked], status [REFERENCE_NOT_FOUND, COUNTER_AT_MAXIMUM,
                CONDITIONS_NOT_SATISFIED],
            "GlobalPlatform Card Specification 2.3.1, E.5.1; Amendment D v1.2, 7.1.1";
        /// EXTERNAL AUTHENTICATE: opens the secure channel. It is itself secured: the MAC
        /// covers CLA 84 and the security level. The attempt is counted before the comparison; wrong
        /// ones in a row delay the next, each twice as long, up to 12.8 s. Of a card that is blocked
        /// everything must be secured that the protocol can secure, else 6982.
        ExternalAuthenticate = [0x84 0x82 * 0x00] ExternalAuthenticateRequest => (),
            in [Selectable, Personalized, Blocked], status [AUTHENTICATION_FAILED, SECURITY_NOT_SATISFIED,
                CONDITIONS_NOT_SATISFIED, WRONG_P1_P2, NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, E.5.2; Amendment D v1.2, 7.1.2";
        /// GET STATUS: what is on the card, in the open channel of any level.
        GetStatus = [0x80 0xF2 * *] StatusRequest => StatusResponse,
            in [Selectable, Personalized, Blocked], status [SECURITY_NOT_SATISFIED, WRONG_P1_P2, WRONG_DATA,
                REFERENCE_NOT_FOUND],
            "GlobalPlatform Card Specification 2.3.1, 11.4";
        /// SET STATUS: the life cycle of the card or of an application. A state of use, also the
        /// one that the card has, takes it into use again where wrong authentications have blocked it.
        SetStatus = [0x80 0xF0 * *] SetStatusRequest => (),
            in [Selectable, Personalized, Blocked], status [SECURITY_NOT_SATISFIED, WRONG_P1_P2,
                CONDITIONS_NOT_SATISFIED, REFERENCE_NOT_FOUND, NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, 11.10";
        /// INSTALL: makes an application of a kind that is on the card, or names the application
        /// that the next STORE DATA are for. Answers one byte 00.
        Install = [0x80 0xE6 * *] InstallRequest => Confirmation,
            in [Selectable, Personalized], status [SECURITY_NOT_SATISFIED, WRONG_P1_P2, WRONG_DATA,
                REFERENCE_NOT_FOUND, CONDITIONS_NOT_SATISFIED, NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, 11.5";
        /// DELETE: an application without value in it, or keys of the security domain; not the
        /// last ones. Answers one byte 00.
        Delete = [0x80 0xE4 0x00 *] DeleteRequest => Confirmation,
            in [Selectable, Personalized], status [SECURITY_NOT_SATISFIED, WRONG_DATA, REFERENCE_NOT_FOUND,
                CONDITIONS_NOT_SATISFIED, NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, 11.2";
        /// PUT KEY: three keys of one version at once. Those that they replace work until a
        /// channel has been opened with the new ones; under their own version they are replaced at
        /// once. Answers version and key check values.
        PutKey = [0x80 0xD8 * *] PutKeyRequest => PutKeyResponse,
            in [Selectable, Personalized], status [SECURITY_NOT_SATISFIED, WRONG_P1_P2, WRONG_DATA,
                REFERENCE_NOT_FOUND, NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, 11.8; Amendment D v1.2, 7.2";
        /// STORE DATA: one data group for the application that INSTALL [for personalization] has
        /// named, else for the security domain. With P1 88 the application becomes
        /// PERSONALIZED, if nothing is missing, else 6985. Keys and PINs want encryption.
        StoreData = [0x80 0xE2 * *] DataBlock => (),
            in [Selectable, Personalized], status [SECURITY_NOT_SATISFIED, WRONG_P1_P2, WRONG_DATA,
                CONDITIONS_NOT_SATISFIED, NOT_ENOUGH_MEMORY],
            "GlobalPlatform Card Specification 2.3.1, 11.11; data groups project-defined";
        /// GET DATA of the card: `0066` how it is managed, `00E0` its keys, `00CF` what they are
        /// diversified with, `9F7F` where it was made, `DF20` wrong authentications in a row and
        /// their limit. Under CLA 00 a template comes without its own tag.
        GetData = [0x80 0xCA * *] GetDataRequest => DataObject,
            in [Selectable, Personalized, Blocked, Terminated], status [REFERENCE_NOT_FOUND],
            "GlobalPlatform Card Specification 2.3.1, 11.3 and appendix H";
    }
}
