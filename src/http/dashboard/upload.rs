//! Uploads: forms with one file (RFC 7578, `multipart/form-data`).

use super::form::Form;
use crate::error::{Error, Kind, Result};

/// The fields of a form and its file.
pub(super) struct Upload {
    /// The fields that are texts.
    pub(super) form: Form,
    /// The file; empty when none was chosen.
    pub(super) file: Vec<u8>,
}

impl Upload {
    /// Reads a whole body. Error: it is not of the kind that a browser sends.
    pub(super) fn read(content_type: &str, body: &[u8]) -> Result<Self> {
        let boundary = content_type.split("boundary=").nth(1).map(|text| text.split(';').next().unwrap_or_default());
        let boundary = boundary.map(|text| text.trim().trim_matches('"')).filter(|text| !text.is_empty());
        let boundary = boundary.ok_or_else(|| wrong("it has no boundary"))?;
        let mut file = Vec::new();
        let mut fields = Vec::new();
        for part in split(body, format!("--{boundary}").as_bytes()).into_iter().skip(1) {
            let Some(part) = part.strip_prefix(b"\r\n") else {
                break; // the two dashes at the end
            };
            let end = find(part, b"\r\n\r\n").ok_or_else(|| wrong("a part has no head"))?;
            let (head, content) = (String::from_utf8_lossy(&part[..end]), &part[end + 4..]);
            let content = content.strip_suffix(b"\r\n").ok_or_else(|| wrong("a part breaks off"))?;
            let name = attribute(&head, "name").ok_or_else(|| wrong("a part has no name"))?;
            match attribute(&head, "filename") {
                Some(_) => file = content.to_vec(),
                None => fields.push((name.to_owned(), String::from_utf8_lossy(content).into_owned())),
            }
        }
        let form = Form::of(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(Self { form, file })
    }
}

fn wrong(what: &str) -> Error {
    let detail = format!("this is not multipart/form-data: {what}; send the form with a browser");
    Error::new(Kind::Invalid, "generic_error", detail)
}

/// What a part's head says in quotes.
fn attribute<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = head.split_once(&format!("; {name}=\""))?;
    rest.split('"').next()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn split<'a>(mut text: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while let Some(place) = find(text, by) {
        pieces.push(&text[..place]);
        text = &text[place + by.len()..];
    }
    pieces.push(text);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"----x\"";

    #[test]
    fn texts_and_the_file_are_told_apart_and_the_files_bytes_stay_as_they_are() {
        let body = b"------x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAcm\xc3\xa9\r\n------x\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x00\r\n------x--\r\n";
        let upload = Upload::read(TYPE, body).expect("well formed");
        assert_eq!((upload.form.one("name"), &upload.file[..]), ("Acmé", &b"\x89PNG\r\n\x00"[..]));
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for (content_type, body) in [
            ("application/x-www-form-urlencoded", &b"name=a"[..]),
            (TYPE, b"------x\r\nContent-Disposition: form-data; name=\"a\"\r\n------x--"),
            (TYPE, b"------x\r\nContent-Disposition: form-data\r\n\r\na\r\n------x--"),
            (TYPE, b"------x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\na"),
        ] {
            assert!(Upload::read(content_type, body).is_err(), "{body:?}");
        }
        assert!(Upload::read(TYPE, b"").expect("nothing").form.is_empty());
    }
}
