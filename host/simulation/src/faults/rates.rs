//! Which faults there are, and how often each of them happens: parts per million.
//!
//! Rates are drawn for each seed, some of them zero (a *swarm*), or chosen by a person:
//! `none`, `some`, `all`, `loss=0.1,tear=0.05`, `all,kill=0`.

use super::chance::{Chance, MILLION};

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $usual:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Fault { $($(#[doc = $doc])* $variant,)* }

        impl Fault {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A rate at which it hurts and work still gets done.
            const fn usual(self) -> u32 {
                match self { $(Self::$variant => $usual,)* }
            }
        }
    };
}

faults! {
    /// Link: the request does not arrive.
    Loss = "loss", 30_000;
    /// Link: cut in the middle of the answer; the request has arrived.
    Cut = "cut", 30_000;
    /// Link: the request arrives later, and behind others.
    Delay = "delay", 20_000;
    /// Link: the request arrives twice.
    Duplicate = "duplicate", 30_000;
    /// Link: a bit is turned over, there or back.
    Corrupt = "corrupt", 20_000;
    /// Background system: power fails at any statement of a transaction.
    Kill = "kill", 30_000;
    /// A purse is pulled out between two exchanges: an answer is lost, or a command.
    Pull = "pull", 4_000;
    /// A card loses power at any byte of any write, also in the recovery.
    Tear = "tear", 4_000;
    /// Somebody in the middle rewrites a status word, or a bit of a command or answer.
    Rewrite = "rewrite", 3_000;
    /// A PSAM loses power at any byte of any write.
    SamTear = "sam-tear", 2_000;
    /// A terminal is killed at any exchange, and started again later.
    Crash = "crash", 2_000;
    /// A disk is full, or fails in the middle of a write.
    Disk = "disk", 5_000;
    /// The clock of a terminal jumps.
    Clock = "clock", 2_000;
    /// A transfer card is lost with all that is on it.
    CourierLost = "courier-lost", 30_000;
    /// A transfer card is copied, and the copy brought in as well.
    CourierCopy = "courier-copy", 50_000;
    /// A transfer card makes a detour and comes late.
    CourierLate = "courier-late", 100_000;
    /// A purse is lost for ever.
    PurseLost = "purse-lost", 40;
    /// The generator of a card gives the same number for ever; rate of such cards.
    Generator = "generator", 200_000;
    /// Dishonest: recorded orders and answers are sent again.
    Replay = "replay", 1_000;
    /// Dishonest: a terminal orders another amount than its PSAM.
    Swap = "swap", 1_000;
    /// Dishonest: records made with the keys of an opened PSAM.
    Forge = "forge", 1_000;
    /// Dishonest: a terminal says `debited` to its PSAM, and nobody was.
    Claim = "claim", 1_000;
    /// Dishonest: an acknowledgement that the background system never gave.
    Acknowledge = "acknowledge", 2_000;
    /// Dishonest: a merchant has a turn, with his PSAM and everything he has seen.
    Merchant = "merchant", 6_000;
    /// Dishonest: a holder has a turn.
    Holder = "holder", 4_000;
    /// Dishonest: an attendant has a turn, with the key of the load terminal.
    Attendant = "attendant", 3_000;
    /// Dishonest: a holder's relay swallows a command and answers itself.
    Relay = "relay", 2_000;
}

/// How often each kind happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rates([u32; Fault::ALL.len()]);

impl Rates {
    /// Nothing ever happens.
    pub const NONE: Self = Self([0; Fault::ALL.len()]);

    /// Everything happens at its usual rate.
    #[must_use]
    pub fn all() -> Self {
        Self::each(Fault::usual)
    }

    /// Everything happens, seldom.
    #[must_use]
    pub fn some() -> Self {
        Self::each(|fault| fault.usual() / 8)
    }

    /// Drawn for a seed: a third of all kinds never, the others up to three times as often
    /// as usual.
    #[must_use]
    pub fn swarm(chance: &mut Chance) -> Self {
        Self::each(|fault| if chance.below(3) == 0 { 0 } else { chance.below(3 * fault.usual()) })
    }

    fn each(mut rate: impl FnMut(Fault) -> u32) -> Self {
        let mut rates = Self::NONE;
        Fault::ALL.iter().for_each(|fault| rates.set(*fault, rate(*fault)));
        rates
    }

    /// The rate of a kind.
    #[must_use]
    pub const fn of(&self, fault: Fault) -> u32 {
        self.0[fault as usize]
    }

    /// Changes the rate of a kind.
    pub const fn set(&mut self, fault: Fault, rate: u32) {
        self.0[fault as usize] = rate;
    }

    /// The kinds that happen.
    pub fn present(&self) -> impl Iterator<Item = Fault> + '_ {
        Fault::ALL.iter().copied().filter(|fault| self.of(*fault) > 0)
    }

    /// As a person writes them, so that a run can be repeated.
    #[must_use]
    pub fn to_text(&self) -> String {
        let rates = self.present().map(|fault| {
            let rate = self.of(fault);
            let text = format!("{}={}.{:06}", fault.name(), rate / MILLION, rate % MILLION);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        });
        let text = rates.collect::<Vec<_>>().join(",");
        if text.is_empty() { "none".into() } else { text }
    }

    /// What a person has written; from left to right, the last word counts.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rates = Self::NONE;
        for word in text.split(',').map(str::trim) {
            match word.split_once('=') {
                None => rates = Self::named(word)?,
                Some((name, rate)) => {
                    let known = Fault::ALL.iter().find(|fault| fault.name() == name);
                    let fault = known.ok_or_else(|| unknown(name))?;
                    rates.set(
                        *fault,
                        parts(rate).ok_or_else(|| {
                            format!(
                                "{name}={rate}: a rate is between 0 and 1, such as 0.05, six places at most"
                            )
                        })?,
                    );
                }
            }
        }
        Ok(rates)
    }

    fn named(word: &str) -> Result<Self, String> {
        match word {
            "none" => Ok(Self::NONE),
            "some" => Ok(Self::some()),
            "all" => Ok(Self::all()),
            _ => Err(unknown(word)),
        }
    }
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    format!("there is no fault {name:?}; there are none, some, all, and with a rate {}", names.join(", "))
}

/// A rate in parts per million.
fn parts(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if places.len() > 6 || whole.is_empty() || !digits(whole) || !digits(places) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let places: u32 = format!("{places:0<6}").parse().ok()?;
    whole.checked_mul(MILLION)?.checked_add(places).filter(|rate| *rate <= MILLION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_survive_being_written_down() {
        for seed in 0..50 {
            let rates = Rates::swarm(&mut Chance::of(seed, 0));
            assert_eq!(Rates::parse(&rates.to_text()), Ok(rates));
        }
        assert_eq!(Rates::parse("none").unwrap().to_text(), "none");
    }

    #[test]
    fn the_last_word_counts() {
        let rates = Rates::parse("all,tear=0,loss=0.5").unwrap();
        assert_eq!((rates.of(Fault::Tear), rates.of(Fault::Loss)), (0, 500_000));
        assert_eq!(rates.of(Fault::Kill), Fault::Kill.usual());
        for bad in ["tears", "tear=2", "tear=0.1234567", "tear=", "tear=-1", "tear=1e3", ""] {
            assert!(Rates::parse(bad).is_err(), "{bad}");
        }
    }
}
