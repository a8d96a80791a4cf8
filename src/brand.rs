//! A brand: how a platform looks to its customers in the portal: its name, its colour, its logo.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::colour::Colour;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::signature::hex;

/// The longest name, in characters: it stands in one line at the head of every page.
const NAME_CHARS_MAX: usize = 60;
/// The largest logo, in bytes: 64 KiB.
pub const LOGO_BYTES_MAX: usize = 64 * 1_024;
/// How many bytes of a logo's hash tell it from the one before.
const MARK_BYTES: usize = 8;

/// How a platform looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand {
    /// What it is called.
    pub name: Option<String>,
    /// The colour of links and buttons, as far as texts in it can be read.
    pub colour: Option<Colour>,
    /// The picture beside the name.
    pub logo: Option<Logo>,
}

/// A picture, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    media: Media,
    bytes: Vec<u8>,
}

/// What kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Media {
    /// PNG.
    Png = 0,
    /// JPEG.
    Jpeg = 1,
    /// WebP.
    Webp = 2,
    /// SVG: drawn as a picture, where no browser runs what it holds.
    Svg = 3,
}

impl Media {
    /// All of them, by their media types.
    const ALL: [(&str, Self); 4] = [
        ("image/png", Self::Png),
        ("image/jpeg", Self::Jpeg),
        ("image/webp", Self::Webp),
        ("image/svg+xml", Self::Svg),
    ];

    /// Its media type.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Reads the number; `None` for one that is none.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().map(|(_, media)| media).find(|media| *media as i64 == number)
    }

    /// Whether bytes begin as such a picture does.
    fn begins(self, bytes: &[u8]) -> bool {
        match self {
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Jpeg => bytes.starts_with(b"\xff\xd8\xff"),
            Self::Webp => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
            Self::Svg => std::str::from_utf8(bytes).is_ok_and(|text| text.contains("<svg")),
        }
    }
}

impl Brand {
    /// Checks the name of a platform. Error: too long, or not a line of text; an empty one is none.
    pub fn name(text: &str) -> Result<Option<String>> {
        let name = text.trim();
        if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(Error::field("name", format!("must be one line of at most {NAME_CHARS_MAX} characters")));
        }
        Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
    }
}

impl Logo {
    /// Takes a picture as its bytes tell. Error: larger than 64 KiB, none of the four kinds.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        if bytes.len() > LOGO_BYTES_MAX {
            let message = format!("has {} bytes; at most {LOGO_BYTES_MAX} are taken, so make it smaller", bytes.len());
            return Err(Error::field("logo", message));
        }
        let found = Media::ALL.into_iter().find(|(_, media)| media.begins(&bytes));
        let (_, media) = found.ok_or_else(|| Error::field("logo", "must be a PNG, JPEG, WebP or SVG picture"))?;
        Ok(Self { media, bytes })
    }

    /// Reads `data:image/png;base64,…` (RFC 2397). Error: the form, and as [`Self::new`].
    pub fn parse(url: &str) -> Result<Self> {
        let form = || Error::field("logo", "must be a picture as a data URL: data:image/png;base64,…");
        let (media, text) = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).ok_or_else(form)?;
        let logo = Self::new(STANDARD.decode(text.trim()).map_err(|_| form())?)?;
        if logo.media.name() == media { Ok(logo) } else { Err(form()) }
    }

    /// What a database kept.
    pub fn kept(media: Media, bytes: Vec<u8>) -> Self {
        Self { media, bytes }
    }

    /// The picture as a data URL.
    pub fn url(&self) -> String {
        format!("data:{};base64,{}", self.media.name(), STANDARD.encode(&self.bytes))
    }

    /// What kind it is.
    pub fn media(&self) -> Media {
        self.media
    }

    /// The picture itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Tells it from the one before it.
    pub fn mark(&self) -> String {
        hex(&sha256(&self.bytes)[..MARK_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_one_of_four_kinds_of_picture_and_says_which() {
        let png = b"\x89PNG\r\n\x1a\n...";
        for (media, bytes) in [
            ("image/png", &png[..]),
            ("image/jpeg", b"\xff\xd8\xff\xe0"),
            ("image/webp", b"RIFF\x04\0\0\0WEBP"),
            ("image/svg+xml", b"<?xml version=\"1.0\"?><svg/>"),
        ] {
            let url = format!("data:{media};base64,{}", STANDARD.encode(bytes));
            let logo = Logo::parse(&url).expect("a picture");
            assert_eq!(
                (logo.url(), logo.bytes(), Media::from_number(logo.media() as i64)),
                (url, bytes, Some(logo.media()))
            );
        }
        let as_other = format!("data:image/jpeg;base64,{}", STANDARD.encode(png));
        for wrong in
            ["", "https://example.com/logo.png", "data:text/html;base64,PGI+", "data:image/png;base64,é", &as_other]
        {
            assert!(Logo::parse(wrong).is_err(), "{wrong}");
        }
        let large = [&png[..], &vec![0; LOGO_BYTES_MAX]].concat();
        assert!(Logo::new(large[..LOGO_BYTES_MAX].to_vec()).is_ok() && Logo::new(large).is_err());
    }

    #[test]
    fn a_name_is_one_short_line_and_an_empty_one_is_none() {
        assert_eq!(Brand::name(" Acme "), Ok(Some("Acme".to_owned())));
        assert_eq!(Brand::name("  "), Ok(None));
        assert!(Brand::name(&"a".repeat(61)).is_err() && Brand::name("a\nb").is_err());
    }
}
