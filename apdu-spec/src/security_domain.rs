//! A security domain: how a secure channel is opened with it. What passes through an open
//! channel is in [`secure_channel`](crate::crypto::secure_channel).

use crate::crypto::secure_channel::{Level, Opening, Token};
use crate::wire::Octets;
use crate::{command_set, layout};

layout! {
    /// INITIALIZE UPDATE.
    pub struct InitializeUpdateRequest {
        /// Version of the keys; 00 for any (P1).
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
    /// Commands of a security domain.
    pub enum SecurityDomainCommand {
        /// INITIALIZE UPDATE: begins a secure channel, ends the one before.
        InitializeUpdate = [0x80 0x50 * 0x00] InitializeUpdateRequest => InitializeUpdateResponse,
            in [Selectable, Personalized], status [REFERENCE_NOT_FOUND, CONDITIONS_NOT_SATISFIED],
            "GlobalPlatform Card Specification 2.3.1, E.5.1; Amendment D v1.2, 7.1.1";
        /// EXTERNAL AUTHENTICATE: opens the secure channel. It is itself secured: the MAC
        /// covers CLA 84 and the security level.
        ExternalAuthenticate = [0x84 0x82 * 0x00] ExternalAuthenticateRequest => (),
            in [Selectable, Personalized], status [AUTHENTICATION_FAILED, SECURITY_NOT_SATISFIED,
                CONDITIONS_NOT_SATISFIED, WRONG_P1_P2],
            "GlobalPlatform Card Specification 2.3.1, E.5.2; Amendment D v1.2, 7.1.2";
    }
}
