//! Asks the processor for a line before it is needed. The only place here where `unsafe` pays: with two million
//! connections open a lookup waits for two lines, and waiting for those of 32 segments at once halves the whole time.

/// A cache line of every machine that matters.
pub(crate) const LINE_BYTES: usize = 64;

/// Begins to bring every line of `place` into the cache.
#[inline(always)]
pub(crate) fn prefetch<T>(place: &T) {
    prefetch_first(place, size_of::<T>());
}

/// The same for the lines of its first `octets` octets.
#[inline(always)]
pub(crate) fn prefetch_first<T>(place: &T, octets: usize) {
    for offset in (0..octets.min(size_of::<T>())).step_by(LINE_BYTES) {
        prefetch_line(std::ptr::from_ref(place).cast::<u8>().wrapping_add(offset));
    }
}

/// The same for the line in which item `index` of `row` begins, or would: where the row ends has not to be asked.
#[inline(always)]
pub(crate) fn prefetch_at<T>(row: &[T], index: usize) {
    prefetch_line(row.as_ptr().wrapping_add(index).cast());
}

#[inline(always)]
fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect that the program can see and raises no fault, whatever the address is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_changes_nothing_whatever_lies_there() {
        let (line, lines, nothing) = ([7_u8; 64], [9_u64; 100], ());
        prefetch(&line);
        prefetch(&lines[1..][0]);
        prefetch(&lines);
        prefetch(&nothing);
        prefetch_first(&lines, 1_000_000);
        prefetch_at(&lines, 99);
        prefetch_at(&lines, usize::MAX);
        prefetch_at(&[(); 0], 1);
        assert!(line == [7; 64] && lines == [9; 100]);
    }
}
