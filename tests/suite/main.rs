//! The integration tests, in one binary.

/// No input makes any stage panic or run away.
mod fuzz;

/// Pages that are made from the code say what the code says.
mod generated;

/// Expectations hold or fail as they should, and every form of the results is readable by those who want it.
mod check;

/// Captures are read the same in every way and format, and damage ends in frames and a clear error.
mod reading;

/// Every fixture prints what was read and accepted.
mod goldens;

/// Piles of thousands of connections are as high as the kernel counted them.
mod piles;

/// README shows what the program prints.
mod readme;

/// Every text trace can be read, survives printing and framing, and shows what the page around it says.
mod traces;

/// What the house rules say and a program can check: imports, names, lengths, words that must not be.
mod tidy;

/// The command line: exit codes, what goes to which stream, what the help names.
mod command_line;

/// Two smoltcp sockets over a bad wire say which states they were in, and we must have inferred the same from the tap.
mod twin;

/// Moving, mirroring, repeating and cutting a capture changes its verdict as little as it should.
mod laws;

/// Capture filters: what passes, what is counted, and what libpcap says to a bad one.
#[cfg(feature = "live")]
mod filtered;

/// Connections that lived while frames were lost are judged with less certainty, and say why.
mod losses;

/// What commands give up before they look at frames.
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod sandboxed;

/// A running interface gives the verdicts that its frames give when they are read again, and those of the sockets.
#[cfg(all(feature = "live", target_os = "linux"))]
mod live;

/// Streams have Wireshark's numbers, and its completeness.
mod numbering;

/// One small trace for each rule of hindsight, with what its packets decide.
mod cases;

/// The same for rare closes, and for captures that show less: without timestamps, without ids, cut short.
mod corners;

/// The same for resets and acknowledgments that were lost on the way.
mod lost;

/// What several tests need: an analysis in memory and everything that it reports.
mod told;

/// Any number of threads tells the same.
mod threads;

/// What is only counted is judged as what is told in full.
mod gists;

/// Every record of NDJSON is what serde_json writes of it.
mod records;

/// A segment of a known connection asks for no memory.
mod allocations;
