//! Capture filters in the language of pcap-filter(7), compiled by libpcap for each link type of the input and run here.

use std::fmt;

use super::{Frame, LinkType};

/// Why a capture filter cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// This program was built without the feature `live`, which brings libpcap's compiler.
    #[error(
        "-f/--filter needs libpcap, and this lastack was built without it (cargo feature \"live\"); --host, --port, \
         --state and --finding select without it"
    )]
    NotBuilt,
    /// libpcap does not take the expression.
    #[error("filter '{expression}': {words} (for link type {link}; the language is that of pcap-filter(7))")]
    Refused {
        /// What was asked for.
        expression: String,
        /// For which kind of frames.
        link: LinkType,
        /// What libpcap said.
        words: String,
    },
}

/// A capture filter: one program for each link type, since the same field lies elsewhere in each.
#[derive(Clone, Debug)]
pub struct CaptureFilter {
    expression: String,
    programs: Vec<(LinkType, Option<Program>)>,
    refusals: Vec<FilterError>,
}

impl CaptureFilter {
    /// Compiles `expression` for the link types known so far; others are compiled when a frame of theirs comes. A name of a
    /// host in it is resolved here, by libpcap.
    ///
    /// # Errors
    /// libpcap refuses the expression for one of `links`, or was not built in.
    pub fn new(expression: &str, links: &[LinkType]) -> Result<Self, FilterError> {
        // An input without a frame yet is no reason to take any expression.
        let links = if links.is_empty() { &[LinkType::ETHERNET] } else { links };
        let compiled = |&link: &LinkType| Ok((link, Some(Program::compile(expression, link)?)));
        let programs = links.iter().map(compiled).collect::<Result<_, FilterError>>()?;
        Ok(Self { expression: expression.to_owned(), programs, refusals: Vec::new() })
    }

    /// Whether `frame` passes. Fields beyond what was captured of it match nothing, as in tcpdump; its length is that on
    /// the wire. Frames of a link type for which libpcap refuses the expression do not pass.
    #[inline]
    pub fn passes(&mut self, frame: &Frame<'_>) -> bool {
        let known = self.programs.iter().position(|(link, _)| *link == frame.link);
        let index = known.unwrap_or_else(|| self.learn(frame.link));
        self.programs[index].1.as_ref().is_some_and(|program| program.accepts(frame.bytes, frame.original_len))
    }

    /// The link types that came later and for which libpcap refused the expression.
    pub fn refusals(&self) -> &[FilterError] {
        &self.refusals
    }

    /// Compiles for a link type that was not known at the beginning. Returns its index.
    #[cold]
    fn learn(&mut self, link: LinkType) -> usize {
        let program = match Program::compile(&self.expression, link) {
            Ok(program) => Some(program),
            Err(refusal) => {
                self.refusals.push(refusal);
                None
            }
        };
        self.programs.push((link, program));
        self.programs.len() - 1
    }
}

/// One instruction of the BSD packet filter (bpf(4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

/// A compiled filter for one link type. It is run here and not by libpcap: the `pcap` crate has no way to say that a frame
/// was longer on the wire than what was captured of it.
#[derive(Clone, PartialEq, Eq)]
struct Program {
    instructions: Vec<Instruction>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program of {} instructions", self.instructions.len())
    }
}

#[cfg(not(feature = "live"))]
impl Program {
    fn compile(_: &str, _: LinkType) -> Result<Self, FilterError> {
        Err(FilterError::NotBuilt)
    }
}

#[cfg(feature = "live")]
impl Program {
    fn compile(expression: &str, link: LinkType) -> Result<Self, FilterError> {
        let refused = |error: pcap::Error| {
            let words = match error {
                pcap::Error::PcapError(words) => words,
                other => other.to_string(),
            };
            FilterError::Refused { expression: expression.to_owned(), link, words }
        };
        let handle = pcap::Capture::dead(pcap::Linktype(data_link_type(link))).map_err(refused)?;
        let compiled = handle.compile(expression, true).map_err(|error| match error {
            pcap::Error::PcapError(words) if words.contains("syntax error") => {
                let column = 1 + understood(expression, |part| handle.compile(part, true).is_ok());
                refused(pcap::Error::PcapError(format!("{words} at or after column {column}")))
            }
            error => refused(error),
        })?;
        let unreadable = || refused(pcap::Error::InvalidString);
        let instructions = compiled.get_instructions().iter().map(|instruction| parse(&instruction.to_string()));
        Ok(Self { instructions: instructions.collect::<Option<_>>().ok_or_else(unreadable)? })
    }
}

/// Where libpcap says only that something cannot be parsed: how many characters make an expression by themselves, blanks after
/// them included.
#[cfg(feature = "live")]
fn understood(expression: &str, compiles: impl Fn(&str) -> bool) -> usize {
    let blanks = expression.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    let ends: Vec<usize> = blanks.take(WORDS_MAX).collect();
    // Nothing at all is an expression as well, and would be found last.
    let end = ends.into_iter().rev().find(|&end| !expression[..end].trim().is_empty() && compiles(&expression[..end]));
    end.map_or(0, |end| {
        let rest = expression[end..].trim_start();
        expression[..expression.len() - rest.len()].chars().count()
    })
}

/// Words of an expression that are looked at for a fault.
#[cfg(feature = "live")]
const WORDS_MAX: usize = 256;

/// libpcap's DLT number on this system for a registry number. They differ only where systems gave one meaning different
/// numbers (pcap/dlt.h, pcap-common.c).
#[cfg(feature = "live")]
fn data_link_type(link: LinkType) -> i32 {
    match link {
        LinkType::RAW if cfg!(target_os = "openbsd") => 14,
        LinkType::RAW => 12,
        LinkType::ATM_RFC1483 => 11,
        LinkType::ATM_CLIP => 19,
        LinkType::LOOP if cfg!(target_os = "openbsd") => 12,
        LinkType::ENC if cfg!(target_os = "openbsd") => 13,
        other => other.0.into(),
    }
}

/// The `pcap` crate shows an instruction only as text: code, both jumps and the constant.
#[cfg(feature = "live")]
fn parse(text: &str) -> Option<Instruction> {
    let mut numbers = text.split(' ').map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    let (code, if_true, if_false, k) = (next()?, next()?, next()?, next()?);
    Some(Instruction {
        code: code.try_into().ok()?,
        if_true: if_true.try_into().ok()?,
        if_false: if_false.try_into().ok()?,
        k,
    })
}

/// Steps after which a program has no verdict. libpcap's `protochain` makes loops, which bad frames could keep going.
const STEPS_MAX: u32 = 100_000;

/// Words of scratch memory (BPF_MEMWORDS).
const MEMORY_WORDS: usize = 16;

/// The parts of an instruction's code (bpf(4)).
mod op {
    pub(super) const LD: u16 = 0x00;
    pub(super) const LDX: u16 = 0x01;
    pub(super) const ST: u16 = 0x02;
    pub(super) const STX: u16 = 0x03;
    pub(super) const ALU: u16 = 0x04;
    pub(super) const JMP: u16 = 0x05;
    pub(super) const RET: u16 = 0x06;
    pub(super) const MISC: u16 = 0x07;

    pub(super) const IMM: u16 = 0x00;
    pub(super) const ABS: u16 = 0x20;
    pub(super) const IND: u16 = 0x40;
    pub(super) const MEM: u16 = 0x60;
    pub(super) const LEN: u16 = 0x80;
    pub(super) const MSH: u16 = 0xa0;

    /// The operand is X and not the constant.
    pub(super) const X: u16 = 0x08;
    /// A return gives the accumulator.
    pub(super) const A: u16 = 0x10;
    pub(super) const TXA: u16 = 0x80;
}

impl Program {
    /// Runs it over what was captured of a frame of `wire_len` octets.
    fn accepts(&self, bytes: &[u8], wire_len: u32) -> bool {
        self.run(bytes, wire_len).is_some_and(|verdict| verdict != 0)
    }

    /// What the program returns; none when it reads beyond the frame, which every filter takes for a refusal, or is none.
    fn run(&self, bytes: &[u8], wire_len: u32) -> Option<u32> {
        let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; MEMORY_WORDS]);
        let mut at = 0usize;
        for _ in 0..STEPS_MAX {
            let Instruction { code, if_true, if_false, k } = *self.instructions.get(at)?;
            at += 1;
            match code & 0x07 {
                op::LD => {
                    a = match code & 0xe0 {
                        op::IMM => k,
                        op::ABS => load(bytes, k, code)?,
                        op::IND => load(bytes, x.checked_add(k)?, code)?,
                        op::MEM => *memory.get(k as usize)?,
                        op::LEN => wire_len,
                        _ => return None,
                    }
                }
                op::LDX => {
                    x = match code & 0xe0 {
                        op::IMM => k,
                        op::MEM => *memory.get(k as usize)?,
                        op::LEN => wire_len,
                        op::MSH => u32::from(*bytes.get(k as usize)? & 0x0f) << 2,
                        _ => return None,
                    }
                }
                op::ST => *memory.get_mut(k as usize)? = a,
                op::STX => *memory.get_mut(k as usize)? = x,
                op::ALU => a = calculate(code, a, if code & op::X == 0 { k } else { x })?,
                op::JMP => {
                    let operand = if code & op::X == 0 { k } else { x };
                    let holds = match code & 0xf0 {
                        0x00 => {
                            // Backwards in protochain's loops.
                            at = at.checked_add_signed(k as i32 as isize)?;
                            continue;
                        }
                        0x10 => a == operand,
                        0x20 => a > operand,
                        0x30 => a >= operand,
                        0x40 => a & operand != 0,
                        _ => return None,
                    };
                    at += usize::from(if holds { if_true } else { if_false });
                }
                op::RET => return Some(if code & 0x18 == op::A { a } else { k }),
                op::MISC if code & 0xf8 == op::TXA => a = x,
                _ => x = a,
            }
        }
        None
    }
}

/// The word, halfword or octet at `offset`.
fn load(bytes: &[u8], offset: u32, code: u16) -> Option<u32> {
    let rest = bytes.get(offset as usize..)?;
    match code & 0x18 {
        0x00 => rest.first_chunk().map(|word| u32::from_be_bytes(*word)),
        0x08 => rest.first_chunk().map(|half| u16::from_be_bytes(*half).into()),
        0x10 => rest.first().map(|&octet| octet.into()),
        _ => None,
    }
}

fn calculate(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & 0xf0 {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a.checked_div(operand)?,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.checked_shl(operand).unwrap_or(0),
        0x70 => a.checked_shr(operand).unwrap_or(0),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(operand)?,
        0xa0 => a ^ operand,
        _ => return None,
    })
}

#[cfg(all(test, feature = "live"))]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::source::{Input, Options, Source, open};

    /// Expressions that reach every kind of instruction that libpcap makes of them.
    const EXPRESSIONS: [&str; 18] = [
        "",
        "tcp",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "src net 10.0.0.0/8 and not port 9",
        "portrange 1024-65535",
        "ip[2:2] - ((ip[0]&0xf)<<2) > 60",
        "tcp[((tcp[12]&0xf0)>>2):4] = 0x47455420",
        "ether[0] & 1 = 0 and ip[8] % 7 = 1",
        "ip[4:2] ^ 0x1234 > 9 or ip[6:2] | 1 = 0x4001",
        "ip[4:2] * 3 / 2 > 10000",
        "ip6 protochain 6",
        "ip protochain 6 and greater 80",
        "less 70",
        "len & 3 = 1",
        "icmp or icmp6 or arp",
        "vlan and tcp",
        "tcp[13] >> ip[8] = 0 and -ip[2:2] > 4294967000",
        "dst net 10.0.0.0/8 or tcp src portrange 20000-29999",
    ];

    fn fixture(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).join("capture.pcap")
    }

    #[test]
    fn verdicts_are_those_of_libpcap_on_whole_and_on_shortened_frames() {
        let mut passed = [0; EXPRESSIONS.len()];
        for name in ["capture/ipv6", "teardown/final-ack-lost-recovered", "handshake/rejected-ipv6"] {
            let mut source = open(vec![Input::Path(fixture(name))], Options::default()).unwrap();
            let link = source.link_types()[0];
            let handle = pcap::Capture::dead(pcap::Linktype(data_link_type(link))).unwrap();
            let programs = EXPRESSIONS.map(|words| {
                (
                    handle.compile(words, true).unwrap(),
                    handle.compile(words, false).unwrap(),
                    Program::compile(words, link).unwrap(),
                )
            });
            while let Some(frame) = source.next_frame().unwrap() {
                for len in 0..=frame.bytes.len() {
                    let bytes = &frame.bytes[..len];
                    for (index, (optimized, plain, own)) in programs.iter().enumerate() {
                        let verdict = own.accepts(bytes, len as u32);
                        let words = EXPRESSIONS[index];
                        assert_eq!(verdict, optimized.filter(bytes), "{name}, '{words}', {len} octets");
                        assert_eq!(verdict, plain.filter(bytes), "{name}, '{words}' as written, {len} octets");
                        passed[index] += u32::from(verdict);
                    }
                }
            }
        }
        assert!(passed.iter().filter(|&&count| count > 0).count() >= 14, "hardly any expression passes: {passed:?}");
    }

    #[test]
    fn the_length_is_that_on_the_wire() {
        let mut filter = CaptureFilter::new("greater 1000", &[]).unwrap();
        let mut frame = Frame {
            number: crate::base::FrameNumber(1),
            time: crate::base::Timestamp(0),
            bytes: &[0; 60],
            original_len: 1_514,
            link: LinkType::ETHERNET,
            interface: 0,
            flags: 0,
        };
        assert!(filter.passes(&frame));
        frame.original_len = 60;
        assert!(!filter.passes(&frame));
    }

    #[test]
    fn what_libpcap_refuses_is_said_in_its_words() {
        let refusal = CaptureFilter::new("tcp prot 80", &[]).unwrap_err().to_string();
        assert!(refusal.starts_with("filter 'tcp prot 80': ") && refusal.contains("syntax error"), "{refusal}");
        assert!(refusal.contains("at or after column 5 "), "{refusal}");
        let refusal = CaptureFilter::new("ether host 00:00:5e:00:53:01", &[LinkType::RAW]).unwrap_err().to_string();
        assert!(refusal.contains("RAW"), "{refusal}");
        assert!(CaptureFilter::new("tcp\0", &[]).is_err());
    }

    #[test]
    fn a_link_type_that_comes_late_gets_its_program_or_its_refusal() {
        let mut filter = CaptureFilter::new("ether[0] = 0x45", &[LinkType::ETHERNET]).unwrap();
        let frame = |link, bytes| Frame {
            number: crate::base::FrameNumber(1),
            time: crate::base::Timestamp(0),
            bytes,
            original_len: 60,
            link,
            interface: 0,
            flags: 0,
        };
        assert!(filter.passes(&frame(LinkType::ETHERNET, &[0x45; 60])));
        assert!(filter.passes(&frame(LinkType::RAW, &[0x45; 60])));
        assert!(filter.refusals().is_empty());
        assert!(!filter.passes(&frame(LinkType(65_000), &[0x45; 60])));
        assert!(!filter.passes(&frame(LinkType(65_000), &[0x45; 60])));
        assert_eq!(filter.refusals().len(), 1);
    }

    #[test]
    fn a_program_that_never_ends_has_no_verdict() {
        let circle = Instruction { code: 0x05, if_true: 0, if_false: 0, k: u32::MAX };
        assert_eq!(Program { instructions: vec![circle] }.run(&[], 0), None);
        assert_eq!(Program { instructions: Vec::new() }.run(&[], 0), None);
    }
}
