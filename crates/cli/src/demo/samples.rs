//! The project's own music and film, inside the binary, so that an installed one can show itself.

use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

static MUSIC: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../samples/music");
static FILM: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../samples/film");

/// Folders that the samples are written to. The film is called like its folder.
const FOLDERS: [(&str, &Dir<'_>); 2] = [("music", &MUSIC), ("Nearcast", &FILM)];

/// Writes the samples below `folder` and returns what to publish.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, files) in FOLDERS {
        let to = folder.join(name);
        std::fs::create_dir_all(&to)?;
        files.extract(&to)?;
        written.push(to);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_come_out_as_they_are_in_the_repository() {
        let folder = tempfile::tempdir().expect("a folder");
        let written = write(folder.path()).expect("written");
        assert_eq!(written, [folder.path().join("music"), folder.path().join("Nearcast")]);
        let film = std::fs::read(folder.path().join("Nearcast/360p.m4s")).expect("there");
        assert!(film == include_bytes!("../../../../samples/film/360p.m4s"));
        assert_eq!(std::fs::read_dir(&written[0]).expect("a folder").count(), 4);
    }
}
