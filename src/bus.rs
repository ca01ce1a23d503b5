//! The event bus: what happened, numbered, for whoever listens.
//!
//! Publishing never waits for a subscriber. There is no queue per subscriber, only one short history
//! that all read at their own pace; who falls behind it is told that it missed something.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event_listener::Event as Notify;

use crate::{
    id::MessageId,
    store::{Change, Record},
};

/// Something happened to the messages.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message was stored.
    New(Arc<Record>),
    /// Something was done to these messages.
    Changed {
        /// Those that are different now.
        ids: Arc<[MessageId]>,
        /// What is different.
        what: What,
    },
    /// These messages are gone.
    Deleted {
        /// Some may have been gone before.
        ids: Arc<[MessageId]>,
    },
    /// All messages were deleted. What came in the same moment may be told before it and be there all the same.
    Emptied,
    /// So much changed that looking again is cheaper than being told.
    Reload,
}

/// What was done to messages that are still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// They were marked or tagged.
    Marked(Change),
    /// They left this mailbox, in the form of [`crate::store::mailbox_key`], and are in others.
    Left(String),
    /// Another instance did it, and did not say what.
    Unknown,
}

/// Takes events and keeps the last few.
#[derive(Debug)]
pub struct Bus {
    history: Mutex<History>,
    notify: Notify,
    keep: usize,
}

#[derive(Debug)]
struct History {
    /// The number of the event at the front.
    first: u64,
    events: VecDeque<Event>,
    /// What the events weigh together, in octets, roughly.
    octets: usize,
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

impl Event {
    /// What it holds in memory, in octets, roughly.
    fn weight(&self) -> usize {
        match self {
            Self::New(record) => weight(record),
            Self::Changed { ids, what } => size_of_val::<[MessageId]>(ids) + what.weight(),
            Self::Deleted { ids } => size_of_val::<[MessageId]>(ids),
            Self::Emptied | Self::Reload => 0,
        }
    }
}

impl What {
    fn weight(&self) -> usize {
        match self {
            Self::Marked(Change::Tag(name) | Change::Untag(name)) | Self::Left(name) => name.len(),
            Self::Marked(Change::Read(_) | Change::Starred(_)) | Self::Unknown => 0,
        }
    }
}

/// What of a record a stranger can make large.
fn weight(record: &Record) -> usize {
    let Record { envelope, summary, .. } = record;
    let lists = [&summary.from, &summary.to, &summary.cc, &summary.bcc, &summary.reply_to];
    let people = lists.into_iter().flatten().map(|it| it.name.len() + it.address.len() + EACH);
    let paths = envelope.forward_paths.iter().map(|path| path.address.len() + EACH);
    let files = summary.attachments.iter().map(|name| name.len() + EACH);
    let values = envelope.parameters.iter().filter_map(|it| it.value.as_ref().map(String::len));
    let texts = [&summary.subject, &summary.message_id, &summary.snippet, &envelope.helo];
    size_of::<Record>()
        + people.chain(paths).chain(files).chain(values).sum::<usize>()
        + texts.map(String::len).iter().sum::<usize>()
        + envelope.auth_user.as_ref().map_or(0, String::len)
}

/// Octets of events that are remembered, roughly: ordinary ones take a kilobyte, but a header may be
/// hundreds, and thousands of those would take all memory.
const MOST_OCTETS: usize = 16 * 1024 * 1024;
/// Octets of events that are heard at once, roughly: a browser that takes nothing holds as many.
const MOST_AT_ONCE: usize = 64 * 1024;
/// What an entry of a list takes besides its text.
const EACH: usize = 48;

impl Bus {
    /// A bus that remembers the last `keep` events, or fewer if they are large.
    pub fn new(keep: usize) -> Arc<Self> {
        let history = History { first: 1, events: VecDeque::new(), octets: 0 };
        Arc::new(Self { history: Mutex::new(history), notify: Notify::new(), keep: keep.max(1) })
    }

    /// Tells everybody. Never waits.
    pub fn publish(&self, event: Event) {
        let mut history = self.history();
        history.octets += event.weight();
        history.events.push_back(event);
        // The newest stays, however large it is.
        while history.events.len() > self.keep
            || (history.events.len() > 1 && history.octets > MOST_OCTETS)
        {
            let oldest = history.events.pop_front();
            history.octets -= oldest.map_or(0, |event| event.weight());
            history.first += 1;
        }
        drop(history);
        self.notify.notify(usize::MAX);
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
        // Nothing panics while the history changes, so it is never left half done.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for what comes next, at most `most` events at a time, and less if they are large.
    pub async fn next(&mut self, most: usize) -> Heard {
        let bus = self.bus.clone();
        loop {
            event_listener::listener!(bus.notify => notify);
            if let Some(heard) = self.try_next(most) {
                return heard;
            }
            notify.await;
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
        let mut octets = 0;
        let fits = |event: &&Event| {
            octets += event.weight();
            octets <= MOST_AT_ONCE
        };
        let coming = || history.events.iter().skip(skip).take(most);
        let mut events: Vec<_> = coming().take_while(fits).cloned().collect();
        if events.is_empty() {
            // One that is larger than all that goes with others goes alone.
            events.extend(coming().next().cloned());
        }
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
    use crate::message::Summary;

    fn record(length: usize) -> Arc<Record> {
        Arc::new(Record {
            id: MessageId::from_bytes([0; 12]),
            uid: None,
            envelope: Default::default(),
            summary: Summary { subject: "x".repeat(length), ..Summary::default() },
            read: false,
            starred: false,
            tags: Vec::new(),
            left: Vec::new(),
            state: Default::default(),
        })
    }

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
    fn large_events_are_forgotten_sooner() {
        let bus = Bus::new(1_000);
        let fat = record(MOST_OCTETS / 10);
        for _ in 0..1_000 {
            bus.publish(Event::New(fat.clone()));
        }
        assert!((2..=10).contains(&bus.history().events.len()));
        let mut subscription = bus.subscribe(None);
        bus.publish(Event::New(record(2 * MOST_OCTETS)));
        assert_eq!(numbers(subscription.try_next(9)), "1 from 1001");
        for _ in 0..1_000 {
            bus.publish(Event::New(record(100)));
        }
        assert_eq!(bus.history().events.len(), 1_000);
        assert_eq!(bus.history().octets, 1_000 * weight(&record(100)));
    }

    #[test]
    fn large_events_are_heard_a_few_at_a_time() {
        let bus = Bus::new(100);
        for length in [MOST_AT_ONCE / 3, MOST_AT_ONCE / 3, MOST_AT_ONCE / 3, 2 * MOST_AT_ONCE, 1] {
            bus.publish(Event::New(record(length)));
        }
        let mut subscription = bus.subscribe(Some(1));
        for expected in ["2 from 1", "1 from 3", "1 from 4", "1 from 5", "nothing"] {
            assert_eq!(numbers(subscription.try_next(9)), expected);
        }
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
