//! One line of a header: a field if it has a name (RFC 5322 §2.2).

/// True if a line begins a field: `name:` of printable ASCII (RFC 5322 §2.2), perhaps with white
/// space before the colon (§4.5).
pub(super) fn is_field(line: &[u8]) -> bool {
    split(line).is_some()
}

/// The name and the value of a line, if it is a field.
pub(super) fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at(colon);
    let name = name.trim_ascii_end();
    let printable = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let name = std::str::from_utf8(name).ok().filter(|_| printable)?;
    Some((name, &value[1..]))
}
