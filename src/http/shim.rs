//! temporary
use crate::message::Encoding;
pub(super) struct Decoder;
impl Decoder {
    pub(super) fn new(_: Encoding) -> Self {
        Self
    }
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(octets);
    }
    pub(super) fn finish(&mut self, _: &mut Vec<u8>) -> bool {
        true
    }
}
pub(super) fn decode_text(o: &[u8], _: &str) -> (String, bool) {
    (String::from_utf8_lossy(o).into_owned(), true)
}
pub(super) mod html {
    pub(in super::super) struct Options<'a> {
        pub(in super::super) remote: bool,
        pub(in super::super) cid: &'a dyn Fn(&str) -> Option<String>,
    }
    pub(in super::super) struct Sanitised {
        pub(in super::super) html: String,
        pub(in super::super) blocked_remote: bool,
    }
    pub(in super::super) fn sanitise(h: &str, o: &Options<'_>) -> Sanitised {
        let _ = (o.cid)("");
        Sanitised { html: h.into(), blocked_remote: !o.remote }
    }
}
