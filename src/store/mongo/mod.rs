//! The store for more than one machine: MongoDB, shared by any number of instances.
//!
//! ```text
//!  Draft ──► commit ──► messages ──► find ──► list, get, raw
//!    │    (one insert       │ change stream
//!    │     for all that     └──────► feed ──► changes by other instances
//!    └─► bodies  wait)   totals ──► labels, meta (totals)
//!      (GridFS, large ones)          tend: totals, lease, sweeping
//! ```
//!
//! docs/mongodb.md describes what is stored. Everything that talks to MongoDB runs on one thread of its
//! own (`runtime`), has a bound, and fails at once while MongoDB is known to be away (`health`).

mod after;
mod annotations;
mod bodies;
mod calls;
mod change;
mod check;
mod commit;
mod count;
mod draft;
mod feed;
mod find;
mod health;
mod maintenance;
mod notes;
mod page;
mod plan;
mod row;
mod runtime;
mod schema;
mod totals;
mod words;

pub(super) use self::check::check;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use mongodb::bson::oid::ObjectId;
use tokio::time::timeout;

use self::{
    change::Sweep,
    commit::{Doubtful, Queue, Stored},
    feed::Feed,
    health::Health,
    runtime::Runtime,
    schema::{Collections, Topology},
    totals::PendingTotals,
};
use super::{Error, MAX_INLINE_LIMIT, Options};
use crate::id::{IdSource, MessageId};

/// A store in a database that others may use, too.
pub(super) struct Mongo {
    shared: Arc<Shared>,
    queue: Queue,
    /// Closes when everything that was queued is answered.
    answered: smol::channel::Receiver<()>,
}

/// What all parts know.
struct Shared {
    runtime: Runtime,
    there: Collections,
    /// This instance.
    me: ObjectId,
    topology: OnceLock<Topology>,
    health: Health,
    totals: PendingTotals,
    feed: Feed,
    doubtful: Doubtful,
    stored: Stored,
    /// One piece is changed at a time: two would count the same difference twice.
    changing: tokio::sync::Mutex<()>,
    indexed: bool,
    inline_limit: usize,
    closed: AtomicBool,
    /// As the server last said.
    disk_bytes: AtomicU64,
    /// The age at which the server deletes by itself, in seconds.
    expires: AtomicI64,
    /// What the server's number of documents and the totals differ by without being wrong.
    drift: AtomicI64,
    touches: AtomicU64,
}

impl Mongo {
    /// Connects. A server that does not answer is waited for afterwards: mail is answered 451 until it
    /// does. A server that refuses us is an error.
    pub(super) fn open(options: &Options) -> Result<Self, Error> {
        if options.inline_limit > MAX_INLINE_LIMIT / 2 {
            let most = MAX_INLINE_LIMIT / 2;
            return Err(Error::Open(format!("inline_limit: at most {most} octets with mongodb")));
        }
        let runtime = Runtime::start()?;
        let uri = options.mongodb.clone();
        let there = smol::block_on(runtime.ask(async move { Collections::new(&uri).await }))?;
        let shared = Arc::new(Shared {
            runtime,
            there,
            me: ObjectId::new(),
            topology: OnceLock::new(),
            health: Health::default(),
            totals: PendingTotals::default(),
            feed: Feed::new(),
            doubtful: Doubtful::default(),
            stored: Stored::default(),
            changing: tokio::sync::Mutex::default(),
            indexed: options.index,
            inline_limit: options.inline_limit,
            closed: AtomicBool::new(false),
            disk_bytes: AtomicU64::new(0),
            expires: AtomicI64::new(schema::NEVER.as_secs() as i64),
            drift: AtomicI64::new(0),
            touches: AtomicU64::new(0),
        });
        smol::block_on(shared.runtime.ask(set_up(shared.clone())))?;
        let mut process = [0; 5];
        getrandom::fill(&mut process).map_err(|error| Error::Open(error.to_string()))?;
        let (queue, jobs) = Queue::new();
        // Not above what others stored: their next id could then be the same as ours. Who looks back
        // finds the order of clocks.
        let ids = IdSource::new(process, None);
        let (working, answered) = smol::channel::bounded(1);
        let commit = commit::run(shared.clone(), jobs, ids);
        shared.runtime.spawn(async move {
            commit.await;
            drop(working);
        });
        shared.runtime.spawn(maintenance::run(shared.clone()));
        shared.runtime.spawn(maintenance::run_periodic(shared.clone()));
        shared.runtime.spawn(feed::run(shared.clone()));
        Ok(Self { shared, queue, answered })
    }

    async fn finish(&self) -> Result<(), Error> {
        if self.shared.closed.swap(true, Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        self.queue.close();
        // What is under way is answered one way or the other; that has a bound of its own.
        let _ = self.answered.recv().await;
        let shared = self.shared.clone();
        let ended = self.shared.runtime.ask(async move {
            // Nothing is waited for that is away.
            match shared.health.is_away() {
                true => Ok(()),
                false => in_time(&shared, maintenance::deregister(&shared)).await,
            }
        });
        let ended = ended.await;
        self.shared.runtime.stop();
        ended
    }
}

/// Makes what is missing, or leaves that for when MongoDB is there.
async fn set_up(shared: Arc<Shared>) -> Result<(), Error> {
    let done = async {
        let topology = shared.there.set_up(shared.indexed).await?;
        maintenance::seen(&shared.there, shared.me)
            .await
            .map_err(|error| health::failed(&error))?;
        Ok(topology)
    };
    match timeout(OPEN_BOUND, done).await {
        Ok(Ok(topology)) => {
            let _ = shared.topology.set(topology);
        }
        Ok(Err(Error::Open(why))) => return Err(Error::Open(why)),
        Ok(Err(error)) => shared.health.went(&error.to_string()),
        Err(_late) => shared.health.went("no answer in time"),
    }
    Ok(())
}

/// Bounds whatever is asked of MongoDB. A search may take too long without MongoDB being away.
async fn in_time<T>(
    shared: &Shared,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if let Ok(result) = timeout(READ_BOUND, work).await {
        return result;
    }
    let seen = timeout(PING_BOUND, maintenance::seen(&shared.there, shared.me)).await;
    match seen {
        Ok(Ok(())) => Err(Error::Io("MongoDB took too long".into())),
        _ => Err(shared.health.late()),
    }
}

impl Shared {
    /// Asks something.
    async fn read<T, F>(
        self: &Arc<Self>,
        question: impl FnOnce(Collections) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = mongodb::error::Result<T>> + Send,
    {
        let shared = self.clone();
        self.runtime
            .ask(async move {
                let asked = async {
                    question(shared.there.clone()).await.map_err(|e| shared.health.failed(&e))
                };
                in_time(&shared, asked).await
            })
            .await
    }

    /// Writes something, to its end even if nobody waits for it any more.
    async fn write<T, F>(
        self: &Arc<Self>,
        work: impl FnOnce(Collections) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = mongodb::error::Result<T>> + Send,
    {
        let shared = self.clone();
        self.runtime
            .see_through(async move {
                let write = async {
                    work(shared.there.clone()).await.map_err(|error| shared.health.failed(&error))
                };
                match timeout(WRITE_BOUND, write).await {
                    Ok(written) => written,
                    Err(_late) => Err(shared.health.late()),
                }
            })
            .await
    }

    /// What kind of MongoDB it is; what is not known yet is taken for the usual kind.
    fn topology(&self) -> Topology {
        self.topology.get().copied().unwrap_or(Topology::Replicated)
    }

    /// Adds our sums to the totals.
    async fn add_up(self: &Arc<Self>) -> Result<(), Error> {
        let shared = self.clone();
        // To its end, even if who asked for totals hangs up: half an addition is none.
        self.runtime
            .see_through(async move {
                let add = shared.totals.add(&shared.there, &shared.health);
                match timeout(WRITE_BOUND, add).await {
                    Ok(added) => added,
                    Err(_late) => Err(shared.health.late()),
                }
            })
            .await
    }

    /// A mark by which we know our own change when it comes back from the stream.
    fn touch(&self) -> String {
        format!("{}:{}", self.me.to_hex(), self.touches.fetch_add(1, Ordering::Relaxed))
    }

    /// A change failed, and some of it may have happened.
    fn unsure(&self, error: &mongodb::error::Error) -> Error {
        self.totals.mark_dirty();
        self.health.failed(error)
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) { Err(Error::Closed) } else { self.health.check() }
    }
}

impl Mongo {
    /// Does something over there that may stop half way.
    async fn look<T: Send + 'static, F>(
        &self,
        question: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        self.shared.check_open()?;
        let shared = self.shared.clone();
        self.shared
            .runtime
            .ask(async move { in_time(&shared, question(shared.clone())).await })
            .await
    }

    /// Does a piece of a change to its end: it must be counted.
    async fn work<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        self.shared.check_open()?;
        let shared = self.shared.clone();
        self.shared
            .runtime
            .see_through(async move {
                let mut guard = DirtyOnDrop { totals: &shared.totals, ended: false };
                let result = in_time(&shared, async {
                    let result = work(shared.clone()).await;
                    guard.ended = true;
                    result
                });
                result.await
            })
            .await
    }

    /// The next piece of a sweep.
    async fn piece(&self, mut sweep: Sweep) -> Result<(Sweep, Vec<MessageId>), Error> {
        self.look(async move |shared| {
            let ids = sweep.next(&shared).await?;
            Ok((sweep, ids))
        })
        .await
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        self.queue.close();
        self.shared.runtime.stop();
    }
}

/// A piece of work that ends half way may have changed what it did not count.
struct DirtyOnDrop<'a> {
    totals: &'a PendingTotals,
    ended: bool,
}

impl Drop for DirtyOnDrop<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.totals.mark_dirty();
        }
    }
}

/// Longest look whether it is there at all, when something took too long.
const PING_BOUND: Duration = Duration::from_secs(2);
/// Longest answer to a question.
const READ_BOUND: Duration = Duration::from_secs(20);
/// Longest write besides that of a message, which has a bound of its own.
const WRITE_BOUND: Duration = Duration::from_secs(8);
/// Longest wait for MongoDB at the start.
const OPEN_BOUND: Duration = Duration::from_secs(30);
