//! Bodies of this crate's fuzz targets.

pub mod books;
pub mod vault_file;
