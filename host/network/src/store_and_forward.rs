//! Batches that wait for their acknowledgement, one file each, in a directory.
//!
//! Delivery is at least once: a file goes when its acknowledgement has come and at
//! no other time. A lost acknowledgement costs a second delivery, which the
//! background system answers like the first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apdu_spec::batch::{Acknowledgement, Trailer};

use crate::batch_file::{self, Damage, synchronise};
use crate::error::Error;
use crate::link::Link;
use crate::message::{Batch, Rejection, Request, Response};

const EXTENSION: &str = "batch";

/// Where the files of an outbox are.
pub trait Folder: core::fmt::Debug {
    /// The names that are there.
    fn list(&self) -> io::Result<Vec<PathBuf>>;

    /// The bytes of a file; nothing where there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file; when this returns it is there as a whole and durable.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes durable what was written under a name before.
    fn synchronise(&self) -> io::Result<()>;

    /// Removes a file; need not be durable.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A directory of the file system.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Folder for Directory {
    fn list(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.0)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        batch_file::write_bytes(path, bytes)
    }

    fn synchronise(&self) -> io::Result<()> {
        synchronise(&self.0)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// A directory of batches on their way.
#[derive(Debug)]
pub struct Outbox<F = Directory> {
    path: PathBuf,
    folder: F,
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
        let path = folder.into();
        fs::create_dir_all(&path).map_err(Error::io(&path))?;
        Ok(Self { folder: Directory(path.clone()), path })
    }
}

impl<F: Folder> Outbox<F> {
    /// An outbox in this folder, which is called `path`.
    pub fn over(path: impl Into<PathBuf>, folder: F) -> Self {
        Self { path: path.into(), folder }
    }

    /// Takes a batch; it is durable when this returns. The same batch may come again, and
    /// takes the place of a damaged file; another one of the same number is refused and
    /// the first one kept.
    pub fn put(&self, batch: &Batch) -> Result<PathBuf, Error> {
        let path = self.name(&batch.trailer);
        match self.read(&path)?.map(|bytes| batch_file::decode(&bytes)) {
            // Whoever wrote it may have stopped before the folder was durable.
            Some(Ok(waiting)) if waiting == *batch => {
                self.folder.synchronise().map_err(Error::io(&self.path))?;
            }
            Some(Ok(_)) => return Err(Error::Conflict { path }),
            None | Some(Err(_)) => {
                self.folder.write(&path, &batch_file::encode(batch)).map_err(Error::io(&path))?;
            }
        }
        Ok(path)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        self.folder.read(path).map_err(Error::io(path))
    }

    /// The files that wait, in order of module and batch.
    pub fn pending(&self) -> Result<Vec<PathBuf>, Error> {
        let mut paths = self.folder.list().map_err(Error::io(&self.path))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
        paths.sort();
        Ok(paths)
    }

    /// Offers every waiting batch once. Damaged files are named and left alone; when
    /// the other end does not answer, the rest waits for the next attempt.
    pub fn deliver(&self, link: &mut dyn Link) -> Result<Delivery, Error> {
        let mut delivery = Delivery::default();
        for path in self.pending()? {
            let outcome = self.deliver_file(&path, link);
            let unreachable = matches!(outcome, Err(Error::Unreachable(_)));
            match outcome {
                Ok(Ok(acknowledgement)) => {
                    // It is for the module, also where the file cannot be removed.
                    delivery.acknowledged.push(acknowledgement);
                    if let Err(error) = self.folder.remove(&path).map_err(Error::io(&path)) {
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

    /// Offers one file. Only an acknowledgement of this very batch counts.
    fn deliver_file(
        &self,
        path: &Path,
        link: &mut dyn Link,
    ) -> Result<Result<Acknowledgement, Rejection>, Error> {
        let damaged = |damage: Damage| Error::Damaged { path: path.to_owned(), damage };
        let bytes = self.read(path)?.unwrap_or_default();
        let batch = batch_file::decode(&bytes).map_err(damaged)?;
        let (sam, number, s4) = (batch.trailer.sam, batch.trailer.batch, batch.trailer.s4);
        match link.call(&Request::SubmitBatch(batch))? {
            Response::Acknowledged(ack) if (ack.sam, ack.batch, ack.s4) == (sam, number, s4) => Ok(Ok(ack)),
            Response::Rejected(rejection) => Ok(Err(rejection)),
            other => Err(Error::Unexpected(other.name())),
        }
    }

    fn name(&self, trailer: &Trailer) -> PathBuf {
        let (sam, batch) = (trailer.sam, trailer.batch.get());
        let (acquirer, number) = (sam.acquirer.get(), sam.number.get());
        self.path.join(format!("{acquirer:08}-{number:08}-{batch:08}.{EXTENSION}"))
    }
}
