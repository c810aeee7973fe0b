//! Bringing a file to the disk without taking the disk from others.
//!
//! `fdatasync` hands the disk all that has changed at once: ten thousand pages all over a database file keep
//! it for a tenth of a second or two, and whoever asks it for anything meanwhile (for the log, and so for
//! every answer) waits behind them. Handed over in small parts, each one waited for, the same pages keep
//! others waiting for one part at most.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

/// A part of the file, in bytes: sixteen pages, which a disk takes in about a millisecond.
const PART: u64 = 64 * 1_024;
/// Parts of a file at most. Those of a long file are longer, and hold hardly more changed pages: between two
/// calls about as many pages change, however long the file is.
const MOST_PARTS: u64 = 2_048;
/// A slow disk is handed the rest at once.
const WITHIN: Duration = Duration::from_secs(1);

/// Brings all that was written to the disk, as [`File::sync_data`] does, in parts where the system can.
///
/// # Errors
/// When the disk refuses.
pub(super) fn in_parts(file: &File) -> io::Result<()> {
    let (begun, length) = (Instant::now(), file.metadata()?.len());
    let part = PART.max(length.div_ceil(MOST_PARTS));
    let mut from = 0;
    while from < length && begun.elapsed() < WITHIN && write_back(file, from, part)? {
        from += part;
    }
    // What the parts leave out: the file's length, and the disk's own cache.
    file.sync_data()
}

/// Hands a part of the file to the disk and waits for it; whether the system can do so with this file.
///
/// # Errors
/// When the disk refuses: it tells each handle once, so that nobody may go on as if it had not.
#[cfg(target_os = "linux")]
fn write_back(file: &File, from: u64, length: u64) -> io::Result<bool> {
    // Asked for nothing, it only says whether it could: that cannot be the disk's refusal.
    if sync_file_range(file, 0, 0, 0).is_err() {
        return Ok(false);
    }
    let (Ok(from), Ok(length)) = (from.try_into(), length.try_into()) else { return Ok(false) };
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_file_range(file, from, length, all).map(|()| true)
}

/// The system call `sync_file_range(2)`.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library offers this system call safely")]
fn sync_file_range(
    file: &File,
    from: libc::off64_t,
    length: libc::off64_t,
    how: libc::c_uint,
) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    // SAFETY: the handle is open as long as `file` is borrowed, and the call reads and writes no memory.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), from, length, how) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Other systems bring a file to the disk as a whole.
#[cfg(not(target_os = "linux"))]
fn write_back(_file: &File, _from: u64, _length: u64) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_file_is_written_in_parts_of_any_size() {
        let mut file = tempfile::tempfile().unwrap();
        in_parts(&file).expect("an empty one");
        for length in [1, PART, 3 * PART + 1] {
            file.rewind().unwrap();
            file.write_all(&vec![7; usize::try_from(length).unwrap()]).unwrap();
            assert!(write_back(&file, 0, PART).unwrap() || cfg!(not(target_os = "linux")));
            in_parts(&file).unwrap();
        }
        file.set_len(PART * MOST_PARTS * 2).unwrap();
        in_parts(&file).expect("one with holes");
    }

    #[test]
    fn what_has_no_parts_is_brought_to_the_disk_as_a_whole() {
        let (reader, _writer) = io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(reader));
        assert!(!write_back(&pipe, 0, PART).unwrap());
        assert!(in_parts(&pipe).is_err(), "there is no disk behind it");
    }
}
