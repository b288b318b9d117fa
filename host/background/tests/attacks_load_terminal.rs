//! Who may ask for a load or unload, what an answer is worth, and whose money it may be.

mod support;

use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Kind, Mac, Time};
use apdu_spec::record::ValueRecord;
use background::Error;
use background::management::approvals::LIFETIME;
use background::management::operators::OperatorKey;
use background::store::load_terminals::Permissions;
use network::{
    Fate, Funding, RejectionCode, Request, ResolveRequest, Response, Service as _, Signed, TransferRequest,
};
use support::*;

impl World {
    fn answer(&mut self, request: &Request) -> Response {
        Response::decode(&self.background.at(NOW).serve(&request.encode())).expect("an answer")
    }

    /// A load of the operator's money.
    fn ask_operator(&mut self, purse: &mut Purse, minor: u32) -> TransferRequest {
        TransferRequest { funding: Funding::Operator, ..self.ask(purse, Kind::Load, minor) }
    }

    /// The code of the rejection, or nothing where it was decided.
    fn rejected(&mut self, request: &TransferRequest) -> Option<RejectionCode> {
        self.rejected_at(request, NOW)
    }

    fn rejected_at(&mut self, request: &TransferRequest, now: Time) -> Option<RejectionCode> {
        match self.background.authorise(request, now) {
            Ok(_) => None,
            Err(Error::Rejected(why)) => Some(why.code),
            Err(error) => panic!("{error}"),
        }
    }

    fn operator(&mut self, name: &str) -> OperatorKey {
        let key = OperatorKey::generate(&mut self.rng);
        self.background.register_operator(name, key.public(), NOW).expect("registered");
        key
    }

    /// An operator signs the one open approval; how many have to sign still.
    fn approve(&mut self, name: &str, key: &OperatorKey) -> Result<usize, String> {
        let open = self.background.open_approvals(NOW).expect("approvals");
        let approval = open.first().expect("one is open").approval;
        let said = self.background.approve(approval.number, name, key.sign(&approval), NOW);
        said.map_err(|error| error.to_string())
    }
}

fn code(response: &Response) -> Option<RejectionCode> {
    match response {
        Response::Rejected(rejection) => Some(rejection.code),
        _ => None,
    }
}

/// Whoever knows its public number is not the terminal.
#[test]
fn who_has_not_the_terminals_key_is_not_heard() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let before = world.check();
    let other = load_terminal(&mut world.background, 901);
    let request = world.ask_operator(&mut purse, 500);
    let previous = purse.previous(request.counterpart, purse.position.nt, None);
    let question = ResolveRequest { counterpart: request.counterpart, previous, nt: purse.position.nt };
    let without = Mac::default();
    let forged = [
        Request::AuthoriseTransfer(Signed { fields: request, mac: without }),
        Request::AuthoriseTransfer(Signed::by(&other, request)),
        Request::ResolveTransfer(Signed { fields: question, mac: without }),
        Request::ResolveTransfer(Signed::by(&other, question)),
    ];
    for request in &forged {
        assert_eq!(code(&world.answer(request)), Some(RejectionCode::WrongMac));
    }
    let mut unknown = request;
    unknown.counterpart.sam = sam_id(902);
    let unknown = Request::AuthoriseTransfer(world.signed(unknown));
    assert_eq!(code(&world.answer(&unknown)), Some(RejectionCode::Unknown));
    assert_eq!((world.check(), world.reasons()), (before, vec![]), "nothing was booked, nothing kept");
}

/// A proof for which the terminal does not stand is not looked at, however good.
#[test]
fn a_completion_without_the_terminals_mac_is_not_heard() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let value = purse.execute(&request, &answer);
    let other = load_terminal(&mut world.background, 901);
    for signed in [Signed { fields: value, mac: Mac::default() }, Signed::by(&other, value)] {
        assert_eq!(code(&world.answer(&Request::CompleteTransfer(signed))), Some(RejectionCode::WrongMac));
    }
    assert_eq!(world.check().unloaded, 0);
    let right = Request::CompleteTransfer(world.signed(value));
    assert!(matches!(world.answer(&right), Response::Accepted(_)));
    assert_eq!(world.check().unloaded, 400);
}

/// Sixteen random bytes for S3 and S6 are rejected, and no answer says otherwise.
#[test]
fn random_answers_of_a_card_are_never_accepted() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let good = purse.clone().execute(&request, &answer);
    for seed in 0..200_u64 {
        let mut value: ValueRecord = good;
        let bytes = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        (value.entry.s3, value.entry.s6) = (Mac(bytes), Mac(bytes.map(|byte| !byte)));
        let asked = Request::CompleteTransfer(world.signed(value));
        assert_eq!(code(&world.answer(&asked)), Some(RejectionCode::WrongMac), "seed {seed}");
    }
    assert_eq!(world.check().unloaded, 0);
}

/// The whole request is what was decided on: the same S1 with another funding or clock gets
/// nothing, and leaves no doubt about the purse.
#[test]
fn the_same_statement_with_another_funding_or_time_gets_no_order() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let request = world.ask(&mut purse, Kind::Load, 500);
    let order = world.background.authorise(&request, NOW).expect("answered");
    let others = [
        TransferRequest { funding: Funding::Cash, ..request },
        TransferRequest { funding: Funding::Operator, ..request },
        TransferRequest { time: Time(NOW.0 + 1), ..request },
    ];
    for other in &others {
        assert_eq!(world.rejected(other), Some(RejectionCode::Conflict));
    }
    let other = TransferRequest { amount: amount(600), ..request };
    assert_eq!(world.rejected(&other), Some(RejectionCode::WrongMac), "the amount is under S1");
    assert_eq!(world.background.authorise(&request, NOW).expect("the same"), order);
    assert_eq!((world.check().loaded, world.reasons()), (500, vec![]));
}

/// A request may be replayed: it gets what it got, and no value moves again.
#[test]
fn a_replayed_request_gets_its_old_answer_and_moves_nothing() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let asked = Request::AuthoriseTransfer(world.signed(request));
    let first = world.answer(&asked);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let value = purse.execute(&request, &answer);
    let complete = Request::CompleteTransfer(world.signed(value));
    for _ in 0..3 {
        assert_eq!(world.answer(&asked), first);
        assert!(matches!(world.answer(&complete), Response::Accepted(_)));
        assert_eq!(world.check().unloaded, 400);
    }
}

/// An answer that was recorded serves no other question, not even one about the same session.
#[test]
fn an_answer_serves_no_other_question() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let value = purse.execute(&request, &answer);
    let nt = purse.position.nt;
    let mut questions = Vec::new();
    for _ in 0..2 {
        let counterpart = world.counterpart(sam_id(900));
        let previous = purse.previous(counterpart, nt, Some(value.entry));
        questions.push(world.signed(ResolveRequest { counterpart, previous, nt }));
    }
    let Response::Resolved(resolved) = world.answer(&Request::ResolveTransfer(questions[0])) else {
        panic!("not resolved")
    };
    let resolution = questions[0].answered(&world.key, &resolved).expect("believed");
    assert_eq!((resolution.fate, resolution.challenge), (Fate::Moved, request.counterpart.challenge));
    assert_eq!(questions[1].answered(&world.key, &resolved), None);
    let Response::Accepted(accepted) = world.answer(&Request::CompleteTransfer(world.signed(value))) else {
        panic!("not accepted")
    };
    let mut other = value;
    other.entry.s6 = Mac([1; 8]);
    assert_eq!(world.signed(other).answered(&world.key, &accepted), None);
    assert!(world.signed(value).answered(&world.key, &accepted).is_some());
}

#[test]
fn a_terminal_moves_no_money_that_it_may_not_move() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let permissions = Permissions { cash: false, ..Permissions::HOLDERS };
    let data = world.background.register_load_terminal(sam_id(901), "Lobby", &permissions, NOW);
    let data = data.expect("registered");
    let key = OnlineKey::new(data.key, data.reference, sam_id(901));
    for funding in [Funding::Account, Funding::Cash, Funding::Operator] {
        for kind in [Kind::Load, Kind::Unload] {
            let counterpart = world.counterpart(sam_id(901));
            let initialized = purse.initialize(kind, counterpart, amount(10));
            let fields =
                TransferRequest { kind, funding, initialized, counterpart, amount: amount(10), time: NOW };
            let answer = world.answer(&Request::AuthoriseTransfer(Signed::by(&key, fields)));
            let expected = (funding != Funding::Account).then_some(RejectionCode::NotPermitted);
            assert_eq!(code(&answer), expected, "{funding:?} {kind:?}");
        }
    }
}

/// What one person may give away in a day is bounded by its sum, not load by load.
#[test]
fn the_operators_money_is_bounded_by_the_day() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let late = Time(NOW.0 + 86_400);
    for minor in [GIVEN_A_DAY - 100, 100] {
        let request = world.ask_operator(&mut purse, minor);
        assert_eq!(world.rejected(&request), None);
    }
    let request = world.ask_operator(&mut purse, 1);
    assert_eq!(world.rejected(&request), Some(RejectionCode::ApprovalNeeded));
    assert_eq!(world.rejected_at(&request, late), None, "the next day");
    // Other money is not the operator's.
    let request = world.ask(&mut purse, Kind::Load, GIVEN_A_DAY + 1);
    assert_eq!(world.rejected_at(&request, late), None);
}

#[test]
fn above_the_limit_two_operators_have_to_sign() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let (ann, ben) = (world.operator("ann"), world.operator("ben"));
    let needed = Some(RejectionCode::ApprovalNeeded);
    let load = |world: &mut World, purse: &mut Purse, minor| {
        let request = world.ask_operator(purse, minor);
        (world.rejected(&request), request)
    };
    assert_eq!(load(&mut world, &mut purse, 5_000).0, needed, "nobody has signed");
    assert_eq!(world.approve("ann", &ann), Ok(1));
    assert_eq!(load(&mut world, &mut purse, 5_000).0, needed, "one has");
    assert!(world.approve("ann", &ann).expect_err("twice").contains("another one"));
    assert!(world.approve("ben", &ann).expect_err("another's").contains("not the signature"));
    assert!(world.approve("eve", &ann).expect_err("unknown").contains("operator eve"));
    assert!(world.background.register_operator("eve", ann.public(), NOW).is_err(), "one key, two names");
    assert_eq!(world.background.open_approvals(NOW).expect("open").len(), 1, "asked for once");
    assert_eq!(world.approve("ben", &ben), Ok(0));
    assert_eq!(world.check().loaded, 0);

    // For this amount and purse alone, and once.
    let mut other = world.purse(2);
    assert_eq!(load(&mut world, &mut purse, 5_001).0, needed);
    assert_eq!(load(&mut world, &mut other, 5_000).0, needed);
    let (rejected, request) = load(&mut world, &mut purse, 5_000);
    assert_eq!(rejected, None);
    assert_eq!(world.rejected(&request), None, "the same request is the same load");
    let order = world.background.authorise(&request, NOW).expect("decided");
    let value = purse.execute(&request, &order);
    world.background.complete(value, NOW).expect("complete");
    assert_eq!(load(&mut world, &mut purse, 5_000).0, needed, "it is used up");
    assert_eq!(world.check().loaded, 5_000);
}

/// A load that moved no value gives its approval back; one that nobody makes for a day is void.
#[test]
fn an_approval_is_for_one_load_and_a_day() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let (ann, ben) = (world.operator("ann"), world.operator("ben"));
    let needed = Some(RejectionCode::ApprovalNeeded);
    let torn = world.ask_operator(&mut purse, 5_000);
    assert_eq!(world.rejected(&torn), needed);
    assert_eq!((world.approve("ann", &ann), world.approve("ben", &ben)), (Ok(1), Ok(0)));
    assert_eq!(world.rejected(&torn), None);
    // S2 never reached the purse, as its next statement says.
    let again = world.ask_operator(&mut purse, 5_000);
    assert_eq!(world.rejected(&again), None);
    let third = world.ask_operator(&mut purse, 5_000);
    assert_eq!(world.rejected_at(&third, Time(NOW.0 + LIFETIME + 1)), needed);
    assert_eq!(world.check().loaded, 0);
}
