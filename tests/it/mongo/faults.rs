//! MongoDB dies, freezes, steps down and locks up under load: nothing that was answered 250 is lost,
//! nothing is stored twice, and every client is answered in time.

use std::{
    thread,
    time::{Duration, Instant},
};

use mongodb::bson::doc;

use super::{
    load::Load,
    server::{Database, Mongod, ReplicaSet},
};
use crate::harness::{Client, Server, eventually};

/// A client waits no longer than this for the answer to its message.
const BOUND: Duration = Duration::from_secs(12);

fn start(database: &Database) -> Server {
    let uri: &str = &database.uri;
    Server::start(&[
        ("SMTPD_STORE_KIND", "mongodb"),
        ("SMTPD_STORE_MONGODB_URI", uri),
        ("SMTPD_STORE_MONGODB_DATABASE", &database.name),
    ])
}

#[test]
fn a_set_of_three_steps_down_freezes_and_loses_its_primary() {
    let Some(set) = ReplicaSet::start(3) else { return };
    let database = Database::on(set.uri(), "faults");
    let (one, two) = (start(&database), start(&database));
    let load = Load::start(&[one.smtp, two.smtp], 8, 1_000);
    load.more(100);

    eprintln!("step down");
    let primary = set.primary().unwrap();
    let _ = primary.command(doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 2 });
    load.more(100);

    eprintln!("frozen primary");
    eventually(30, "a primary", || set.primary().is_some());
    let frozen = set.primary().unwrap();
    frozen.signal("STOP");
    load.more(100);
    frozen.signal("CONT");
    load.more(100);

    eprintln!("killed primary");
    eventually(30, "a primary", || set.primary().is_some());
    set.primary().unwrap().signal("KILL");
    load.more(100);

    let said = load.end();
    eprintln!(
        "{} kept, {} times 4xx, slowest answer {:?}",
        said.kept.len(),
        said.later,
        said.slowest
    );
    said.check(&database);
    assert!(said.slowest < BOUND, "{:?}", said.slowest);
    drop((one, two));
    // The set goes with its folder; there is no primary to wait for.
    database.forget();
}

/// A single mongod that is frozen for longer than a client waits, twice: as a process, and by a lock that
/// lets the inserts through later.
#[test]
fn what_was_answered_451_does_not_turn_up_later() {
    let Some(set) = ReplicaSet::start(1) else { return };
    let database = Database::on(set.uri(), "frozen");
    let server = start(&database);
    let mongod: &Mongod = &set.members[0];
    let load = Load::start(&[server.smtp], 6, 1_000);
    load.more(50);
    mongod.signal("STOP");
    eventually(20, "it is noticed", || server.request("GET", "/readyz").0 == 503);
    // Known to be away, nobody is kept waiting.
    let start = Instant::now();
    assert_eq!(server.request("GET", "/readyz").0, 503);
    assert_eq!(server.request("GET", "/").0, 503);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO x").unwrap();
    for (line, reply) in
        [("MAIL FROM:<>", "250"), ("RCPT TO:<b@c.d>", "250"), ("DATA", "451 4.3.0")]
    {
        let said = client.say(line).unwrap();
        assert!(said.starts_with(reply), "{line}: {said}");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(server.request("GET", "/livez").0, 200);
    mongod.signal("CONT");
    eventually(20, "it is back", || server.request("GET", "/readyz").0 == 200);
    load.more(50);

    mongod.command(doc! { "fsync": 1, "lock": true }).unwrap();
    thread::sleep(Duration::from_secs(11));
    mongod.command(doc! { "fsyncUnlock": 1 }).unwrap();
    eventually(20, "it is back", || server.request("GET", "/readyz").0 == 200);
    load.more(50);

    let said = load.end();
    assert!(said.later > 0, "nobody was told to come later");
    said.check(&database);
    assert!(said.slowest < BOUND, "{:?}", said.slowest);
    let log = server.log();
    assert!(log.contains("MongoDB is away") && log.contains("MongoDB is back"), "{log}");
}

#[test]
fn smtpd_is_killed_under_load() {
    let Some(database) = Database::new() else { return };
    let (mut one, two) = (start(&database), start(&database));
    let load = Load::start(&[one.smtp, two.smtp], 8, 1_000);
    load.more(200);
    one.kill();
    load.more(100);
    let said = load.end();
    said.check(&database);
    assert!(said.slowest < BOUND);
}

#[test]
fn mail_is_taken_when_mongodb_comes_at_last() {
    let Some(set) = ReplicaSet::start(1) else { return };
    let database = Database::on(set.uri(), "late");
    set.members[0].signal("STOP");
    let server = start(&database);
    assert_eq!(server.request("GET", "/readyz").0, 503);
    set.members[0].signal("CONT");
    eventually(30, "it is ready", || server.request("GET", "/readyz").0 == 200);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO x").unwrap();
    assert!(client.mail("Subject: at last\r\n\r\nx").unwrap().starts_with("250"));
    assert_eq!(server.raw_of("at last"), b"Subject: at last\r\n\r\nx\r\n");
}
