//! From the text of a document to its tree, with the parser of the HTML standard, as long as that is no more
//! work than the view is worth.

use html5ever::{
    ParseOpts, parse_document,
    tendril::{StrTendril, TendrilSink},
    tree_builder::TreeBuilderOpts,
};

use super::{effort::Effort, sink::Sink, tree::Tree};
use crate::message::text;

/// Reads a document, none if that would be too much work (`effort`).
pub(super) fn parse(html: &str) -> Option<Tree> {
    // Without scripts, what stands in noscript is part of the document.
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..Default::default() };
    let mut parser =
        parse_document(Sink::of(html.len()), ParseOpts { tree_builder, ..Default::default() });
    let (mut rest, mut effort) = (html, Effort::default());
    while !rest.is_empty() {
        let piece = text::beginning(rest, effort.next(&parser.tokenizer.sink.sink));
        parser.process(StrTendril::from_slice(piece));
        rest = &rest[piece.len()..];
        if effort.is_too_much(piece, &parser.tokenizer.sink.sink) {
            return None;
        }
    }
    Some(parser.finish())
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Data, *};

    #[test]
    fn text_beside_text_is_one() {
        let tree = parse("<title>a&amp;b</title><table>x<tr>y").unwrap();
        let texts = tree.nodes.iter().filter_map(|node| match &node.data {
            Data::Text(text) => Some(text.to_string()),
            _ => None,
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["a&b", "xy"]);
    }
}
