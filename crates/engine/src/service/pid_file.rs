//! Turns a path into a file that says which process the server is, as long as it runs and no longer.
//!
//! That it runs is said by a lock, which ends with its last process however that ends, not by the number in the file,
//! which may be another process's by now.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How often a file that others remove meanwhile is made again.
const TRIES_MAX: usize = 8;

/// How much of a file is looked at.
const NUMBER_BYTES_MAX: u64 = 64;

/// A file that is this server's.
#[derive(Debug)]
pub(crate) struct PidFile {
    file: File,
    path: PathBuf,
}

impl PidFile {
    /// Takes the file, or makes it. One that a server has left behind is taken.
    ///
    /// # Errors
    /// A server that runs has it; or those of open(2).
    pub(crate) fn take(path: &str) -> io::Result<PidFile> {
        // A script may change its directory before the end.
        let path = std::path::absolute(path)?;
        for _ in 0..TRIES_MAX {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_same(&file, &path) => {
                    if !holds_number(&mut file)? {
                        return Err(io::Error::other("something else than a number is in it already"));
                    }
                    return Ok(PidFile { file, path });
                }
                // Its owner has just removed it.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    let mut pid = String::new();
                    let _ = file.read_to_string(&mut pid);
                    return Err(io::Error::other(format!("the server of process {} has it, and runs", pid.trim())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("others make and remove it all the time"))
    }

    /// Puts this process's number into it.
    pub(crate) fn write(&self) -> io::Result<()> {
        let line = format!("{}\n", std::process::id());
        // Cut afterwards: whoever reads it now finds a number.
        self.file.write_all_at(line.as_bytes(), 0)?;
        self.file.set_len(line.len() as u64)
    }

    /// The server has ended.
    pub(crate) fn remove(&self) {
        if is_same(&self.file, &self.path)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("pid_file {} cannot be removed: {error}", self.path.display());
        }
    }
}

/// Is nothing else in it than what a server would have left there?
fn holds_number(file: &mut File) -> io::Result<bool> {
    let mut begin = Vec::new();
    file.take(NUMBER_BYTES_MAX).read_to_end(&mut begin)?;
    // Zeros are what a file system may make of it in a power cut.
    Ok(begin.trim_ascii().iter().all(|byte| byte.is_ascii_digit() || *byte == 0))
}

/// Is it still this file that has the name?
fn is_same(file: &File, path: &Path) -> bool {
    let number = |data: fs::Metadata| (data.dev(), data.ino());
    matches!((file.metadata().map(number), fs::metadata(path).map(number)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::PidFile;
    use std::fs;

    #[test]
    fn belongs_to_one_server_until_its_end() {
        let path = std::env::temp_dir().join(format!("wirewool-pid-{}", std::process::id()));
        let name = path.to_str().unwrap();
        // Longer than what is written, and of nobody who holds it.
        fs::write(&path, "999999999999\n").unwrap();
        let own = PidFile::take(name).unwrap();
        own.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        let refused = PidFile::take(name).unwrap_err().to_string();
        assert_eq!(refused, format!("the server of process {} has it, and runs", std::process::id()));
        drop(own);
        let other = PidFile::take(name).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        other.remove();
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
        let refused = PidFile::take(name).unwrap_err().to_string();
        assert_eq!(refused, "something else than a number is in it already");
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
        for left in ["", "12\0\0"] {
            fs::write(&path, left).unwrap();
            drop(PidFile::take(name).unwrap());
        }
        PidFile::take(name).unwrap().remove();
        assert!(!path.exists());
    }
}
