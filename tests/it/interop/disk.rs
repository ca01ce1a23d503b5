//! A disk that is really full, and one that really becomes read-only: a small filesystem of our own,
//! mounted for the test.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{Client, Server, eventually, have, run};

/// A file with a filesystem in it, mounted; unmounted when dropped.
struct Disk {
    image: PathBuf,
    point: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// None where mounting is not allowed, which is then said loudly.
    fn new(megabytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (image, point) = (folder.path().join("image"), folder.path().join("disk"));
        fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        fs::create_dir(&point).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let disk = Self { image, point, _folder: folder };
        if disk.mount() {
            return Some(disk);
        }
        have(&["the right to mount a filesystem"]);
        None
    }

    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop,errors=remount-ro"]).arg(&self.image).arg(&self.point);
        mount.output().is_ok_and(|output| output.status.success())
    }

    /// Lets the filesystem find an error, so that it becomes read-only, open files and all. False where
    /// the kernel has no such knob.
    fn find_error(&self) -> bool {
        let source = run(Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.point)).stdout;
        let source = String::from_utf8(source).unwrap();
        let device = source.trim().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").is_ok()
    }

    /// Unmounts, checks and mounts it again, as a reboot would.
    fn repair(&self) {
        let mut unmount = Command::new("umount");
        unmount.arg(&self.point);
        eventually(10, "it is unmounted", || unmount.status().unwrap().success());
        // 1: errors were corrected.
        let checked = Command::new("e2fsck").args(["-f", "-y"]).arg(&self.image).output().unwrap();
        assert!(matches!(checked.status.code(), Some(0 | 1)), "{checked:?}");
        assert!(self.mount());
    }

    fn path(&self) -> &Path {
        &self.point
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.point).status();
    }
}

/// Sends a message of this many octets; true for 250, false for a refusal for want of room.
fn mail(client: &mut Client, subject: &str, size: usize) -> bool {
    let reply = try_mail(client, subject, size);
    assert!(reply.starts_with("250") || reply.starts_with("452 4.3.1"), "{reply}");
    reply.starts_with("250")
}

/// Sends a message of this many octets; the reply to its end, or to DATA.
fn try_mail(client: &mut Client, subject: &str, size: usize) -> String {
    for command in ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>"] {
        assert!(client.say(command).unwrap().starts_with("250"));
    }
    let mut reply = client.say("DATA").unwrap();
    if reply.starts_with("354") {
        let line = format!("{}\r\n", "y".repeat(70));
        client.send(format!("Subject: {subject}\r\n\r\n").as_bytes()).unwrap();
        client.send(line.repeat(size / line.len()).as_bytes()).unwrap();
        reply = client.say(".").unwrap();
    }
    reply
}

#[test]
fn a_full_disk_is_answered_452_and_room_can_be_made() {
    if !have(&["mkfs.ext4", "mount"]) {
        return;
    }
    let Some(disk) = Disk::new(48) else { return };
    let data = disk.path().join("data");
    let server = Server::start(&[("SMTPD_STORE_PATH", data.to_str().unwrap())]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO full.example.org").unwrap();
    let mut kept = 0;
    // Small ones, which go into the database, and large ones, which become files.
    let refused = (0..).take_while(|_| {
        let sizes = [(2_000, "small"), (60_000, "middle"), (700_000, "large")];
        let taken = sizes.map(|(size, subject)| mail(&mut client, subject, size));
        kept += taken.iter().filter(|taken| **taken).count();
        taken.contains(&true)
    });
    assert!(refused.count() > 5);
    // To the very last octet.
    let mut filler = fs::File::create(disk.path().join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    // A little room was taken ahead.
    let more = (0..).take_while(|_| mail(&mut client, "no room", 100)).count();
    assert!(more < 1000, "{more}");
    kept += more;

    // Nothing half-stored remains, and what is stored can be read.
    let count = || -> serde_json::Value { serde_json::from_slice(&server.get("/status")).unwrap() };
    assert_eq!(count()["messages"], kept);
    let large = &server.messages("q=subject:large&limit=1")[0];
    let raw = server.get(&format!("/messages/{}/raw", large["id"].as_str().unwrap()));
    assert_eq!(raw.len() as u64, large["size"].as_u64().unwrap());
    // Mail can be deleted even now, and then there is room again, without a restart.
    let (status, answer) = server.request("DELETE", "/api/messages?q=larger%3A500k");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    eventually(20, "mail is taken again", || mail(&mut client, "again", 2_000));
    server.raw_of("again");
}

#[test]
fn on_a_disk_that_became_read_only_mail_is_refused_and_can_be_read() {
    if !have(&["mkfs.ext4", "mount", "findmnt", "e2fsck"]) {
        return;
    }
    let Some(disk) = Disk::new(64) else { return };
    let data = disk.path().join("data");
    let environment = [("SMTPD_STORE_PATH", data.to_str().unwrap())];
    let mut server = Server::start(&environment);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO readonly.example.org").unwrap();
    let sizes = [2_000, 60_000, 300_000];
    assert!(sizes.iter().all(|size| mail(&mut client, &format!("m{size}"), *size)));
    assert_eq!(server.messages("limit=9").len(), 3);
    if !disk.find_error() {
        have(&["/sys/fs/ext4/loop*/trigger_fs_error"]);
        return;
    }
    // Small or large, and for good.
    for size in sizes.iter().cycle().take(12) {
        let reply = try_mail(&mut client, "refused", *size);
        assert!(reply.starts_with("451 4.3.0"), "{reply}");
        let _ = client.say("RSET");
        assert_eq!(server.request("GET", "/readyz").0, 503, "{}", server.log());
        assert!(server.raw_of("m300000").len() > 299_000, "readers go on reading");
        assert_eq!(server.messages("q=m60000").len(), 1);
    }
    assert_eq!(server.request("DELETE", "/api/messages?q=m2000").0, 503);
    server.kill();

    disk.repair();
    let server = Server::start(&environment);
    for size in sizes {
        let raw = server.raw_of(&format!("m{size}"));
        assert!(raw.len() > size - 100, "{}", raw.len());
    }
    assert_eq!(server.messages("limit=9").len(), 3);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO readonly.example.org").unwrap();
    assert!(mail(&mut client, "after", 300_000));
}
