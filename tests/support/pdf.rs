//! Writes small PDF files for tests: `#[path = "../support/pdf.rs"] mod pdf_file;`.

#![allow(dead_code, reason = "each test binary uses a part of this")]

/// A font whose codes 1 and 2 are ligatures.
const FONT: &str = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /Type /Encoding \
    /BaseEncoding /WinAnsiEncoding /Differences [ 1 /fi /fl ] >> >>";

/// A file whose pages show these texts, one line below the other. The letters are those of PDF's Latin encodings.
pub fn with_pages(pages: &[&str]) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = pages.iter().map(|page| text(page)).collect();
    file(&contents.iter().map(|content| stream("", content)).collect::<Vec<_>>(), "")
}

/// A file with one page, whose content is this object, and with more in its trailer.
pub fn with_content(content: Vec<u8>, trailer: &str) -> Vec<u8> {
    file(&[content], trailer)
}

/// As [`with_pages`] for one page, protected by a password that nobody knows. `apart`: what says so is an object of its own.
pub fn encrypted(page: &str, apart: bool) -> Vec<u8> {
    let noise = "0123456789abcdef".repeat(4);
    let encrypt = format!("<< /Filter /Standard /V 1 /R 2 /O <{noise}> /U <{noise}> /P -4 >>");
    let (objects, said) = match apart {
        true => (vec![stream("", &text(page)), encrypt.into_bytes()], "7 0 R".to_owned()),
        false => (vec![stream("", &text(page))], encrypt),
    };
    file(&objects, &format!("/ID [ <{noise}> <{noise}> ] /Encrypt {said}"))
}

/// A page without letters, as a scanner makes it.
pub fn scanned() -> Vec<u8> {
    file(&[stream("", b"0.5 g 10 10 500 700 re f")], "")
}

/// A page whose content unfolds to so many zeros.
pub fn bomb(bytes: usize) -> Vec<u8> {
    file(&[stream("/Filter /FlateDecode ", &zeros(bytes))], "")
}

/// A page whose content holds arrays within arrays.
pub fn nested(depth: usize) -> Vec<u8> {
    let content = format!("BT /F1 12 Tf {}(x){} TJ ET", "[".repeat(depth), "]".repeat(depth));
    file(&[stream("", content.as_bytes())], "")
}

/// A dictionary within a dictionary, and so on, among the file's own objects.
pub fn nested_objects(depth: usize) -> Vec<u8> {
    file(&[format!("{} 1 {}", "<< /A ".repeat(depth), ">> ".repeat(depth)).into_bytes()], "")
}

fn text(page: &str) -> Vec<u8> {
    let mut content = b"BT /F1 12 Tf 72 720 Td 14 TL\n".to_vec();
    for line in page.lines() {
        content.push(b'(');
        for c in line.chars() {
            match c {
                '(' => content.extend(b"\\("),
                ')' => content.extend(b"\\)"),
                '\\' => content.extend(b"\\\\"),
                '\u{fb01}' => content.push(1),
                '\u{fb02}' => content.push(2),
                c => content.push(u8::try_from(u32::from(c)).expect("a Latin letter")),
            }
        }
        content.extend(b") Tj T*\n");
    }
    content.extend(b"ET");
    content
}

fn stream(filter: &str, bytes: &[u8]) -> Vec<u8> {
    let mut object = format!("<< {filter}/Length {} >>\nstream\n", bytes.len()).into_bytes();
    object.extend(bytes);
    object.extend(b"\nendstream");
    object
}

/// Objects: 1 catalogue, 2 pages, 3 font, then a page and its content, and so on.
fn file(contents: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..contents.len()).map(|n| format!("{} 0 R", 4 + 2 * n)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Count {} /Kids [ {} ] >>", kids.len(), kids.join(" ")).into_bytes(),
        FONT.as_bytes().to_vec(),
    ];
    for (n, content) in contents.iter().enumerate() {
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 612 792 ] /Resources << /Font << /F1 3 0 R >> >> \
             /Contents {} 0 R >>",
            5 + 2 * n
        );
        objects.extend([page.into_bytes(), content.clone()]);
    }
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n", n + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for place in places {
        file.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    let end = format!(
        "trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    );
    file.extend(end.into_bytes());
    file
}

/// A zlib stream of zeros, as short as deflate allows with its fixed codes: each 13 bits say "258 more".
fn zeros(bytes: usize) -> Vec<u8> {
    let repeats = bytes.div_ceil(258);
    let total = 1 + 258 * repeats;
    let mut bits = Bits { bytes: vec![0x78, 0x9c], used: 8 };
    bits.push(0b1, 1);
    bits.push(0b10, 2);
    bits.push(0b0011_0000, 8);
    for _ in 0..repeats {
        bits.push(0b1100_0101, 8);
        bits.push(0, 5);
    }
    bits.push(0, 7);
    let adler = (u32::try_from(total % 65_521).expect("small") << 16) | 1;
    bits.bytes.extend(adler.to_be_bytes());
    bits.bytes
}

struct Bits {
    bytes: Vec<u8>,
    /// Of the last byte.
    used: u32,
}

impl Bits {
    /// The highest bit first, as codes stand in deflate.
    fn push(&mut self, code: u32, length: u32) {
        for at in (0..length).rev() {
            if self.used == 8 {
                self.bytes.push(0);
                self.used = 0;
            }
            let bit = u8::try_from((code >> at) & 1).expect("a bit");
            *self.bytes.last_mut().expect("there is one") |= bit << self.used;
            self.used += 1;
        }
    }
}
