//! What kind of thing a part is: under which type it may leave us, how it can be looked at, which icon
//! it has.
//!
//! The sender's word is taken, but a file that is declared as mere octets is judged by its name, as
//! people do. A wrong guess is harmless: every type below is, as it leaves us.

use crate::message::{Part, pictures};

/// How a part can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Viewer {
    /// By the browser, as a picture: its scripts do not run, and it loads nothing.
    Picture,
    /// As text, read by us.
    Text,
    /// As HTML, sanitised and in a frame.
    Html,
    /// By the browser's own viewer.
    Pdf,
    /// As a message in the message.
    Letter,
    /// Not at all; it can be saved.
    None,
}

/// For the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Text,
    Pdf,
    Sheet,
    Slides,
    Archive,
    Sound,
    Film,
    Calendar,
    Letter,
    Signature,
    Multipart,
    Other,
}

impl Viewer {
    /// How to look at a part.
    pub(super) fn of(part: &Part) -> Self {
        let media = media_type(part);
        if is_picture(media) || media == "image/svg+xml" {
            return Self::Picture;
        }
        match media {
            "text/html" | "application/xhtml+xml" | "text/x-amp-html" => Self::Html,
            "application/pdf" => Self::Pdf,
            _ if part.is_message() => Self::Letter,
            _ if media.starts_with("text/") || TEXTS.contains(&media) => Self::Text,
            _ if media.starts_with("message/") => Self::Text,
            _ if media.ends_with("+json") || media.ends_with("+xml") => Self::Text,
            _ => Self::None,
        }
    }
}

impl Kind {
    /// The kind of a part.
    pub(super) fn of(part: &Part) -> Self {
        let media = media_type(part);
        let is = |words: &[&str]| words.iter().any(|word| media.contains(word));
        match media.split('/').next().unwrap_or_default() {
            "image" => Self::Picture,
            "audio" => Self::Sound,
            "video" => Self::Film,
            "multipart" => Self::Multipart,
            "message" => Self::Letter,
            _ if is(&["calendar", "/ics"]) => Self::Calendar,
            _ if is(&["pdf"]) => Self::Pdf,
            _ if is(&["pkcs7", "pgp-signature", "x-pkcs", "pgp-keys"]) => Self::Signature,
            _ if is(&["zip", "gzip", "x-tar", "compressed", "x-7z", "rar", "x-xz", "zstd"]) => {
                Self::Archive
            }
            _ if is(&["spreadsheet", "excel", "csv", "tab-separated"]) => Self::Sheet,
            _ if is(&["presentation", "powerpoint"]) => Self::Slides,
            "text" => Self::Text,
            _ if is(&["word", "opendocument.text", "rtf"]) || TEXTS.contains(&media) => Self::Text,
            _ => Self::Other,
        }
    }

    /// A class for the stylesheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Picture => "picture",
            Self::Text => "text",
            Self::Pdf => "pdf",
            Self::Sheet => "sheet",
            Self::Slides => "slides",
            Self::Archive => "archive",
            Self::Sound => "sound",
            Self::Film => "film",
            Self::Calendar => "calendar",
            Self::Letter => "letter",
            Self::Signature => "signature",
            Self::Multipart => "multipart",
            Self::Other => "other",
        }
    }

    /// The strokes of its icon, in a square of 24.
    pub(super) fn strokes(self) -> &'static str {
        match self {
            Self::Picture => "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
            Self::Text => "M7 3.5h6.5L18.5 8.5v12H7zM13.5 3.5v5h5M10 13h6M10 16.5h6",
            Self::Pdf => {
                "M7 3.5h6.5L18.5 8.5v12H7zM13.5 3.5v5h5M10 17c2-1 3-4 2.5-6 .5 3 2 4 3.5 4-2.5 0-4 .5-6 2z"
            }
            Self::Sheet => "M4.5 5h15v14h-15zM4.5 10h15M4.5 14.5h15M10 5v14",
            Self::Slides => "M4 5h16v11H4zM12 16v4M9 20h6",
            Self::Archive => "M4 4.5h16v4H4zM5.5 8.5v11h13v-11M10 12h4",
            Self::Sound => {
                "M9 18V6l10-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z"
            }
            Self::Film => "M4 5.5h16v13H4zM10.5 9.5v5l4-2.5z",
            Self::Calendar => "M4.5 6h15v13.5h-15zM4.5 10.5h15M8.5 3.5V8M15.5 3.5V8",
            Self::Letter => "M3.5 6h17v12.5h-17zM4 7l8 6 8-6",
            Self::Signature => {
                "M12 3.5l7 3v5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9v-5zM9 12l2.200 2.200L15.200 10"
            }
            Self::Multipart => "M4 7h6l2 2.5h8V19H4z",
            Self::Other => "M7 3.5h6.5L18.5 8.5v12H7zM13.5 3.5v5h5",
        }
    }
}

/// The type of a part; that of its name if it is declared as mere octets.
pub(super) fn media_type(part: &Part) -> &str {
    let declared = part.content_type.as_str();
    if let Some(picture) = part.picture_type() {
        return picture;
    }
    if !["application/octet-stream", "application/binary", "application/x-download"]
        .contains(&declared)
    {
        return declared;
    }
    let ending = part.file_name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = ENDINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending));
    known.map_or(declared, |(_, media)| *media)
}

/// True for pictures made of pixels, which cannot act.
pub(super) fn is_picture(media: &str) -> bool {
    pictures::known(media).is_some()
}

/// The ending of a file of this type.
pub(super) fn ending(media: &str) -> &'static str {
    match media {
        "text/plain" => "txt",
        "image/svg+xml" => "svg",
        "text/calendar" => "ics",
        "message/rfc822" | "message/global" => "eml",
        _ => ENDINGS.iter().find(|(_, known)| *known == media).map_or("bin", |(ending, _)| *ending),
    }
}

/// True for content that deflate makes smaller; most other formats are packed already.
pub(super) fn shrinks(media: &str) -> bool {
    media.starts_with("text/")
        || media.starts_with("message/")
        || TEXTS.contains(&media)
        || [
            "+xml",
            "+json",
            "/xml",
            "/json",
            "bmp",
            "svg",
            "tiff",
            "octet-stream",
            "msword",
            "x-tar",
        ]
        .iter()
        .any(|end| media.ends_with(end))
}

/// Texts that are not called so.
const TEXTS: [&str; 10] = [
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-javascript",
    "application/x-yaml",
    "application/yaml",
    "application/toml",
    "application/x-sh",
    "application/sql",
    "application/ics",
];

const ENDINGS: [(&str, &str); 24] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("pdf", "application/pdf"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("csv", "text/csv"),
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/plain"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("mp4", "video/mp4"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn part(content_type: &str, file_name: &str) -> Part {
        Part {
            content_type: content_type.to_owned(),
            file_name: file_name.to_owned(),
            ..Part::default()
        }
    }

    #[test]
    fn octets_are_judged_by_their_name() {
        assert_eq!(media_type(&part("application/octet-stream", "a.b.PNG")), "image/png");
        assert_eq!(
            media_type(&part("application/octet-stream", "a.svg")),
            "application/octet-stream"
        );
        assert_eq!(
            media_type(&part("application/octet-stream", "png")),
            "application/octet-stream"
        );
        assert_eq!(media_type(&part("text/plain", "a.png")), "text/plain");
    }

    #[test]
    fn viewers() {
        for (content_type, viewer) in [
            ("image/png", Viewer::Picture),
            ("image/svg+xml", Viewer::Picture),
            ("image/tiff", Viewer::None),
            ("text/html", Viewer::Html),
            ("text/x-amp-html", Viewer::Html),
            ("text/x-diff", Viewer::Text),
            ("application/atom+xml", Viewer::Text),
            ("message/rfc822", Viewer::Letter),
            ("message/delivery-status", Viewer::Text),
            ("message/feedback-report", Viewer::Text),
            ("message/global-delivery-status", Viewer::Text),
            ("message/global-headers", Viewer::Text),
            ("image/x-png", Viewer::Picture),
            ("image/pjpeg", Viewer::Picture),
            ("application/x-msdownload", Viewer::None),
            ("multipart/mixed", Viewer::None),
        ] {
            assert_eq!(Viewer::of(&part(content_type, "")), viewer, "{content_type}");
        }
    }
}
