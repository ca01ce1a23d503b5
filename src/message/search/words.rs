//! Text as the search sees it: folded words.
//!
//! Case and accents do not matter, nor does punctuation. What is between two words never does: a
//! phrase is its words one after the other. A word holds only ASCII letters, ASCII digits and
//! characters beyond ASCII, so an index may split at spaces, or at all other ASCII.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The folded words of a text in their order.
///
/// Letters and digits make words; anything else, apostrophes too, stands between them. Chinese and
/// Japanese write no spaces, so there each character is a word. A word of more than 64 characters is its
/// first 64 and a hash of the rest, so that its beginning finds it and no other long word is taken for it.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let mut folded = String::new();
    fold_into(text, &mut folded);
    let mut next = 0;
    std::iter::from_fn(move || {
        let rest = folded.get(next..).filter(|rest| !rest.is_empty())?;
        let word = rest.split(' ').next().unwrap_or_default().to_owned();
        next += word.len() + 1;
        Some(word)
    })
}

/// Appends the words of a text to `out`, each after a single space unless it is the first.
pub(super) fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        // Nearly all mail, and most of the time that it takes to be indexed.
        return fold_ascii(text.as_bytes(), out);
    }
    let mut folder = Folder { out, length: 0, ideograph: false, rest: Hash::default() };
    text.nfkd().for_each(|c| folder.push(c));
    folder.end();
}

/// The same of a text of ASCII: octets are characters, and words are taken at once.
fn fold_ascii(text: &[u8], out: &mut String) {
    let mut folded = Vec::with_capacity(text.len() + 1);
    let words = text.split(|octet| !octet.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        if !folded.is_empty() || !out.is_empty() {
            folded.push(b' ');
        }
        let (kept, rest) = word.split_at_checked(MAX_WORD).unwrap_or((word, b""));
        folded.extend_from_slice(kept);
        if !rest.is_empty() {
            let mut hash = Hash::default();
            rest.iter().for_each(|octet| hash.add(octet.to_ascii_lowercase().into()));
            folded.extend_from_slice(&hash.digits());
        }
    }
    folded.make_ascii_lowercase();
    out.push_str(str::from_utf8(&folded).unwrap_or_default());
}

struct Folder<'a> {
    out: &'a mut String,
    /// Characters of the present word so far; 0 between words.
    length: usize,
    /// The present word is a character of a script without spaces: only marks may be added to it.
    ideograph: bool,
    /// What the present word has behind its first characters.
    rest: Hash,
}

impl Folder<'_> {
    /// Takes a character in compatibility decomposition (NFKD).
    fn push(&mut self, c: char) {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() {
                self.letter(c.to_ascii_lowercase());
            } else {
                self.end();
            }
        } else if is_accent(c) {
        } else if is_combining_mark(c) {
            // Vowel signs of Indian scripts and the like; one alone is not a word.
            if self.length > 0 {
                self.append(c);
            }
        } else if !c.is_alphanumeric() {
            self.end();
        } else if is_ideograph(c) {
            self.end();
            self.append(c);
            self.ideograph = true;
        } else {
            c.to_lowercase().filter(|&c| !is_accent(c)).for_each(|c| self.letter(c));
        }
    }

    /// A folded character of a script with spaces: it goes on with the word, unless that is one of a
    /// script without.
    fn letter(&mut self, c: char) {
        if self.ideograph {
            self.end();
        }
        self.append(c);
    }

    fn append(&mut self, c: char) {
        if self.length == 0 {
            self.ideograph = false;
            if !self.out.is_empty() {
                self.out.push(' ');
            }
        }
        // Both small sigmas are one letter.
        let c = if c == 'ς' { 'σ' } else { c };
        if self.length < MAX_WORD {
            self.out.push(c);
        } else {
            self.rest.add(c);
        }
        self.length += 1;
    }

    /// The present word, if there is one, is complete.
    fn end(&mut self) {
        if self.length > MAX_WORD {
            let digits = std::mem::take(&mut self.rest).digits();
            self.out.extend(digits.map(char::from));
        }
        self.length = 0;
    }
}

/// FNV-1a of 64 bits: it stands in indexes, so it must be the same in every build.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn add(&mut self, c: char) {
        if c.is_ascii() {
            // Its other three octets are 0, which leaves the products.
            self.0 = (self.0 ^ u64::from(c)).wrapping_mul(PRIME.wrapping_pow(4));
            return;
        }
        for octet in u32::from(c).to_le_bytes() {
            self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(PRIME);
        }
    }

    /// As hexadecimal digits, the lowest first.
    fn digits(&self) -> [u8; HASH_DIGITS] {
        std::array::from_fn(|digit| b"0123456789abcdef"[(self.0 >> (4 * digit) & 15) as usize])
    }
}

/// True for a word that was longer than what is kept of one.
pub(super) fn is_hashed(word: &str) -> bool {
    word.chars().nth(MAX_WORD).is_some()
}

/// Marks that a search should not insist on: the accents of Latin, Greek and Cyrillic, and the vowel
/// points of Hebrew and Arabic.
fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
            | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Characters of scripts that put no spaces between words: Han, Hiragana, Katakana, Bopomofo.
fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{312f}'
            | '\u{31a0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}' | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}'
    )
}

/// What is kept of a word as it is, in characters; what is longer is base64 or a hash.
pub(super) const MAX_WORD: usize = 64;

/// FNV's factor for 64 bits.
const PRIME: u64 = 0x0100_0000_01b3;

/// Hexadecimal digits behind them.
const HASH_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn case_accents_and_punctuation() {
        check("Hello, World!", &["hello", "world"]);
        check("don't user-8f3@x.com", &["don", "t", "user", "8f3", "x", "com"]);
        check("Crème Brûlée ÅNGSTRÖM", &["creme", "brulee", "angstrom"]);
        check("Cre\u{300}me", &["creme"]);
        check("ΣΊΣΥΦΟΣ σίσυφος", &["σισυφοσ", "σισυφοσ"]);
        check("İstanbul Straße ﬁn №5", &["istanbul", "straße", "fin", "no5"]);
        check(" — \u{301} ", &[]);
        check("", &[]);
    }

    #[test]
    fn scripts_without_spaces() {
        check("日本語text", &["日", "本", "語", "text"]);
        check("がぎ", &["か\u{3099}", "き\u{3099}"]);
        check("हिन्दी", &["हिन्दी"]);
    }

    #[test]
    fn long_words_are_told_apart() {
        let one = |text: &str| words(text).next().unwrap_or_default();
        let kept = "a".repeat(MAX_WORD);
        check(&kept, &[&kept]);
        for longer in ["aaa", "b", "ä", "日"] {
            let word = one(&format!("{kept}{longer}"));
            let is_one = longer != "日";
            assert_eq!(word.len(), MAX_WORD + if is_one { HASH_DIGITS } else { 0 }, "{longer}");
            assert!(word.starts_with(&kept) && is_hashed(&word) == is_one, "{longer}");
        }
        assert_ne!(one(&format!("{kept}one")), one(&format!("{kept}two")));
        // The same word in a text of ASCII and in another.
        assert_eq!(one(&format!("{kept}ONE")), one(&format!("{kept}one é")));
        assert_eq!(words(&format!("é {kept}one next")).nth(1), words(&format!("{kept}One")).next());
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["Crème Brûlée", "がぎ", "ΣΊΣΥΦΟΣ", "한글", "ẞ İ ŉ ǆ ℡"] {
            let once: Vec<_> = words(text).collect();
            assert_eq!(words(&once.join(" ")).collect::<Vec<_>>(), once, "{text}");
        }
    }
}
