//! The background system as the network sees it: bytes in, bytes out.

use apdu_spec::element::Time;
use network::{Rejection, RejectionCode, Request, Response, Service};

use crate::background::Background;
use crate::error::Error;

/// A background system at a point in time.
#[derive(Debug)]
pub struct At<'b> {
    background: &'b mut Background,
    now: Time,
}

impl Background {
    /// This system, serving messages at `now`.
    pub const fn at(&mut self, now: Time) -> At<'_> {
        At { background: self, now }
    }
}

impl Service for At<'_> {
    fn serve(&mut self, request: &[u8]) -> Vec<u8> {
        let response = match Request::decode(request) {
            Ok(request) => self.answer(&request).unwrap_or_else(|error| Response::Rejected(rejection(error))),
            Err(error) => {
                Response::Rejected(Rejection { code: RejectionCode::Malformed, text: error.to_string() })
            }
        };
        response.encode()
    }
}

impl At<'_> {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        let Self { background, now } = self;
        Ok(match request {
            Request::AuthoriseTransfer(request) => Response::Decision(background.authorise(request, *now)?),
            Request::CompleteTransfer(value) => {
                background.complete(*value, *now)?;
                Response::Accepted
            }
            Request::ResolveTransfer(request) => Response::Resolved(background.resolve(request, *now)?),
            Request::SubmitBatch(batch) => Response::Acknowledged(background.submit(batch, *now)?),
        })
    }
}

/// What a terminal gets to see of an error. What is not its fault may pass: it may repeat.
fn rejection(error: Error) -> Rejection {
    match error {
        Error::Rejected(rejection) => rejection,
        other => {
            tracing::error!(error = %other, "a request could not be served");
            Rejection { code: RejectionCode::Unavailable, text: other.to_string() }
        }
    }
}
