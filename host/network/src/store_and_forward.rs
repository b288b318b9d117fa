//! Batches that wait for their acknowledgement, one file each, in a directory.
//!
//! Delivery is at least once: a file goes when its acknowledgement has come and at
//! no other time. A lost acknowledgement costs a second delivery, which the
//! background system answers like the first.

use std::fs;
use std::path::{Path, PathBuf};

use apdu_spec::batch::{Acknowledgement, Trailer};

use crate::batch_file::{self, synchronise};
use crate::error::Error;
use crate::link::Link;
use crate::message::{Batch, Rejection, Request, Response};

const EXTENSION: &str = "batch";

/// A directory of batches on their way.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
}

/// What came of one attempt to deliver everything.
#[derive(Debug, Default)]
pub struct Delivery {
    /// For the modules: their batches are stored.
    pub acknowledged: Vec<Acknowledgement>,
    /// Refused, with the reason; these files stay.
    pub rejected: Vec<(PathBuf, Rejection)>,
    /// Not delivered, with the reason; these files stay.
    pub failed: Vec<(PathBuf, Error)>,
}

impl Outbox {
    /// Opens the directory, and makes it where it is missing.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        Ok(Self { folder })
    }

    /// Takes a batch; it is durable when this returns. The same batch may come again, and
    /// takes the place of a damaged file; another one of the same number is refused and
    /// the first one kept.
    pub fn put(&self, batch: &Batch) -> Result<PathBuf, Error> {
        let path = self.path(&batch.trailer);
        let waiting = if path.exists() { batch_file::read(&path).map(Some) } else { Ok(None) };
        match waiting {
            // Whoever wrote it may have stopped before the folder was durable.
            Ok(Some(waiting)) if waiting == *batch => synchronise(&self.folder)?,
            Ok(Some(_)) => return Err(Error::Conflict { path }),
            Ok(None) | Err(Error::Damaged { .. }) => batch_file::write(&path, batch)?,
            Err(error) => return Err(error),
        }
        Ok(path)
    }

    /// The files that wait, in order of module and batch.
    pub fn pending(&self) -> Result<Vec<PathBuf>, Error> {
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io(&self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Offers every waiting batch once. Damaged files are named and left alone; when
    /// the other end does not answer, the rest waits for the next attempt.
    pub fn deliver(&self, link: &mut dyn Link) -> Result<Delivery, Error> {
        let mut delivery = Delivery::default();
        for path in self.pending()? {
            let outcome = deliver_file(&path, link);
            let unreachable = matches!(outcome, Err(Error::Unreachable(_)));
            match outcome {
                Ok(Ok(acknowledgement)) => {
                    // It is for the module, also where the file cannot be removed.
                    delivery.acknowledged.push(acknowledgement);
                    if let Err(error) = fs::remove_file(&path).map_err(Error::io(&path)) {
                        delivery.failed.push((path, error));
                    }
                }
                Ok(Err(rejection)) => delivery.rejected.push((path, rejection)),
                Err(error) => delivery.failed.push((path, error)),
            }
            if unreachable {
                break;
            }
        }
        // Not synchronised: a removal that is lost costs a second delivery and no more.
        Ok(delivery)
    }

    fn path(&self, trailer: &Trailer) -> PathBuf {
        let (sam, batch) = (trailer.sam, trailer.batch.get());
        let (acquirer, number) = (sam.acquirer.get(), sam.number.get());
        self.folder.join(format!("{acquirer:08}-{number:08}-{batch:08}.{EXTENSION}"))
    }
}

/// Offers one file. Only an acknowledgement of this very batch counts.
fn deliver_file(path: &Path, link: &mut dyn Link) -> Result<Result<Acknowledgement, Rejection>, Error> {
    let batch = batch_file::read(path)?;
    let (sam, number, s4) = (batch.trailer.sam, batch.trailer.batch, batch.trailer.s4);
    match link.call(&Request::SubmitBatch(batch))? {
        Response::Acknowledged(ack) if (ack.sam, ack.batch, ack.s4) == (sam, number, s4) => Ok(Ok(ack)),
        Response::Rejected(rejection) => Ok(Err(rejection)),
        other => Err(Error::Unexpected(other.name())),
    }
}
