//! Card images that are named by their path: sealed under the key of `--image-key`, or plain.

use std::path::Path;

use apdu_spec::aid::ApplicationKind;
use host::reader::image::ImageKey;
use host::reader::virtual_reader::VirtualReader;
use simulation::{Error, World};
use zeroize::Zeroizing;

use crate::{Global, process};

/// The key of `--image-key`.
pub(crate) fn key(global: &Global) -> Result<Option<ImageKey>, Error> {
    let Some(path) = &global.image_key else { return Ok(None) };
    let refuse = |reason: String| Error::File { path: path.clone(), reason };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?);
    let mut key = Zeroizing::new([0; 32]);
    let wrong = |_| {
        refuse(
            "this is no image key: 64 hexadecimal digits are expected; `purse keys image-key` writes one"
                .into(),
        )
    };
    hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(wrong)?;
    Ok(Some(ImageKey::new(&key)))
}

/// The card in an image, whose commits wait for the disk.
pub(crate) fn open(global: &Global, path: &Path) -> Result<VirtualReader, Error> {
    let random = Box::new(process::random(global.seed)?);
    Ok(VirtualReader::open_with(path, key(global)?.as_ref(), random, true)?)
}

/// The same, for a scheme that is about to put its keys there: no real one does that in clear.
pub(crate) fn open_for(world: &World, global: &Global, path: &Path) -> Result<VirtualReader, Error> {
    let given = key(global)?;
    let random = Box::new(process::random(global.seed)?);
    Ok(VirtualReader::open_with(path, given.as_ref().or(world.image_key()), random, true)?)
}

/// A new card. In clear for a demonstration, and where somebody says so.
pub(crate) fn create(
    global: &Global,
    path: &Path,
    kind: ApplicationKind,
    insecure_plain: bool,
) -> Result<(), Error> {
    let key = key(global)?;
    if key.is_none() && !insecure_plain && !World::is_demo_in(&global.data) {
        return Err(Error::Order(format!(
            "{}: outside a demonstration a card image is sealed, since keys will be on it; give --image-key FILE, or \
             --insecure-plain for a card that never gets keys of worth",
            path.display()
        )));
    }
    let random = Box::new(process::random(global.seed)?);
    VirtualReader::create_with(path, kind, key.as_ref(), random)?;
    Ok(())
}
