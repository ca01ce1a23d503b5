//! What comes between commands: the body after DATA, the chunks after BDAT (RFC 3030).
//!
//! The octets of a chunk are counted, not read, so nothing in them can end it. The danger is to lose
//! count: a refused chunk is dropped to its last octet before it is answered, and a BDAT whose size
//! cannot be read ends the session, because what follows it would be obeyed as commands.

use super::{
    Ask, Reply, Session, Step, Verb,
    data::Piece,
    reply::append,
    state::{Chunk, State},
};

impl Session {
    pub(super) fn body<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let State::Body(body) = &mut self.state else { return None };
        let max = self.options.limits.message_size;
        match body.unstuffer.next(input) {
            Piece::More => Some(Step::Read),
            Piece::Run(run) => {
                self.stats.octets += run.len() as u64;
                let content = &mut body.content;
                content.size = content.size.saturating_add(run.len() as u64);
                let bad = content.size > max
                    || (self.options.strictness.refuse_bare_line_ends
                        && content.line_ends.is_bare(run));
                match (bad, body.abandoned) {
                    (false, false) => Some(Step::Ask(Ask::Body(run))),
                    (true, false) => {
                        body.abandoned = true;
                        Some(Step::Ask(Ask::Abandon))
                    }
                    (_, true) => None,
                }
            }
            Piece::End if body.abandoned => {
                // The size goes first, so that the answer does not depend on which was seen first.
                let too_large = body.content.size > max;
                let answers = self.answers();
                self.reset();
                self.stats.messages_refused += 1;
                let reply = if too_large { Reply::TOO_LARGE } else { Reply::BARE_LINE_ENDS };
                self.object_each(Some(Verb::Data), reply, answers);
                None
            }
            Piece::End => {
                self.state = State::End { answers: self.answers() };
                Some(Step::Ask(Ask::End))
            }
        }
    }

    pub(super) fn chunk<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let strict = self.strict_line_ends();
        let content = self.transaction.as_mut().and_then(|it| it.chunks.as_mut());
        let (State::Chunk(chunk), Some(content)) = (&mut self.state, content) else {
            return None;
        };
        let run = take(input, &mut chunk.left);
        self.stats.octets += run.len() as u64;
        content.size = content.size.saturating_add(run.len() as u64);
        let at_end = chunk.left == 0;
        let bare = strict
            && (content.line_ends.is_bare(run)
                || (at_end && chunk.last && content.line_ends.is_after_cr()));
        let chunk = *chunk;
        if bare {
            self.stats.messages_refused += 1;
            self.drop_chunk(chunk, Reply::BARE_LINE_ENDS);
            return None;
        }
        if !run.is_empty() {
            return Some(Step::Ask(Ask::Body(run)));
        }
        if !at_end {
            return Some(Step::Read);
        }
        if chunk.last {
            self.state = State::End { answers: self.answers() };
            return Some(Step::Ask(Ask::End));
        }
        self.state = State::Command;
        append(&mut self.output, format_args!("250 2.0.0 {} octets received\r\n", chunk.size));
        None
    }

    /// A message that comes in chunks is refused: what is left of this one is dropped, then it is
    /// answered, and its transaction is over, so that the next chunk is refused and dropped as well.
    pub(super) fn drop_chunk(&mut self, chunk: Chunk, reply: Reply) {
        let answers = if chunk.last { self.answers() } else { 1 };
        self.reset();
        self.state = State::Discard { left: chunk.left, answer: Box::new((reply, answers)) };
    }

    pub(super) fn discard<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let State::Discard { left, answer } = &mut self.state else { return None };
        self.stats.octets += take(input, left).len() as u64;
        if *left > 0 {
            return Some(Step::Read);
        }
        let (reply, answers) = (**answer).clone();
        self.state = State::Command;
        self.object_each(Some(Verb::Bdat), reply, answers);
        None
    }

    /// How often the end of a message is answered (RFC 2033 §4.2).
    fn answers(&self) -> usize {
        match &self.transaction {
            Some(transaction) if self.options.lmtp => {
                transaction.envelope.forward_paths.len().max(1)
            }
            _ => 1,
        }
    }

    /// A binary message has no lines (RFC 3030 §3).
    fn strict_line_ends(&self) -> bool {
        self.options.strictness.refuse_bare_line_ends
            && !self.transaction.as_ref().is_some_and(|it| it.is_binary())
    }
}

/// The front of the input, as much as is left to come.
fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (run, rest) = input.split_at(count);
    *input = rest;
    *left -= count as u64;
    run
}
