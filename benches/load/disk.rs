//! `load disk`: what the disk can do at most, for a store that keeps its word: each writer appends to
//! a file of its own and waits for fdatasync, and does nothing else.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{Failed, Options, tell};

/// Tells how many appends a second there were, and how long each took.
pub(crate) fn disk(options: &Options) -> Result<(), Failed> {
    let folder = Path::new(options.text("folder")?);
    let writers = options.number("writers", 1_usize)?;
    let count = options.number("count", 1_000_usize)? / writers.max(1);
    let octets = vec![b'x'; options.number("size", 1024)?];
    let open = |number: usize| {
        OpenOptions::new().create(true).append(true).open(folder.join(number.to_string()))
    };
    let files: Vec<File> = (0..writers).map(open).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let times = thread::scope(|scope| {
        let writers: Vec<_> =
            files.into_iter().map(|file| scope.spawn(|| write(file, &octets, count))).collect();
        let mut all = Vec::new();
        for writer in writers {
            all.extend(writer.join().map_err(|_| "a writer panicked")??);
        }
        Ok::<_, Failed>(all)
    })?;
    tell(times.len(), begun.elapsed(), times);
    Ok(())
}

fn write(mut file: File, octets: &[u8], count: usize) -> Result<Vec<Duration>, Failed> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(octets)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
