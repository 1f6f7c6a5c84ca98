//! XML as it is safe to read from strangers: no DTD, no entities but the five of XML, bounded depth, attributes and
//! text. Elements are known by their local names; writers choose prefixes as they like.

use quick_xml::{
    Reader,
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};
use std::io::{self, BufRead, Read};

const DEPTH_MAX: usize = 64;
const ATTRIBUTES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The longest single piece of markup, comments and DOCTYPE included.
const TOKEN_BYTES_MAX: usize = 2 << 20;

/// Why a document cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It does what no recording needs and an attack does; nothing of it is believed.
    #[error("{0}")]
    Unsafe(String),
    /// It is cut off or not well formed; what came before is good.
    #[error("the XML is broken or cut off at byte {at}")]
    Broken {
        /// Where.
        at: u64,
    },
}

/// A step through a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An element begins: its name and attributes, no children yet.
    Open(Node),
    /// An element ends.
    Close(String),
    /// Text between two steps.
    Text(String),
    /// The document is over, and whole.
    End,
}

/// An element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Local name.
    pub name: String,
    /// Attributes by local name, in order.
    pub attributes: Vec<(String, String)>,
    /// All text directly in it.
    pub text: String,
    /// Elements directly in it.
    pub children: Vec<Node>,
}

impl Node {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
    }

    /// The first child of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|it| it.name == name)
    }

    /// The first element of that name in it, however deep.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Self> {
        self.children.iter().find_map(|it| if it.name == name { Some(it) } else { it.find(name) })
    }

    /// The number in the first element of that name in it.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        super::number(&self.find(name)?.text)
    }

    /// The text of the element, trimmed, if there is any.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        Some(self.text.trim()).filter(|it| !it.is_empty()).map(str::to_owned)
    }

    /// Appends the element as XML.
    pub fn write(&self, to: &mut String) {
        to.push('<');
        to.push_str(&self.name);
        for (name, value) in &self.attributes {
            to.extend([" ", name, "=\"", &escape(value), "\""]);
        }
        if self.children.is_empty() && self.text.is_empty() {
            to.push_str("/>");
            return;
        }
        to.push('>');
        to.push_str(&escape(self.text.trim()));
        self.children.iter().for_each(|it| it.write(to));
        to.extend(["</", &self.name, ">"]);
    }
}

/// A document that is read step by step.
#[derive(Debug)]
pub struct Document<R> {
    reader: Reader<Gate<R>>,
    buffer: Vec<u8>,
    depth: usize,
    n_text_bytes: usize,
}

impl<R: BufRead> Document<R> {
    /// A document from its first byte.
    pub fn new(from: R) -> Self {
        let mut reader = Reader::from_reader(Gate { from, n_left: TOKEN_BYTES_MAX });
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0, n_text_bytes: 0 }
    }

    /// The next step.
    ///
    /// # Errors
    /// See [`XmlError`]. There is no step after an error.
    pub fn step(&mut self) -> Result<Step, XmlError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().n_left = TOKEN_BYTES_MAX;
            let event = self.reader.read_event_into(&mut self.buffer);
            let Ok(event) = event else {
                let at = self.reader.error_position();
                return Err(if self.reader.get_ref().n_left == 0 {
                    too_long("piece of markup", TOKEN_BYTES_MAX)
                } else {
                    XmlError::Broken { at }
                });
            };
            let text = match event {
                Event::Start(it) => {
                    self.depth += 1;
                    self.n_text_bytes = 0;
                    if self.depth > DEPTH_MAX {
                        return Err(XmlError::Unsafe(format!("elements are nested more than {DEPTH_MAX} deep")));
                    }
                    return open(&it, self.reader.buffer_position()).map(Step::Open);
                }
                Event::End(it) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.n_text_bytes = 0;
                    return Ok(Step::Close(it.local_name().as_ref().to_owned()));
                }
                Event::Eof if self.depth > 0 => {
                    return Err(XmlError::Broken { at: self.reader.buffer_position() });
                }
                Event::Eof => return Ok(Step::End),
                Event::Text(it) => it.xml10_content().into_owned(),
                Event::CData(it) => it.xml10_content().into_owned(),
                Event::GeneralRef(it) => {
                    let name = it.xml10_content();
                    let known = resolve_predefined_entity(&name).map(str::to_owned);
                    let character = || it.resolve_char_ref().ok().flatten().map(String::from);
                    known.or_else(character).ok_or_else(|| {
                        XmlError::Unsafe("the XML uses an entity of its own, which is never expanded".into())
                    })?
                }
                // What it declares is not expanded, so it is not read either.
                Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => continue,
            };
            self.n_text_bytes += text.len();
            if self.n_text_bytes > TEXT_BYTES_MAX {
                return Err(too_long("text", TEXT_BYTES_MAX));
            }
            return Ok(Step::Text(text));
        }
    }

    /// Everything in the element that [`Step::Open`] just gave; `None` if it is of more than `bytes_max`, in which
    /// case it was passed over.
    ///
    /// # Errors
    /// See [`XmlError`].
    pub fn subtree(&mut self, opened: Node, bytes_max: usize) -> Result<Option<Node>, XmlError> {
        let mut open = vec![opened];
        let mut n_bytes = 0_usize;
        loop {
            let step = self.step()?;
            let is_kept = n_bytes <= bytes_max;
            match step {
                Step::Open(node) => {
                    n_bytes += 64 + node.attributes.iter().map(|it| it.0.len() + it.1.len() + 4).sum::<usize>();
                    open.push(node);
                }
                Step::Text(text) => {
                    n_bytes += text.len();
                    if let Some(node) = open.last_mut().filter(|_| is_kept) {
                        node.text.push_str(&text);
                    }
                }
                Step::Close(_) => {
                    let Some(node) = open.pop() else { return Ok(None) };
                    match open.last_mut() {
                        Some(parent) if is_kept => parent.children.push(node),
                        Some(_) => {}
                        None => return Ok(is_kept.then_some(node)),
                    }
                }
                Step::End => return Ok(None),
            }
        }
    }
}

fn too_long(what: &str, bytes_max: usize) -> XmlError {
    XmlError::Unsafe(format!("a {what} is longer than {bytes_max} bytes"))
}

fn open(it: &BytesStart<'_>, at: u64) -> Result<Node, XmlError> {
    let mut node = Node { name: it.local_name().as_ref().to_owned(), ..Node::default() };
    // The check for repeated names is quadratic and its result of no use here.
    for attribute in it.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| XmlError::Broken { at })?;
        if node.attributes.len() >= ATTRIBUTES_MAX {
            return Err(XmlError::Unsafe(format!("an element has more than {ATTRIBUTES_MAX} attributes")));
        }
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|_| XmlError::Unsafe("an attribute uses an entity of its own, which is never expanded".into()))?;
        node.attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(node)
}

/// Lets only so many bytes through for one event, so that a comment without end does not fill the memory.
#[derive(Debug)]
struct Gate<R> {
    from: R,
    n_left: usize,
}

impl<R: BufRead> Read for Gate<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n_read = self.fill_buf()?.read(into)?;
        self.consume(n_read);
        Ok(n_read)
    }
}

impl<R: BufRead> BufRead for Gate<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.n_left == 0 {
            return Err(io::Error::other("too long"));
        }
        let bytes = self.from.fill_buf()?;
        Ok(bytes.get(..bytes.len().min(self.n_left)).unwrap_or(bytes))
    }

    fn consume(&mut self, n: usize) {
        self.n_left = self.n_left.saturating_sub(n);
        self.from.consume(n);
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, Node, Step, XmlError};

    fn root(text: &str) -> Result<Node, XmlError> {
        let mut document = Document::new(text.as_bytes());
        loop {
            match document.step()? {
                Step::Open(node) => {
                    return document.subtree(node, 1 << 24).map(Option::unwrap_or_default);
                }
                Step::End => return Ok(Node::default()),
                _ => {}
            }
        }
    }

    #[test]
    fn an_element_is_read_with_its_attributes_text_and_children_and_written_again() {
        let node = root("<?xml version='1.0'?><a:b x='1 &lt; 2'>t&amp;u&#65;<c/><![CDATA[<d>]]></a:b>").unwrap();
        assert_eq!((node.name.as_str(), node.attribute("x"), node.text.as_str()), ("b", Some("1 < 2"), "t&uA<d>"));
        assert!(node.child("c").is_some());
        let mut text = String::new();
        node.write(&mut text);
        assert_eq!(root(&text).unwrap(), node);
    }

    #[track_caller]
    fn check_unsafe(text: &str, expected: &str) {
        match root(text) {
            Err(XmlError::Unsafe(why)) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_only_an_attack_needs_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;&x;\">]><a>&y;</a>";
        check_unsafe(bomb, "entity");
        check_unsafe(&bomb.replace("<a>&y;</a>", "<a b='&y;'/>"), "entity");
        check_unsafe("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a>&x;</a>", "entity");
        check_unsafe(&"<a>".repeat(100), "nested more than 64");
        check_unsafe(&format!("<a>{}</a>", "x".repeat(2_000_000)), "1048576 bytes");
        check_unsafe(&format!("<a>{}</a>", "x&amp;".repeat(600_000)), "1048576 bytes");
        check_unsafe(&format!("<!--{}", "x".repeat(3_000_000)), "2097152 bytes");
        let attributes: String = (0..100).map(|it| format!(" a{it}='1'")).collect();
        check_unsafe(&format!("<a{attributes}/>"), "more than 64 attributes");
    }

    #[test]
    fn a_document_that_is_cut_off_is_broken_not_over() {
        for text in ["<a>", "<a><b></b>", "<a", "<a><b x='", "<a>text", "<a></b>"] {
            assert!(matches!(root(text), Err(XmlError::Broken { .. })), "{text}");
        }
    }

    #[test]
    fn an_element_that_is_too_large_is_passed_over() {
        let mut document = Document::new("<r><a><b>longer than allowed</b></a><c/></r>".as_bytes());
        document.step().unwrap();
        let Step::Open(a) = document.step().unwrap() else { panic!() };
        assert_eq!(document.subtree(a, 10).unwrap(), None);
        assert!(matches!(document.step().unwrap(), Step::Open(c) if c.name == "c"));
    }
}
