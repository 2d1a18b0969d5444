//! Turns what a script wants posted, fields and files, into a body.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

use wirewool_proto::http::form::{self, Multipart};

use crate::array::{Array, Key};
use crate::client::connection::Failure;
use crate::client::state::slot;
use crate::guard::Stop;
use crate::process::is_path_allowed;
use crate::zend::layout::Zval;
use crate::zend::object::Object;
use crate::zend::value::{Owned, PhpString, to_long};

/// Fields deeper than this are none: an array that contains itself has no end.
const DEPTH_MAX: usize = 16;

/// All files of a request together, in bytes: they are read before it goes out.
const FILES_BYTES_MAX: u64 = 128 << 20;

/// A body, and the Content-Type that belongs to it: empty if a script is to say which.
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) content_type: String,
    content: Content,
}

#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Given(PhpString),
    Made(Vec<u8>),
}

impl Body {
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Nothing => &[],
            Content::Given(text) => text.bytes(),
            Content::Made(bytes) => bytes,
        }
    }

    /// Was there nothing to post?
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.content, Content::Nothing)
    }

    /// What the properties of a client say.
    ///
    /// # Errors
    /// What a `__toString` throws. What cannot be posted is in words.
    pub(crate) fn read(client: Object<'_>) -> Result<Result<Body, String>, Stop> {
        let data = client.property(slot::REQUEST_BODY);
        let files = Array::of(client.property(slot::UPLOAD_FILES)).filter(|files| files.len() > 0);
        let fields = match Array::of(Owned::copy(&data)) {
            Some(array) => {
                let mut fields = Vec::new();
                if !flatten(&array, None, 0, &mut fields)? {
                    return Ok(Err(format!("the fields are nested deeper than {DEPTH_MAX}")));
                }
                Some(fields)
            }
            None => None,
        };
        match (files, fields) {
            (Some(files), fields) => with_files(&files, fields.unwrap_or_default()),
            (None, Some(fields)) => {
                let pairs = fields.iter().map(|(name, value)| (name.as_slice(), value.bytes()));
                let content = Content::Made(form::urlencoded(pairs).into_bytes());
                Ok(Ok(Body { content_type: form::URLENCODED.to_owned(), content }))
            }
            (None, None) if data.is_null() => Ok(Ok(Body::default())),
            (None, None) => {
                Ok(Ok(Body { content_type: String::new(), content: Content::Given(PhpString::cast(&data)?) }))
            }
        }
    }
}

type Fields = Vec<(Vec<u8>, PhpString)>;

/// Names and values as PHP's `http_build_query()` has them: `a[b]`, null left out, 1 and 0. False: nested too deep.
fn flatten(array: &Array, prefix: Option<&[u8]>, depth: usize, fields: &mut Fields) -> Result<bool, Stop> {
    if depth == DEPTH_MAX {
        return Ok(false);
    }
    for (key, value) in array.elements() {
        let key = match key {
            Key::Index(index) => index.to_string().into_bytes(),
            Key::Name(name) => name,
        };
        let name = match prefix {
            Some(prefix) => [prefix, b"[", &key, b"]"].concat(),
            None => key,
        };
        if let Some(inner) = Array::of(Owned::copy(&value)) {
            if !flatten(&inner, Some(&name), depth + 1, fields)? {
                return Ok(false);
            }
        } else if let Some(truth) = value.as_bool() {
            fields.push((name, PhpString::new(if truth { b"1" } else { b"0" })?));
        } else if !value.is_null() {
            fields.push((name, PhpString::cast(&value)?));
        }
    }
    Ok(true)
}

fn with_files(files: &Array, fields: Fields) -> Result<Result<Body, String>, Stop> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system has random numbers");
    let mut form = Multipart::new(random);
    for (name, value) in &fields {
        form.field(name, value.bytes());
    }
    let mut room = FILES_BYTES_MAX;
    for (_, file) in files.elements() {
        let Some(file) = Array::of(file) else { continue };
        let text = |key: &str| -> Result<PhpString, Stop> {
            match file.find(key) {
                Some(value) => PhpString::cast(&value),
                None => PhpString::new(b""),
            }
        };
        let (name, filename, mime_type) = (text("name")?, text("filename")?, text("type")?);
        let (path, given) = (text("path")?, text("content")?);
        let number = |key: &str| file.find(key).map_or(Ok(0), |value| to_long(&value));
        let mut read = Vec::new();
        let content = if path.bytes().is_empty() {
            given.bytes()
        } else {
            let range = (number("offset")?, number("length")?);
            if let Err(error) = read_file(path.bytes(), range, room, &mut read)? {
                return Ok(Err(error));
            }
            room -= read.len() as u64;
            &read
        };
        let file = form::File { name: name.bytes(), filename: filename.bytes(), mime_type: mime_type.bytes(), content };
        if let Err(error) = form.file(&file) {
            return Ok(Err(error.to_string()));
        }
    }
    let content_type = form.content_type();
    Ok(Ok(Body { content_type, content: Content::Made(form.into_body()) }))
}

/// Part of a file: from `offset` on so many bytes, to its end if that is 0.
fn read_file(
    path: &[u8],
    (offset, length): (i64, i64),
    room: u64,
    into: &mut Vec<u8>,
) -> Result<Result<(), String>, Stop> {
    let name = String::from_utf8_lossy(path).into_owned();
    let mut file = match open(path, OpenOptions::new().read(true))? {
        Ok(file) => file,
        Err(error) => return Ok(Err(format!("the file {name:?} cannot be read: {}", Failure::system(&error).text))),
    };
    let most = if length > 0 { (length as u64).min(room) } else { room };
    let read = file
        .seek(SeekFrom::Start(offset.max(0) as u64))
        .and_then(|_| file.by_ref().take(most).read_to_end(into))
        .and_then(|_| Ok(most == room && file.read(&mut [0])? > 0));
    Ok(match read {
        Ok(false) => Ok(()),
        Ok(true) if length > 0 && into.len() as i64 == length => Ok(()),
        Ok(true) => Err(format!("the files are more than {FILES_BYTES_MAX} bytes together")),
        Err(error) => Err(format!("the file {name:?} cannot be read: {}", Failure::system(&error).text)),
    })
}

/// Opens a plain file, if open_basedir lets the script have it.
///
/// # Errors
/// What a handler of PHP's warning throws; the system's are values.
pub(crate) fn open(path: &[u8], how: &OpenOptions) -> Result<io::Result<File>, Stop> {
    if !is_path_allowed(path)? {
        return Ok(Err(io::Error::from_raw_os_error(libc::EACCES)));
    }
    // A pipe without a writer would block the whole process.
    let opened = how.clone().custom_flags(libc::O_NONBLOCK).open(OsStr::from_bytes(path));
    Ok(opened.and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file")),
    }))
}

/// A file for a form, as `addFile()` and `addData()` note it.
pub(crate) struct Upload<'a> {
    /// Where it is, or what it is: `path` or `content`.
    pub(crate) from: (&'a str, &'a [u8]),
    pub(crate) name: &'a [u8],
    pub(crate) mime_type: &'a [u8],
    pub(crate) filename: &'a [u8],
    pub(crate) offset: i64,
    pub(crate) length: i64,
}

/// Adds a file to those that the next request takes along.
///
/// # Errors
/// [`Stop::Bailout`] when memory runs out.
pub(crate) fn add(client: Object<'_>, upload: &Upload<'_>) -> Result<(), Stop> {
    let mut file = Array::new(6)?;
    file.set_bytes("name", upload.name)?;
    file.set_bytes("type", upload.mime_type)?;
    file.set_bytes("filename", upload.filename)?;
    file.set_bytes(upload.from.0, upload.from.1)?;
    file.set("offset", Owned::long(upload.offset))?;
    file.set("length", Owned::long(upload.length))?;
    let mut files = Array::new(4)?;
    if let Some(earlier) = Array::of(client.property(slot::UPLOAD_FILES)) {
        let earlier: &Zval = &earlier.into_value();
        files.merge(earlier)?;
    }
    files.push(file.into_value())?;
    client.set_property(slot::UPLOAD_FILES, files.into_value())
}
