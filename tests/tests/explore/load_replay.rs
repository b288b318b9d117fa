//! Paths of the machine of load and unload, driven through a real purse and a real background system.

use std::collections::BTreeMap;

use apdu_spec::aid::Aid;
use apdu_spec::element::{Kind, Random};
use apdu_spec::purse::{
    CreditLoad, DebitUnload, Execute, Executed, GetBalance, GetPurseData, PreviousByNt, PreviousRequest,
    PreviousSignature,
};
use apdu_spec::record::{Counterpart, Decision};
use network::{ResolveRequest, TransferRequest};
use system_tests::explore::Machine;
use system_tests::scheme::{NOW, VERSION, counter, sam_id};

use crate::load::{Load, Previous, State, Step};
use crate::real::{LOAD_TERMINAL, Real, evidence, send, tear};

/// The purse, the issuer, and every message that they have made.
struct Replay {
    real: Real,
    requests: BTreeMap<u8, TransferRequest>,
    orders: BTreeMap<u8, Execute>,
    executed: BTreeMap<u8, Executed>,
    previous: BTreeMap<Previous, PreviousSignature>,
}

/// Drives one path; how many steps were tried, those included that change nothing.
pub(crate) fn replay(machine: &Load, path: &[Step]) -> usize {
    let (requests, orders) = (BTreeMap::new(), BTreeMap::new());
    let (executed, previous) = (BTreeMap::new(), BTreeMap::new());
    let mut replay = Replay { real: Real::new(1), requests, orders, executed, previous };
    let mut state = machine.start();
    let mut tried = 0;
    for (place, step) in path.iter().enumerate() {
        let (accepted, after) = machine.next(&state, *step).expect("sound");
        assert_eq!(replay.act(*step, &state), accepted, "step {place} of {path:#?}");
        replay.compare(&after, &|| format!("step {place} of {path:#?}"));
        state = after;
        tried += 1;
    }
    // What changes nothing in the machine changes nothing in truth: repeats, late messages.
    for step in machine.steps(&state) {
        let (accepted, after) = machine.next(&state, step).expect("sound");
        if after == state {
            assert_eq!(replay.act(step, &state), accepted, "{step:?} after {path:#?}");
            replay.compare(&state, &|| format!("{step:?} after {path:#?}"));
            tried += 1;
        }
    }
    tried
}

impl Replay {
    /// Whether purse or issuer accepts the step.
    fn act(&mut self, step: Step, before: &State) -> bool {
        let Real { purse, background, .. } = &mut self.real;
        let next = u8::try_from(before.model.purses[0].nt + 1).expect("small");
        match step {
            Step::Initialize { wish } => {
                let request = self.real.initialize(wish.kind(), wish.amount(), next);
                self.requests.insert(next, request);
                true
            }
            Step::Authorise { nt } => {
                let order = background.authorise(&self.requests[&nt], NOW).expect("an order");
                let same = self.orders.insert(nt, order).is_none_or(|before| before == order);
                assert!(same, "the same S1 gets the same S2");
                matches!(order.order.terms.to_decision(), Ok(Decision::Approved(_)))
            }
            Step::Execute { nt } => {
                let order = &self.orders[&nt];
                let answer = match self.requests[&nt].kind {
                    Kind::Load => send::<CreditLoad>(purse, order),
                    _ => send::<DebitUnload>(purse, order),
                };
                self.executed.extend(answer.map(|executed| (nt, executed)));
                answer.is_some()
            }
            Step::Complete { nt } => {
                let value = evidence(&self.requests[&nt], &self.orders[&nt], self.executed[&nt]);
                background.complete(value, NOW).is_ok()
            }
            Step::Previous { asked } => {
                let (counterpart, number) = (counterpart(), counter(asked.into()));
                let request = PreviousRequest { group: 0, version: VERSION, counterpart, number };
                let answer = send::<PreviousByNt>(purse, &request);
                self.previous.extend(answer.map(|answer| (before.answer(asked), answer)));
                answer.is_some()
            }
            Step::Resolve { previous } => {
                let nt = counter(previous.asked.into());
                let (counterpart, previous) = (counterpart(), self.previous[&previous]);
                background.resolve(&ResolveRequest { counterpart, previous, nt }, NOW).is_ok()
            }
            Step::Pay => self.real.pay(0, 1),
            Step::Tear => {
                tear(purse, Aid::PURSE);
                true
            }
            Step::Wait => true,
        }
    }

    /// Purse and issuer stand where the model stands.
    fn compare(&mut self, state: &State, context: &dyn Fn() -> String) {
        let model = &state.model.purses[0];
        let balance = send::<GetBalance>(&mut self.real.purse, &()).expect("a balance").balance.0;
        let information = send::<GetPurseData>(&mut self.real.purse, &()).expect("information");
        assert_eq!(i64::from(balance), model.balance, "balance at {}", context());
        let counters = [information.nt.get(), information.nv.get(), information.receipts.into()];
        let nv = model.log.len();
        let expected = [model.nt, nv, nv - model.freed()];
        assert_eq!(counters.map(|count| count as usize), expected, "NT, NV at {}", context());
        assert_eq!(self.real.shadow(), state.model.purses[0].shadow, "shadow at {}", context());
    }
}

fn counterpart() -> Counterpart {
    Counterpart { sam: sam_id(LOAD_TERMINAL), challenge: Random([7; 8]) }
}
