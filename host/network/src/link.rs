//! How a request reaches a background system.

use crate::error::Error;
use crate::message::{Request, Response};

/// The terminal's end of a connection.
pub trait Link {
    /// Sends `request` and waits for its answer. After an error nothing is known
    /// about the request: it may or may not have arrived. Every request may be
    /// repeated.
    fn call(&mut self, request: &Request) -> Result<Response, Error>;
}

/// The background system's end: bytes in, bytes out.
pub trait Service {
    /// Answers one message. Never fails: what cannot be served is rejected.
    fn serve(&mut self, request: &[u8]) -> Vec<u8>;
}

impl<S: Service + ?Sized> Service for &mut S {
    fn serve(&mut self, request: &[u8]) -> Vec<u8> {
        (**self).serve(request)
    }
}

impl<L: Link + ?Sized> Link for &mut L {
    fn call(&mut self, request: &Request) -> Result<Response, Error> {
        (**self).call(request)
    }
}

/// A link without a wire: both ends in one process. Real bytes cross it, so that
/// nothing works here that would not work over a wire.
#[derive(Debug)]
pub struct Direct<S>(pub S);

impl<S: Service> Link for Direct<S> {
    fn call(&mut self, request: &Request) -> Result<Response, Error> {
        Response::decode(&self.0.serve(&request.encode()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::Signed;
    use crate::message::{Rejection, RejectionCode};
    use apdu_spec::Element;
    use apdu_spec::element::{Algorithm, Mac};
    use apdu_spec::record::{Identity, ValueRecord};

    struct Refuses;

    impl Service for Refuses {
        fn serve(&mut self, request: &[u8]) -> Vec<u8> {
            let text = match Request::decode(request) {
                Ok(_) => "understood".to_owned(),
                Err(error) => error.to_string(),
            };
            Response::Rejected(Rejection { code: RejectionCode::Unavailable, text }).encode()
        }
    }

    #[test]
    fn real_bytes_cross_a_direct_link() {
        let mut bytes = [0; ValueRecord::MAX];
        bytes[Identity::MAX + 1] = Algorithm::AesCmac as u8;
        let record = ValueRecord::from_bytes(&bytes).expect("a record");
        let signed = Signed { fields: record, mac: Mac::default() };
        let answer = Direct(Refuses).call(&Request::CompleteTransfer(signed)).expect("an answer");
        assert!(matches!(answer, Response::Rejected(Rejection { text, .. }) if text == "understood"));
    }
}
