//! Bars for the last two hours, as numbers that an SVG is made of. No clock and no words here.

use crate::metrics::MINUTES;

/// Bars of two kinds, one on top of the other, in a box of [`WIDTH`] by [`HEIGHT`].
#[derive(Debug)]
pub(super) struct Chart {
    /// Minutes in which something happened.
    pub(super) bars: Vec<Bar>,
    /// What the full height stands for: a round number, not less than the highest bar.
    pub(super) top: u64,
}

/// A minute.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: usize,
    /// Milliseconds since 1970 at its beginning.
    pub(super) at_ms: i64,
    pub(super) received: u64,
    pub(super) refused: u64,
    /// Heights in the box.
    pub(super) received_height: u64,
    pub(super) refused_height: u64,
}

impl Chart {
    /// The chart of these counts, the minute under way last.
    pub(super) fn new(received: &[u32; MINUTES], refused: &[u32; MINUTES], now_ms: i64) -> Self {
        let minutes = || received.iter().zip(refused).map(|(a, b)| (u64::from(*a), u64::from(*b)));
        let top =
            round_up(minutes().map(|(received, refused)| received + refused).max().unwrap_or(0));
        // What happened is seen, however little it is beside the rest.
        let height = |count: u64| if count == 0 { 0 } else { (count * HEIGHT / top).max(LEAST) };
        let first_ms = (now_ms / MINUTE_MS - (MINUTES as i64 - 1)) * MINUTE_MS;
        let bars = minutes().enumerate().filter(|(_, counts)| *counts != (0, 0));
        let bars = bars.map(|(at, (received, refused))| Bar {
            x: at * BAR,
            at_ms: first_ms + at as i64 * MINUTE_MS,
            received,
            refused,
            received_height: height(received),
            refused_height: height(refused),
        });
        Self { bars: bars.collect(), top }
    }
}

/// 1, 2 or 5 with zeros behind it, and at least 10, so that three messages do not look like a flood.
fn round_up(count: u64) -> u64 {
    let steps = (1..19).flat_map(|zeros| [1, 2, 5].map(|digit| digit * 10_u64.pow(zeros)));
    steps.into_iter().find(|step| *step >= count).unwrap_or(u64::MAX)
}

/// Units of the box that a minute has, with the gap behind its bar.
pub(super) const BAR: usize = 5;

/// Units that all minutes have.
pub(super) const WIDTH: usize = BAR * MINUTES;

/// Units of the box from the ground to the top.
pub(super) const HEIGHT: u64 = 100;

/// The least height of a bar.
const LEAST: u64 = 2;

const MINUTE_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_their_minute_is() {
        let (mut received, mut refused) = ([0; MINUTES], [0; MINUTES]);
        (received[0], received[MINUTES - 1], refused[MINUTES - 1]) = (1, 150, 50);
        let chart = Chart::new(&received, &refused, 1_770_000_030_000);
        assert_eq!(chart.top, 200);
        let now_ms = 1_770_000_000_000;
        let bar = |x, at_ms, received, refused, received_height, refused_height| Bar {
            x,
            at_ms,
            received,
            refused,
            received_height,
            refused_height,
        };
        let first = bar(0, now_ms - 119 * MINUTE_MS, 1, 0, LEAST, 0);
        assert_eq!(chart.bars, [first, bar(595, now_ms, 150, 50, 75, 25)]);
        assert_eq!(Chart::new(&[0; MINUTES], &[0; MINUTES], 0).bars, []);
    }

    #[test]
    fn the_top_is_round() {
        assert_eq!([0, 10, 11, 21, 51, 101].map(round_up), [10, 10, 20, 50, 100, 200]);
        assert!(round_up(2 * u64::from(u32::MAX)) >= 2 * u64::from(u32::MAX));
    }
}
