//! `[log]`: structured lines on standard error or in a file.
//!
//! One line an event, the same keys in the same order, values quoted when they need it: lines are an
//! interface that people grep. Everything else calls the `log` crate; this file only formats and writes.

mod sink;

use std::{
    fmt::{self, Write as _},
    io,
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

use log::{
    Level, LevelFilter, Metadata, Record,
    kv::{Key, Value, VisitSource},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use self::sink::Sink;
use crate::panics::LogScope;

/// What is logged and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The least important level that is still logged.
    pub level: Verbosity,
    /// How a line looks.
    pub format: Format,
    /// The file that lines are appended to, reopened on SIGHUP; empty for standard error.
    pub file: PathBuf,
    /// Octets of that file; then it is put aside, in place of the one put aside before. 0 is no bound.
    pub file_bytes: u64,
}

/// A level by its name in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Nothing at all.
    Off,
    /// What stops smtpd from doing its work.
    Error,
    /// What somebody should look at.
    Warn,
    /// One line a connection and one a message.
    Info,
    /// Every refused command.
    Debug,
    /// Everything.
    Trace,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `time level target: message key=value`.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. Call it once; later calls change nothing.
pub fn init(options: &Options) -> Result<(), String> {
    let sink = Sink::open(&options.file, options.file_bytes)
        .map_err(|error| format!("log.file: cannot open {}: {error}", options.file.display()))?;
    let logger = LOGGER.get_or_init(|| Logger { format: options.format, sink });
    log::set_max_level(options.level.into());
    log::set_boxed_logger(Box::new(logger)).map_err(|error| error.to_string())
}

/// Opens the log file anew, after somebody moved it away. Does nothing on standard error.
pub fn reopen() -> io::Result<()> {
    LOGGER.get().map_or(Ok(()), |logger| logger.sink.reopen())
}

/// Lines that were dropped because nobody read those before them.
pub fn dropped() -> u64 {
    LOGGER.get().map_or(0, |logger| logger.sink.dropped())
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    format: Format,
    sink: Sink,
}

impl log::Log for &'static Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && !is_parser(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = line(self.format, OffsetDateTime::now_utc(), record);
        self.sink.write(line.as_bytes());
    }

    fn flush(&self) {
        self.sink.flush(LAST_WORDS);
    }
}

/// True for the readers of markup, which warn of what a sender wrote: nobody may fill our log by mail.
fn is_parser(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    matches!(name, "ammonia" | "cssparser" | "html5ever" | "markup5ever")
}

/// What stands in place of lines that were dropped.
fn dropped_line(count: u64) -> String {
    let pairs = [("lines", count)];
    let format = LOGGER.get().map_or(Format::Text, |logger| logger.format);
    let record = Record::builder()
        .level(Level::Warn)
        .target("smtpd::log")
        .args(format_args!("nobody read the log, and lines were dropped"))
        .key_values(&pairs)
        .build();
    line(format, OffsetDateTime::now_utc(), &record)
}

fn line(format: Format, now: OffsetDateTime, record: &Record<'_>) -> String {
    let time = time(now);
    let target = record.target().trim_start_matches("smtpd::");
    match format {
        Format::Text => text_line(&time, target, record),
        Format::Json => json_line(&time, target, record),
    }
}

/// RFC 3339 in UTC to the millisecond, which is what people read. Always of one length, so that lines stand
/// below each other and sort as text.
fn time(now: OffsetDateTime) -> String {
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second, milli) = now.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn text_line(time: &str, target: &str, record: &Record<'_>) -> String {
    let level = match record.level() {
        Level::Error => "ERROR",
        Level::Warn => "WARN ",
        Level::Info => "INFO ",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    };
    // Most lines are no longer than this.
    let mut line = String::with_capacity(256);
    // Writing to a String does not fail, and a log line has no better answer if it did.
    let _ = write!(line, "{time} {level} {target}: ");
    match record.args().as_str() {
        Some(text) => push_escaped(&mut line, text),
        None => push_escaped(&mut line, &record.args().to_string()),
    }
    let _ = record.key_values().visit(&mut TextPairs(&mut line));
    if let Some(scope) = LogScope::current() {
        let _ = write!(line, " session={scope}");
    }
    line.push('\n');
    line
}

struct TextPairs<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for TextPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        self.0.push(' ');
        self.0.push_str(key.as_str());
        self.0.push('=');
        let start = self.0.len();
        write!(self.0, "{value}")?;
        let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '"' && c != '=';
        if self.0.len() == start || !self.0[start..].chars().all(plain) {
            let value = self.0.split_off(start);
            self.0.push('"');
            push_escaped(self.0, &value.replace('\\', "\\\\").replace('"', "\\\""));
            self.0.push('"');
        }
        Ok(())
    }
}

/// Control characters would let a peer forge lines.
fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

fn json_line(time: &str, target: &str, record: &Record<'_>) -> String {
    let mut object = serde_json::Map::new();
    object.insert("time".into(), time.into());
    object.insert("level".into(), record.level().as_str().to_ascii_lowercase().into());
    object.insert("target".into(), target.into());
    object.insert("message".into(), record.args().to_string().into());
    let _ = record.key_values().visit(&mut JsonPairs(&mut object));
    if let Some(scope) = LogScope::current() {
        object.insert("session".into(), scope.to_string().into());
    }
    let mut line = serde_json::Value::Object(object).to_string();
    line.push('\n');
    line
}

struct JsonPairs<'a>(&'a mut serde_json::Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for JsonPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let json = match (value.to_u64(), value.to_bool()) {
            (Some(number), _) => number.into(),
            (_, Some(truth)) => truth.into(),
            _ => value.to_string().into(),
        };
        self.0.insert(key.to_string(), json);
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Verbosity::Info,
            format: Format::Text,
            file: PathBuf::new(),
            file_bytes: 100 * 1024 * 1024,
        }
    }
}

impl From<Verbosity> for LevelFilter {
    fn from(verbosity: Verbosity) -> Self {
        match verbosity {
            Verbosity::Off => Self::Off,
            Verbosity::Error => Self::Error,
            Verbosity::Warn => Self::Warn,
            Verbosity::Info => Self::Info,
            Verbosity::Debug => Self::Debug,
            Verbosity::Trace => Self::Trace,
        }
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("format", &self.format).finish_non_exhaustive()
    }
}

/// How long the end of the process waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn render(format: Format) -> String {
        let pairs = [("client", "127.0.0.1:4"), ("helo", "a b\"\r\n250 forged"), ("size", "17")];
        let time = OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(1_234_567);
        line(
            format,
            time,
            &Record::builder()
                .level(Level::Info)
                .target("smtpd::smtp_server")
                .args(format_args!("connection"))
                .key_values(&pairs)
                .build(),
        )
    }

    #[test]
    fn what_a_sender_wrote_is_no_warning_of_ours() {
        for (target, is_quiet) in [
            ("html5ever::tree_builder", true),
            ("html5ever", true),
            ("ammonia", true),
            ("smtpd::http", false),
            ("html5everything", false),
        ] {
            assert_eq!(is_parser(target), is_quiet, "{target}");
        }
    }

    #[test]
    fn a_text_line_cannot_be_forged() {
        assert_eq!(
            render(Format::Text),
            "1970-01-01T00:00:01.234Z INFO  smtp_server: connection client=127.0.0.1:4 \
             helo=\"a b\\\"\\r\\n250 forged\" size=17\n"
        );
    }

    #[test]
    fn times_are_of_one_length() {
        let at = |micros| time(OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(micros));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(1_640_999), "1970-01-01T00:00:01.640Z");
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = render(Format::Json);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["helo"], "a b\"\r\n250 forged");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
