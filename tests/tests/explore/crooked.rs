//! The crooked merchant: he has a PSAM, full control of its terminal and its lines, and what his
//! customers' purses say passes through his hands. He hands the record of a payment in through any
//! other door while its batch is open, cancels, renounces, closes late or never, and gives PSAM
//! CANCEL PURCHASE the word of another purse, or one about another payment.
//!
//! What is under a MAC is what it says: a word names its purse, what it was asked and where the
//! purse stood. Bound: payments, batches, and words that were asked for.

use system_tests::explore::Machine;

bugs! {
    /// A payment is paid out that is known by its record alone, through whichever door.
    PaidOnHearsay,
    /// A batch is paid for what it credits, whatever it voids.
    VoidNotRead,
    /// The PSAM voids payments of batches that are closed as well.
    CollectedIsVoided,
    /// PSAM CANCEL PURCHASE does not compare the purse.
    WordOfAnotherPurse,
    /// PSAM CANCEL PURCHASE does not compare which payment the word is about.
    WordOnAnotherPayment,
    /// PSAM CANCEL PURCHASE does not compare where the purse stands.
    WordOfThePast,
}

/// Customers.
const PURSES: u8 = 2;

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crooked {
    /// Payments.
    pub(crate) payments: u8,
    /// Batches that are closed.
    pub(crate) batches: u8,
    /// Words that purses are asked for.
    pub(crate) words: u8,
    /// What is wrong.
    pub(crate) bug: Option<Bug>,
}

/// A value commit of a purse: the payment of this place, or taking it back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Commit {
    Payment(u8),
    Cancellation(u8),
}

/// What became of a payment, as the PSAM says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Outcome {
    Credited,
    Voided,
}

/// A payment: which purse made it, as which of its value commits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Payment {
    purse: u8,
    nv: u8,
}

/// An answer of GET PREVIOUS by NV under the challenge of the PSAM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Word {
    purse: u8,
    asked: u8,
    /// NV of the purse when it said so.
    stood: u8,
}

/// Purses, PSAM, books, and what the merchant has in hand.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    purses: [Vec<Commit>; PURSES as usize],
    payments: Vec<Payment>,
    /// Entries of every batch; the last one is open.
    batches: Vec<Vec<(u8, Outcome)>>,
    /// Words under the challenge that is fresh; one of them uses it up.
    words: Vec<Word>,
    asked: u8,
    /// Payments whose secret has left the PSAM.
    secrets: Vec<u8>,
    /// Payments whose record has come in through another door.
    hearsay: Vec<u8>,
    /// Batches that have come in under S4.
    stored: Vec<u8>,
    paid: Vec<u8>,
}

/// What he does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A customer pays.
    Pay { purse: u8 },
    /// A customer's purse is asked what its value commit `asked` was.
    Ask { purse: u8, asked: u8 },
    /// PSAM CANCEL PURCHASE.
    Void { payment: u8, word: Word },
    /// PSAM RENOUNCE.
    Renounce { payment: u8 },
    /// CREDIT IEP for Cancellation with the secret of this payment.
    Cancel { purse: u8, secret: u8 },
    /// The record of a payment, read from the PSAM, comes in through another door.
    HandIn { payment: u8 },
    /// The PSAM closes its batch.
    Close,
    /// The background system gets a closed batch.
    Submit { batch: u8 },
    /// The background system pays out what is payable.
    Settle,
}

impl Machine for Crooked {
    type State = State;
    type Step = Step;
    const SOMETIMES: &'static [&'static str] = &[
        "a payment is paid out",
        "a payment is taken back",
        "a payment is voided, and its purse goes on without",
        "the record of a payment that is cancelled has come in through another door",
        "a later batch comes in first",
        "a secret is given again once its batch is closed",
    ];

    fn start(&self) -> State {
        State {
            purses: [Vec::new(), Vec::new()],
            payments: Vec::new(),
            batches: vec![Vec::new()],
            words: Vec::new(),
            asked: 0,
            secrets: Vec::new(),
            hearsay: Vec::new(),
            stored: Vec::new(),
            paid: Vec::new(),
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = vec![Step::Settle];
        for purse in 0..PURSES {
            if (state.payments.len() as u8) < self.payments {
                steps.push(Step::Pay { purse });
            }
            if state.asked < self.words {
                steps.extend((1..=state.nv(purse)).map(|asked| Step::Ask { purse, asked }));
            }
            steps.extend(state.secrets.iter().map(|secret| Step::Cancel { purse, secret: *secret }));
        }
        for payment in 0..state.payments.len() as u8 {
            steps.extend(state.words.iter().map(|word| Step::Void { payment, word: *word }));
            steps.extend([Step::Renounce { payment }, Step::HandIn { payment }]);
        }
        if state.open() < self.batches {
            steps.push(Step::Close);
        }
        steps.extend((0..state.open()).map(|batch| Step::Submit { batch }));
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        let given_up = |payment: &&u8| state.is_voided(**payment) || state.is_taken_back(**payment);
        match state.paid.iter().find(given_up) {
            Some(payment) => Err(format!("payment {payment} was cancelled, and paid out")),
            None => Ok(()),
        }
    }

    fn next(&self, state: &State, step: Step) -> Result<(bool, State), String> {
        let mut next = state.clone();
        let accepted = self.act(&mut next, step)?;
        Ok((accepted, next))
    }

    fn seen(&self, state: &State, steps: &[Step]) -> u32 {
        let all = || 0..state.payments.len() as u8;
        let gone = |payment| {
            let Payment { purse, nv } = state.payments[usize::from(payment)];
            state.is_voided(payment) && state.nv(purse) > nv && !state.is_taken_back(payment)
        };
        let again = |step: &Step| match step {
            Step::Void { payment, word } => {
                state.secrets.contains(payment)
                    && self.is_last(state, *payment, *word)
                    && !state.batches[usize::from(state.open())].contains(&(*payment, Outcome::Voided))
            }
            _ => false,
        };
        let bits = [
            !state.paid.is_empty(),
            all().any(|payment| state.is_taken_back(payment)),
            all().any(gone),
            state.hearsay.iter().any(|payment| state.is_voided(*payment)),
            state.stored.iter().any(|batch| *batch > 0 && !state.stored.contains(&(batch - 1))),
            steps.iter().any(again),
        ];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}

impl Crooked {
    fn act(&self, state: &mut State, step: Step) -> Result<bool, String> {
        match step {
            Step::Pay { purse } => {
                let payment = state.payments.len() as u8;
                state.words.clear(); // a payment takes a challenge of its own
                state.purses[usize::from(purse)].push(Commit::Payment(payment));
                let nv = state.nv(purse);
                state.payments.push(Payment { purse, nv });
                state.record(payment, Outcome::Credited);
            }
            Step::Ask { purse, asked } => {
                state.asked += 1;
                let word = state.word(purse, asked);
                insert(&mut state.words, word);
            }
            Step::Void { payment, word } => return self.void(state, payment, word),
            Step::Renounce { payment } => return Ok(self.give_up(state, payment)),
            Step::Cancel { purse, secret } => {
                let commits = &mut state.purses[usize::from(purse)];
                if commits.last() != Some(&Commit::Payment(secret)) {
                    return Ok(false);
                }
                commits.push(Commit::Cancellation(secret));
            }
            Step::HandIn { payment } => insert(&mut state.hearsay, payment),
            Step::Close => state.batches.push(Vec::new()),
            Step::Submit { batch } => insert(&mut state.stored, batch),
            Step::Settle => {
                let payable =
                    (0..state.payments.len() as u8).filter(|payment| self.is_payable(state, *payment));
                payable.collect::<Vec<_>>().into_iter().for_each(|payment| insert(&mut state.paid, payment));
            }
        }
        Ok(true)
    }

    /// The secret leaves where the purse has said that it stands at this payment.
    fn void(&self, state: &mut State, payment: u8, word: Word) -> Result<bool, String> {
        let is_last = self.is_last(state, payment, word);
        state.words.clear();
        if !is_last || !self.give_up(state, payment) {
            return Ok(false);
        }
        let stood = state.purses[usize::from(word.purse)][usize::from(word.stood) - 1];
        if stood != Commit::Payment(payment) {
            return Err(format!("the secret of payment {payment} leaves, and who asked stands at {stood:?}"));
        }
        insert(&mut state.secrets, payment);
        Ok(true)
    }

    fn is_last(&self, state: &State, payment: u8, word: Word) -> bool {
        let Payment { purse, nv } = state.payments[usize::from(payment)];
        let right = |bug, compared: bool| compared || self.bug == Some(bug);
        right(Bug::WordOfAnotherPurse, word.purse == purse)
            && right(Bug::WordOnAnotherPayment, word.asked == nv)
            && right(Bug::WordOfThePast, word.stood == word.asked)
    }

    /// What is voided stays so; what is credited can be voided in the open batch.
    fn give_up(&self, state: &mut State, payment: u8) -> bool {
        if state.is_voided(payment) {
            return true;
        }
        let open = state.batches[usize::from(state.open())].contains(&(payment, Outcome::Credited));
        if !open && self.bug != Some(Bug::CollectedIsVoided) {
            return false;
        }
        state.record(payment, Outcome::Voided);
        true
    }

    /// Rule: its own PSAM has handed it in as credited, and not as voided.
    fn is_payable(&self, state: &State, payment: u8) -> bool {
        let says = |outcome| {
            state.stored.iter().any(|batch| state.batches[usize::from(*batch)].contains(&(payment, outcome)))
        };
        let voided = says(Outcome::Voided) && self.bug != Some(Bug::VoidNotRead);
        let heard = self.bug == Some(Bug::PaidOnHearsay) && state.hearsay.contains(&payment);
        (says(Outcome::Credited) || heard) && !voided
    }
}

impl State {
    /// What a purse says that is asked now.
    pub(crate) fn word(&self, purse: u8, asked: u8) -> Word {
        Word { purse, asked, stood: self.nv(purse) }
    }

    /// Whose payment it is.
    pub(crate) fn purse(&self, payment: u8) -> u8 {
        self.payments[usize::from(payment)].purse
    }

    /// Batch and index of the entry that credits a payment.
    pub(crate) fn place(&self, payment: u8) -> (u8, u16) {
        let entries = (0..).zip(&self.batches).flat_map(|(batch, entries)| {
            (0..).zip(entries).map(move |(index, entry)| ((batch, index), *entry))
        });
        let mut credits = entries.filter(|(_, entry)| *entry == (payment, Outcome::Credited));
        credits.next().expect("it was credited").0
    }

    /// Entries of the open batch.
    pub(crate) fn entries(&self) -> usize {
        self.batches.last().map_or(0, Vec::len)
    }

    pub(crate) fn paid(&self) -> &[u8] {
        &self.paid
    }

    pub(crate) fn nv(&self, purse: u8) -> u8 {
        self.purses[usize::from(purse)].len() as u8
    }

    /// The open batch; those before it are closed.
    fn open(&self) -> u8 {
        self.batches.len() as u8 - 1
    }

    fn record(&mut self, payment: u8, outcome: Outcome) {
        self.batches.last_mut().expect("one is open").push((payment, outcome));
    }

    fn is_voided(&self, payment: u8) -> bool {
        self.batches.iter().any(|batch| batch.contains(&(payment, Outcome::Voided)))
    }

    fn is_taken_back(&self, payment: u8) -> bool {
        self.purses.iter().any(|commits| commits.contains(&Commit::Cancellation(payment)))
    }
}

/// Into a list that is sorted and has each once.
fn insert<T: Ord>(list: &mut Vec<T>, new: T) {
    if let Err(place) = list.binary_search(&new) {
        list.insert(place, new);
    }
}
