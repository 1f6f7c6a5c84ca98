//! What a file is, told by its first bytes; names and extensions are not believed.

use std::fmt;

/// How many bytes from the start of a file [`Kind::of`] wants to see.
pub const HEAD_BYTES: usize = 64 * 1024;

/// More comments and declarations than a recording has before its first element.
const DECLARATIONS_MAX: usize = 64;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Garmin's FIT.
    Fit,
    /// Garmin's Training Center XML.
    Tcx,
    /// GPS exchange format, 1.0 or 1.1.
    Gpx,
    /// `export.xml` of Apple Health.
    AppleHealth,
    /// A zip archive.
    Zip,
    /// A gzip stream.
    Gzip,
    /// JSON text.
    Json,
    /// Another XML document.
    Xml,
    /// Another text.
    Text,
    /// Nothing at all.
    Empty,
    /// Something else.
    Binary,
}

impl Kind {
    /// What begins with these bytes.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let text = head.trim_ascii_start();
        match head {
            [] => Self::Empty,
            [size, ..] if *size >= 12 && head.get(8..12) == Some(b".FIT") => Self::Fit,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ if text.starts_with(b"<") => Self::of_xml(text),
            _ if text.starts_with(b"{") || text.starts_with(b"[") => Self::Json,
            _ if head.iter().take(512).all(|it| *it >= 0x20 || it.is_ascii_whitespace()) => Self::Text,
            _ => Self::Binary,
        }
    }

    /// The kind by the first element that no comment, declaration or DOCTYPE holds.
    fn of_xml(text: &[u8]) -> Self {
        let mut rest = text;
        for _ in 0..DECLARATIONS_MAX {
            let Some(at) = rest.iter().position(|it| *it == b'<') else { break };
            rest = rest.get(at..).unwrap_or_default();
            let end: &[u8] = match rest {
                [b'<', b'!', b'-', b'-', ..] => b"-->",
                // The DOCTYPE of Apple Health has an internal subset, which ends in `]>`.
                [b'<', b'!', ..] if find(rest, b"[").is_some_and(|it| find(rest, b">").is_none_or(|end| it < end)) => {
                    b"]>"
                }
                [b'<', b'!' | b'?', ..] => b">",
                _ => return Self::of_root(rest),
            };
            let Some(end_at) = find(rest, end) else { break };
            rest = rest.get(end_at + end.len()..).unwrap_or_default();
        }
        Self::Xml
    }

    fn of_root(rest: &[u8]) -> Self {
        let name = rest.get(1..).unwrap_or_default();
        let n_name = name.iter().take_while(|it| !it.is_ascii_whitespace() && **it != b'>' && **it != b'/').count();
        let name = name.get(..n_name).unwrap_or_default();
        match name.rsplit(|it| *it == b':').next() {
            Some(b"TrainingCenterDatabase") => Self::Tcx,
            Some(b"gpx") => Self::Gpx,
            Some(b"HealthData") => Self::AppleHealth,
            _ => Self::Xml,
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|it| it == what)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fit => "a FIT file",
            Self::Tcx => "a TCX file",
            Self::Gpx => "a GPX file",
            Self::AppleHealth => "an Apple Health export",
            Self::Zip => "a zip archive",
            Self::Gzip => "a gzip file",
            Self::Json => "JSON",
            Self::Xml => "an XML document of another kind",
            Self::Text => "plain text",
            Self::Empty => "an empty file",
            Self::Binary => "a file of an unknown kind",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[track_caller]
    fn check(head: &[u8], expected: Kind) {
        assert_eq!(Kind::of(head), expected);
    }

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        check(b"", Kind::Empty);
        check(b"\x0e\x10\x00\x00\x00\x00\x00\x00.FIT\x00\x00", Kind::Fit);
        check(b"PK\x03\x04rest", Kind::Zip);
        check(b"\x1f\x8b\x08", Kind::Gzip);
        check(b" {\"a\": 1}", Kind::Json);
        check(b"hello", Kind::Text);
        check(b"\x00\x01\x02", Kind::Binary);
    }

    #[test]
    fn an_xml_document_is_known_by_its_first_element() {
        check(b"<?xml version=\"1.0\"?>\n<!-- <gpx> --><TrainingCenterDatabase xmlns=\"x\">", Kind::Tcx);
        check(b"\xef\xbb\xbf<gpx>", Kind::Gpx);
        check(b"<g:gpx version='1.1'>", Kind::Gpx);
        check(
            b"<?xml?><!DOCTYPE HealthData [\n<!ELEMENT gpx (a>b)>\n]>\n<HealthData locale=\"en\">",
            Kind::AppleHealth,
        );
        check(b"<!DOCTYPE html><html>", Kind::Xml);
        check(b"<!-- no end", Kind::Xml);
    }
}
