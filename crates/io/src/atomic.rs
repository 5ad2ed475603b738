//! Files that are complete or not there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Writes a file under a temporary name in the same folder and renames it once `write` has returned
/// and everything is on its way to disk.
///
/// If `write` fails, panics, or the process is killed, `path` is what it was before. A symbolic link is
/// followed: the file it names is replaced, the link stays.
///
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("shift.json");
/// nonius_io::write_atomically(&path, |file| writeln!(file, "{{\"dy\": 0.25}}"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"dy\": 0.25}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the folder does not exist or cannot be written, if `path` names a folder, a device or
/// a read-only file, or if `write` fails.
pub fn write_atomically<T>(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
) -> Result<T> {
    let path = path.as_ref();
    write_and_rename(path, write).map_err(|e| Error::io(path, "write", e))
}

fn write_and_rename<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
) -> io::Result<T> {
    let target = target_of(path)?;
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let why = format!("there is no folder {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nonius-").suffix(".tmp");
    #[cfg(unix)]
    {
        // As for any new file: what the user's umask leaves of "everybody may read and write".
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // The message itself names the temporary file, which would tell nobody anything.
    let temporary = builder.tempfile_in(folder).map_err(|e| io::Error::from(e.kind()))?;
    let mut file = BufWriter::with_capacity(1 << 16, temporary.as_file().try_clone()?);
    let out = write(&mut file)?;
    file.flush()?;
    drop(file);
    temporary.persist(&target).map_err(|e| e.error)?;
    Ok(out)
}

/// The file to replace: `path` itself, or what it links to.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    match std::fs::metadata(path) {
        Ok(m) if m.is_dir() => refuse("it is a folder"),
        // Renaming over a device would replace the device.
        Ok(m) if !m.is_file() => refuse("it is not a regular file"),
        Ok(m) if m.permissions().readonly() => refuse("it is read-only"),
        Ok(_) => path.canonicalize(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        Err(e) => Err(e),
    }
}
