//! Life cycle of an application (GlobalPlatform Card Specification, table 11-4).

/// The state of an installed application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum LifeCycle {
    /// Installed, takes personalisation data, serves nothing else.
    Selectable = 0x07,
    /// In use.
    Personalized = 0x0F,
}

impl LifeCycle {
    /// The state of a coding, if it is one.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x07 => Some(Self::Selectable),
            0x0F => Some(Self::Personalized),
            _ => None,
        }
    }
}
