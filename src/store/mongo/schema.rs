//! What is in the database: collections, indexes, and the number of this schema. docs/mongodb.md is
//! its description for other programs, and says how a newer schema is reached.

use std::time::Duration;

use mongodb::{
    Client, Collection, Database, IndexModel,
    bson::{Document, doc, oid::ObjectId},
    options::{
        ClientOptions, CollectionOptions, CommitQuorum, CreateIndexOptions, IndexOptions,
        ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
    },
};

use super::health::{DUPLICATE, code, failed};
use crate::store::{Error, MongoOptions};

/// The collections.
#[derive(Clone, Debug)]
pub(super) struct Collections {
    pub(super) db: Database,
    pub(super) messages: Collection<Document>,
    /// `bodies.files` and `bodies.chunks`: a GridFS bucket.
    pub(super) files: Collection<Document>,
    pub(super) chunks: Collection<Document>,
    pub(super) labels: Collection<Document>,
    pub(super) meta: Collection<Document>,
}

/// What kind of MongoDB it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// One mongod by itself: no change streams, no majority.
    Standalone,
    /// A replica set or a sharded cluster.
    Replicated,
}

impl Collections {
    /// The collections that the options name. Nothing is asked of the server yet.
    pub(super) async fn new(options: &MongoOptions) -> Result<Self, Error> {
        let mut client = ClientOptions::parse(options.uri.declassify())
            .await
            .map_err(|error| Error::Open(told(&error.to_string(), options.uri.declassify())))?;
        client.app_name.get_or_insert_with(|| "smtpd".into());
        // A client waits ten seconds at most, so finding out that nobody is there must take less.
        client.server_selection_timeout.get_or_insert(Duration::from_secs(3));
        client.connect_timeout.get_or_insert(Duration::from_secs(2));
        client.heartbeat_freq.get_or_insert(Duration::from_secs(2));
        client.max_idle_time.get_or_insert(Duration::from_secs(300));
        client.default_database = None;
        let cannot = |error: mongodb::error::Error| {
            Error::Open(told(&error.to_string(), options.uri.declassify()))
        };
        let client = Client::with_options(client).map_err(cannot)?;
        let db = client.database(&options.database);
        // Whatever the connection string says: 250 means that a majority has it on disk, and who marks
        // a message sees the mark when he looks again.
        let how = CollectionOptions::builder()
            .write_concern(durable())
            .read_concern(ReadConcern::local())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        let open = |name: &str| db.collection_with_options(name, how.clone());
        Ok(Self {
            messages: open(&options.messages),
            files: open(&format!("{}.files", options.bodies)),
            chunks: open(&format!("{}.chunks", options.bodies)),
            labels: open(&options.labels),
            meta: open(&options.meta),
            db,
        })
    }

    /// Makes what is missing. May be done by several instances at the same time.
    pub(super) async fn set_up(&self, index: bool) -> Result<Topology, Error> {
        let told = |error: mongodb::error::Error| match code(&error) {
            Some(UNAUTHORIZED | AUTHENTICATION_FAILED) => Error::Open(error.to_string()),
            _ if matches!(*error.kind, mongodb::error::ErrorKind::Authentication { .. }) => {
                Error::Open(error.to_string())
            }
            _ => failed(&error),
        };
        let hello = self.db.run_command(doc! { "hello": 1 }).await.map_err(told)?;
        let replicated = hello.contains_key("setName")
            || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        self.check_version().await?;
        let totals = doc! { "messages": 0_i64, "unread": 0_i64, "bytes": 0_i64, "flushes": 0_i64,
        "changes": 0_i64 };
        let update = doc! { "$setOnInsert": totals };
        let made = self.meta.update_one(doc! { "_id": "totals" }, update).upsert(true).await;
        if let Err(error) = made
            && code(&error) != Some(DUPLICATE)
        {
            return Err(told(error));
        }
        // A set that lacks a member can still make an index.
        let quorum = replicated.then_some(CommitQuorum::Majority);
        let indexes = |collection: Collection<Document>, models: Vec<IndexModel>| {
            let quorum = quorum.clone();
            async move {
                let options = CreateIndexOptions::builder().commit_quorum(quorum).build();
                collection.create_indexes(models).with_options(options).await
            }
        };
        indexes(self.messages.clone(), message_indexes(index)).await.map_err(told)?;
        // Retention sets another age; then there is nothing to make.
        let received = self.messages.create_index(received_index()).await;
        if let Err(error) = received
            && code(&error) != Some(OTHER_OPTIONS)
        {
            return Err(told(error));
        }
        indexes(self.files.clone(), file_indexes()).await.map_err(told)?;
        let chunks = vec![
            IndexModel::builder()
                .keys(doc! { "files_id": 1, "n": 1 })
                .options(IndexOptions::builder().unique(true).build())
                .build(),
        ];
        indexes(self.chunks.clone(), chunks).await.map_err(told)?;
        Ok(if replicated { Topology::Replicated } else { Topology::Standalone })
    }

    /// An error if it cannot be looked at, or is of a newer schema. Changes nothing.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let found = self.meta.find_one(doc! { "_id": "schema" }).await;
        self.known(found.map_err(|error| Error::Open(error.kind.to_string()))?)
    }

    async fn check_version(&self) -> Result<(), Error> {
        let this = doc! { "_id": "schema" };
        let update = doc! { "$setOnInsert": { "version": VERSION } };
        let made = self.meta.update_one(this.clone(), update).upsert(true).await;
        if let Err(error) = made
            && code(&error) != Some(DUPLICATE)
        {
            return Err(match code(&error) {
                Some(UNAUTHORIZED) => Error::Open(error.to_string()),
                _ => failed(&error),
            });
        }
        self.known(self.meta.find_one(this).await.map_err(|error| failed(&error))?)
    }

    /// An error if the schema is newer than we are.
    fn known(&self, schema: Option<Document>) -> Result<(), Error> {
        let version = schema.and_then(|schema| schema.get_i32("version").ok()).unwrap_or(VERSION);
        if version > VERSION {
            let db = self.db.name();
            return Err(Error::Open(format!(
                "database {db}: its schema has version {version}; this smtpd knows {VERSION}"
            )));
        }
        Ok(())
    }
}

/// A majority has it on disk. Bounded, so that a set that lost its majority is noticed.
pub(super) fn durable() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern.w_timeout = Some(WRITE_BOUND);
    concern
}

fn message_indexes(index: bool) -> Vec<IndexModel> {
    let plain = |keys: Document| IndexModel::builder().keys(keys).build();
    let partial = |name: &str, keys: Document, filter: Document| {
        let options =
            IndexOptions::builder().name(name.to_owned()).partial_filter_expression(filter).build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    let mut models = vec![
        plain(doc! { "mailboxes": 1, "_id": -1 }),
        plain(doc! { "state": 1, "_id": -1 }),
        // Few of these at a time; the others take no room in them.
        partial("tags", doc! { "tags": 1, "_id": -1 }, doc! { "tags": { "$exists": true } }),
        partial("unread", doc! { "read": 1, "_id": -1 }, doc! { "read": false }),
        partial("starred", doc! { "starred": 1, "_id": -1 }, doc! { "starred": true }),
        partial("file", doc! { "file": 1 }, doc! { "file": { "$exists": true } }),
        IndexModel::builder()
            .keys(doc! { "gone": 1 })
            .options(IndexOptions::builder().expire_after(GONE_FOR).build())
            .build(),
    ];
    if index {
        models.push(plain(doc! { "words": 1, "_id": -1 }));
    }
    models
}

/// By date, and the net under retention: what is too old goes even when no smtpd is running.
fn received_index() -> IndexModel {
    let options = IndexOptions::builder().expire_after(NEVER).build();
    IndexModel::builder().keys(doc! { "received": 1 }).options(options).build()
}

fn file_indexes() -> Vec<IndexModel> {
    let doomed = doc! { "metadata.doomed": 1 };
    let filter = doc! { "metadata.doomed": { "$exists": true } };
    let options = IndexOptions::builder().partial_filter_expression(filter).build();
    vec![
        // GridFS drivers expect this one.
        IndexModel::builder().keys(doc! { "filename": 1, "uploadDate": 1 }).build(),
        IndexModel::builder().keys(doomed).options(options).build(),
    ]
}

/// What may be said of an error in a connection string: nothing that stands before its `@`.
fn told(error: &str, uri: &str) -> String {
    let secrets = uri.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let leaks = secrets.is_some_and(|(secrets, _)| {
        secrets.split(':').any(|part| !part.is_empty() && error.contains(part))
    });
    match leaks {
        true => "store.mongodb.uri: it cannot be used as a connection string".into(),
        false => format!("store.mongodb.uri: {error}"),
    }
}

/// The version of this schema.
const VERSION: i32 = 1;
/// Longest wait of a single write for its majority.
pub(super) const WRITE_BOUND: Duration = Duration::from_secs(4);
/// What remains of a message whose sender was told 451 is kept so long: any late write has come by then.
const GONE_FOR: Duration = Duration::from_secs(24 * 3_600);
/// The longest age that an index can have: 68 years.
pub(super) const NEVER: Duration = Duration::from_secs(i32::MAX as u64);
/// IndexOptionsConflict.
const OTHER_OPTIONS: i32 = 85;
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;

/// The id of an instance's document.
pub(super) fn instance(me: ObjectId) -> String {
    format!("instance:{}", me.to_hex())
}
