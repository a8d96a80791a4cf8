//! The one form of a JSON text: what two spellings of the same thing have in common.

use std::borrow::Cow;

use super::json::quoted;

/// How deep a body may be nested that is to be written anew.
const DEPTH_MAX: usize = 128;

/// Writes JSON in its one form: keys sorted, no spaces, texts spelled one way, numbers digit for digit as they stood.
/// `json` has been read as JSON before. Error: it is nested too deep, in a sentence.
pub(super) fn form(json: &str) -> Result<String, String> {
    let mut out = String::with_capacity(json.len());
    let whole = Walk { json, at: 0 }.value(DEPTH_MAX, &mut out);
    whole.ok_or_else(|| format!("the body is nested deeper than {DEPTH_MAX} levels"))?;
    Ok(out)
}

/// A place in sound JSON; `None` only where it would go too deep.
struct Walk<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, depth: usize, out: &mut String) -> Option<()> {
        match self.next()? {
            b'{' => self.object(depth.checked_sub(1)?, out)?,
            b'[' => self.array(depth.checked_sub(1)?, out)?,
            b'"' => out.push_str(&self.string()),
            _ => out.push_str(self.word()),
        }
        Some(())
    }

    /// Writes the fields as they come, then puts them in order unless they came in it.
    fn object(&mut self, depth: usize, out: &mut String) -> Option<()> {
        self.at += 1;
        out.push('{');
        let start = out.len();
        let mut fields = Vec::new();
        while self.next()? != b'}' {
            let from = out.len();
            let name = self.string();
            out.push_str(&name);
            out.push(':');
            self.next()?;
            self.at += 1; // the colon
            self.value(depth, out)?;
            out.push(',');
            fields.push((name, from..out.len()));
            self.comma();
        }
        self.at += 1;
        if !fields.is_sorted_by(|(a, _), (b, _)| a <= b) {
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            let ordered: String = fields.into_iter().map(|(_, field)| &out[field]).collect();
            out.replace_range(start.., &ordered);
        }
        if out.ends_with(',') {
            out.pop();
        }
        out.push('}');
        Some(())
    }

    fn array(&mut self, depth: usize, out: &mut String) -> Option<()> {
        self.at += 1;
        out.push('[');
        let mut first = true;
        while self.next()? != b']' {
            if !first {
                out.push(',');
            }
            first = false;
            self.value(depth, out)?;
            self.comma();
        }
        self.at += 1;
        out.push(']');
        Some(())
    }

    /// The text that begins here, with its quotes; half a surrogate pair has no other spelling and stays.
    fn string(&mut self) -> Cow<'a, str> {
        let bytes = self.json.as_bytes();
        let start = self.at;
        let mut escapes = false;
        self.at += 1;
        while let Some(passed) = bytes[self.at.min(bytes.len())..].iter().position(|byte| matches!(byte, b'"' | b'\\'))
        {
            self.at += passed;
            if bytes[self.at] == b'"' {
                break;
            }
            escapes = true;
            self.at += 2;
        }
        self.at += 1;
        let raw = &self.json[start..self.at.min(bytes.len())];
        let spelled = || serde_json::from_str::<String>(raw).ok().map(|text| quoted(&text));
        if escapes { spelled().map_or(Cow::Borrowed(raw), Cow::Owned) } else { Cow::Borrowed(raw) }
    }

    /// The number or the word that begins here.
    fn word(&mut self) -> &'a str {
        let rest = &self.json[self.at..];
        let end = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn comma(&mut self) {
        if self.next() == Some(b',') {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_form_depends_on_nothing_but_what_is_said() {
        for (json, expected) in [
            (
                r#" { "b" : [ 1.0 , -0 , 1E5, 12345678901234567890.10 ] , "a" : null } "#,
                "{\"a\":null,\"b\":[1.0,-0,1E5,12345678901234567890.10]}",
            ),
            (r#"{"\u0061":"\u00e9\/\n\u0001"}"#, r#"{"a":"é/\n\u0001"}"#),
            (r#"{"a":"\ud800"}"#, r#"{"a":"\ud800"}"#),
            (r#"{"a":"]}\\\"","b":{}}"#, r#"{"a":"]}\\\"","b":{}}"#),
            ("[]", "[]"),
            ("true", "true"),
        ] {
            assert_eq!(form(json).expect("shallow"), expected, "{json}");
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(form(&nested(128)).is_ok() && form(&nested(129)).is_err());
        assert!(form(&nested(500_000)).is_err());
    }
}
