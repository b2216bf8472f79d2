//! PDF files, read by a child of the real program: good ones, and those that are made to end whoever reads them.

use std::path::Path;

use helpline::knowledge::import::{self, FileError, MAX_DOCUMENT_BYTES};
use helpline::knowledge::passages::Format;
use helpline::knowledge::pdf::{Error, MAX_PAGES, Reader};

use crate::pdf_file;

pub fn reader() -> Reader {
    Reader::new(Path::new(env!("CARGO_BIN_EXE_helpline")))
}

async fn read(pdf: &[u8]) -> Result<String, Error> {
    reader().read(pdf).await
}

#[tokio::test]
async fn pages_come_in_order_with_their_lines_words_and_ligatures() {
    let one = "The Handbook\nRefunds are of\u{fb01}cially possible within 14 days,\nand the re\u{fb02}ection of light (really).";
    let text = read(&pdf_file::with_pages(&[one, "On the second page: caf\u{e9} and M\u{fc}ller."]))
        .await
        .expect("it is read");
    assert!(text.contains("Refunds are officially possible within 14 days,"), "{text}");
    assert!(text.contains("and the reflection of light (really)."), "{text}");
    let (first, second) = (text.find("Handbook"), text.find("caf\u{e9} and M\u{fc}ller."));
    assert!(first.is_some() && first < second, "{text}");
}

#[tokio::test]
async fn a_hundred_pages_are_a_document() {
    let pages: Vec<String> =
        (1..=100).map(|n| format!("Handbook\nChapter {n} is about topic number {n}.\nPage {n}")).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let pdf = pdf_file::with_pages(&pages);
    let document = import::document(&reader(), "hand_book.pdf", &pdf).await.expect("it is read");
    assert_eq!((document.title.as_str(), document.format), ("hand book", Format::Pdf));
    for n in [1, 50, 100] {
        assert!(document.content.contains(&format!("Chapter {n} is about topic number {n}.")), "{n}");
    }
    assert!(!document.content.contains("Page 7") && !document.content.contains("Handbook"), "running heads");
}

#[tokio::test]
async fn files_that_hold_no_text_say_why_and_what_to_do() {
    let good = pdf_file::with_pages(&["All of this is good."]);
    for apart in [true, false] {
        let read = read(&pdf_file::encrypted("Secret.", apart)).await;
        assert!(matches!(read, Err(Error::Encrypted)), "{apart}: {read:?}");
    }
    assert!(matches!(read(&pdf_file::scanned()).await, Err(Error::NoText)));
    assert!(matches!(read(&good[..good.len() / 2]).await, Err(Error::Damaged | Error::NoText)));
    assert!(matches!(read(b"%PDF-1.7\nnothing").await, Err(Error::Damaged)));
    assert!(matches!(read(b"").await, Err(Error::Damaged)));
    let many = vec!["x"; MAX_PAGES + 1];
    assert!(matches!(read(&pdf_file::with_pages(&many)).await, Err(Error::TooManyPages)));
    let page = "Many words make a long document, and this is one of them.\n".repeat(1_000);
    let long = pdf_file::with_pages(&vec![page.as_str(); 2 * MAX_DOCUMENT_BYTES / page.len() + 2]);
    assert!(matches!(read(&long).await, Err(Error::TooMuchText)));
    let no_pdf = import::document(&reader(), "a.pdf", b"plain text").await;
    assert!(matches!(no_pdf, Err(FileError::NoPdf)));
}

#[tokio::test]
async fn files_that_are_made_to_end_their_reader_end_a_child_and_nothing_else() {
    // As large as it unfolds to it would only have no text; what ends it is the bound of memory.
    let large = read(&pdf_file::bomb(400 << 20)).await;
    assert!(matches!(large, Err(Error::TooCostly)), "{large:?}");
    let bombs = [
        ("stack of the content", pdf_file::nested(300_000)),
        ("stack of the objects", pdf_file::nested_objects(300_000)),
    ];
    for (what, bomb) in bombs {
        let read = read(&bomb).await;
        assert!(matches!(read, Err(Error::TooCostly | Error::Damaged | Error::NoText)), "{what}: {read:?}");
    }
    assert!(read(&pdf_file::with_pages(&["Good."])).await.is_ok());
}

#[tokio::test]
async fn a_reader_that_cannot_be_started_says_so() {
    let missing = Reader::new(Path::new("/nowhere/helpline")).read(b"%PDF-1.4").await;
    assert!(matches!(missing, Err(Error::NoReader(_))), "{missing:?}");
    let other = Reader::new(Path::new("/bin/false")).read(b"%PDF-1.4").await;
    assert!(matches!(other, Err(Error::Damaged)), "{other:?}");
}
