//! Text read through the quoting of JSON and Go.

/// Levels of quoting that are looked through. Milvus makes two at most, a Go string of a JSON text; a spec may bring
/// escapes of its own.
pub(super) const MAX_DEPTH: u8 = 3;

/// The next character of `text` after undoing `depth` levels of JSON or Go escaping, and what follows it.
pub(super) fn next(text: &str, depth: u8) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let plain = (chars.next()?, chars.as_str());
    // Whatever is no backslash is the same at each level.
    let (Some(outer), '\\') = (depth.checked_sub(1), plain.0) else { return Some(plain) };
    let (c, rest) = next(text, outer)?;
    if c == '\\' { escaped(rest, outer).or(Some((c, rest))) } else { Some((c, rest)) }
}

/// The character that the escape sequence after a backslash stands for.
fn escaped(text: &str, depth: u8) -> Option<(char, &str)> {
    let (kind, rest) = next(text, depth)?;
    let plain = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '"' | '\'' | '\\' | '/' => kind,
        'x' => return numbered(rest, 2, depth),
        'u' => return numbered(rest, 4, depth).or_else(|| surrogates(rest, depth)),
        'U' => return numbered(rest, 8, depth),
        _ => return None,
    };
    Some((plain, rest))
}

fn numbered(text: &str, digits: u8, depth: u8) -> Option<(char, &str)> {
    let (number, rest) = hex(text, digits, depth)?;
    Some((char::from_u32(number)?, rest))
}

/// Beyond the basic plane JSON writes two escapes, of which the second is a whole `\uXXXX`.
fn surrogates(text: &str, depth: u8) -> Option<(char, &str)> {
    let (high, rest) = hex(text, 4, depth)?;
    let rest = "\\u"
        .chars()
        .try_fold(rest, |rest, wanted| next(rest, depth).filter(|(c, _)| *c == wanted).map(|(_, after)| after))?;
    let (low, rest) = hex(rest, 4, depth)?;
    let unit = |number: u32| u16::try_from(number).ok();
    let c = char::decode_utf16([unit(high)?, unit(low)?]).next()?.ok()?;
    Some((c, rest))
}

fn hex(text: &str, digits: u8, depth: u8) -> Option<(u32, &str)> {
    (0..digits).try_fold((0, text), |(number, rest): (u32, &str), _| {
        let (c, after) = next(rest, depth)?;
        Some((number.checked_mul(16)?.checked_add(c.to_digit(16)?)?, after))
    })
}
