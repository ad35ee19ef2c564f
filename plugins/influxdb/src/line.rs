//! Line protocol, piece by piece: what is escaped, what is left out, and what can't be said at all. It knows no calls.
//!
//! There is no way to write a line break, and servers disagree on a backslash in names and tags where it could be taken
//! for an escape. So control characters become blanks, and such a backslash becomes a slash; every other text is read
//! back as it was.

/// A text that was cut has at most this many bytes: it bounds a line, and with it a payload.
const MAX_TEXT: usize = 1024;

/// Writes the measurement, which begins a line.
pub(crate) fn measurement(into: &mut Vec<u8>, name: &str) {
    escaped(into, name, |c| matches!(c, ',' | ' '));
}

/// Writes a tag. One without a value is left out: line protocol has no empty tags.
pub(crate) fn tag(into: &mut Vec<u8>, key: &str, value: &str) {
    if key.is_empty() || value.is_empty() {
        return;
    }
    into.push(b',');
    tag_key(into, key);
    into.push(b'=');
    escaped(into, cut(value), is_special);
}

/// Writes a tag's name.
pub(crate) fn tag_key(into: &mut Vec<u8>, key: &str) {
    escaped(into, cut(key), is_special);
}

/// Writes a whole number. `prefix` is what comes before the value: separator, name and `=`.
#[inline]
pub(crate) fn integer(into: &mut Vec<u8>, prefix: &str, value: u64) {
    into.extend_from_slice(prefix.as_bytes());
    // The type is signed, and what does not fit would make the server refuse the whole line.
    number(into, value.min(i64::MAX as u64));
    into.push(b'i');
}

/// Writes a text, cut at 1 KiB.
pub(crate) fn text(into: &mut Vec<u8>, prefix: &str, value: &str) {
    into.extend_from_slice(prefix.as_bytes());
    into.push(b'"');
    for c in cut(value).chars() {
        match c {
            '"' | '\\' => into.extend([b'\\', c as u8]),
            c => push(into, c),
        }
    }
    into.push(b'"');
}

/// Writes the time, in nanoseconds since the Unix epoch, which ends a line.
#[inline]
pub(crate) fn time(into: &mut Vec<u8>, unix_nanos: u64) {
    into.push(b' ');
    number(into, unix_nanos.min(i64::MAX as u64));
}

fn number(into: &mut Vec<u8>, value: u64) {
    into.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn is_special(c: char) -> bool {
    matches!(c, ',' | '=' | ' ')
}

fn escaped(into: &mut Vec<u8>, text: &str, special: fn(char) -> bool) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_blank = c.is_control();
        if c == '\\' {
            let harmless = chars.peek().is_some_and(|&next| next != '\\' && !next.is_control() && !is_special(next));
            into.push(if harmless { b'\\' } else { b'/' });
            continue;
        }
        if is_blank || special(c) {
            into.push(b'\\');
        }
        push(into, c);
    }
}

/// Writes a character, or a blank for one that is not to be seen.
fn push(into: &mut Vec<u8>, c: char) {
    let c = if c.is_control() { ' ' } else { c };
    into.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut line = Vec::new();
        write(&mut line);
        assert_eq!(String::from_utf8(line).as_deref(), Ok(expected));
    }

    #[test]
    fn what_has_a_meaning_is_escaped() {
        check(|line| measurement(line, "my rpc,=x"), r"my\ rpc\,=x");
        check(|line| tag(line, "a key", "GET /x,y=z"), r",a\ key=GET\ /x\,y\=z");
        check(|line| tag(line, "k", "\"quoted\""), ",k=\"quoted\"");
        check(|line| text(line, "m=", "say \"no\" \\ yes, a=b"), r#"m="say \"no\" \\ yes, a=b""#);
    }

    #[test]
    fn what_cannot_be_written_is_replaced_and_never_breaks_a_line() {
        check(|line| tag(line, "k", "a\nb\r\tc"), r",k=a\ b\ \ c");
        check(|line| text(line, "m=", "a\nb\0"), r#"m="a b ""#);
        for (value, expected, reason) in [
            (r"a\b", r",k=a\b", "no one takes it for an escape"),
            (r"a\", r",k=a/", "it would escape the blank after the tags"),
            (r"a\,b", r",k=a/\,b", "servers disagree"),
            ("a\\\nb", r",k=a/\ b", "a line break is a blank"),
            (r"a\\b", r",k=a/\b", "servers disagree"),
        ] {
            let mut line = Vec::new();
            tag(&mut line, "k", value);
            assert_eq!(String::from_utf8(line).as_deref(), Ok(expected), "{value}: {reason}");
        }
    }

    #[test]
    fn what_is_empty_is_left_out_and_what_is_long_is_cut() {
        check(|line| tag(line, "k", ""), "");
        check(|line| tag(line, "", "v"), "");
        check(|line| text(line, "m=", ""), "m=\"\"");
        let mut line = Vec::new();
        text(&mut line, "m=", &"ß".repeat(5000));
        assert_eq!(line.len(), "m=\"\"".len() + MAX_TEXT);
    }

    #[test]
    fn numbers_fit_the_servers_types() {
        check(|line| integer(line, "n=", 0), "n=0i");
        check(|line| integer(line, ",n=", u64::MAX), ",n=9223372036854775807i");
        check(|line| time(line, 1_767_225_600_000_000_001), " 1767225600000000001");
        check(|line| time(line, u64::MAX), " 9223372036854775807");
    }
}
