//! Looking after a folder: what `smtpd check` finds, what `smtpd backup` copies, what `smtpd repair` saves.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use smol::future::block_on;
use smtpd::{
    id::MessageId,
    store::{self, Change, CheckReport, Error, Options, Selection, Store},
};

use super::{everything, mail, noise, octets, put_raw};

/// A folder with thirty messages, three of them in files, some marked, one deleted.
struct Stocked {
    folder: tempfile::TempDir,
    options: Options,
    /// Id and octets, oldest first.
    kept: Vec<(MessageId, Vec<u8>)>,
}

impl Stocked {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options =
            Options { path: folder.path().join("data"), inline_limit: 5000, ..Options::default() };
        let mut kept = Vec::new();
        block_on(async {
            let store = store::open(&options).unwrap();
            for number in 0..30 {
                let body = match number % 10 {
                    9 => noise(20_000 + number),
                    _ => mail(&format!("text of {number}")),
                };
                let to = format!("user{}@b.example", number % 3);
                kept.push((put_raw(&*store, &body, 99_999, &[&to]).await.id, body));
            }
            let ids = |some: &[usize]| Selection::Ids(some.iter().map(|at| kept[*at].0).collect());
            store.change(ids(&[1, 2, 3]), Change::Read(true)).await.unwrap();
            store.change(ids(&[4]), Change::Starred(true)).await.unwrap();
            store.change(ids(&[5, 6]), Change::Tag("kept".into())).await.unwrap();
            store.change(ids(&[6]), Change::Tag("two\nlines".into())).await.unwrap();
            store.delete(ids(&[7])).await.unwrap();
            store.close().await.unwrap();
        });
        kept.remove(7);
        Self { folder, options, kept }
    }

    fn copy_options(&self, name: &str) -> Options {
        Options { path: self.folder.path().join(name), ..self.options.clone() }
    }

    fn segment(&self) -> PathBuf {
        let mut files: Vec<_> = fs::read_dir(self.options.path.join("journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.pop().unwrap()
    }
}

/// Everything that is in a store: id, octets, read, starred, tags; oldest first.
type Shelf = Vec<(MessageId, Vec<u8>, bool, bool, Vec<String>)>;

async fn shelf(store: &Arc<dyn Store>) -> Shelf {
    let mut shelf = Vec::new();
    for record in store.list(everything()).await.unwrap().records.into_iter().rev() {
        let raw = store.raw(record.id).await.unwrap().unwrap();
        shelf.push((record.id, octets(&raw).to_vec(), record.read, record.starred, record.tags));
    }
    shelf
}

fn shelf_of(options: &Options) -> Shelf {
    block_on(async {
        let store = store::open(options).unwrap();
        let shelf = shelf(&store).await;
        assert_eq!(store.counts().await.unwrap().messages, shelf.len() as u64);
        store.close().await.unwrap();
        shelf
    })
}

/// Why a store does not open.
fn refused(options: &Options) -> String {
    match store::open(options) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it opened"),
    }
}

fn sound(options: &Options) {
    let checked = store::check(options).unwrap();
    assert_eq!((checked.faults, checked.fault_count), (Vec::<String>::new(), 0));
}

fn overwrite(path: &Path, at: u64, octets: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(octets, at).unwrap();
}

/// Where octets stand in a file.
fn place_of(path: &Path, needle: &[u8]) -> u64 {
    let all = fs::read(path).unwrap();
    all.windows(needle.len()).position(|some| some == needle).unwrap() as u64
}

#[test]
fn a_sound_store_has_no_faults_and_a_check_changes_nothing() {
    let stocked = Stocked::new();
    let before = shelf_of(&stocked.options);
    let octets: u64 = stocked.kept.iter().map(|(_, body)| body.len() as u64).sum();
    let expected = CheckReport { messages: 29, bytes: octets, ..CheckReport::default() };
    assert_eq!(store::check(&stocked.options), Ok(expected.clone()));
    let store = store::open(&stocked.options).unwrap();
    assert_eq!(store::check(&stocked.options), Ok(expected), "while it is in use");
    block_on(store.close()).unwrap();
    drop(store);
    assert_eq!(shelf_of(&stocked.options), before);
}

#[test]
fn every_kind_of_damage_is_found_and_named() {
    type Harm = fn(&Stocked) -> String;
    let harms: [Harm; 5] = [
        |it| {
            overwrite(&it.segment(), place_of(&it.segment(), b"text of 12"), b"t");
            overwrite(&it.segment(), place_of(&it.segment(), b"text of 12") + 5, b"X");
            format!("message {}", it.kept[11].0)
        },
        |it| {
            let body = fs::read_dir(it.options.path.join("bodies")).unwrap().next().unwrap();
            fs::remove_file(body.unwrap().path()).unwrap();
            "No such file".to_owned()
        },
        |it| {
            let body = fs::read_dir(it.options.path.join("bodies")).unwrap().next().unwrap();
            fs::write(body.unwrap().path(), "short").unwrap();
            "5 octets instead of".to_owned()
        },
        |it| {
            fs::remove_file(it.segment()).unwrap();
            "No such file".to_owned()
        },
        |it| {
            let path = it.options.path.join("smtpd.db");
            let length = fs::metadata(&path).unwrap().len();
            // The last pages hold rows or indexes.
            overwrite(&path, length - 3 * 4096, &noise(3 * 4096));
            String::new()
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let stocked = Stocked::new();
        let named = harm(&stocked);
        match store::check(&stocked.options) {
            Ok(checked) => {
                assert!(checked.fault_count > 0, "harm {number} is not noticed");
                let all = checked.faults.join("\n");
                assert!(all.contains(&named), "harm {number}: {all}");
            }
            // So damaged that nothing can be asked.
            Err(error) => assert_eq!(number, 4, "{error}"),
        }
    }
}

#[test]
fn totals_that_are_wrong_are_found_and_repaired() {
    let stocked = Stocked::new();
    let path = stocked.options.path.join("smtpd.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "UPDATE counters SET messages = 99; UPDATE labels SET messages = messages + 1",
    )
    .unwrap();
    drop(db);
    let faults = store::check(&stocked.options).unwrap().faults;
    assert!(faults.iter().any(|it| it == "smtpd.db: messages: 99 instead of 29"), "{faults:?}");
    assert!(refused(&stocked.options).contains("its counters are damaged"));
    assert_eq!(store::repair(&stocked.options).unwrap().messages, 29);
    sound(&stocked.options);
}

#[test]
fn a_lost_or_damaged_database_is_made_again_from_the_journal() {
    type Harm = fn(&Path);
    let harms: [Harm; 4] = [
        |path| fs::remove_file(path).unwrap(),
        |path| {
            // Another one in its place.
            let other = tempfile::tempdir().unwrap();
            let options = Options { path: other.path().to_owned(), ..Options::default() };
            block_on(store::open(&options).unwrap().close()).unwrap();
            fs::copy(other.path().join("smtpd.db"), path).unwrap();
        },
        |path| fs::write(path, "not a database at all".repeat(1000)).unwrap(),
        |path| {
            let length = fs::metadata(path).unwrap().len();
            overwrite(path, length / 2 / 4096 * 4096, &noise((length / 2) as usize));
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let stocked = Stocked::new();
        let before = shelf_of(&stocked.options);
        let database = stocked.options.path.join("smtpd.db");
        harm(&database);
        if number < 2 {
            assert!(matches!(store::open(&stocked.options), Err(Error::Open(_))), "harm {number}");
        }
        let repaired = store::repair(&stocked.options).unwrap();
        assert_eq!(repaired.messages, 29, "harm {number}: {:?}", repaired.faults);
        assert!(repaired.faults.last().unwrap().contains("made again"), "{:?}", repaired.faults);
        sound(&stocked.options);
        let after = shelf_of(&stocked.options);
        let bare = |shelf: &Shelf| {
            shelf.iter().map(|(id, octets, ..)| (*id, octets.clone())).collect::<Vec<_>>()
        };
        assert!(bare(&after) == bare(&before), "harm {number}");
        let aside = stocked.options.path.join("smtpd.db.damaged-1");
        assert_eq!(aside.exists(), number > 0, "harm {number}");
    }
}

#[test]
fn marks_outlive_the_making_of_a_new_database() {
    let stocked = Stocked::new();
    let before = shelf_of(&stocked.options);
    // The number of free pages in the header: the rows can be read, but the check of the whole fails.
    overwrite(&stocked.options.path.join("smtpd.db"), 36, &7_u32.to_be_bytes());
    let repaired = store::repair(&stocked.options).unwrap();
    assert!(repaired.faults[0].contains("made again"), "{:?}", repaired.faults);
    assert!(shelf_of(&stocked.options) == before);
    sound(&stocked.options);
}

/// A message that left a mailbox is sound, one whose row lost a mailbox is not, and a new database has the
/// one where it was.
#[test]
fn what_left_a_mailbox_stays_out_of_it() {
    let stocked = Stocked::new();
    let database = stocked.options.path.join("smtpd.db");
    let in_mailbox = async |store: &dyn store::Store, name: &str| {
        let mailbox = Some(name.to_owned());
        let page = store.list(store::Query { mailbox, ..everything() }).await.unwrap();
        page.records.iter().map(|record| record.id).collect::<Vec<_>>()
    };
    let both = block_on(async {
        let store = store::open(&stocked.options).unwrap();
        let to = ["ann@c.example", "bob@c.example"];
        let both = put_raw(&*store, &mail("both"), 99_999, &to).await.id;
        let left = store.leave(vec![both], "ann@c.example".into()).await.unwrap();
        assert_eq!(left.ids, [both]);
        store.close().await.unwrap();
        both
    });
    sound(&stocked.options);
    // As in `marks_outlive_the_making_of_a_new_database`.
    overwrite(&database, 36, &7_u32.to_be_bytes());
    let repaired = store::repair(&stocked.options).unwrap();
    assert!(repaired.faults[0].contains("made again"), "{:?}", repaired.faults);
    sound(&stocked.options);
    block_on(async {
        let store = store::open(&stocked.options).unwrap();
        assert_eq!(in_mailbox(&*store, "ann@c.example").await, []);
        assert_eq!(in_mailbox(&*store, "bob@c.example").await, [both]);
        store.close().await.unwrap();
    });
    let db = rusqlite::Connection::open(&database).unwrap();
    db.execute_batch("DELETE FROM annotations").unwrap();
    drop(db);
    let checked = store::check(&stocked.options).unwrap();
    assert!(checked.faults[0].contains("the mailboxes of it"), "{:?}", checked.faults);
    block_on(async {
        let store = store::open(&stocked.options).unwrap();
        let left = store.leave(vec![both], "bob@c.example".into()).await.unwrap();
        assert_eq!(left.deleted, [both]);
        store.close().await.unwrap();
    });
    sound(&stocked.options);
}

#[test]
fn what_is_damaged_is_given_up_alone() {
    let stocked = Stocked::new();
    let before = shelf_of(&stocked.options);
    let path = stocked.segment();
    overwrite(&path, place_of(&path, b"text of 12"), b"X");
    let repaired = store::repair(&stocked.options).unwrap();
    assert_eq!((repaired.messages, repaired.fault_count), (28, 2), "{:?}", repaired.faults);
    assert!(repaired.faults[0].starts_with(&format!("message {}", stocked.kept[11].0)));
    sound(&stocked.options);
    let mut expected = before;
    expected.remove(11);
    assert!(shelf_of(&stocked.options) == expected);
}

#[test]
fn with_journal_and_database_damaged_the_rest_is_saved_and_mail_goes_on() {
    let stocked = Stocked::new();
    let path = stocked.segment();
    overwrite(&path, place_of(&path, b"text of 12"), b"X");
    overwrite(&path, 0, &[0; 64]);
    fs::remove_file(stocked.options.path.join("smtpd.db")).unwrap();
    assert!(matches!(store::open(&stocked.options), Err(Error::Open(_))));
    let repaired = store::repair(&stocked.options).unwrap();
    assert_eq!(repaired.messages, 28, "{:?}", repaired.faults);
    sound(&stocked.options);
    block_on(async {
        let store = store::open(&stocked.options).unwrap();
        let new = put_raw(&*store, &mail("new"), 999, &["a@b.example"]).await.id;
        assert!(new > stocked.kept.last().unwrap().0);
        store.close().await.unwrap();
    });
    assert_eq!(shelf_of(&stocked.options).len(), 29);
    sound(&stocked.options);
}

#[test]
fn an_unreadable_end_is_told_and_passed_over() {
    let stocked = Stocked::new();
    let before = shelf_of(&stocked.options);
    let end = fs::metadata(stocked.segment()).unwrap().len();
    overwrite(&stocked.segment(), end, b"\0\0half a record\0\0");
    let repaired = store::repair(&stocked.options).unwrap();
    let told = format!("nothing could be read from octet {} to {}", end + 2, end + 15);
    assert!(
        repaired.fault_count == 2 && repaired.faults[0].ends_with(&told),
        "{:?} {told}",
        repaired.faults
    );
    assert!(shelf_of(&stocked.options) == before);
    sound(&stocked.options);
}

/// A record as it stands in the journal, with another number and id, and if wished with another file for its
/// body: as somebody could send it who knows all but the key of the store.
fn forged(segment: &Path, layout: u8, id: MessageId, file: Option<&str>) -> Vec<u8> {
    let octets = fs::read(segment).unwrap();
    let mut heads = memchr::memmem::find_iter(&octets, b"smtpd\0m2");
    let at = heads.find(|at| octets[at + 12] == u8::from(file.is_some())).unwrap();
    let number = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap()) as usize;
    let mut record = octets[at..at + 64 + number(at + 40) + number(at + 48)].to_vec();
    record[7] = layout;
    record[52..56].copy_from_slice(b"lock");
    // The number of the next message.
    record[16..24].copy_from_slice(&31_i64.to_le_bytes());
    record[24..36].copy_from_slice(id.as_bytes());
    if let Some(file) = file {
        record[64..64 + file.len()].copy_from_slice(file.as_bytes());
        let held = crc32fast::hash(&record[64..64 + number(at + 40)]);
        record[36..40].copy_from_slice(&held.to_le_bytes());
    }
    let crc = crc32fast::hash(&record[12..64]);
    record[8..12].copy_from_slice(&crc.to_le_bytes());
    record
}

#[test]
fn octets_of_a_mail_that_look_like_a_record_are_not_taken_for_another_file_or_message() {
    // Seen from the folder of bodies, and as long as their names.
    let file = "../../secret-of-the-host";
    // Damaged is the head of the mail that carries it, 64 octets before its body, or the body alone.
    for (layout, file, back) in
        [(b'1', Some(file), 64), (b'1', None, 64), (b'2', None, 64), (b'2', None, 0)]
    {
        let stocked = Stocked::new();
        let secret = stocked.folder.path().join("secret-of-the-host");
        fs::write(&secret, noise(20_009)).unwrap();
        let mut id = *stocked.kept.last().unwrap().0.as_bytes();
        id[11] += 1;
        let forged = forged(&stocked.segment(), layout, MessageId::from_bytes(id), file);
        block_on(async {
            let store = store::open(&stocked.options).unwrap();
            let carrier = [b"carries ".as_slice(), &forged].concat();
            put_raw(&*store, &carrier, 999, &["a@b.example"]).await;
            store.close().await.unwrap();
        });
        let path = stocked.segment();
        let carrier = place_of(&path, b"carries ");
        overwrite(&path, carrier - back, b"X");
        fs::remove_file(stocked.options.path.join("smtpd.db")).unwrap();
        let repaired = store::repair(&stocked.options).unwrap();
        assert_eq!(repaired.messages, 29, "{layout} {file:?} {back}: {:?}", repaired.faults);
        block_on(async {
            let store = store::open(&stocked.options).unwrap();
            store.delete(Selection::All).await.unwrap();
            store.close().await.unwrap();
        });
        assert!(secret.exists());
    }
}

/// A segment as it was before a message came, and a database that does not know that message.
fn behind(stocked: &Stocked, body: &[u8]) -> MessageId {
    let database = stocked.options.path.join("smtpd.db");
    let before = fs::read(&database).unwrap();
    let id = block_on(async {
        let store = store::open(&stocked.options).unwrap();
        let id = put_raw(&*store, body, 999, &["a@b.example"]).await.id;
        put_raw(&*store, &mail("behind it"), 999, &["a@b.example"]).await;
        store.close().await.unwrap();
        id
    });
    fs::write(&database, before).unwrap();
    id
}

#[test]
fn a_start_does_not_go_on_where_that_would_hide_acknowledged_mail() {
    let stocked = Stocked::new();
    behind(&stocked, &mail("damaged in a moment"));
    let path = stocked.segment();
    let before = fs::read(&path).unwrap();
    overwrite(&path, place_of(&path, b"damaged in a moment"), b"X");
    let damaged = fs::read(&path).unwrap();
    let why = refused(&stocked.options);
    assert!(why.contains("stands behind it; `smtpd repair` saves"), "{why}");
    let checked = store::check(&stocked.options).unwrap();
    assert!(checked.faults.iter().any(|fault| fault.contains("stands behind it")), "{checked:?}");
    assert!(fs::read(&path).unwrap() == damaged, "nothing is cut off");
    let repaired = store::repair(&stocked.options).unwrap();
    assert_eq!(repaired.messages, 30, "{:?}", repaired.faults);
    sound(&stocked.options);
    assert_eq!(shelf_of(&stocked.options).len(), 30);
    assert_eq!(fs::read(&path).unwrap().len(), before.len());
}

#[test]
fn what_the_database_has_not_taken_in_is_checked_and_copied() {
    let stocked = Stocked::new();
    let id = behind(&stocked, &noise(30_000));
    let checked = store::check(&stocked.options).unwrap();
    assert_eq!((checked.messages, checked.fault_count), (31, 0), "{:?}", checked.faults);
    let copy = stocked.copy_options("copy");
    assert_eq!(store::backup(&stocked.options, &copy.path).unwrap().messages, 31);
    sound(&copy);
    let shelf = shelf_of(&copy);
    assert!(shelf.len() == 31 && shelf[29].0 == id && shelf[29].1 == noise(30_000));
}

#[test]
fn a_store_whose_database_cannot_be_asked_is_copied_as_it_is() {
    let stocked = Stocked::new();
    fs::write(stocked.options.path.join("smtpd.db"), "no database").unwrap();
    let copy = stocked.copy_options("copy");
    assert_eq!(store::backup(&stocked.options, &copy.path).unwrap().fault_count, 1);
    assert_eq!(store::repair(&copy).unwrap().messages, 29);
    let bodies = |shelf: Shelf| shelf.into_iter().map(|it| (it.0, it.1)).collect::<Vec<_>>();
    assert!(bodies(shelf_of(&copy)) == stocked.kept);
}

#[test]
fn a_wrong_bit_in_the_file_of_a_body_is_found_and_never_shown() {
    let stocked = Stocked::new();
    let (id, body) = stocked.kept[8].clone();
    let file = fs::read_dir(stocked.options.path.join("bodies")).unwrap();
    let file =
        file.map(|it| it.unwrap().path()).find(|it| fs::read(it).unwrap().len() == body.len() + 8);
    overwrite(&file.unwrap(), 7000, &[body[7000] ^ 1]);
    let faults = store::check(&stocked.options).unwrap().faults;
    assert!(faults.len() == 1 && faults[0].contains(&id.to_string()), "{faults:?}");
    let copied = store::backup(&stocked.options, &stocked.copy_options("copy").path).unwrap();
    assert_eq!((copied.messages, copied.fault_count), (28, 1));
    let store = store::open(&stocked.options).unwrap();
    block_on(async {
        let raw = store.raw(id).await.unwrap().unwrap();
        assert_eq!(
            raw.read_at(&mut [0; 10], 7000).unwrap_err().kind(),
            std::io::ErrorKind::InvalidData
        );
        store.close().await.unwrap();
    });
}

#[test]
fn a_message_is_made_again_of_what_is_whole_of_it() {
    // Its envelope, one bit of its head, or all of the record of a body in a file.
    for harm in ["envelope", "head", "file"] {
        let stocked = Stocked::new();
        let path = stocked.segment();
        let before = shelf_of(&stocked.options);
        let place = place_of(&path, b"text of 12");
        match harm {
            "envelope" => {
                let meta = place_of(&path, b"\"to\":[[\"user0@b.example\"");
                overwrite(&path, meta, b"!");
            }
            "head" => {
                let head = fs::read(&path).unwrap()[..place as usize]
                    .windows(8)
                    .rposition(|octets| octets == b"smtpd\0m2")
                    .unwrap() as u64;
                let octets = fs::read(&path).unwrap();
                overwrite(&path, head + 20, &[octets[head as usize + 20] ^ 16]);
            }
            _ => {
                let file = fs::read_dir(stocked.options.path.join("bodies")).unwrap().next();
                let name = file.unwrap().unwrap().file_name().into_string().unwrap();
                overwrite(&path, place_of(&path, name.as_bytes()) - 30, &[0xff; 60]);
            }
        }
        let repaired = store::repair(&stocked.options).unwrap();
        assert_eq!(repaired.messages, 29, "{harm}: {:?}", repaired.faults);
        assert!(repaired.faults[0].contains(": saved: "), "{harm}: {:?}", repaired.faults);
        sound(&stocked.options);
        assert!(shelf_of(&stocked.options) == before, "{harm}");
        // And again, with nothing but the journal.
        fs::remove_file(stocked.options.path.join("smtpd.db")).unwrap();
        assert_eq!(store::repair(&stocked.options).unwrap().messages, 29, "{harm}");
        sound(&stocked.options);
    }
}

#[test]
fn rows_that_disagree_with_their_records_are_found_and_made_anew() {
    let harms = [
        "UPDATE messages SET labels = '[' WHERE seq = 3",
        "UPDATE messages SET at = -5 WHERE seq = 3",
        "UPDATE messages SET id = (SELECT id FROM messages WHERE seq = 5) || x'00' WHERE seq = 3",
        "UPDATE messages SET received = received + 1 WHERE seq = 3",
        "UPDATE messages SET file = NULL WHERE seq = 10",
        "UPDATE messages SET segment = 7 WHERE seq = 3",
        "DELETE FROM messages WHERE seq = 3",
        "UPDATE counters SET next_seq = 5",
        "UPDATE counters SET at = at - 200",
        "UPDATE counters SET segment = -1",
        "UPDATE segments SET messages = 0",
        "INSERT INTO tombstones VALUES (3)",
    ];
    for harm in harms {
        let stocked = Stocked::new();
        let before = shelf_of(&stocked.options);
        let db = rusqlite::Connection::open(stocked.options.path.join("smtpd.db")).unwrap();
        db.execute_batch(harm).unwrap();
        drop(db);
        let checked = store::check(&stocked.options).unwrap();
        assert!(checked.fault_count > 0, "{harm}");
        // A start either refuses or hides and destroys nothing.
        if let Ok(store) = store::open(&stocked.options) {
            block_on(async {
                for (id, octets, ..) in before.iter().filter(|_| !harm.starts_with("DELETE")) {
                    match store.raw(*id).await {
                        Ok(Some(raw)) => assert!(super::octets(&raw) == *octets, "{harm}"),
                        Ok(None) => assert!(harm.contains("SET id"), "{harm}"),
                        Err(error) => {
                            assert!(matches!(error, Error::Damaged(_)), "{harm}: {error}")
                        }
                    }
                }
                store.close().await.unwrap();
            });
        }
        let repaired = store::repair(&stocked.options).unwrap();
        assert!(repaired.messages >= 29, "{harm}: {:?}", repaired.faults);
        sound(&stocked.options);
        let after = shelf_of(&stocked.options);
        let lost =
            before.iter().find(|it| !after.iter().any(|that| (it.0, &it.1) == (that.0, &that.1)));
        assert_eq!(lost.map(|it| it.0), None, "{harm}");
    }
}

#[test]
fn files_that_are_not_of_smtpd_are_left_alone() {
    let stocked = Stocked::new();
    let bodies = stocked.options.path.join("bodies");
    for name in ["notes.txt", "0123456789abcdef01234567.bak", "0123456789abcdef01234567.part"] {
        fs::write(bodies.join(name), "x").unwrap();
    }
    shelf_of(&stocked.options);
    assert!(bodies.join("notes.txt").exists());
    assert!(bodies.join("0123456789abcdef01234567.bak").exists());
    assert!(!bodies.join("0123456789abcdef01234567.part").exists(), "never complete");
}

#[test]
fn a_store_in_use_is_not_repaired() {
    let stocked = Stocked::new();
    let store = store::open(&stocked.options).unwrap();
    let refused = store::repair(&stocked.options);
    assert!(matches!(&refused, Err(Error::Open(why)) if why.contains("in use")), "{refused:?}");
    block_on(store.close()).unwrap();
}

#[test]
fn a_backup_made_while_mail_comes_and_goes_is_a_whole_store() {
    let stocked = Stocked::new();
    let copy = stocked.copy_options("copy");
    let store = store::open(&stocked.options).unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let busy = std::thread::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        move || {
            block_on(async {
                let mut count = 0;
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    let body = if count % 7 == 0 { noise(9000) } else { mail("more") };
                    let id = put_raw(&*store, &body, 9999, &["a@b.example"]).await.id;
                    if count % 3 == 0 {
                        store.delete(Selection::Ids(vec![id])).await.unwrap();
                    }
                    count += 1;
                }
                count
            })
        }
    });
    for _ in 0..5 {
        let copied = store::backup(&stocked.options, &copy.path).unwrap();
        assert_eq!(copied.fault_count, 0, "{:?}", copied.faults);
        assert!(copied.messages >= 29);
        sound(&copy);
        let shelf = shelf_of(&copy);
        assert_eq!(shelf.len() as u64, copied.messages);
        let oldest: Vec<_> = shelf.iter().take(29).map(|it| (it.0, it.1.clone())).collect();
        assert!(oldest == stocked.kept);
        fs::remove_dir_all(&copy.path).unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(busy.join().unwrap() > 10);
    block_on(store.close()).unwrap();
    // Marks are in it, and what exists is not overwritten.
    store::backup(&stocked.options, &copy.path).unwrap();
    let shelf = shelf_of(&copy);
    assert!(shelf[1].2 && shelf[4].3 && shelf[5].4 == ["kept"]);
    let again = store::backup(&stocked.options, &copy.path);
    assert!(matches!(&again, Err(Error::Open(why)) if why.contains("exists already")), "{again:?}");
}

/// SQLite takes these for sound: a schema with another column, and a file without its end.
#[test]
fn a_start_refuses_a_database_that_sqlite_takes_for_sound() {
    let another_column = |octets: &mut Vec<u8>| {
        let column = b"tagged     INTEGER";
        let at = octets.windows(column.len()).position(|window| window == column).unwrap();
        octets[at] = 0xff;
    };
    let no_end = |octets: &mut Vec<u8>| octets.truncate(octets.len() - 720);
    for damage in [&another_column as &dyn Fn(&mut Vec<u8>), &no_end] {
        let stocked = Stocked::new();
        let database = stocked.options.path.join("smtpd.db");
        let mut octets = fs::read(&database).unwrap();
        damage(&mut octets);
        fs::write(&database, &octets).unwrap();
        let why = refused(&stocked.options);
        assert!(why.contains("`smtpd repair`"), "{why}");
        assert!(store::check(&stocked.options).is_err());
        store::repair(&stocked.options).unwrap();
        let saved: Vec<_> = shelf_of(&stocked.options).into_iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(saved, stocked.kept);
    }
}

/// Wherever cells are lost: a walk over rows that are out of order ends, and what is in the journal is saved.
#[test]
fn rows_out_of_order_end_every_walk() {
    let pages = fs::read(Stocked::new().options.path.join("smtpd.db")).unwrap().len() / 4096;
    assert!(pages > 8, "{pages}");
    for page in 0..pages {
        let stocked = Stocked::new();
        let database = stocked.options.path.join("smtpd.db");
        let mut octets = fs::read(&database).unwrap();
        let end = (page + 1) * 4096;
        octets[end - 720..end].fill(0);
        fs::write(&database, &octets).unwrap();
        let is_sound = store::check(&stocked.options).is_ok_and(|it| it.fault_count == 0);
        store::repair(&stocked.options).unwrap();
        let saved: Vec<_> = shelf_of(&stocked.options).into_iter().map(|it| (it.0, it.1)).collect();
        assert!(!is_sound || saved == stocked.kept, "page {page}");
        for kept in &stocked.kept {
            assert!(saved.contains(kept), "page {page}: {}", kept.0);
        }
    }
}

#[test]
fn a_path_that_is_mistyped_becomes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let stocked = Stocked::new();
    let at = |path: PathBuf| Options { path, ..Options::default() };
    for path in [folder.path().join("no"), folder.path().to_owned()] {
        let nothing = at(path.clone());
        let target = folder.path().join("copy");
        let why = [
            store::check(&nothing).map(drop),
            store::backup(&nothing, &target).map(drop),
            store::repair(&nothing).map(drop),
            store::open_existing(&nothing).map(drop),
        ];
        for why in why {
            assert!(
                matches!(&why, Err(Error::Open(why)) if why.contains("no store is there")),
                "{why:?}"
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{}", path.display());
    }
    for (target, told) in [
        (PathBuf::new(), "expected the name of a folder"),
        (stocked.options.path.join("copy"), "in the store itself"),
        (stocked.options.path.join("bodies/copy"), "in the store itself"),
    ] {
        let why = store::backup(&stocked.options, &target);
        assert!(matches!(&why, Err(Error::Open(why)) if why.contains(told)), "{why:?}");
    }
    sound(&stocked.options);
}

#[test]
fn only_a_folder_can_be_looked_after() {
    let memory = Options { kind: store::Kind::Memory, ..Options::default() };
    assert!(matches!(store::check(&memory), Err(Error::Open(_))));
    let folder = tempfile::tempdir().unwrap();
    let nothing = Options { path: folder.path().join("no"), ..Options::default() };
    assert!(
        matches!(store::check(&nothing), Err(Error::Open(why)) if why.contains("no store is there"))
    );
}
