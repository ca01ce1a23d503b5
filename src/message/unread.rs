//! Headers whose raw octets are a guess until the message says what charset its text is in.
//!
//! Old programs write a subject or a file name in the charset of the body and name it there only,
//! perhaps in a part that comes much later (RFC 6532 has UTF-8 instead).

use super::{Outline, Part, Summary, charset, content, defects::Defects, header, summary};

/// Headers to be read again at the end.
#[derive(Debug, Default)]
pub(super) struct Unread {
    headers: Vec<(usize, Vec<u8>)>,
    octets: usize,
}

impl Unread {
    /// Keeps the header of the part at `index`, [`MOST_KEPT`] octets in all.
    pub(super) fn keep(&mut self, index: usize, octets: &[u8]) {
        if self.octets + octets.len() <= MOST_KEPT {
            self.octets += octets.len();
            self.headers.push((index, octets.to_vec()));
        }
    }

    /// Reads them by the charset of the first text behind them, or else of the first text of all.
    pub(super) fn read(
        &mut self,
        outline: &mut Outline,
        summary: &mut Summary,
        defects: &mut Defects,
    ) {
        if self.headers.is_empty() {
            return;
        }
        let tells = |(_, part): &(usize, &Part)| part.is_text() && charset::tells(&part.charset);
        let texts: Vec<(usize, String)> = outline
            .parts
            .iter()
            .enumerate()
            .filter(tells)
            .map(|(index, part)| (index, part.charset.clone()))
            .collect();
        for (index, octets) in std::mem::take(&mut self.headers) {
            let behind = texts.iter().find(|(text, _)| *text >= index);
            let Some((_, charset)) = behind.or(texts.first()) else { return };
            let fields = header::fields(&octets, charset, defects).list;
            let Some(part) = outline.parts.get_mut(index) else { continue };
            part.file_name = content::file_name(&fields, defects);
            if !part.headers.is_empty() {
                part.headers = header::told(&fields, defects);
            }
            if index == 0 {
                *summary = Summary::default();
                summary::read(&fields, summary, &mut Defects::default());
            }
        }
    }
}

/// Octets kept of all headers together.
const MOST_KEPT: usize = 1024 * 1024;
