//! The load authority of a terminal: the background system at the other end of a link. What it
//! answers counts under the MAC of that terminal's line, as the answer to this very question.

use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::Counter;
use apdu_spec::purse::{Execute, PreviousSignature};
use apdu_spec::record::{Counterpart, ValueRecord};
use host::Error;
use host::terminal::load::{Funding, LoadAuthority, Resolved, TransferRequest};
use network::authentication::Question;
use network::{Fate, Link, Request, ResolveRequest, Response, Signed};

/// Speaks to the background system over a link.
#[derive(Debug)]
pub struct LinkAuthority<'k, L> {
    link: L,
    key: &'k OnlineKey,
}

/// The answer that was asked for, or another one.
type Answered<A> = Result<Signed<A>, Box<Response>>;

impl<'k, L: Link> LinkAuthority<'k, L> {
    /// Speaks for the terminal that has this key.
    pub const fn new(link: L, key: &'k OnlineKey) -> Self {
        Self { link, key }
    }

    /// Asks, and believes the answer where it may be believed.
    fn ask<Q: Question>(
        &mut self,
        question: Q,
        request: fn(Signed<Q>) -> Request,
        answer: fn(Response) -> Answered<Q::Answer>,
    ) -> Result<Q::Answer, Error> {
        let asked = Signed::by(self.key, question);
        let response =
            self.link.call(&request(asked)).map_err(|error| Error::Authority(error.to_string()))?;
        let answered = answer(response).map_err(|other| match *other {
            Response::Rejected(rejection) => Error::Authority(rejection.text),
            other => Error::Authority(format!("it answered {:?}", other.name())),
        })?;
        let forged = || Error::Authority("its answer is under a wrong MAC".into());
        asked.answered(self.key, &answered).ok_or_else(forged)
    }
}

impl<L: Link> LoadAuthority for LinkAuthority<'_, L> {
    fn authorise(&mut self, request: &TransferRequest) -> Result<Execute, Error> {
        let funding = match request.funding {
            Funding::Account => network::Funding::Account,
            Funding::Cash => network::Funding::Cash,
            Funding::Operator => network::Funding::Operator,
            Funding::Refund => network::Funding::Refund,
        };
        let TransferRequest { kind, initialized, counterpart, amount, time, .. } = *request;
        let question = network::TransferRequest { kind, funding, initialized, counterpart, amount, time };
        let decision = self.ask(question, Request::AuthoriseTransfer, |response| match response {
            Response::Decision(decision) => Ok(decision),
            other => Err(Box::new(other)),
        })?;
        Ok(decision.execute)
    }

    fn complete(&mut self, record: &ValueRecord) -> Result<(), Error> {
        let accepted = self.ask(*record, Request::CompleteTransfer, |response| match response {
            Response::Accepted(acceptance) => Ok(acceptance),
            other => Err(Box::new(other)),
        });
        accepted.map(drop)
    }

    fn resolve(
        &mut self,
        counterpart: Counterpart,
        previous: &PreviousSignature,
        nt: Counter,
    ) -> Result<Resolved, Error> {
        let question = ResolveRequest { counterpart, previous: *previous, nt };
        let resolution = self.ask(question, Request::ResolveTransfer, |response| match response {
            Response::Resolved(resolution) => Ok(resolution),
            other => Err(Box::new(other)),
        })?;
        Ok(Resolved { moved: resolution.fate == Fate::Moved, challenge: resolution.challenge })
    }
}
