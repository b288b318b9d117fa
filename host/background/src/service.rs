//! The background system as the network sees it: bytes in, bytes out. A load terminal is heard and
//! answered under its own MAC; a batch has its PSAM's, and its acknowledgement as well.

use apdu_spec::batch::Trailer;
use apdu_spec::element::Time;
use apdu_spec::record::BatchRecord;
use apdu_spec::{Element, Malformed};
use network::authentication::Question;
use network::{
    Acceptance, Decision, Fate, Rejection, RejectionCode, Request, Resolution, ResolveRequest, Response,
    Service, Signed,
};

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

/// Longest message that is read: a batch of as many records as its trailer can count.
const MESSAGE_MAX: usize = 64 + Trailer::MAX + (u16::MAX as usize) * BatchRecord::MAX;

impl Service for At<'_> {
    fn serve(&mut self, request: &[u8]) -> Vec<u8> {
        let decoded = match request.len() {
            0..=MESSAGE_MAX => Request::decode(request),
            _ => Err(network::Error::Malformed(Malformed)),
        };
        let response = match decoded {
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
        let time = self.now;
        Ok(match request {
            Request::AuthoriseTransfer(asked) => {
                Response::Decision(self.hear(asked, |background, request| {
                    Ok(Decision { execute: background.authorise(request, time)?, time })
                })?)
            }
            Request::CompleteTransfer(asked) => {
                Response::Accepted(self.hear(asked, |background, value| {
                    background.complete(*value, time)?;
                    Ok(Acceptance { time })
                })?)
            }
            Request::ResolveTransfer(asked) => Response::Resolved(
                self.hear(asked, |background, request| resolved(background, request, time))?,
            ),
            Request::SubmitBatch(batch) => Response::Acknowledged(self.background.submit(batch, time)?),
        })
    }

    /// Does for a load terminal what it asks, where it is the terminal that it says it is.
    fn hear<Q: Question>(
        &mut self,
        asked: &Signed<Q>,
        carry_out: impl FnOnce(&mut Background, &Q) -> Result<Q::Answer, Error>,
    ) -> Result<Signed<Q::Answer>, Error> {
        let key = self.background.authenticate(asked)?;
        let answer = carry_out(self.background, &asked.fields)?;
        Ok(asked.answer(&key, answer))
    }
}

fn resolved(background: &mut Background, request: &ResolveRequest, time: Time) -> Result<Resolution, Error> {
    let fate = if background.resolve(request, time)? { Fate::Moved } else { Fate::NotMoved };
    let known = background.transfer(request.previous.statement.identity.iep, request.nt)?;
    let challenge = known.map(|known| known.request.counterpart.challenge).unwrap_or_default();
    Ok(Resolution { fate, challenge, time })
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
