//! PURE: from the bytes of a message to what people see. No I/O and no clock.
//!
//! Reading a message never fails: it returns what was understood and a list of [`Defect`]s. Nothing
//! here holds a whole body: the [`Scanner`] is fed chunks as they come in, so that a message of 1 GB
//! costs no more memory than one of 1 MB.

mod address;
mod blocks;
mod body;
mod captures;
mod cards;
mod charset;
mod codes;
mod content;
mod date;
pub mod decode;
mod defects;
mod encoded_word;
mod extract;
mod field;
pub mod file_name;
mod header;
pub mod html;
mod html_charset;
mod html_text;
mod lead;
mod line_codes;
mod links;
mod lzfu;
mod mailbox;
mod outline;
mod parameters;
mod pdf;
pub mod pictures;
mod protection;
mod quotes;
mod readable;
mod references;
mod rtf;
mod scan;
pub mod search;
mod spans;
mod summary;
mod tags;
mod target;
pub mod text;
mod tnef;
mod tnef_properties;
mod trackers;
mod types;
mod unread;

pub use body::*;
pub use cards::*;
pub use codes::*;
pub use extract::*;
pub use links::*;
pub use outline::*;
pub use pdf::*;
pub use protection::*;
pub use quotes::*;
pub use scan::*;
pub use spans::*;
pub use trackers::*;
pub use types::*;
