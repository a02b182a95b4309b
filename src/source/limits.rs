//! What reading refuses to exceed, each with its reason. Reaching one is an error or a notice, never silence.

/// Bytes of the one buffer that a file or pipe is read into. Measured on captures of normal frames: 256 KiB is a third
/// slower, more gains nothing once the buffer leaves the second-level cache.
pub const BUFFER_BYTES: usize = 1 << 20;

/// Largest record or block accepted, in bytes; libpcap's bound for a pcapng block. Anything longer is damage.
pub const RECORD_BYTES_MAX: u32 = 16 << 20;

/// Most interfaces kept for one input. Real captures have tens; a merge of ten thousand files stays below.
pub const INTERFACES_MAX: usize = 1 << 16;

/// Most names kept from Name Resolution Blocks.
pub const NAMES_MAX: usize = 1 << 16;
