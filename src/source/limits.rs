//! What reading refuses to exceed, each with its reason. Reaching one is an error or a notice, never silence.

/// Bytes of the one buffer that a file or pipe is read into. What was read stays in a second-level cache of 1 MiB until it is looked
/// at, beside the table; a buffer of 1 MiB took 0.7 (`web`, `tiny`) to 2.4 % (`bulk`) more of the time, and 256 KiB as much as this.
pub const BUFFER_BYTES: usize = 512 << 10;

/// Largest record or block accepted, in bytes; libpcap's bound for a pcapng block. Anything longer is damage.
pub const RECORD_BYTES_MAX: u32 = 16 << 20;

/// Longest text trace, in bytes. They are written by hand.
pub const TRACE_BYTES_MAX: usize = 1 << 20;

/// Most interfaces kept for one input. Real captures have tens; a merge of ten thousand files stays below.
pub const INTERFACES_MAX: usize = 1 << 16;

/// Most gaps of a capture told one by one between two frames; more are one.
pub const GAPS_MAX: usize = 256;

/// Most names kept from Name Resolution Blocks.
pub const NAMES_MAX: usize = 1 << 16;

/// Longest name or description kept, in bytes; what is longer is cut. Names of hosts have 253 at most.
pub const TEXT_BYTES_MAX: usize = 255;

/// Uncompressed bytes that are free of the ratio's limit: a short capture of silence compresses very well.
pub const UNPACKED_BYTES_FREE: u64 = 64 << 20;

/// Most bytes that a byte of a compressed file may become. gzip's own bound is 1032; captures reach 100 at most, because
/// every record has a time and a length.
pub const UNPACK_RATIO_MAX: u64 = 1_000;

/// Largest zstd window, as a power of two of bytes: what the zstd program itself accepts without being told.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Most files merged at a time. Each has a buffer of its own.
pub const MERGED_FILES_MAX: usize = 64;

/// Overlaps of less than this are not worth a word: programs that rotate files write some frames out of order.
pub const OVERLAP_UNSAID_NS: i64 = 100_000_000;
