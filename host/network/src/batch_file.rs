//! A batch as a file.
//!
//! `magic (8) | version (1) | trailer and records as in a message | CRC-32 (4)`.
//! The checksum finds damage, not malice: against malice there are S4 and S5.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use apdu_spec::Reader;
use crc::{CRC_32_ISO_HDLC, Crc};

use crate::error::Error;
use crate::message::Batch;

const MAGIC: &[u8; 8] = b"PURSEBAT";
const VERSION: u8 = 1;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What is wrong with a batch file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// Does not begin like a batch file.
    #[error("this is not a batch file")]
    Magic,
    /// Of another version.
    #[error("batch file version {0} is not known here")]
    Version(u8),
    /// Ends too early.
    #[error("the batch file is cut off")]
    Truncated,
    /// The checksum does not match.
    #[error("the checksum of the batch file is wrong: it is damaged or cut off")]
    Checksum,
    /// The checksum matches but the fields do not.
    #[error("the batch file has no valid trailer and records")]
    Fields,
}

/// The bytes of a batch file.
#[must_use]
pub fn encode(batch: &Batch) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.push(VERSION);
    batch.put(&mut out);
    let checksum = CHECKSUM.checksum(&out);
    out.extend_from_slice(&checksum.to_be_bytes());
    out
}

/// The batch in the bytes of a file.
pub fn decode(bytes: &[u8]) -> Result<Batch, Damage> {
    let Some((magic, _)) = bytes.split_first_chunk::<8>() else {
        return Err(if MAGIC.starts_with(bytes) { Damage::Truncated } else { Damage::Magic });
    };
    if magic != MAGIC {
        return Err(Damage::Magic);
    }
    let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(Damage::Truncated)?;
    let version = *content.get(MAGIC.len()).ok_or(Damage::Truncated)?;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    if CHECKSUM.checksum(content) != u32::from_be_bytes(*checksum) {
        return Err(Damage::Checksum);
    }
    let mut reader = Reader::new(content.get(MAGIC.len() + 1..).unwrap_or_default());
    let batch = Batch::take(&mut reader).map_err(|_| Damage::Fields)?;
    reader.finish().map_err(|_| Damage::Fields)?;
    Ok(batch)
}

/// Reads the batch in a file.
pub fn read(path: &Path) -> Result<Batch, Error> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    decode(&bytes).map_err(|damage| Error::Damaged { path: path.to_owned(), damage })
}

/// Writes `batch` to a file that is there as a whole or not at all, also when power
/// fails: a temporary file, synchronised, then renamed.
pub fn write(path: &Path, batch: &Batch) -> Result<(), Error> {
    write_bytes(path, &encode(batch)).map_err(Error::io(path))
}

pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("partial");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    fs::rename(&temporary, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => synchronise(folder),
        None => synchronise(Path::new(".")),
    }
}

/// Makes renames and removals in a folder durable.
pub(crate) fn synchronise(folder: &Path) -> std::io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all())
}
