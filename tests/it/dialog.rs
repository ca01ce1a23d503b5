//! Conversations as data: each file of tests/dialogs is played four ways.
//!
//! In step as it stands in the file, all at once, octet by octet and in random pieces, and over TCP.
//! What is said and asked must be the same each time.
//!
//! `script` tells what a file looks like.

mod pace;
mod pop3;
mod script;
mod smuggling;
mod soup;
mod stage;
mod table;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

pub(crate) use self::script::{Script, pop3_scripts, smtp_scripts};
use self::{
    pace::Pace,
    script::{Expected, Turn},
    stage::{Event, Play, Stage},
};

#[test]
fn dialogs_in_step() {
    smtp_scripts().iter().for_each(in_step::<Stage>);
    pop3_scripts().iter().for_each(in_step::<pop3::Stage>);
}

#[test]
fn dialogs_cut_anywhere() {
    smtp_scripts().iter().for_each(cut_anywhere::<Stage>);
    pop3_scripts().iter().for_each(cut_anywhere::<pop3::Stage>);
}

#[test]
fn dialogs_over_tcp() {
    smtp_scripts().into_iter().filter(Script::is_portable).for_each(over_tcp::<Stage>);
    pop3_scripts().into_iter().filter(Script::is_portable).for_each(over_tcp::<pop3::Stage>);
}

fn in_step<S: Play>(script: &Script) {
    let mut stage = S::new(&script.settings);
    let mut cursor = 0;
    let mut after_hearing = true;
    for turn in &script.turns {
        if let Turn::Hear(expected) = turn {
            script.check(expected, stage.events(), &mut cursor, &"in step");
        } else if mem::take(&mut after_hearing) {
            script.check_end(stage.events(), cursor, &"in step");
        }
        after_hearing |= matches!(turn, Turn::Hear(_));
        match turn {
            Turn::Say(words) => stage.feed(words),
            Turn::Hear(_) => {}
            other => stage.direct(other),
        }
    }
    script.check_end(stage.events(), cursor, &"in step");
}

fn cut_anywhere<S: Play>(script: &Script) {
    if script.is_whole_only() {
        return;
    }
    let random = (1..=20).map(Pace::Random);
    for pace in [Pace::Whole, Pace::Octets].into_iter().chain(random) {
        let mut stage: S = script.play(pace);
        let mut cursor = 0;
        for turn in &script.turns {
            if let Turn::Hear(expected) = turn {
                script.check(expected, stage.events(), &mut cursor, &pace);
            }
        }
        script.check_end(stage.events(), cursor, &pace);
    }
}

fn over_tcp<S: Play>(script: Script) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = script.settings.clone();
    let server = std::thread::spawn(move || serve::<S>(&listener, &settings));
    play_tcp(&script, address).unwrap_or_else(|error| panic!("{}: {error}", script.name));
    server.join().unwrap().unwrap();
}

/// Plays a script over TCP and returns an error that says where it went wrong. What the session asks
/// cannot be seen from there, except that it closes.
///
/// The script must be [portable](Script::is_portable) and the server set as [`Script::settings`] say,
/// with the name `mx.test`. The settings `login`, `begin` and `keep` want a server that fails on
/// demand; whoever has none leaves these scripts out.
pub(crate) fn play_tcp(script: &Script, address: SocketAddr) -> io::Result<()> {
    let mut writer = TcpStream::connect(address)?;
    writer.set_read_timeout(Some(Duration::from_secs(10)))?;
    writer.set_nodelay(true)?;
    let mut reader = BufReader::new(writer.try_clone()?);
    let mut read = || -> io::Result<String> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok(line)
    };
    for turn in &script.turns {
        let (good, heard, expected) = match turn {
            Turn::Say(words) => {
                // The server may have said its last word and gone; what it said is what counts.
                let _ = writer.write_all(words);
                continue;
            }
            Turn::Hear(expected @ Expected::Ask(ask)) if ask == "close" => {
                let line = read()?;
                (line.is_empty(), line, expected)
            }
            Turn::Hear(expected @ Expected::Line(line)) => {
                let heard = read()?;
                (heard.strip_suffix("\r\n") == Some(line), heard, expected)
            }
            Turn::Hear(expected @ Expected::Prefix(start)) => {
                let heard = read()?;
                (heard.starts_with(start.as_str()) && heard.ends_with("\r\n"), heard, expected)
            }
            Turn::Hear(expected @ Expected::Reply(code)) => {
                let mut heard = read()?;
                while heard.starts_with(&format!("{code}-")) {
                    heard = read()?;
                }
                (heard.starts_with(&format!("{code} ")), heard, expected)
            }
            Turn::Hear(_) | Turn::Set(..) | Turn::Expire | Turn::ShutDown | Turn::Wait => continue,
        };
        if !good {
            return Err(io::Error::other(format!("expected {expected:?}, heard {heard:?}")));
        }
    }
    Ok(())
}

/// One connection over a blocking socket: the smallest driver there can be.
fn serve<S: Play>(listener: &TcpListener, settings: &[(String, String)]) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut stage = S::new(settings);
    let mut buffer = [0; 4096];
    loop {
        for event in mem::take(stage.events()) {
            if let Event::Line(line) = event {
                stream.write_all(format!("{line}\r\n").as_bytes())?;
            }
        }
        if stage.is_closed() {
            stream.shutdown(Shutdown::Write)?;
            // What is left unread would reset the connection, and the last reply with it.
            return io::copy(&mut stream, &mut io::sink()).map(drop);
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stage.feed(&buffer[..length]),
        }
    }
}
