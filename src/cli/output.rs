//! Where the results go: standard output, or a file that appears under its name only when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::charset::{Ascii, lacks_utf8};

/// When results leave the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// In large pieces.
    Blocks,
    /// Record by record: somebody waits at the other end.
    Records,
}

const BUFFER_BYTES: usize = 64 << 10;

/// An open destination.
pub struct Output {
    to: Destination,
}

enum Destination {
    Stdout(Box<dyn Write>),
    /// A device or a pipe that has a name.
    Special {
        file: BufWriter<File>,
        name: PathBuf,
    },
    /// Written beside `name` and renamed at the end.
    Regular {
        file: BufWriter<File>,
        partial: PathBuf,
        name: PathBuf,
        is_complete: bool,
    },
}

impl Output {
    /// Opens `file`, or standard output when there is none or it is `-`.
    ///
    /// # Errors
    /// The file is one of `inputs`, or its directory does not take a new file.
    pub fn open(file: Option<&Path>, inputs: &[PathBuf], buffering: Buffering) -> anyhow::Result<Self> {
        let Some(name) = named(file) else {
            let stdout = io::stdout().lock();
            let to: Box<dyn Write> = match buffering {
                _ if is_terminal(None) && lacks_utf8() => Box::new(Ascii(stdout)),
                Buffering::Blocks => Box::new(BufWriter::with_capacity(BUFFER_BYTES, stdout)),
                Buffering::Records => Box::new(stdout),
            };
            return Ok(Self { to: Destination::Stdout(to) });
        };
        let is_same = |input: &PathBuf| match (fs::canonicalize(input), fs::canonicalize(name)) {
            (Ok(input), Ok(output)) => input == output,
            _ => false,
        };
        if inputs.iter().any(is_same) {
            bail!("{}: is one of the captures to be read; choose another name", name.display());
        }
        let to = match fs::metadata(name) {
            Ok(meta) if meta.is_dir() => bail!("{}: is a directory; name a file in it", name.display()),
            Ok(meta) if !meta.is_file() => {
                let file = File::options().write(true).open(name).with_context(|| cannot_write(name))?;
                Destination::Special { file: BufWriter::with_capacity(BUFFER_BYTES, file), name: name.to_owned() }
            }
            _ => {
                let partial = partial_name(name);
                let file = File::create_new(&partial).with_context(|| cannot_write(name))?;
                let file = BufWriter::with_capacity(BUFFER_BYTES, file);
                Destination::Regular { file, partial, name: name.to_owned(), is_complete: false }
            }
        };
        Ok(Self { to })
    }

    /// Everything was written: a regular file gets its name now.
    ///
    /// # Errors
    /// The last bytes could not be written, or the file not renamed.
    pub fn complete(mut self) -> anyhow::Result<()> {
        let place = self.place();
        self.flush().with_context(|| cannot_write(&place))?;
        if let Destination::Regular { partial, name, is_complete, .. } = &mut self.to {
            fs::rename(&*partial, &*name).with_context(|| cannot_write(name))?;
            *is_complete = true;
        }
        Ok(())
    }

    /// Its name in messages.
    pub fn place(&self) -> PathBuf {
        match &self.to {
            Destination::Stdout(_) => PathBuf::from("standard output"),
            Destination::Special { name, .. } | Destination::Regular { name, .. } => name.clone(),
        }
    }
}

/// The file that was named; `-` is standard output, as without a name.
pub fn named(file: Option<&Path>) -> Option<&Path> {
    file.filter(|name| *name != Path::new("-"))
}

/// The words for an output that failed.
pub fn cannot_write(name: &Path) -> String {
    format!("{}: cannot write", name.display())
}

/// The results go to a terminal.
pub fn is_terminal(file: Option<&Path>) -> bool {
    named(file).is_none() && io::stdout().is_terminal()
}

fn partial_name(name: &Path) -> PathBuf {
    let mut partial = name.file_name().unwrap_or_default().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    name.with_file_name(partial)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            Destination::Stdout(out) => out.write(bytes),
            Destination::Special { file, .. } | Destination::Regular { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Destination::Stdout(out) => out.flush(),
            Destination::Special { file, .. } | Destination::Regular { file, .. } => file.flush(),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Destination::Regular { partial, is_complete: false, .. } = &self.to {
            // The error that brought us here is the one to tell.
            let _ = fs::remove_file(partial);
        }
    }
}
