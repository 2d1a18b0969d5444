//! Puts fields and files together into the body of a form (WHATWG URL, section 5.2; RFC 7578).

use crate::http::lines::{self, LineError};

/// The Content-Type of what [`urlencoded`] makes.
pub const URLENCODED: &str = "application/x-www-form-urlencoded";

/// The fields as `a=1&b=x+y`: every byte is kept, spaces become `+`, what is not a letter, digit or `*-._` becomes `%XX`.
pub fn urlencoded<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        text += if text.is_empty() { "" } else { "&" };
        text.extend(form_urlencoded::byte_serialize(name));
        text += "=";
        text.extend(form_urlencoded::byte_serialize(value));
    }
    text
}

/// A file of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// The name of its field.
    pub name: &'a [u8],
    /// What the server is told that it is called.
    pub filename: &'a [u8],
    /// Its Content-Type; empty counts as `application/octet-stream`.
    pub mime_type: &'a [u8],
    /// Its bytes.
    pub content: &'a [u8],
}

/// A form with files (RFC 7578), as long as what is put into it.
///
/// ```
/// use wirewool_proto::http::form::Multipart;
///
/// let mut form = Multipart::new([7; 16]);
/// form.field(b"room", b"1");
/// assert!(form.content_type().starts_with("multipart/form-data; boundary=wirewool-0707"));
/// assert!(form.into_body().ends_with(b"\r\n\r\n1\r\n--wirewool-07070707070707070707070707070707--\r\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    body: Vec<u8>,
}

impl Multipart {
    /// A form without fields. The random bytes make up the boundary between them: nobody who fills in a field may
    /// foresee it.
    pub fn new(random: [u8; 16]) -> Self {
        Self { boundary: format!("wirewool-{:032x}", u128::from_be_bytes(random)), body: Vec::new() }
    }

    /// Adds a field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.begin_part(name);
        self.add(&[b"\r\n\r\n", value, b"\r\n"]);
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// A type that would end its line. Nothing was added.
    pub fn file(&mut self, file: &File<'_>) -> Result<(), LineError> {
        let mime_type = if file.mime_type.is_empty() { b"application/octet-stream" } else { file.mime_type };
        lines::check(&[("Content-Type", mime_type)])?;
        self.begin_part(file.name);
        self.add(&[b"; filename="]);
        self.add_quoted(file.filename);
        self.add(&[b"\r\nContent-Type: ", mime_type, b"\r\n\r\n", file.content, b"\r\n"]);
        Ok(())
    }

    /// The form's Content-Type, which names its boundary.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The whole body.
    pub fn into_body(mut self) -> Vec<u8> {
        let boundary = std::mem::take(&mut self.boundary);
        self.add(&[b"--", boundary.as_bytes(), b"--\r\n"]);
        self.body
    }

    fn begin_part(&mut self, name: &[u8]) {
        self.body.extend_from_slice(b"--");
        self.body.extend_from_slice(self.boundary.as_bytes());
        self.body.extend_from_slice(b"\r\nContent-Disposition: form-data; name=");
        self.add_quoted(name);
    }

    fn add(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.body.extend_from_slice(part));
    }

    /// As browsers do (WHATWG HTML, section 4.10.21.8): what would end the quotes or the line is percent-encoded.
    fn add_quoted(&mut self, text: &[u8]) {
        self.body.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\r' | b'\n' | 0 => self.body.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => self.body.push(byte),
            }
        }
        self.body.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::{File, Multipart, urlencoded};
    use crate::http::lines::LineError;

    type Fields = &'static [(&'static [u8], &'static [u8])];

    #[test]
    fn fields() {
        let rows: &[(Fields, &str)] = &[
            (&[], ""),
            (&[(b"a", b"1")], "a=1"),
            (&[(b"a", b""), (b"", b"b")], "a=&=b"),
            (&[(b"a b", b"x&y=z+\r\n"), (b"u", b"\xff\xc3\xbc~")], "a+b=x%26y%3Dz%2B%0D%0A&u=%FF%C3%BC%7E"),
        ];
        for &(fields, text) in rows {
            assert_eq!(urlencoded(fields.iter().copied()), text);
        }
    }

    #[test]
    fn files() {
        let mut form = Multipart::new([1; 16]);
        let boundary = "wirewool-01010101010101010101010101010101";
        assert_eq!(form.content_type(), format!("multipart/form-data; boundary={boundary}"));
        form.field(b"a", b"1\r\n2");
        form.field(b"b\"\r\nX: y", b"");
        let file = File { name: b"f", filename: b"a\"\0.txt", mime_type: b"text/plain", content: b"\xff--" };
        assert_eq!(form.file(&file), Ok(()));
        let broken = File { mime_type: b"text/plain\r\nX: y", ..file };
        assert_eq!(form.file(&broken), Err(LineError::Value("Content-Type".to_owned())));
        assert_eq!(form.file(&File { mime_type: b"", ..file }), Ok(()));
        let part = |lines: &str, content: &str| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name={lines}\r\n\r\n{content}\r\n")
        };
        let wanted = [
            part("\"a\"", "1\r\n2"),
            part("\"b%22%0D%0AX: y\"", ""),
            part("\"f\"; filename=\"a%22%00.txt\"\r\nContent-Type: text/plain", "\\xff--"),
            part("\"f\"; filename=\"a%22%00.txt\"\r\nContent-Type: application/octet-stream", "\\xff--"),
            format!("--{boundary}--\r\n"),
        ];
        assert_eq!(String::from_utf8_lossy(&form.into_body()).replace('\u{fffd}', "\\xff"), wanted.concat());
    }

    #[test]
    fn a_form_may_be_empty() {
        let boundary = "0".repeat(32);
        assert_eq!(Multipart::new([0; 16]).into_body(), format!("--wirewool-{boundary}--\r\n").as_bytes());
    }
}
