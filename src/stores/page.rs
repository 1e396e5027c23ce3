//! A page of a listing, read strictly: what is not entirely a listing is none.

use jiff::{Timestamp, fmt::rfc2822};
use quick_xml::{Reader, events::Event};

/// Elements within each other; a listing has five.
const MAX_DEPTH: usize = 16;

/// An object as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// The whole key, as it is: it may hold `//`, a segment `.` or a line break.
    pub(super) key: String,
    /// In bytes.
    pub(super) size: u64,
    /// Without quotes; empty where the store has none.
    pub(super) etag: String,
    pub(super) modified: Timestamp,
    /// A folder that is kept as an object: of that type, or with a slash at the end of its key.
    pub(super) is_folder: bool,
}

/// A page and what the next one is asked for with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    /// `None` on the last page.
    pub(super) next: Option<Next>,
}

/// How the next page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// As the store named it.
    Token(String),
    /// Beyond this key, by `ListObjects`: older stores of the S3 API know nothing else, whatever they are asked by.
    After(String),
}

/// Whose listing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `ListObjectsV2` of S3, which Google speaks too.
    S3,
    /// `List Blobs`.
    Azure,
}

impl Dialect {
    /// Reads a page.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it is repeated.
    pub(super) fn read(self, body: &[u8]) -> Result<Page, &'static str> {
        let mut reading = Reading {
            dialect: self,
            page: Page::default(),
            object: Draft::default(),
            truncated: None,
            marker: None,
            counted: false,
        };
        walk(body, &mut reading)?;
        reading.finish()
    }

    fn root(self) -> &'static str {
        match self {
            Self::S3 => "ListBucketResult",
            Self::Azure => "EnumerationResults",
        }
    }
}

/// Gives `reading` every element at its end, with its path and its text.
fn walk(body: &[u8], reading: &mut Reading) -> Result<(), &'static str> {
    const BROKEN: &str = "it is no XML, or is cut off";
    let text = std::str::from_utf8(body).map_err(|_| BROKEN)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut done = false;
    loop {
        match reader.read_event().map_err(|_| BROKEN)? {
            Event::Start(start) => {
                let name = std::str::from_utf8(start.local_name().into_inner()).map_err(|_| BROKEN)?.to_owned();
                if path.is_empty() && (done || name != reading.dialect.root()) {
                    return Err("it is no listing");
                }
                if path.len() == MAX_DEPTH {
                    return Err(BROKEN);
                }
                path.push(name);
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|_| BROKEN)?),
            Event::CData(part) => text.push_str(&part.decode().map_err(|_| BROKEN)?),
            Event::GeneralRef(reference) => text.push(match reference.resolve_char_ref().map_err(|_| BROKEN)? {
                Some(character) => character,
                None => entity(&reference.decode().map_err(|_| BROKEN)?).ok_or(BROKEN)?,
            }),
            Event::End(_) => {
                let names: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
                reading.take(&names, &text)?;
                text.clear();
                path.pop();
                done |= path.is_empty();
            }
            Event::DocType(_) => return Err("it is no listing"),
            Event::Eof if done => return Ok(()),
            Event::Eof => return Err(BROKEN),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return None,
    })
}

/// An object of which not all has been read.
#[derive(Debug, Default)]
struct Draft {
    key: Option<String>,
    size: Option<u64>,
    etag: String,
    modified: Option<Timestamp>,
    is_folder: bool,
}

struct Reading {
    dialect: Dialect,
    page: Page,
    object: Draft,
    truncated: Option<bool>,
    /// The key that the page ends with, where an older store names it.
    marker: Option<String>,
    /// Servers that leave out whether it goes on tell at least how much it is.
    counted: bool,
}

impl Reading {
    /// Takes the text of the element at `path` below the root.
    fn take(&mut self, path: &[&str], text: &str) -> Result<(), &'static str> {
        match (self.dialect, path) {
            (Dialect::S3, ["IsTruncated"]) => {
                self.truncated = Some(match text {
                    "true" => true,
                    "false" => false,
                    _ => return Err("it does not tell whether it goes on"),
                });
            }
            (Dialect::S3, ["KeyCount"]) => self.counted = true,
            (Dialect::S3, ["NextContinuationToken"]) | (Dialect::Azure, ["NextMarker"]) if !text.is_empty() => {
                self.page.next = Some(Next::Token(text.to_owned()));
            }
            (Dialect::S3, ["NextMarker"]) if !text.is_empty() => self.marker = Some(text.to_owned()),
            (Dialect::S3, ["Contents"]) | (Dialect::Azure, ["Blobs", "Blob"]) => self.object()?,
            (Dialect::S3, ["Contents", field]) | (Dialect::Azure, ["Blobs", "Blob", "Properties", field]) => {
                self.field(field, text);
            }
            (Dialect::Azure, ["Blobs", "Blob", "Name"]) => self.object.key = Some(text.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn field(&mut self, field: &str, text: &str) {
        match field {
            "Key" => self.object.key = Some(text.to_owned()),
            "Size" | "Content-Length" => self.object.size = text.parse().ok(),
            "ETag" | "Etag" => text.trim_matches('"').clone_into(&mut self.object.etag),
            "LastModified" => self.object.modified = text.parse().ok(),
            "Last-Modified" => self.object.modified = rfc2822::parse(text).ok().map(|time| time.timestamp()),
            "ResourceType" => self.object.is_folder = text == "directory",
            _ => {}
        }
    }

    fn object(&mut self) -> Result<(), &'static str> {
        let Draft { key, size, etag, modified, is_folder } = std::mem::take(&mut self.object);
        let (Some(key), Some(size), Some(modified)) = (key, size.or(is_folder.then_some(0)), modified) else {
            return Err("one of its objects has no key, no size or no time");
        };
        let is_folder = is_folder || key.ends_with('/');
        self.page.objects.push(Object { key, size, etag, modified, is_folder });
        Ok(())
    }

    fn finish(self) -> Result<Page, &'static str> {
        match (self.dialect, self.truncated, self.page.next) {
            (Dialect::S3, None, _) if !self.counted => Err("it does not tell whether it goes on"),
            (Dialect::S3, Some(true), None) => {
                let last = self.page.objects.last().map(|object| object.key.clone());
                let after = self.marker.or(last).ok_or("it is cut off and does not tell where it goes on")?;
                Ok(Page { next: Some(Next::After(after)), ..self.page })
            }
            (Dialect::S3, Some(false), _) => Ok(Page { next: None, ..self.page }),
            (_, _, next) => Ok(Page { next, ..self.page }),
        }
    }
}

/// The error code in the body of a refusal, if it is one that can be shown.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    element(body, "Code")
}

/// The text of the first element `name`, if that is plain and short: bodies of refusals hold what nobody may read.
pub(super) fn element(body: &[u8], name: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, after) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    plain(text)
}

/// `text`, if it can be an error code or a region.
pub(super) fn plain(text: &str) -> Option<String> {
    const LONGEST: usize = 64;
    let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn s3(rest: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rest}</ListBucketResult>"#
        )
    }

    fn contents(key: &str) -> String {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.123Z</LastModified><ETag>&quot;e-1&#34;</ETag>\
             <Size>7</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID></Owner></Contents>"
        )
    }

    fn read(text: &str) -> Result<Page, &'static str> {
        Dialect::S3.read(text.as_bytes())
    }

    #[test]
    fn a_page_of_s3_is_read_with_keys_of_every_kind() {
        let keys = ["p/a//b", "p/./c", "p/d&#xA;e", "p/f\ng", "p/&lt;&amp;h", "<![CDATA[p/<i]]>", " p/j "];
        let page = read(&s3(&(keys.map(contents).concat() + "<IsTruncated>false</IsTruncated>"))).unwrap();
        let read: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(read, ["p/a//b", "p/./c", "p/d\ne", "p/f\ng", "p/<&h", "p/<i", " p/j "]);
        let modified = "2026-01-01T00:00:00.123Z".parse().unwrap();
        let first = Object { key: "p/a//b".to_owned(), size: 7, etag: "e-1".to_owned(), modified, is_folder: false };
        assert_eq!((&page.objects[0], page.next), (&first, None));
    }

    #[test]
    fn a_page_of_azure_is_read() {
        let page = Dialect::Azure.read(
            br#"<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" ContainerName="c"><Prefix>p/</Prefix>
            <Blobs><Blob><Name>p/a</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Etag>0x8D</Etag>
            <Content-Length>7</Content-Length><ResourceType>file</ResourceType></Properties></Blob>
            <Blob><Name>p/b</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><ResourceType>directory
            </ResourceType></Properties></Blob></Blobs><NextMarker>2!x</NextMarker></EnumerationResults>"#,
        );
        assert_eq!(page, Err("one of its objects has no key, no size or no time"), "a folder, but for the white space");
        let text = r#"<EnumerationResults><Blobs><Blob><Name>p/a</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>7</Content-Length></Properties></Blob><Blob><Name>p/b</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><ResourceType>directory</ResourceType></Properties></Blob></Blobs><NextMarker>2!x</NextMarker></EnumerationResults>"#;
        let page = Dialect::Azure.read(text.as_bytes()).unwrap();
        let modified = "2026-01-01T00:00:00Z".parse().unwrap();
        let file = Object { key: "p/a".to_owned(), size: 7, etag: "0x8D".to_owned(), modified, is_folder: false };
        let folder = Object { key: "p/b".to_owned(), size: 0, etag: String::new(), modified, is_folder: true };
        assert_eq!(page, Page { objects: vec![file, folder], next: Some(Next::Token("2!x".to_owned())) });
        assert_eq!(Dialect::Azure.read(text.replace("2!x", "").as_bytes()).unwrap().next, None);
    }

    #[test]
    fn an_object_without_an_etag_is_one() {
        let text = s3(&(contents("a").replace("<ETag>&quot;e-1&#34;</ETag>", "") + "<IsTruncated>false</IsTruncated>"));
        assert_eq!(read(&text).unwrap().objects[0].etag, "");
    }

    #[test]
    fn a_page_may_tell_its_count_instead_of_whether_it_goes_on() {
        assert_eq!(read(&s3("<KeyCount>0</KeyCount>")), Ok(Page::default()));
        let more = read(&s3("<KeyCount>0</KeyCount><NextContinuationToken>x</NextContinuationToken>"));
        assert_eq!(more.unwrap().next, Some(Next::Token("x".to_owned())));
    }

    #[test]
    fn what_is_not_entirely_a_listing_is_none() {
        let end = "<IsTruncated>false</IsTruncated>";
        let whole = s3(end);
        assert!(read(&whole).is_ok());
        for wrong in [
            String::new(),
            "{}".to_owned(),
            "<html>login please</html>".to_owned(),
            "<!DOCTYPE html><html></html>".to_owned(),
            format!("<!DOCTYPE x [<!ENTITY y 'z'>]>{whole}"),
            "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>".to_owned(),
            whole.replace("</ListBucketResult>", ""),
            whole.replace("ListBucketResult", "EnumerationResults"),
            format!("{whole}{whole}"),
            format!("{whole}<Error/>"),
            format!("x{whole}").replace("<ListBucketResult", "<x"),
            s3(""),
            s3("<IsTruncated>yes</IsTruncated>"),
            s3("<IsTruncated>true</IsTruncated>"),
            s3("<IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken>"),
            s3(&contents("a")).replace("</Contents>", ""),
            s3(&(contents("a&unknown;") + end)),
            s3(&(contents("a").replace("Key", "Name") + end)),
            s3(&(contents("a").replace("<Size>7", "<Size>-7") + end)),
            s3(&(contents("a").replace("2026-01-01T", "yesterday ") + end)),
            s3(&("<a>".repeat(100_000) + end)),
        ] {
            assert!(read(&wrong).is_err(), "{}", wrong.get(..wrong.floor_char_boundary(200)).unwrap());
        }
        assert!(Dialect::S3.read(b"\xff").is_err());
    }

    #[test]
    fn of_a_refusal_only_plain_words_are_read() {
        let body = b"<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AWS4 x</StringToSign><Region>eu-west-1</Region></Error>";
        assert_eq!(error_code(body).as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(element(body, "Region").as_deref(), Some("eu-west-1"));
        assert_eq!(element(body, "StringToSign"), None);
        for other in [&b"<Code></Code>"[..], b"<Code>a b</Code>", b"<Code>x", b"\xff", b""] {
            assert_eq!(error_code(other), None);
        }
    }
}
