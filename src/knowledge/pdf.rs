//! Text out of PDF files, read by a child process ([`child`]): a file may be made to overflow the reader's stack, to fill
//! its memory or to keep it busy for ever, and must harm nobody by it.
//!
//! The child is this very program, gets no environment, no files and little of everything else, and is killed when its
//! time is over or nobody waits for it any more.

pub mod child;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::import::MAX_DOCUMENT_BYTES;
pub use tidy::tidy;

/// The hidden subcommand that makes the program a child.
pub const SUBCOMMAND: &str = "extract-pdf";
/// How long a file may take, however busy the machine is; the processor's time has a bound of its own.
const DEADLINE: Duration = Duration::from_secs(60);
/// Pages that are read of one file.
pub const MAX_PAGES: usize = 500;
/// What a child writes at most: tidying makes it shorter.
const MAX_OUTPUT_BYTES: usize = 2 * MAX_DOCUMENT_BYTES;

/// What a child ends with; see [`Error`].
const ENCRYPTED: u8 = 10;
const DAMAGED: u8 = 11;
const TOO_MANY_PAGES: u8 = 12;
const TOO_MUCH_TEXT: u8 = 13;

/// Why there is no text; the message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("is protected with a password; save it without one and send that")]
    Encrypted,
    #[error("is damaged, or no PDF that I can read; print it to a new PDF and send that, or its text")]
    Damaged,
    #[error(
        "has no text, only pictures, as scans have; run it through text recognition (OCR), or send its text"
    )]
    NoText,
    #[error("has more than {MAX_PAGES} pages; split it into several files")]
    TooManyPages,
    #[error(
        "has more text than the {MAX_DOCUMENT_BYTES} bytes that one document can have; split it into several files"
    )]
    TooMuchText,
    /// Or it is made so that readers end by it.
    #[error(
        "takes more time or memory to read than I may use; print it to a new PDF and send that, or its text"
    )]
    TooCostly,
    #[error("could not be read just now ({0}); try again")]
    NoReader(#[from] std::io::Error),
}

/// Reads PDF files; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    program: PathBuf,
}

impl Default for Reader {
    /// This very program, also when its file has been replaced meanwhile.
    fn default() -> Self {
        Self::new(Path::new("/proc/self/exe"))
    }
}

impl Reader {
    /// `program` knows [`SUBCOMMAND`].
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// The text of a PDF file, tidied. Dropping the future ends the child.
    pub async fn read(&self, pdf: &[u8]) -> Result<String, Error> {
        let mut child = Command::new(&self.program)
            .arg(SUBCOMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::NoReader(std::io::ErrorKind::BrokenPipe.into()));
        };
        let talk = async {
            let sending = async {
                // A child that knows enough, or has ended, reads no further: its end tells why.
                let _ = stdin.write_all(pdf).await;
                drop(stdin);
            };
            let mut text = Vec::new();
            let mut bounded = stdout.take(MAX_OUTPUT_BYTES as u64 + 1);
            let ((), received) = tokio::join!(sending, bounded.read_to_end(&mut text));
            received?;
            if text.len() > MAX_OUTPUT_BYTES {
                return Err(Error::TooMuchText);
            }
            judge(child.wait().await?)?;
            Ok(text)
        };
        let Ok(text) = timeout(DEADLINE, talk).await else { return Err(Error::TooCostly) };
        let text = tidy(&String::from_utf8_lossy(&text?));
        match text.chars().any(char::is_alphanumeric) {
            true => Ok(text),
            false => Err(Error::NoText),
        }
    }
}

fn judge(status: ExitStatus) -> Result<(), Error> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(ENCRYPTED) => Err(Error::Encrypted),
        Some(code) if code == i32::from(TOO_MANY_PAGES) => Err(Error::TooManyPages),
        Some(code) if code == i32::from(TOO_MUCH_TEXT) => Err(Error::TooMuchText),
        Some(_) => Err(Error::Damaged),
        // Ended by a signal: out of memory, of stack, or of time.
        None => Err(Error::TooCostly),
    }
}
