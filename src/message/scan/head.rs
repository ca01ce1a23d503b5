//! Header lines: where a header begins and ends, and what it says of the part.

use super::{Line, MAX_HEADERS_KEPT, MAX_TRIED, Scanner};
use crate::message::{
    Defect, Part, content, defects::Defects, field::is_field, header, lead, summary,
};

impl Scanner {
    /// A line of the present header, which its buffer holds already.
    pub(super) fn header_line(&mut self, line: &[u8]) {
        let length = self.header.octets.len();
        let after = self.line.start + self.line.length;
        match line {
            b"\r\n" | b"\n" => self.end_header(self.header.body.unwrap_or(length), after),
            // The first lines tell whether there is a header at all.
            _ if line.starts_with(b"--") && self.is_own_delimiter(line) => {
                self.end_header(self.header.line, after);
            }
            _ if self.header.line == 0 || self.header.lead > 0 => self.lead_line(line, after),
            [b' ' | b'\t', ..] => self.header.line = length,
            _ if is_field(line) => {
                self.defects.insert_if(self.header.body.take().is_some(), Defect::MalformedHeader);
                self.header.line = length;
            }
            _ => {
                if !self.header.cut {
                    self.header.body.get_or_insert(self.header.line);
                }
                self.header.line = length;
            }
        }
    }

    /// A line before which there was no field yet.
    fn lead_line(&mut self, line: &[u8], after: u64) {
        let parent = self.outline.parts.last().and_then(|part| part.parent);
        let is_message = parent.is_none_or(|parent| self.outline.parts[parent].is_message());
        let length = self.header.octets.len();
        if is_field(line) && self.header.lead == 0 {
            self.header.line = length;
        } else if is_message && lead::begins_header(line, self.header.lead) {
            self.defects.insert(Defect::MalformedHeader);
            (self.header.line, self.header.lead, self.header.body) = (length, 0, None);
        } else if lead::is_mbox_line(line) || (is_message && lead::may_lead(line, self.header.lead))
        {
            self.header.lead += usize::from(!lead::is_mbox_line(line));
            self.header.line = length;
            if !self.header.cut {
                self.header.body = Some(0);
            }
        } else {
            self.end_header(0, after);
        }
    }

    /// True for a delimiter of the multipart whose header is being read: the empty line was forgotten.
    fn is_own_delimiter(&mut self, line: &[u8]) -> bool {
        if self.header.cut || self.tried == MAX_TRIED {
            return false;
        }
        self.tried += 1;
        let mut unseen = Defects::default();
        let octets = &self.header.octets[..self.header.line];
        let fields = header::fields(octets, "", &mut unseen).list;
        let mut part = Part::default();
        let boundary = content::read(&fields, "text/plain", &mut part, &mut unseen);
        boundary.filter(|boundary| part.is_multipart() && !boundary.is_empty()).is_some_and(|it| {
            let rest = line[2..].trim_ascii_end().strip_prefix(it.as_bytes());
            rest.is_some_and(|rest| matches!(rest, b"" | b"--"))
        })
    }

    /// The header is the first `length` octets of its buffer; what the buffer holds beyond them up to
    /// the place `after`, and the present line, belong to the body.
    pub(super) fn end_header(&mut self, length: usize, after: u64) {
        let mut buffer = std::mem::take(&mut self.header);
        let early = length < buffer.octets.len();
        self.defects.insert_if(buffer.cut, Defect::LongHeader);
        let start = self.last_part().header.start;
        let empty = length == 0 || matches!(&buffer.octets[..length], b"\r\n" | b"\n");
        let message = self.outline.parts.len() == 1;
        self.defects.insert_if(early || (empty && message), Defect::NoHeader);
        let body = if early { start + length as u64 } else { after };
        {
            let part = self.last_part();
            part.header.end = body;
            part.body = body..body;
        }
        self.read_header(&buffer.octets[..length]);
        if early {
            self.replay(&buffer.octets[length..], body);
            if buffer.cut {
                // The rest of the line was dropped.
                self.captures.end();
            }
        } else {
            // The next header needs a buffer too.
            buffer.clear();
            self.header = buffer;
        }
    }

    /// Reads lines again that were taken for header lines.
    fn replay(&mut self, octets: &[u8], start: u64) {
        let Line { start: line_start, length: line_length, end_before, .. } = self.line;
        self.line.start = start;
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            self.line.length = line.len() as u64;
            self.keep(line);
            self.whole_line(line);
            self.line.start += self.line.length;
            self.line.end_before = if line.ends_with(b"\r\n") { 2 } else { 1 };
        }
        (self.line.start, self.line.length) = (line_start, line_length);
        self.line.end_before = end_before;
    }

    /// The header of the last part is known: what is its body?
    fn read_header(&mut self, octets: &[u8]) {
        let header::Fields { list: fields, is_guess } =
            header::fields(octets, "", &mut self.defects);
        if self.wants.summary && self.above.encoded + self.outline.parts.len() == 1 {
            summary::read(&fields, &mut self.summary, &mut self.defects);
        }
        let default_type = self.default_type();
        let index = self.outline.parts.len() - 1;
        if is_guess {
            self.unread.keep(index, octets);
        }
        let part = &mut self.outline.parts[index];
        let boundary = content::read(&fields, default_type, part, &mut self.defects);

        self.headers_kept += octets.len();
        if self.headers_kept > MAX_HEADERS_KEPT {
            self.defects.insert(Defect::LongHeader);
        } else if self.wants.headers {
            part.headers = header::told(&fields, &mut self.defects);
        } else {
            header::check(&fields, &mut self.defects);
        }
        self.begin_body(index, boundary);
    }

    /// RFC 2045 §5.2, and for the parts of a digest RFC 2046 §5.1.5.
    fn default_type(&self) -> &'static str {
        let parent = self.outline.parts.last().and_then(|part| part.parent);
        match parent.map(|parent| self.outline.parts[parent].content_type.as_str()) {
            Some("multipart/digest") => "message/rfc822",
            _ => "text/plain",
        }
    }
}
