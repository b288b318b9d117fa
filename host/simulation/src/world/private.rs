//! What is its owner's alone: directories of mode 0700, files of mode 0600, whatever the umask and
//! whatever was there before.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::Error;

/// Makes a directory that is empty or missing its owner's alone. One that is there must be empty
/// and ours: what others may read is taken from them, what is theirs is refused.
pub(super) fn claim(directory: &Path) -> Result<(), Error> {
    match fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => tighten(directory),
            Some(_) => Err(Error::NotEmpty(directory.into())),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => self::directory(directory),
        Err(error) => Err(Error::file(directory)(error)),
    }
}

/// Makes a directory, where it is missing.
pub(super) fn directory(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path).map_err(Error::file(path))
}

/// Takes a directory from everybody else.
#[cfg(unix)]
fn tighten(directory: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let owner = fs::metadata(directory).map_err(Error::file(directory))?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(Error::NotOurs(directory.into()));
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(Error::file(directory))
}

#[cfg(not(unix))]
fn tighten(_: &Path) -> Result<(), Error> {
    Ok(())
}

/// Takes a file from everybody else.
#[cfg(unix)]
pub(super) fn file(path: &Path) -> Result<(), Error> {
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, own).map_err(Error::file(path))
}

#[cfg(not(unix))]
pub(super) fn file(_: &Path) -> Result<(), Error> {
    Ok(())
}
