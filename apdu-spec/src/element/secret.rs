//! Random numbers and MACs.

use core::fmt;

use subtle::ConstantTimeEq;

use crate::transparent;
use crate::wire::hex;

/// Eight random bytes of one side (R_IEP, or the counterpart's challenge).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Random(pub [u8; 8]);

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// A MAC, truncated to its first eight bytes. Compared in constant time.
#[derive(Clone, Copy, Default, Eq)]
pub struct Mac(pub [u8; 8]);

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        // One number, not eight: the same time, and less of it.
        u64::from_ne_bytes(self.0).ct_eq(&u64::from_ne_bytes(other.0)).into()
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

transparent!(Random([u8; 8]), Mac([u8; 8]));
