//! What only a store in a folder can do wrong: reopening, leftovers, foreign files, space.

use std::{fs, os::unix::fs::FileExt, path::Path, sync::Arc};

use smol::future::block_on;
use smtpd::{
    message::search::{Query as Search, Test},
    store::{self, Change, Error, Options, Query, Selection, Store},
};

use super::{
    everything, find, ids, is, mail, matching, noise, octets, put, put_raw, within, words,
};

fn options(folder: &Path) -> Options {
    Options { path: folder.join("data"), inline_limit: 1000, ..Options::default() }
}

/// Why the folder cannot be opened.
fn refusal(options: &Options) -> String {
    match store::open(options) {
        Err(Error::Open(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
}

async fn found(store: &Arc<dyn Store>, search: Search) -> usize {
    store.list(Query { search, ..everything() }).await.unwrap().records.len()
}

async fn caught_up(store: &Arc<dyn Store>) {
    within(|| async { store.counts().await.unwrap().index_lag == 0 }).await;
}

#[test]
fn reopening_finds_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    block_on(async {
        let store = store::open(&options).unwrap();
        let small = put_raw(&*store, &mail("hello"), 99, &["Ann@b.example"]).await.id;
        let large = put_raw(&*store, &noise(50_000), 999, &[]).await.id;
        store.change(Selection::Ids(vec![small]), Change::Tag("t".into())).await.unwrap();
        store.change(Selection::Ids(vec![large]), Change::Read(true)).await.unwrap();
        caught_up(&store).await;
        let (page, mailboxes) =
            (store.list(everything()).await.unwrap(), store.mailboxes(None, 9).await.unwrap());
        let before = store.counts().await.unwrap();
        store.close().await.unwrap();
        drop(store);
        assert!(!folder.path().join("data/smtpd.db-wal").exists(), "the log is written back");

        let store = store::open(&options).unwrap();
        assert_eq!(store.list(everything()).await.unwrap(), page);
        assert_eq!(store.mailboxes(None, 9).await.unwrap(), mailboxes);
        let after = store.counts().await.unwrap();
        assert_eq!((after.messages, after.unread, after.bytes), (2, 1, before.bytes));
        assert_eq!(after.index_lag, 0, "the index is kept");
        assert_eq!(found(&store, find([words("hello")])).await, 1);
        let raw = store.raw(large).await.unwrap().unwrap();
        assert!(octets(&raw) == noise(50_000));
        store.close().await.unwrap();
    });
}

#[test]
fn a_lost_body_file_does_not_end_searching() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    block_on(async {
        let store = store::open(&options).unwrap();
        let large = put_raw(&*store, &noise(50_000), 999, &[]).await.id;
        put(&*store, "after").await;
        store.close().await.unwrap();
        drop(store);
        let bodies = folder.path().join("data/bodies");
        for entry in fs::read_dir(bodies).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::remove_file(folder.path().join("data/index.db")).unwrap();

        let store = store::open(&options).unwrap();
        assert_eq!(found(&store, find([words("after")])).await, 1);
        caught_up(&store).await;
        assert_eq!(found(&store, find([words("after")])).await, 1);
        // Nobody knows what does not stand in it.
        let without = |text: &str| {
            let mut search = find([words(text)]);
            search.terms[0].negated = true;
            search
        };
        assert_eq!(found(&store, without("needle")).await, 1);
        assert_eq!(found(&store, without("after")).await, 0);
        // Its octets are still asked for in vain, which is told.
        assert!(matches!(store.raw(large).await, Err(Error::Damaged(_))));
        store.close().await.unwrap();
    });
}

#[test]
fn ids_stay_above_what_was_deleted_before_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let mut last = None;
    for round in 0..3 {
        let store = store::open(&options).unwrap();
        let id = block_on(put(&*store, "unique"));
        assert!(last.is_none_or(|last| id > last), "round {round}");
        last = Some(id);
        block_on(async {
            caught_up(&store).await;
            assert_eq!(found(&store, find([words("unique")])).await, 1);
            store.delete(Selection::Ids(vec![id])).await.unwrap();
            assert_eq!(found(&store, find([words("unique")])).await, 0);
            store.close().await.unwrap();
        });
    }
}

/// The files of a folder as a kill would leave them: copied while the store is at work.
fn crash_copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            crash_copy(&entry.path(), &target);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_crash_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let copy = Options { path: folder.path().join("copy"), ..options.clone() };
    block_on(async {
        let store = store::open(&options).unwrap();
        let mut given = Vec::new();
        for number in 0..50 {
            let body = noise(if number % 10 == 0 { 5000 } else { 500 });
            given.insert(0, put_raw(&*store, &body, 999, &["a@b.example"]).await.id);
        }
        // A draft is under way, and no checkpoint, when the lights go out.
        let mut draft = store.begin().await.unwrap();
        draft.write(&noise(2_000_000)).await.unwrap();
        crash_copy(&options.path, &copy.path);
        assert_eq!(fs::read_dir(copy.path.join("bodies")).unwrap().count(), 6);
        drop(draft);

        let survivor = store::open(&copy).unwrap();
        let records = survivor.list(everything()).await.unwrap().records;
        assert_eq!(ids(&records), given);
        for record in &records {
            let raw = survivor.raw(record.id).await.unwrap().unwrap();
            assert!(octets(&raw) == noise(record.summary.size as usize));
        }
        let left = fs::read_dir(copy.path.join("bodies")).unwrap().count();
        assert_eq!(left, 5, "the draft's file is cleared away");
        assert_eq!(survivor.counts().await.unwrap().messages, 50);
        survivor.close().await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let index = options.path.join("index.db");
    type Harm = fn(&Path);
    let harms: [Harm; 4] = [
        |index| fs::remove_file(index).unwrap(),
        |index| fs::write(index, "garbage".repeat(1000)).unwrap(),
        |index| fs::write(index, "").unwrap(),
        // Pages behind the first are noise: it opens, and fails when it is used.
        |index| {
            let mut octets = fs::read(index).unwrap();
            let behind = octets.split_off(4096).len();
            octets.extend(noise(behind));
            fs::write(index, octets).unwrap();
        },
    ];
    block_on(async {
        let store = store::open(&options).unwrap();
        for _ in 0..30 {
            put(&*store, "findme").await;
        }
        store.close().await.unwrap();
        for (number, harm) in harms.into_iter().enumerate() {
            harm(&index);
            let store = store::open(&options).unwrap();
            assert_eq!(found(&store, find([words("findme")])).await, 30, "harm {number}");
            put(&*store, "other").await;
            caught_up(&store).await;
            assert_eq!(found(&store, find([words("findme")])).await, 30, "harm {number}");
            store.close().await.unwrap();
            drop(store);
            assert!(fs::metadata(&index).unwrap().len() > 8192, "harm {number}");
        }
    });
}

#[test]
fn an_index_that_vanishes_or_breaks_in_use_hides_nothing() {
    type Harm = fn(&Path);
    let harms: [Harm; 2] = [
        |index| fs::remove_file(index).unwrap(),
        // Behind the pages of the schema and the cursor.
        |index| {
            let length = fs::metadata(index).unwrap().len() - 3 * 4096;
            let file = fs::OpenOptions::new().write(true).open(index).unwrap();
            file.write_all_at(&noise(length as usize), 3 * 4096).unwrap();
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let index = options.path.join("index.db");
        block_on(async {
            let store = store::open(&options).unwrap();
            for number in 0..300 {
                put(&*store, &format!("findme word{number}")).await;
            }
            caught_up(&store).await;
            store.close().await.unwrap();
            let store = store::open(&options).unwrap();
            harm(&index);
            assert_eq!(found(&store, find([words("findme")])).await, 300, "harm {number}");
            put(&*store, "findme").await;
            assert_eq!(found(&store, find([words("findme")])).await, 301, "harm {number}");
            caught_up(&store).await;
            assert_eq!(found(&store, find([words("findme")])).await, 301, "harm {number}");
            store.close().await.unwrap();
        });
    }
}

#[test]
fn an_index_of_other_messages_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mine = options(folder.path());
    let other = Options { path: folder.path().join("other"), ..mine.clone() };
    block_on(async {
        for (options, text) in [(&mine, "mine"), (&other, "theirs")] {
            let store = store::open(options).unwrap();
            put(&*store, text).await;
            caught_up(&store).await;
            store.close().await.unwrap();
        }
        fs::copy(other.path.join("index.db"), mine.path.join("index.db")).unwrap();
        let store = store::open(&mine).unwrap();
        assert_eq!(found(&store, find([words("theirs")])).await, 0);
        assert_eq!(found(&store, find([words("mine")])).await, 1);
        store.close().await.unwrap();
    });
}

#[test]
fn an_index_that_is_not_wanted_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let without = Options { index: false, ..options.clone() };
    for options in [&options, &without] {
        let store = store::open(options).unwrap();
        block_on(put(&*store, "word"));
        block_on(store.close()).unwrap();
        assert_eq!(options.path.join("index.db").exists(), options.index);
    }
}

#[test]
fn deleting_gives_the_space_back() {
    // Every message was received after that time.
    let every = find([is(Test::After(0))]);
    for which in [Selection::All, matching(every, None)] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { inline_limit: 20_000, ..options(folder.path()) };
        block_on(async {
            let store = store::open(&options).unwrap();
            for number in 0..300 {
                let text = format!("word{number} ").repeat(1000);
                put_raw(&*store, &mail(&text), 99_999, &["a@b.example"]).await;
            }
            put_raw(&*store, &noise(1_000_000), 99_999, &[]).await;
            caught_up(&store).await;
            let full = store.counts().await.unwrap().disk_bytes;
            assert!(full > 4_000_000, "{full}");
            assert_eq!(store.delete(which.clone()).await, Ok(301));
            // Space is given back when there is nothing else to do.
            within(|| async {
                let now = store.counts().await.unwrap().disk_bytes;
                now < full / 3 && fs::read_dir(options.path.join("bodies")).unwrap().count() == 0
            })
            .await;
            store.close().await.unwrap();
            let size = |name| fs::metadata(options.path.join(name)).unwrap().len();
            assert!(size("smtpd.db") < 200_000, "{}", size("smtpd.db"));
        });
    }
}

#[test]
fn the_folder_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let store = store::open(&options).unwrap();
    block_on(put_raw(&*store, &noise(5000), 999, &[]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&options.path), 0o700);
    assert_eq!(mode(&options.path.join("smtpd.db")), 0o600);
    for body in fs::read_dir(options.path.join("bodies")).unwrap() {
        assert_eq!(mode(&body.unwrap().path()), 0o600);
    }
    block_on(store.close()).unwrap();
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let store = store::open(&options).unwrap();
    let why = refusal(&options);
    assert_eq!(why, format!("{}: in use by another smtpd", options.path.display()));
    block_on(store.close()).unwrap();
    drop(store);
    assert!(store::open(&options).is_ok());
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    fs::create_dir(&options.path).unwrap();
    let path = options.path.join("smtpd.db");
    let text = "these are somebody's notes\n".repeat(200);
    fs::write(&path, &text).unwrap();
    assert_eq!(
        refusal(&options),
        format!("{}: not a database of smtpd; {MADE_AGAIN}", path.display())
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

const MADE_AGAIN: &str = "if it was one, `smtpd repair` makes it again from the journal";

/// Overwrites four octets of a database's header.
fn patch(path: &Path, offset: usize, number: u32) {
    let mut octets = fs::read(path).unwrap();
    octets[offset..offset + 4].copy_from_slice(&number.to_be_bytes());
    fs::write(path, octets).unwrap();
}

/// Notes another layout.
fn set_layout(path: &Path, layout: i64) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute("UPDATE notes SET value = ? WHERE name = 'layout'", [layout]).unwrap();
}

#[test]
fn other_versions_and_foreign_databases_are_refused() {
    // Places in the header of a SQLite file.
    const USER_VERSION: usize = 60;
    const APPLICATION_ID: usize = 68;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    block_on(store::open(&options).unwrap().close()).unwrap();
    let path = options.path.join("smtpd.db");
    let shown = path.display();
    patch(&path, USER_VERSION, 99);
    let why = refusal(&options);
    assert!(why.ends_with("; `smtpd repair` saves what can be saved"), "a wrong bit: {why}");
    set_layout(&path, 99);
    let why = refusal(&options);
    let want = format!("{shown}: made by another version of smtpd (layout 99, this one knows 4)");
    assert_eq!(why, want);
    patch(&path, USER_VERSION, 4);
    set_layout(&path, 5);
    patch(&path, APPLICATION_ID, 0x1234_5678);
    assert_eq!(refusal(&options), format!("{shown}: not a database of smtpd; {MADE_AGAIN}"));
}

#[test]
fn a_folder_of_layout_3_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    block_on(async {
        let store = store::open(&options).unwrap();
        let ids = [put(&*store, "one").await, put(&*store, "two").await];
        store.change(Selection::Ids(vec![ids[1]]), Change::Starred(true)).await.unwrap();
        store.close().await.unwrap();
        let db = rusqlite::Connection::open(options.path.join("smtpd.db")).unwrap();
        db.execute_batch(
            "DROP INDEX messages_starred;
             UPDATE notes SET value = 3 WHERE name = 'layout';
             PRAGMA user_version = 3;",
        )
        .unwrap();
        drop(db);
        let store = store::open(&options).unwrap();
        let starred = Query { search: find([is(Test::Starred)]), ..everything() };
        let found = store.list(starred).await.unwrap();
        assert_eq!(super::ids(&found.records), [ids[1]]);
        store.close().await.unwrap();
        let report = store::check(&options).unwrap();
        assert_eq!(report.faults, [""; 0]);
    });
}

#[test]
fn a_path_that_cannot_be_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let why = refusal(&Options { path: file.clone(), ..Options::default() });
    assert!(why.starts_with(&file.display().to_string()) && !why.contains('\n'), "{why}");
    let why = refusal(&Options { path: file.join("data"), ..Options::default() });
    assert!(why.contains("file/data: ") && !why.contains('\n'), "{why}");
}

#[test]
fn options_read_and_write_as_toml_and_refuse_unknown_keys() {
    let read = toml::from_str::<Options>;
    assert_eq!(read(""), Ok(Options::default()));
    let text = toml::to_string(&Options::default()).unwrap();
    assert_eq!(read(&text), Ok(Options::default()));
    assert_eq!(read("kind = \"memory\"").unwrap().kind, store::Kind::Memory);
    assert!(read("knid = \"memory\"").is_err());
    assert!(read("kind = \"redis\"").is_err());
}
