//! What the Content- fields say about a part (RFC 2045, RFC 2183).

use super::{
    Defect, Encoding, Flowed, Part, defects::Defects, file_name, header::Field,
    parameters::Parameters,
};

/// Fills in what the fields say about `part` and returns the boundary parameter, if there is one.
/// `default_type` is for a part without Content-Type.
pub(super) fn read(
    fields: &[Field<'_>],
    default_type: &str,
    part: &mut Part,
    defects: &mut Defects,
) -> Option<String> {
    let first = |name: &str| fields.iter().find(|field| field.is(name));
    let content_type = parsed(fields, "Content-Type");
    let disposition = parsed(fields, "Content-Disposition");

    part.content_type = media_type(&content_type.value, default_type);
    part.charset = content_type.get("charset").unwrap_or_default().trim().to_ascii_lowercase();
    part.encoding = encoding(first("Content-Transfer-Encoding"), defects);
    part.is_attachment = disposition.value == "attachment";
    part.file_name = named(&disposition, &content_type, defects);
    part.content_id = first("Content-ID").map(|field| content_id(&field.value)).unwrap_or_default();
    part.flowed = flowed(&content_type);
    part.start = content_type.get("start").map(|it| content_id(&it)).unwrap_or_default();
    content_type.get("boundary").map(|boundary| boundary.trim_end().to_owned())
}

/// The file name that the fields give a part.
pub(super) fn file_name(fields: &[Field<'_>], defects: &mut Defects) -> String {
    named(&parsed(fields, "Content-Disposition"), &parsed(fields, "Content-Type"), defects)
}

fn named(
    disposition: &Parameters<'_>,
    content_type: &Parameters<'_>,
    defects: &mut Defects,
) -> String {
    let given = disposition.text("filename", defects).filter(|name| !name.trim().is_empty());
    let name = given.or_else(|| content_type.text("name", defects)).unwrap_or_default();
    file_name::shortened(&super::text::one_line(&name), MAX_FILE_NAME)
}

/// The first field of this name.
fn parsed<'a>(fields: &'a [Field<'_>], name: &str) -> Parameters<'a> {
    let first = fields.iter().find(|field| field.is(name));
    first.map(|field| Parameters::parse(&field.value)).unwrap_or_default()
}

/// `type/subtype`, or the default where it is missing or no such thing (RFC 2045 §5.2).
fn media_type(value: &str, default_type: &str) -> String {
    let valid = value.len() <= MAX_MEDIA_TYPE
        && value.split_once('/').is_some_and(|(kind, subtype)| {
            let token = |part: &str| {
                !part.is_empty() && part.bytes().all(|c| c.is_ascii_graphic() && c != b'/')
            };
            token(kind) && token(subtype)
        });
    match (valid, value) {
        (true, _) => value.to_owned(),
        (false, "") => default_type.to_owned(),
        // "text" alone, as the RFC 1049 mailers wrote it, and anything else unreadable.
        (false, _) => "text/plain".to_owned(),
    }
}

fn encoding(field: Option<&Field<'_>>, defects: &mut Defects) -> Encoding {
    let value = field.map(|field| field.value.as_ref()).unwrap_or_default();
    let token = value.split(|c: char| c.is_whitespace() || matches!(c, ';' | '(')).next();
    match token.unwrap_or_default().to_ascii_lowercase().as_str() {
        "base64" => Encoding::Base64,
        "quoted-printable" => Encoding::QuotedPrintable,
        "x-uuencode" | "uuencode" | "x-uue" | "uue" => Encoding::Uuencode,
        "x-yenc" | "yenc" => Encoding::Yenc,
        "" | "7bit" | "8bit" | "binary" => Encoding::Identity,
        _ => {
            defects.insert(Defect::UnknownEncoding);
            Encoding::Identity
        }
    }
}

fn flowed(content_type: &Parameters<'_>) -> Option<Flowed> {
    let is = |name: &str, value: &str| {
        content_type.get(name).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
    };
    (content_type.value == "text/plain" && is("format", "flowed"))
        .then(|| Flowed { delete_space: is("delsp", "yes") })
}

fn content_id(value: &str) -> String {
    cut(value.trim().trim_matches(['<', '>']), MAX_CONTENT_ID)
}

fn cut(text: &str, limit: usize) -> String {
    super::text::beginning(text, limit).to_owned()
}

/// Longest `type/subtype`: twice 127 octets and the slash (RFC 6838 §4.2).
const MAX_MEDIA_TYPE: usize = 255;

/// Longest file name kept, in octets. File systems take 255.
const MAX_FILE_NAME: usize = 1_000;

/// Longest Content-ID kept, in octets: what fits into a line (RFC 5322 §2.1.1).
const MAX_CONTENT_ID: usize = 998;
