//! The event bus: what happened, numbered, for whoever listens.
//!
//! Publishing never waits for a subscriber. There is no queue per subscriber, only one short history
//! that all read at their own pace; who falls behind it is told that it missed something.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event_listener::Event as Bell;

use crate::{id::MessageId, store::Record};

/// Something happened to the messages.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message was stored.
    New(Arc<Record>),
    /// These messages are gone.
    Deleted(Arc<[MessageId]>),
    /// Read or unread marks, stars or tags of these messages changed.
    Changed(Arc<[MessageId]>),
    /// So much changed that looking again is cheaper than being told.
    Reload,
}

/// Takes events and keeps the last few.
#[derive(Debug)]
pub struct Bus {
    history: Mutex<History>,
    bell: Bell,
    keep: usize,
}

#[derive(Debug)]
struct History {
    /// The number of the event at the front.
    first: u64,
    events: VecDeque<Event>,
}

/// A reader of the bus at its own pace.
#[derive(Debug)]
pub struct Subscription {
    bus: Arc<Bus>,
    next: u64,
}

/// What a subscriber hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The events that came since the last call, oldest first; the number is that of the first one.
    Events(u64, Vec<Event>),
    /// It was too slow or away for too long, and the next event it can hear has this number.
    Missed(u64),
}

impl Bus {
    /// A bus that remembers the last `keep` events.
    pub fn new(keep: usize) -> Arc<Self> {
        let history = History { first: 1, events: VecDeque::new() };
        Arc::new(Self { history: Mutex::new(history), bell: Bell::new(), keep: keep.max(1) })
    }

    /// Tells everybody. Never waits.
    pub fn publish(&self, event: Event) {
        let mut history = self.history();
        if history.events.len() == self.keep {
            history.events.pop_front();
            history.first += 1;
        }
        history.events.push_back(event);
        drop(history);
        self.bell.notify(usize::MAX);
    }

    /// The number that the next event will have.
    pub fn next_number(&self) -> u64 {
        let history = self.history();
        history.first + history.events.len() as u64
    }

    /// Listens from event `from` on, or from now on. A number that was never given out, as a client
    /// of an earlier process may bring, is answered with [`Heard::Missed`].
    pub fn subscribe(self: &Arc<Self>, from: Option<u64>) -> Subscription {
        Subscription { bus: self.clone(), next: from.unwrap_or_else(|| self.next_number()) }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Every change of the history is a single push or pop: a panic cannot leave it half done.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for what comes next, at most `most` events at a time.
    pub async fn next(&mut self, most: usize) -> Heard {
        let bus = self.bus.clone();
        loop {
            event_listener::listener!(bus.bell => bell);
            if let Some(heard) = self.try_next(most) {
                return heard;
            }
            bell.await;
        }
    }

    /// What has come already, if anything.
    pub fn try_next(&mut self, most: usize) -> Option<Heard> {
        let history = self.bus.history();
        let end = history.first + history.events.len() as u64;
        if self.next < history.first || self.next > end {
            self.next = end;
            return Some(Heard::Missed(end));
        }
        let skip = usize::try_from(self.next - history.first).unwrap_or(usize::MAX);
        let events: Vec<_> = history.events.iter().skip(skip).take(most).cloned().collect();
        if events.is_empty() {
            return None;
        }
        let number = self.next;
        self.next += events.len() as u64;
        Some(Heard::Events(number, events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(heard: Option<Heard>) -> String {
        match heard {
            None => "nothing".into(),
            Some(Heard::Missed(next)) => format!("missed, next {next}"),
            Some(Heard::Events(first, events)) => format!("{} from {first}", events.len()),
        }
    }

    #[test]
    fn each_subscriber_reads_at_its_own_pace() {
        let bus = Bus::new(3);
        let (mut quick, mut slow) = (bus.subscribe(None), bus.subscribe(None));
        assert_eq!(numbers(quick.try_next(9)), "nothing");
        for _ in 0..3 {
            bus.publish(Event::Reload);
        }
        assert_eq!(numbers(quick.try_next(2)), "2 from 1");
        assert_eq!(numbers(quick.try_next(9)), "1 from 3");
        bus.publish(Event::Reload);
        assert_eq!(numbers(quick.try_next(9)), "1 from 4");
        assert_eq!(numbers(slow.try_next(9)), "missed, next 5");
        assert_eq!(numbers(slow.try_next(9)), "nothing");
    }

    #[test]
    fn a_client_comes_back_where_it_was_or_is_told() {
        let bus = Bus::new(2);
        for _ in 0..4 {
            bus.publish(Event::Reload);
        }
        assert_eq!(numbers(bus.subscribe(Some(4)).try_next(9)), "1 from 4");
        assert_eq!(numbers(bus.subscribe(Some(5)).try_next(9)), "nothing");
        assert_eq!(numbers(bus.subscribe(Some(2)).try_next(9)), "missed, next 5");
        assert_eq!(numbers(bus.subscribe(Some(77)).try_next(9)), "missed, next 5");
    }

    #[test]
    fn waiting_ends_with_the_event() {
        let bus = Bus::new(2);
        let mut subscription = bus.subscribe(None);
        let publisher = std::thread::spawn({
            let bus = bus.clone();
            move || bus.publish(Event::Reload)
        });
        let heard = smol::block_on(subscription.next(9));
        assert_eq!(numbers(Some(heard)), "1 from 1");
        assert!(publisher.join().is_ok());
    }
}
