//! The body of the target `messages`: what comes over a line or in a file. The first byte says as
//! what the rest is read: a request, a response, a file of a batch.
//!
//! Whatever is read was written like that: the very same bytes come out again.

use network::{Request, Response, batch_file};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let again = match kind % 3 {
        0 => Request::decode(bytes).ok().map(|request| request.encode()),
        1 => Response::decode(bytes).ok().map(|response| response.encode()),
        _ => batch_file::decode(bytes).ok().map(|batch| batch_file::encode(&batch)),
    };
    assert!(again.is_none_or(|again| again == bytes), "read as something else than it is");
}
