//! `load bare`: the least that a server can do that keeps its word. It appends each message to a file,
//! waits for fdatasync and answers; it parses nothing, shows nothing and cannot be asked. What it reaches
//! from one client is what that client and the disk leave to any server.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
};

use crate::{Failed, Options};

/// Serves one connection after the other until it is killed.
pub(crate) fn bare(options: &Options) -> Result<(), Failed> {
    let listener = TcpListener::bind(options.text("smtp")?)?;
    let path = Path::new(options.text("folder")?).join("messages");
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    loop {
        // Who only looks whether there is a greeting goes away in the middle of it.
        let _ = serve(listener.accept()?.0, &mut file);
    }
}

/// Understands what `load send` and smtp-source say, and trusts them.
fn serve(stream: TcpStream, file: &mut File) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (mut line, mut replies, mut message) = (Vec::new(), b"220 bare\r\n".to_vec(), Vec::new());
    loop {
        // What is to be said of commands that came together goes out together, as with smtpd.
        if reader.buffer().is_empty() {
            reader.get_mut().write_all(&replies)?;
            replies.clear();
        }
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(u8::is_ascii_whitespace);
        message.clear();
        match words.next() {
            Some(b"EHLO") => replies.extend_from_slice(b"250-bare\r\n250-CHUNKING\r\n"),
            Some(b"BDAT") => {
                let size = std::str::from_utf8(words.next().unwrap_or_default())?.parse()?;
                message.resize(size, 0);
                reader.read_exact(&mut message)?;
                keep(file, &message)?;
            }
            Some(b"DATA") => {
                replies.extend_from_slice(b"354 go on\r\n");
                reader.get_mut().write_all(&replies)?;
                replies.clear();
                while !message.ends_with(b"\r\n.\r\n") {
                    if reader.read_until(b'\n', &mut message)? == 0 {
                        return Ok(());
                    }
                }
                keep(file, &message)?;
            }
            _ => {}
        }
        replies.extend_from_slice(b"250 ok\r\n");
    }
}

fn keep(file: &mut File, message: &[u8]) -> Result<(), Failed> {
    file.write_all(message)?;
    Ok(file.sync_data()?)
}
