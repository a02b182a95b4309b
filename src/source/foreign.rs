//! What an input is that is no capture read here, by how it begins, and what to do about it.

use super::compression::Compression;
use super::error::Fault;

/// Captures of programs whose formats no well-kept crate reads; Wireshark's editcap converts them.
const CAPTURES: [(&[u8], &str); 7] = [
    (b"GMBU", "Microsoft Network Monitor 2"),
    (b"RTSS", "Microsoft Network Monitor 1"),
    (b"TRSNIFF ", "Sniffer for DOS"),
    (b"XCP\0", "NetXray or Sniffer for Windows"),
    (b"Observer", "Network Instruments Observer"),
    (b"\x05VNF", "Visual Networks UpTime"),
    (b"TR\0d\0\0\0\0", "HP-UX nettl"),
];

/// What captures come in or are taken for.
const WRAPPINGS: [(&[u8], &str, &str); 9] = [
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip -p FILE | lastack -"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it first: xz -dc FILE | lastack -"),
    (b"BZh", "compressed with bzip2", "unpack it first: bzip2 -dc FILE | lastack -"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first: 7z x -so FILE | lastack -"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (b"\x1f\x9d", "compressed with compress", "unpack it first: gzip -dc FILE | lastack -"),
    (b"\x7fELF", "a program", "name the capture"),
    (b"SQLite format 3", "a database", "name the capture"),
    (b"%PDF-", "a PDF document", "name the capture"),
];

/// Where a tar archive says that it is one, and how.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Octets that tell.
pub(super) const TELLING: usize = 512;

/// What `beginning` is the beginning of, if it can be told. `is_unpacked` says that it came out of a compressed file.
pub(super) fn recognise(beginning: &[u8], is_unpacked: bool) -> Option<Fault> {
    let begins = |magic: &[u8]| beginning.starts_with(magic);
    if let Some((_, name)) = CAPTURES.iter().find(|(magic, _)| begins(magic)) {
        return Some(Fault::Unsupported(format!("a capture of {name}")));
    }
    let other = |what, cure| Some(Fault::Foreign { what, cure });
    if let Some(&(_, what, cure)) = WRAPPINGS.iter().find(|(magic, ..)| begins(magic)) {
        return other(what, cure);
    }
    if beginning.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        return other("a tar archive", "unpack it first: tar -xOf FILE | lastack -");
    }
    if is_unpacked && Compression::recognise(beginning).is_some() {
        return other("compressed more than once", "unpack it once first");
    }
    let text = printable(beginning)?.trim_start();
    let says = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if ["<!doctype html", "<html", "<head"].into_iter().any(says) {
        return other("a web page", "the download gave a page and not the file: a log-in, a notice or an error");
    }
    if says("version https://git-lfs") {
        return other("a pointer of Git LFS", "fetch the file itself: git lfs pull");
    }
    None
}

/// `beginning` as a text, if it is one; a letter that its end cuts in two is left out.
fn printable(beginning: &[u8]) -> Option<&str> {
    let text = match str::from_utf8(beginning) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => str::from_utf8(&beginning[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    text.chars().all(|letter| !letter.is_control() || letter.is_ascii_whitespace()).then_some(text)
}

/// It reads like a text.
pub(super) fn is_text(beginning: &[u8]) -> bool {
    printable(beginning).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(beginning: &[u8], is_unpacked: bool) -> String {
        match recognise(beginning, is_unpacked) {
            Some(Fault::Foreign { what, .. }) => what.to_owned(),
            Some(Fault::Unsupported(what)) => what,
            None => String::new(),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn what_people_take_for_captures_has_a_name() {
        let mut tar = vec![0; TELLING];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(&[u8], &str); 8] = [
            (b"PK\x03\x04\x14\0", "a zip archive"),
            (b"\xfd7zXZ\0\0", "compressed with xz"),
            (b"BZh91AY", "compressed with bzip2"),
            (&tar, "a tar archive"),
            (b"\n <!DOCTYPE HTML><html>", "a web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
            (b"GMBU\0\x02", "a capture of Microsoft Network Monitor 2"),
            (b"\x1f\x8b\x08\0", ""),
        ];
        for (beginning, name) in cases {
            assert_eq!(said(beginning, false), name);
        }
        assert_eq!(said(b"\x1f\x8b\x08\0", true), "compressed more than once");
        assert_eq!(said(b"client > SYN\n", false), "");
    }

    #[test]
    fn a_text_may_be_cut_within_a_letter() {
        assert!(is_text("Zug fährt".as_bytes()) && is_text(&"Zug f\u{e4}".as_bytes()[..6]));
        assert!(!is_text(b"\xd4\xc3\xb2\xa1") && !is_text(b"a\0b"));
    }
}
