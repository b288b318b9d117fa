//! What a wrong guess costs: time, before the next one is looked at. It doubles with each in a
//! row up to a cap, so that guessing has no end in sight and a right one never waits long.
//!
//! Wrong MACs (`registry`) and wrong authentications (`domain::channel`) are counted apart.

/// Wrong guesses in a row from which on the delay grows no more.
pub(super) const CAP: u8 = 8;
/// Delay after the first one, milliseconds.
const FIRST: u32 = 100;

/// The delay after so many wrong guesses in a row, milliseconds: 0, 100, 200, up to 12,800.
pub(super) const fn after(wrong: u8) -> u32 {
    let counted = if wrong < CAP { wrong } else { CAP };
    match counted.checked_sub(1) {
        Some(doublings) => FIRST << doublings,
        None => 0,
    }
}
