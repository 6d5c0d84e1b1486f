//! Files that somebody names as an input: opened so that none of them can keep the program waiting for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::pipe::{SpliceFlags, pipe, tee};

/// The time to wait for a FIFO's writer, which is often started a moment after this program.
const WRITER_WITHIN_SECONDS: i64 = 10;

/// Opens a file for reading. A directory is an error, and so is a FIFO that nobody writes to within ten seconds; a
/// writer that takes longer to say something is waited for.
///
/// # Errors
/// Returns what the kernel said, or what kind of file it is.
pub fn open_input(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if kind.is_fifo() {
        wait_for_writer(&file)?;
    }
    ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// Reads a file of up to `bytes_max` bytes; `None` if it has more, of which no more than one is read.
///
/// # Errors
/// As for [`open_input`], and what the kernel says while it is read.
pub fn read_input(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    open_input(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// Returns once a FIFO has bytes or a writer, or has had one.
fn wait_for_writer(fifo: &File) -> io::Result<()> {
    let within = Timespec {
        tv_sec: WRITER_WITHIN_SECONDS,
        tv_nsec: 0,
    };
    loop {
        match poll(&mut [PollFd::new(fifo, PollFlags::IN)], Some(&within)) {
            Ok(0) => break,
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // A pipe that is empty gives nothing if nobody writes to it, and asks to try again if somebody does.
    let (_reader, writer) = pipe()?;
    match tee(fifo, &writer, 1, SpliceFlags::NONBLOCK) {
        Ok(0) => {
            let what = format!("it is a FIFO, and nobody wrote to it within {WRITER_WITHIN_SECONDS} s");
            Err(io::Error::new(ErrorKind::TimedOut, what))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Command;

    fn fifo(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("llmload-input-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    #[test]
    fn a_fifo_is_read_once_somebody_writes_to_it() {
        let path = fifo("written");
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut file = OpenOptions::new().write(true).open(path).unwrap();
                file.write_all(b"hello").unwrap();
            })
        };
        assert_eq!(read_input(&path, 5).unwrap().unwrap(), b"hello");
        writer.join().unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_fifo_that_nobody_writes_to_is_an_error() {
        let path = fifo("silent");
        let error = open_input(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("nobody wrote to it"), "{error}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_directory_and_what_never_ends_are_told() {
        let error = open_input(&std::env::temp_dir()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        assert_eq!(read_input(Path::new("/dev/zero"), 1 << 20).unwrap(), None);
        assert_eq!(read_input(Path::new("/dev/null"), 0).unwrap().unwrap(), b"");
    }
}
