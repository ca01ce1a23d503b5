//! The words of the page of a message.

use super::{Plural, Sentence};
use crate::message::{Defect, Fact, Protection, Sign, html::Taken};

/// See the templates `article.html`, `print.html` and those of `panels/`.
pub(in crate::http) struct Strings {
    pub(in crate::http) no_subject: &'static str,
    /// A message that was not read to its end, and the way to have that done.
    pub(in crate::http) prefix_only: Sentence,
    pub(in crate::http) read_all: Sentence,
    pub(in crate::http) actions: Actions,
    pub(in crate::http) head: Head,
    pub(in crate::http) facts: Facts,
    pub(in crate::http) files: Files,
    pub(in crate::http) tabs: Tabs,
    pub(in crate::http) html: Html,
    pub(in crate::http) text: Text,
    pub(in crate::http) headers: Headers,
    pub(in crate::http) source: Source,
    pub(in crate::http) parts: Parts,
    pub(in crate::http) links: Links,
    pub(in crate::http) print: Print,
    /// What a defect means to somebody who wonders why a mail looks wrong.
    pub(in crate::http) defect: fn(Defect) -> &'static str,
    pub(in crate::http) fact: fn(Fact) -> &'static str,
    pub(in crate::http) protection: fn(Protection) -> &'static str,
}

/// The buttons on top.
pub(in crate::http) struct Actions {
    pub(in crate::http) all_mail: &'static str,
    pub(in crate::http) mark_unread: &'static str,
    pub(in crate::http) star: &'static str,
    pub(in crate::http) starred: &'static str,
    pub(in crate::http) delete: &'static str,
    pub(in crate::http) print: &'static str,
    pub(in crate::http) download: &'static str,
    pub(in crate::http) older: &'static str,
    pub(in crate::http) copy: &'static str,
    pub(in crate::http) copied: &'static str,
}

/// Who, when, and what one looks for first.
pub(in crate::http) struct Head {
    pub(in crate::http) from: &'static str,
    pub(in crate::http) received: &'static str,
    pub(in crate::http) date: &'static str,
    pub(in crate::http) code: &'static str,
    pub(in crate::http) codes: &'static str,
}

/// What SMTP said.
pub(in crate::http) struct Facts {
    pub(in crate::http) title: &'static str,
    pub(in crate::http) to: Sentence,
    pub(in crate::http) envelope: &'static str,
    pub(in crate::http) session: &'static str,
    pub(in crate::http) message: &'static str,
    pub(in crate::http) client: &'static str,
    pub(in crate::http) unix_socket: &'static str,
    pub(in crate::http) tls_version: &'static str,
    pub(in crate::http) tls_cipher: &'static str,
    pub(in crate::http) tls_name: &'static str,
    pub(in crate::http) tls_certificate: &'static str,
    pub(in crate::http) encrypted: &'static str,
    pub(in crate::http) not_encrypted: &'static str,
    pub(in crate::http) user: &'static str,
    pub(in crate::http) no_user: &'static str,
    pub(in crate::http) received: &'static str,
    pub(in crate::http) size: &'static str,
    pub(in crate::http) octets: Plural,
    pub(in crate::http) id: &'static str,
    pub(in crate::http) defects: Plural,
    pub(in crate::http) no_defects: &'static str,
}

/// Attachments.
pub(in crate::http) struct Files {
    pub(in crate::http) attachments: Plural,
    pub(in crate::http) all: &'static str,
    pub(in crate::http) view: Sentence,
    pub(in crate::http) save: Sentence,
    pub(in crate::http) more: Plural,
    /// The size of a part whose end is not known.
    pub(in crate::http) over: Sentence,
}

/// The views.
pub(in crate::http) struct Tabs {
    pub(in crate::http) label: &'static str,
    pub(in crate::http) html: &'static str,
    pub(in crate::http) markup: &'static str,
    pub(in crate::http) text: &'static str,
    pub(in crate::http) headers: &'static str,
    pub(in crate::http) source: &'static str,
    pub(in crate::http) parts: &'static str,
    pub(in crate::http) links: &'static str,
}

/// The HTML and its frame.
pub(in crate::http) struct Html {
    pub(in crate::http) none: &'static str,
    pub(in crate::http) frame: &'static str,
    pub(in crate::http) blocked: Plural,
    pub(in crate::http) load: &'static str,
    pub(in crate::http) loaded: &'static str,
    pub(in crate::http) block: &'static str,
    pub(in crate::http) from_hosts: Sentence,
    pub(in crate::http) trackers: Plural,
    pub(in crate::http) why: Sentence,
    pub(in crate::http) cut: Sentence,
    pub(in crate::http) whole: &'static str,
    pub(in crate::http) tangled: &'static str,
    pub(in crate::http) amp: &'static str,
    pub(in crate::http) width: &'static str,
    pub(in crate::http) full: &'static str,
    pub(in crate::http) scaled: &'static str,
    pub(in crate::http) scheme: &'static str,
    pub(in crate::http) light: &'static str,
    pub(in crate::http) dark: &'static str,
    pub(in crate::http) forced: &'static str,
    pub(in crate::http) no_dark: &'static str,
    pub(in crate::http) simulated: &'static str,
    pub(in crate::http) taken_out: Sentence,
    /// So many of what was taken out.
    pub(in crate::http) taken: fn(Taken, usize) -> String,
    /// Why a picture looks like a tracker.
    pub(in crate::http) sign: fn(Sign) -> String,
}

/// Text.
pub(in crate::http) struct Text {
    pub(in crate::http) none: &'static str,
    pub(in crate::http) from_html: &'static str,
    pub(in crate::http) cut: Sentence,
    pub(in crate::http) whole: &'static str,
    pub(in crate::http) quoted: Plural,
}

/// The header.
pub(in crate::http) struct Headers {
    pub(in crate::http) filter: &'static str,
    pub(in crate::http) apply: &'static str,
    pub(in crate::http) field: &'static str,
    pub(in crate::http) value: &'static str,
    pub(in crate::http) decoded: &'static str,
    pub(in crate::http) raw: &'static str,
    pub(in crate::http) how: &'static str,
    pub(in crate::http) nothing: &'static str,
    pub(in crate::http) cut: &'static str,
}

/// The octets as they came.
pub(in crate::http) struct Source {
    pub(in crate::http) label: &'static str,
    pub(in crate::http) page: Sentence,
    pub(in crate::http) of: Sentence,
    pub(in crate::http) first: &'static str,
    pub(in crate::http) previous: &'static str,
    pub(in crate::http) next: &'static str,
    pub(in crate::http) last: &'static str,
}

/// The structure, and one part of it.
pub(in crate::http) struct Parts {
    pub(in crate::http) label: &'static str,
    pub(in crate::http) attachment: &'static str,
    pub(in crate::http) view: &'static str,
    pub(in crate::http) save: &'static str,
    pub(in crate::http) back: &'static str,
    pub(in crate::http) number: Sentence,
    pub(in crate::http) no_view: &'static str,
    pub(in crate::http) more: &'static str,
    pub(in crate::http) pdf: &'static str,
    pub(in crate::http) acting: &'static str,
}

/// Where the message leads.
pub(in crate::http) struct Links {
    pub(in crate::http) none: &'static str,
    pub(in crate::http) links: Plural,
    pub(in crate::http) all: &'static str,
    pub(in crate::http) deceptive: Sentence,
    pub(in crate::http) copy: Sentence,
}

/// The page to print.
pub(in crate::http) struct Print {
    pub(in crate::http) attachments: &'static str,
}

pub(super) const ENGLISH: Strings = Strings {
    no_subject: "(no subject)",
    prefix_only: Sentence(
        "This message is very large: only its first {} were read for this page, and what comes behind them is not listed.",
    ),
    read_all: Sentence("Read all {}"),
    actions: Actions {
        all_mail: "← All mail",
        mark_unread: "Mark unread",
        star: "Star",
        starred: "Starred",
        delete: "Delete",
        print: "Print",
        download: "Download .eml",
        older: "Older →",
        copy: "Copy",
        copied: "Copied",
    },
    head: Head {
        from: "From",
        received: "Received",
        date: "Date",
        code: "Code",
        codes: "Codes found in the message",
    },
    facts: Facts {
        title: "Envelope and session",
        to: Sentence("to {}"),
        envelope: "Envelope",
        session: "Session",
        message: "Message",
        client: "Client",
        unix_socket: "Unix socket",
        tls_version: "TLS",
        tls_cipher: "Cipher",
        tls_name: "Server name",
        tls_certificate: "Client certificate",
        encrypted: "yes",
        not_encrypted: "none: it came in clear",
        user: "AUTH user",
        no_user: "none: it came without login",
        received: "Received",
        size: "Size",
        octets: Plural { one: "{} octet", other: "{} octets" },
        id: "Our id",
        defects: Plural { one: "{} defect", other: "{} defects" },
        no_defects: "No defects found.",
    },
    files: Files {
        attachments: Plural { one: "{} attachment", other: "{} attachments" },
        all: "Save all as zip",
        view: Sentence("View {}"),
        save: Sentence("Save {}"),
        more: Plural { one: "and {} more", other: "and {} more" },
        over: Sentence("over {}"),
    },
    tabs: Tabs {
        label: "Views of this message",
        html: "HTML",
        markup: "Markup",
        text: "Text",
        headers: "Headers",
        source: "Source",
        parts: "MIME",
        links: "Links",
    },
    html: Html {
        none: "This message has no HTML.",
        frame: "The message",
        blocked: Plural {
            one: "One image, style or font from elsewhere is blocked.",
            other: "{} images, styles and fonts from elsewhere are blocked.",
        },
        load: "Load images",
        loaded: "Images from elsewhere are loaded, which may tell the sender that this was read.",
        block: "Block them",
        from_hosts: Sentence("From {}."),
        trackers: Plural { one: "{} tracker", other: "{} trackers" },
        why: Sentence("because {}"),
        cut: Sentence("This HTML is long: only its first {} are shown."),
        whole: "Save all of it",
        tangled: "This HTML is too tangled to be drawn safely. This is its text.",
        amp: "This is the AMP form of the message. Its components need scripts, so they are shown only as far as they are HTML.",
        width: "Width",
        full: "Full",
        scaled: "{width} px at {percent} %",
        scheme: "Colours",
        light: "Light",
        dark: "Dark",
        forced: "Forced dark",
        no_dark: "This message has no rules for dark screens, so it stays light.",
        simulated: "A simulation: mail programs that force dark choose colours of their own, each a little differently.",
        taken_out: Sentence("Taken out, because it would act or load: {}."),
        taken,
        sign,
    },
    text: Text {
        none: "This message has no text.",
        from_html: "This is the text of the HTML, which has no text part beside it.",
        cut: Sentence("Only the first {} are shown."),
        whole: "Save all of it",
        quoted: Plural { one: "{} quoted line", other: "{} quoted lines" },
    },
    headers: Headers {
        filter: "Filter fields",
        apply: "Filter",
        field: "Field",
        value: "Value",
        decoded: "Decoded",
        raw: "As it came",
        how: "How the header is shown",
        nothing: "No field matches.",
        cut: "The header is longer than this. The source has all of it.",
    },
    source: Source {
        label: "Pages of the source",
        page: Sentence("Page {}"),
        of: Sentence("of {}"),
        first: "First",
        previous: "← Previous",
        next: "Next →",
        last: "Last",
    },
    parts: Parts {
        label: "MIME structure",
        attachment: "attachment",
        view: "View",
        save: "Save",
        back: "← All parts",
        number: Sentence("Part {}"),
        no_view: "There is no preview for this kind of part.",
        more: "There are more parts than are listed here; the source has them all.",
        pdf: "The document",
        acting: "This document may run script, or is too large or encrypted so that we cannot tell. It is not shown; it can be saved.",
    },
    links: Links {
        none: "There are no links in this message.",
        links: Plural { one: "{} link", other: "{} links" },
        all: "Copy all",
        deceptive: Sentence("leads to {}, which its words do not say"),
        copy: Sentence("Copy {}"),
    },
    print: Print { attachments: "Attachments" },
    defect,
    fact,
    protection,
};

fn fact(fact: Fact) -> &'static str {
    match fact {
        Fact::Method => "Method",
        Fact::Title => "What",
        Fact::Start => "Begins",
        Fact::End => "Ends",
        Fact::Duration => "Takes",
        Fact::Repeats => "Repeats",
        Fact::Place => "Where",
        Fact::Status => "Status",
        Fact::Organizer => "Organizer",
        Fact::Attendee => "Attendee",
        Fact::Note => "Note",
        Fact::Organisation => "Organization",
        Fact::Role => "Role",
        Fact::Email => "E-mail",
        Fact::Telephone => "Telephone",
        Fact::Url => "URL",
        Fact::Birthday => "Birthday",
    }
}

fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::PgpSigned => "Signed with OpenPGP. The signature was not verified.",
        Protection::PgpEncrypted => {
            "Encrypted with OpenPGP. Only who has the key can read it; save the encrypted part."
        }
        Protection::SmimeSigned => "Signed with S/MIME. The signature was not verified.",
        Protection::SmimeEncrypted => {
            "Encrypted with S/MIME. Only who has the key can read it; save the encrypted part."
        }
    }
}

fn taken(what: Taken, count: usize) -> String {
    let (one, other) = match what {
        Taken::Script => ("script", "scripts"),
        Taken::Handler => ("event handler", "event handlers"),
        Taken::Frame => ("frame", "frames"),
        Taken::Plugin => ("plug-in", "plug-ins"),
        Taken::Form => ("target of a form", "targets of forms"),
        Taken::Order => ("order to the browser", "orders to the browser"),
        Taken::Resource => ("link to a resource", "links to resources"),
        Taken::Media => ("sound or film", "sounds or films"),
        Taken::Address => ("address that runs something", "addresses that run something"),
    };
    format!("{count} {}", if count == 1 { one } else { other })
}

fn sign(sign: Sign) -> String {
    match sign {
        Sign::Tiny => "it is one or two pixels small".to_owned(),
        Sign::Hidden => "it is hidden".to_owned(),
        Sign::Service(name) => format!("its address is one of {name}"),
        Sign::Shape => "its address speaks of opening or tracking".to_owned(),
        Sign::NamesRecipient => "its address contains that of a recipient".to_owned(),
    }
}

fn defect(defect: Defect) -> &'static str {
    match defect {
        Defect::BareLf => "A line ends with LF alone. Mail lines end with CRLF (RFC 5322 §2.3).",
        Defect::BareCr => "A CR stands without its LF (RFC 5322 §2.3).",
        Defect::Nul => "There is a NUL octet in it; many servers refuse that.",
        Defect::LongLine => {
            "A line is longer than 998 octets (RFC 5322 §2.1.1). Servers on the way may cut or refuse it."
        }
        Defect::NoHeader => "No empty line separates header and body, or there is no header.",
        Defect::MalformedHeader => {
            "A line of the header is neither a field nor a continuation, or something stands before the first."
        }
        Defect::TooManyHeaders => "There are more header fields than we read; see the source.",
        Defect::LongHeader => "The header is longer than we read; see the source.",
        Defect::RawEightBitHeader => {
            "The header has octets above 127 or escapes that are not UTF-8. They should be encoded (RFC 2047)."
        }
        Defect::NoFrom => "The From field is missing (RFC 5322 §3.6).",
        Defect::NoDate => "The Date field is missing or cannot be read (RFC 5322 §3.6.1).",
        Defect::DuplicateHeader => "A field that may stand once stands twice (RFC 5322 §3.6).",
        Defect::NoBoundary => "A multipart names no boundary (RFC 2046 §5.1.1).",
        Defect::MissingBoundary => {
            "A boundary never appears, or the closing one is missing (RFC 2046 §5.1.1)."
        }
        Defect::TooDeep => "Parts are nested deeper than we follow.",
        Defect::TooManyParts => "There are more parts than we list.",
        Defect::BadEncoding => {
            "Base64 or quoted-printable breaks its own rules; what could be read is shown."
        }
        Defect::UnknownEncoding => "A content-transfer-encoding is unknown (RFC 2045 §6).",
        Defect::BadCharset => "A charset is unknown, or the text has octets that it does not have.",
        Defect::BadEncodedWord => "An encoded-word in the header could not be decoded (RFC 2047).",
    }
}
