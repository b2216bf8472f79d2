//! The child that reads one PDF file from its standard input and writes the text of its pages, each ended by a form feed.

use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use pdf_extract::{Document, PlainTextOutput, output_doc_page};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{DAMAGED, ENCRYPTED, MAX_OUTPUT_BYTES, MAX_PAGES, TOO_MANY_PAGES, TOO_MUCH_TEXT};
use crate::knowledge::import::MAX_PDF_BYTES;

/// Address space: a file of the greatest size, what it unfolds to, and the program itself.
const MEMORY_BYTES: u64 = 768 * 1024 * 1024;
const CPU_SECONDS: u64 = 20;
/// Of the thread that reads; readers call themselves for what is nested.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What [`super::SUBCOMMAND`] does, before any other thread has begun.
pub fn run() -> ExitCode {
    if confine().is_err() {
        return ExitCode::from(DAMAGED);
    }
    // A panic is an answer; nobody reads its words.
    std::panic::set_hook(Box::new(|_| {}));
    let mut pdf = Vec::new();
    let read = std::io::stdin().take(MAX_PDF_BYTES as u64 + 1).read_to_end(&mut pdf);
    if read.is_err() || pdf.len() > MAX_PDF_BYTES {
        return ExitCode::from(DAMAGED);
    }
    let reading = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || text_of(&pdf));
    let text = reading.map(std::thread::JoinHandle::join);
    let text = match text {
        Ok(Ok(Ok(text))) => text,
        Ok(Ok(Err(code))) => return ExitCode::from(code),
        Ok(Err(_)) | Err(_) => return ExitCode::from(DAMAGED),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(DAMAGED),
    }
}

/// Takes away what reading a file from a pipe does not need.
fn confine() -> rustix::io::Result<()> {
    let limits = [
        (Resource::As, MEMORY_BYTES),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Stack, STACK_BYTES as u64),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // Those that are open stay open.
        (Resource::Nofile, 0),
    ];
    limits.into_iter().try_for_each(|(resource, most)| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    })
}

fn text_of(pdf: &[u8]) -> Result<String, u8> {
    let mut document = catch_unwind(AssertUnwindSafe(|| Document::load_mem(pdf)))
        .map_err(|_| DAMAGED)?
        .map_err(|error| if is_about_a_password(&error) { ENCRYPTED } else { DAMAGED })?;
    // Many files are encrypted for nobody: everybody may read them, and only changes are forbidden.
    if document.trailer.get(b"Encrypt").is_ok() {
        let opened = catch_unwind(AssertUnwindSafe(|| document.decrypt("")));
        if !opened.is_ok_and(|opened| opened.is_ok()) {
            return Err(ENCRYPTED);
        }
    }
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    if pages.len() > MAX_PAGES {
        return Err(TOO_MANY_PAGES);
    }
    let (mut text, mut read) = (String::new(), 0);
    for page in &pages {
        let mut of_page = String::new();
        let done = catch_unwind(AssertUnwindSafe(|| {
            output_doc_page(&document, &mut PlainTextOutput::new(&mut of_page), *page)
        }));
        // One page that cannot be read does not take the others along.
        if matches!(done, Ok(Ok(()))) {
            read += 1;
        }
        text.push_str(&of_page);
        text.push('\u{c}');
        if text.len() > MAX_OUTPUT_BYTES {
            return Err(TOO_MUCH_TEXT);
        }
    }
    if read == 0 { Err(DAMAGED) } else { Ok(text) }
}

fn is_about_a_password(error: &pdf_extract::Error) -> bool {
    matches!(error, pdf_extract::Error::Decryption(_) | pdf_extract::Error::InvalidPassword)
}
