//! The load authority of a terminal: the background system at the other end of a link.

use apdu_spec::element::Counter;
use apdu_spec::purse::{Execute, PreviousSignature};
use apdu_spec::record::{Counterpart, ValueRecord};
use host::Error;
use host::terminal::load::{Funding, LoadAuthority, TransferRequest};
use network::{Link, Request, ResolveRequest, Response};

/// Speaks to the background system over a link.
#[derive(Debug)]
pub struct LinkAuthority<L>(pub L);

impl<L: Link> LinkAuthority<L> {
    fn call(&mut self, request: &Request) -> Result<Response, Error> {
        match self.0.call(request) {
            Ok(Response::Rejected(rejection)) => Err(Error::Authority(rejection.text)),
            Ok(response) => Ok(response),
            Err(error) => Err(Error::Authority(error.to_string())),
        }
    }
}

fn unexpected(response: &Response) -> Error {
    Error::Authority(format!("it answered {:?}", response.name()))
}

impl<L: Link> LoadAuthority for LinkAuthority<L> {
    fn authorise(&mut self, request: &TransferRequest) -> Result<Execute, Error> {
        let funding = match request.funding {
            Funding::Account => network::Funding::Account,
            Funding::Cash => network::Funding::Cash,
            Funding::Operator => network::Funding::Operator,
        };
        let TransferRequest { kind, initialized, counterpart, amount, time, .. } = *request;
        let request = network::TransferRequest { kind, funding, initialized, counterpart, amount, time };
        match self.call(&Request::AuthoriseTransfer(request))? {
            Response::Decision(execute) => Ok(execute),
            other => Err(unexpected(&other)),
        }
    }

    fn complete(&mut self, record: &ValueRecord) -> Result<(), Error> {
        match self.call(&Request::CompleteTransfer(*record))? {
            Response::Accepted => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn resolve(
        &mut self,
        counterpart: Counterpart,
        previous: &PreviousSignature,
        nt: Counter,
    ) -> Result<bool, Error> {
        let request = ResolveRequest { counterpart, previous: *previous, nt };
        match self.call(&Request::ResolveTransfer(request))? {
            Response::Resolved(credited) => Ok(credited),
            other => Err(unexpected(&other)),
        }
    }
}
