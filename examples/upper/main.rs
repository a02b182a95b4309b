//! A tiny service to try `lastack check` on: it answers each line with the same line in capitals. With `--leak` it has
//! the bug that docs/CI.md hunts: it never closes a connection that its client has closed.
//!
//! ```sh
//! cargo run --example upper -- serve 7878          # the service, until it is killed
//! cargo run --example upper -- serve 7878 --leak   # the same with the bug
//! cargo run --example upper -- ask 7878 one two    # a connection for each word
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;
use std::{env, thread};

/// The bug: sessions are put here when they end, and nobody takes them out. A stream that is not dropped is not closed.
static ENDED: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve", port] => serve(port, drop),
        ["serve", port, "--leak"] => serve(port, |stream| ENDED.lock().expect("no thread panics").push(stream)),
        ["ask", port, words @ ..] if !words.is_empty() => ask(port, words),
        _ => {
            eprintln!("upper serve PORT [--leak] | upper ask PORT WORD...");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("upper: {error}");
            ExitCode::FAILURE
        }
    }
}

fn address(port: &str) -> io::Result<(Ipv4Addr, u16)> {
    let port = port.parse().map_err(|_| io::Error::other(format!("{port:?} is no port")))?;
    Ok((Ipv4Addr::LOCALHOST, port))
}

/// Serves until it is killed. `end` gets the stream of every session that is over.
fn serve(port: &str, end: fn(TcpStream)) -> io::Result<()> {
    let listener = TcpListener::bind(address(port)?)?;
    println!("serving");
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = session(&stream) {
                eprintln!("upper: {error}");
            }
            end(stream);
        });
    }
    Ok(())
}

fn session(mut stream: &TcpStream) -> io::Result<()> {
    for line in BufReader::new(stream).lines() {
        stream.write_all(format!("{}\n", line?.to_uppercase()).as_bytes())?;
    }
    Ok(())
}

/// Long enough between two connections to see that the first one is not being closed.
const BETWEEN: Duration = Duration::from_millis(600);

fn ask(port: &str, words: &[&str]) -> io::Result<()> {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            thread::sleep(BETWEEN);
        }
        let mut stream = TcpStream::connect(address(port)?)?;
        stream.write_all(format!("{word}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        print!("{answer}");
    }
    Ok(())
}
