//! What a calendar (RFC 5545) or a vCard (RFC 6350) says, for people: events, tasks and persons as lists of
//! facts.
//!
//! Only what a reader wants to see at first sight; the text itself is there to be looked at and saved. Times
//! are told as they are written, with their zone.

/// An event, a task or a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// In the order of the text.
    pub facts: Vec<(Fact, String)>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// What is to be done with it: REQUEST, CANCEL, REPLY (RFC 5546).
    Method,
    /// SUMMARY, or FN: what it is called.
    Title,
    /// DTSTART.
    Start,
    /// DTEND or DUE.
    End,
    /// DURATION.
    Duration,
    /// RRULE.
    Repeats,
    /// LOCATION, or ADR of a person.
    Place,
    /// STATUS.
    Status,
    /// ORGANIZER.
    Organizer,
    /// ATTENDEE.
    Attendee,
    /// DESCRIPTION or NOTE.
    Note,
    /// ORG.
    Organisation,
    /// TITLE or ROLE of a person.
    Role,
    /// EMAIL.
    Email,
    /// TEL.
    Telephone,
    /// URL.
    Url,
    /// BDAY.
    Birthday,
}

/// The cards in a text, [`MOST_CARDS`] at most; none if it is neither.
pub fn cards(text: &str) -> Vec<Card> {
    let (mut cards, mut method) = (Vec::new(), None);
    let mut open: Option<Card> = None;
    // Components inside an event, such as its alarm, say nothing of the event.
    let mut inside = 0_usize;
    for line in lines(text) {
        let Some((name, parameters, value)) = split(&line) else { continue };
        let value_is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        match name.as_str() {
            "BEGIN" if open.is_some() => inside += 1,
            "BEGIN" if value_is(&["VEVENT", "VTODO", "VCARD"]) => {
                let facts = method.iter().map(|method: &String| (Fact::Method, method.clone()));
                open = Some(Card { facts: facts.collect() });
            }
            "END" if inside > 0 => inside -= 1,
            "END" => {
                cards.extend(open.take());
                if cards.len() == MOST_CARDS {
                    break;
                }
            }
            "METHOD" if open.is_none() => method = Some(unescaped(value)),
            _ if inside > 0 => {}
            _ => {
                if let Some(card) = open.as_mut().filter(|card| card.facts.len() < MOST_FACTS)
                    && let Some(fact) = fact(&name)
                {
                    let said = said(fact, parameters, value);
                    let said = super::text::beginning(&said, LONGEST_FACT);
                    if !said.is_empty() {
                        card.facts.push((fact, said.to_owned()));
                    }
                }
            }
        }
    }
    cards
}

fn fact(name: &str) -> Option<Fact> {
    Some(match name {
        "SUMMARY" | "FN" => Fact::Title,
        "DTSTART" => Fact::Start,
        "DTEND" | "DUE" => Fact::End,
        "DURATION" => Fact::Duration,
        "RRULE" => Fact::Repeats,
        "LOCATION" | "ADR" => Fact::Place,
        "STATUS" => Fact::Status,
        "ORGANIZER" => Fact::Organizer,
        "ATTENDEE" => Fact::Attendee,
        "DESCRIPTION" | "NOTE" => Fact::Note,
        "ORG" => Fact::Organisation,
        "TITLE" | "ROLE" => Fact::Role,
        "EMAIL" => Fact::Email,
        "TEL" => Fact::Telephone,
        "URL" => Fact::Url,
        "BDAY" => Fact::Birthday,
        _ => return None,
    })
}

/// A value as people read it.
fn said(fact: Fact, parameters: &str, value: &str) -> String {
    match fact {
        Fact::Start | Fact::End => {
            let at = time(value);
            match parameter(parameters, "TZID") {
                Some(zone) => format!("{at} ({zone})"),
                None => at,
            }
        }
        Fact::Organizer | Fact::Attendee => {
            let scheme = value.get(..7).filter(|it| it.eq_ignore_ascii_case("mailto:"));
            let address = scheme.map_or(value, |_| value.get(7..).unwrap_or_default());
            match parameter(parameters, "CN") {
                Some(name) if name != address => format!("{name} <{address}>"),
                _ => address.to_owned(),
            }
        }
        // Components in a row.
        Fact::Place | Fact::Organisation => {
            let pieces = value.replace("\\;", "\u{1}");
            let pieces = pieces.split(';').map(|piece| unescaped(&piece.replace('\u{1}', ";")));
            let pieces: Vec<_> = pieces.filter(|piece| !piece.trim().is_empty()).collect();
            pieces.join(", ")
        }
        Fact::Telephone => value.strip_prefix("tel:").unwrap_or(value).to_owned(),
        _ => unescaped(value),
    }
}

/// `20261102T100000Z` as `2026-11-02 10:00 UTC`; what is no such time, as it is (RFC 5545 §3.3.5).
fn time(value: &str) -> String {
    let (date, rest) = value.split_at_checked(8).unwrap_or((value, ""));
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if date.len() != 8 || !digits(date) {
        return value.to_owned();
    }
    let day = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    let utc = if rest.ends_with('Z') { " UTC" } else { "" };
    match rest.strip_prefix('T').and_then(|clock| clock.get(..4)) {
        Some(clock) if digits(clock) => format!("{day} {}:{}{utc}", &clock[..2], &clock[2..]),
        _ => day,
    }
}

/// The lines, unfolded (RFC 5545 §3.1, RFC 6350 §3.2).
fn lines(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text.lines().peekable();
    std::iter::from_fn(move || {
        let mut line = rest.next()?.to_owned();
        while let Some(more) = rest.next_if(|next| next.starts_with([' ', '\t'])) {
            line.push_str(&more[1..]);
        }
        Some(line)
    })
}

/// Name in capitals without its group, parameters and value.
fn split(line: &str) -> Option<(String, &str, &str)> {
    let mut quoted = false;
    let colon = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    let (head, value) = (&line[..colon], &line[colon + 1..]);
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    let name = name.rsplit('.').next().unwrap_or_default().trim();
    Some((name.to_ascii_uppercase(), parameters, value.trim()))
}

fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut quoted = false;
    let pieces = parameters.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let mut pairs = pieces.filter_map(|piece| piece.split_once('='));
    let (_, value) = pairs.find(|(given, _)| given.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"').to_owned())
}

/// Backslashes undone (RFC 5545 §3.3.11).
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Most cards shown of one text: who exports an address book saves the file.
pub const MOST_CARDS: usize = 20;

/// Most facts of a card, and octets of each: an invitation of a whole company, and a long agenda.
const MOST_FACTS: usize = 100;
const LONGEST_FACT: usize = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event() {
        let text = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE\r\n\
            BEGIN:VEVENT\r\nSUMMARY:Plan\\, and\r\n  more\r\nDTSTART;TZID=\"Europe/Berlin\":20261102T100000\r\n\
            DTEND:20261102T110000Z\r\nLOCATION:Room 1\\; left\r\nORGANIZER;CN=\"Ann; Lee\":MAILTO:ann@a.example\r\n\
            ATTENDEE:mailto:bob@b.example\r\nBEGIN:VALARM\r\nDESCRIPTION:ring\r\nEND:VALARM\r\n\
            DESCRIPTION:One\\nTwo\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let facts: Vec<_> = cards(text).remove(0).facts;
        let facts: Vec<_> = facts.iter().map(|(fact, value)| (*fact, value.as_str())).collect();
        assert_eq!(
            facts,
            [
                (Fact::Method, "REQUEST"),
                (Fact::Title, "Plan, and more"),
                (Fact::Start, "2026-11-02 10:00 (Europe/Berlin)"),
                (Fact::End, "2026-11-02 11:00 UTC"),
                (Fact::Place, "Room 1; left"),
                (Fact::Organizer, "Ann; Lee <ann@a.example>"),
                (Fact::Attendee, "bob@b.example"),
                (Fact::Note, "One\nTwo"),
            ]
        );
    }

    #[test]
    fn persons() {
        let text = "BEGIN:VCARD\nVERSION:4.0\nFN:Ann Lee\nORG:Example;Sales\nitem1.EMAIL;TYPE=work:ann@a.example\n\
            TEL;VALUE=uri:tel:+1-555\nADR:;;1 Main St;Town;;12345;\nBDAY:19700101\nEND:VCARD\nBEGIN:VCARD\nFN:Bob\nEND:VCARD";
        let all = cards(text);
        let said: Vec<_> = all[0].facts.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            said,
            [
                "Ann Lee",
                "Example, Sales",
                "ann@a.example",
                "+1-555",
                "1 Main St, Town, 12345",
                "19700101"
            ]
        );
        assert_eq!(all[1].facts, [(Fact::Title, "Bob".to_owned())]);
    }

    #[test]
    fn what_is_none_or_too_much() {
        assert_eq!(cards("Hello: there\n\n:\n;:\n"), []);
        assert_eq!(cards("BEGIN:VEVENT\nDTSTART:soon\n"), []);
        assert_eq!(time("20261102"), "2026-11-02");
        assert_eq!(time("2026110é"), "2026110é");
        assert_eq!(cards(&"BEGIN:VCARD\nFN:a\nEND:VCARD\n".repeat(1_000)).len(), MOST_CARDS);
        let many = format!("BEGIN:VEVENT\n{}END:VEVENT", "ATTENDEE:mailto:a@b\n".repeat(1_000));
        assert_eq!(cards(&many)[0].facts.len(), MOST_FACTS);
    }
}
