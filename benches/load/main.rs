//! The generator of load behind `benches/compare.py`: many sessions at once, and the times that
//! smtp-source does not tell.
//!
//! A program of its own with nothing but the standard library, so that `rustc` alone builds it in
//! seconds and no part of smtpd measures itself. A thread for each session, because a blocking thread
//! adds least to what is measured. Each command prints one line of JSON.
//!
//! ```text
//! load send   smtp=ADDRESS [sessions=50] [count=10000] [size=1024,…] [how=dialog|pipelined|bdat]
//!             [rate=MESSAGES_A_SECOND] [first=NUMBER] [seconds=AT_MOST]
//! load frames smtp=ADDRESS http=ADDRESS [rate=1000] [count=10000] [sessions=10] [size=1024]
//! load watch  http=ADDRESS
//! load disk   folder=FOLDER [writers=1] [count=1000] [size=1024]
//! load bare   smtp=ADDRESS folder=FOLDER
//! ```

mod bare;
mod disk;
mod send;
mod text;
mod watch;

use std::{collections::HashMap, error, str::FromStr, time::Duration};

/// What ends the program: it is told and that is all.
type Failed = Box<dyn error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let options = Options(
        words
            .filter_map(|word| {
                let (name, value) = word.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect(),
    );
    match command.as_str() {
        "send" => send::send(&options),
        "frames" => watch::frames(&options),
        "watch" => watch::watch(&options),
        "disk" => disk::disk(&options),
        "bare" => bare::bare(&options),
        // `cargo bench` starts everything in this folder with this.
        "--bench" => Ok(()),
        _ => Err("load send, frames, watch, disk or bare: see benches/load/main.rs".into()),
    }
}

/// The `name=value` of the command line.
struct Options(HashMap<String, String>);

impl Options {
    fn text(&self, name: &str) -> Result<&str, Failed> {
        self.0.get(name).map(String::as_str).ok_or_else(|| format!("{name}= is missing").into())
    }

    fn number<T: FromStr>(&self, name: &str, otherwise: T) -> Result<T, Failed> {
        match self.0.get(name) {
            None => Ok(otherwise),
            Some(value) => value.parse().map_err(|_| format!("{name}={value} is no number").into()),
        }
    }

    /// At least one number, with commas between them.
    fn numbers<T: FromStr>(&self, name: &str, otherwise: T) -> Result<Vec<T>, Failed> {
        let Some(value) = self.0.get(name) else { return Ok(vec![otherwise]) };
        let numbers = value.split(',').map(str::parse).collect::<Result<_, _>>();
        numbers.map_err(|_| format!("{name}={value} are no numbers").into())
    }
}

/// Prints how many a second there were, and how long each took.
fn tell(count: usize, taken: Duration, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times
            .get(place.min(times.len().saturating_sub(1)))
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "{{\"rate\": {:.3}, \"seconds\": {:.3}, \"p50_ms\": {:.4}, \"p99_ms\": {:.4}, \"max_ms\": {:.4}}}",
        count as f64 / taken.as_secs_f64(),
        taken.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
}
