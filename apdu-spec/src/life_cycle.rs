//! Life cycles of an application and of the card (GlobalPlatform Card Specification 2.3.1,
//! 5.1, 5.3 and tables 11-4, 11-6).

use crate::code;

code! {
    /// The state of an installed application.
    pub enum LifeCycle: u8 {
        /// Installed, and cannot be selected yet.
        Installed = 0x03,
        /// Takes personalisation data, serves nothing else.
        Selectable = 0x07,
        /// In use.
        Personalized = 0x0F,
        /// Blocked by the issuer (LOCKED): answers questions, moves no value.
        Blocked = 0x8F,
        /// The card is at its end. No application has this state by itself.
        Terminated = 0xFF,
    }
}

code! {
    /// The state of a card.
    pub enum CardState: u8 {
        /// Before anything was installed for a holder.
        OpReady = 0x01,
        /// Being prepared.
        Initialized = 0x07,
        /// With its holder.
        Secured = 0x0F,
        /// Locked by the issuer: nothing but its security domain can be selected.
        Locked = 0x7F,
        /// At its end, for ever.
        Terminated = 0xFF,
    }
}

impl CardState {
    /// Whether the issuer may change the state to `next`: forwards, to and fro between
    /// SECURED and CARD_LOCKED, and to the end (Card Specification 2.3.1, figure 5-1).
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::OpReady, Self::Initialized)
                | (Self::OpReady | Self::Initialized | Self::Locked, Self::Secured)
                | (Self::Secured, Self::Locked)
                | (Self::OpReady | Self::Initialized | Self::Secured | Self::Locked, Self::Terminated)
        )
    }

    /// The state in which the security domain's commands are gated.
    #[must_use]
    pub const fn of_domain(self) -> LifeCycle {
        match self {
            Self::OpReady | Self::Initialized | Self::Secured => LifeCycle::Personalized,
            Self::Locked => LifeCycle::Blocked,
            Self::Terminated => LifeCycle::Terminated,
        }
    }
}
