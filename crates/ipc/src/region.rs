//! Turns a number of bytes into zeroed memory that every later fork shares, reached only through atomics.

use std::ffi::c_void;
use std::io;
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::mm;

/// An anonymous shared mapping: page-aligned, zeroed, unmapped on drop.
///
/// A process forked while it exists sees the same memory, and may write anything to it at any time. So nothing but
/// atomics is referenced in place, and what they hold is to be validated after it was loaded. There is one width
/// only: atomics of two widths over the same bytes would be undefined behaviour.
pub struct Region {
    start: *mut c_void,
    bytes: usize,
}

impl Region {
    /// Maps `bytes` bytes, all zero.
    ///
    /// # Errors
    ///
    /// Those of mmap(2): `InvalidInput` if `bytes` is 0, `OutOfMemory`.
    pub fn new(bytes: usize) -> io::Result<Region> {
        Region::map(bytes, mm::MapFlags::SHARED)
    }

    /// As [`Region::new`], for one of which most will never be touched: the system is not asked to have room for it all.
    ///
    /// # Errors
    ///
    /// As for [`Region::new`].
    pub fn sparse(bytes: usize) -> io::Result<Region> {
        Region::map(bytes, mm::MapFlags::SHARED | mm::MapFlags::NORESERVE)
    }

    fn map(bytes: usize, flags: mm::MapFlags) -> io::Result<Region> {
        let access = mm::ProtFlags::READ | mm::ProtFlags::WRITE;
        // SAFETY: The kernel chooses an address where nothing is mapped yet: no memory that anybody uses is touched.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), bytes, access, flags) }?;
        Ok(Region { start, bytes })
    }

    /// The size that was asked for, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// `count` words from `byte_offset` on.
    ///
    /// # Panics
    ///
    /// If they do not lie inside the region, or `byte_offset` is not a multiple of 8.
    pub fn u64s(&self, byte_offset: usize, count: usize) -> &[AtomicU64] {
        let end = count.checked_mul(size_of::<AtomicU64>()).and_then(|bytes| bytes.checked_add(byte_offset));
        assert!(
            end.is_some_and(|end| end <= self.bytes),
            "{count} words at byte {byte_offset} do not lie inside {} bytes",
            self.bytes
        );
        assert!(byte_offset.is_multiple_of(align_of::<AtomicU64>()), "byte {byte_offset} is not aligned to a word");
        let first = self.start.wrapping_byte_add(byte_offset).cast::<AtomicU64>();
        // SAFETY: The asserts above keep it aligned and inside the mapping, which lives as long as `self`. Zeroed or
        // not, any bits are a valid AtomicU64, and this function is the only way to reach them.
        unsafe { slice::from_raw_parts(first, count) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and every reference handed out borrowed `self`.
        let unmapped = unsafe { mm::munmap(self.start, self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
    }
}

// SAFETY: The mapping belongs to the process, not to a thread.
unsafe impl Send for Region {}

// SAFETY: Only atomics are handed out.
unsafe impl Sync for Region {}

#[cfg(test)]
mod tests {
    use std::panic;
    use std::sync::atomic::Ordering::Relaxed;

    use super::Region;

    #[test]
    fn is_zeroed_and_keeps_what_is_stored() {
        let region = Region::new(5000).unwrap();
        assert_eq!(region.bytes(), 5000);
        assert!(region.u64s(0, 625).iter().all(|word| word.load(Relaxed) == 0));
        region.u64s(8, 2)[1].store(7, Relaxed);
        assert_eq!(region.u64s(16, 1)[0].load(Relaxed), 7);
    }

    #[test]
    fn refuses_what_is_outside_or_unaligned() {
        let region = Region::new(4096).unwrap();
        let accepted = |offset, count| panic::catch_unwind(|| region.u64s(offset, count).len()).is_ok();
        #[rustfmt::skip]
        let cases = [
            // offset, count, accepted
            (0,          512,             true),
            (4088,       1,               true),
            (4096,       0,               true),
            (0,          513,             false),
            (4096,       1,               false),
            (4,          1,               false),
            (0,          usize::MAX,      false),
            (0,          usize::MAX / 8,  false),
            (usize::MAX, 1,               false),
            (4104,       0,               false),
        ];
        for (offset, count, expected) in cases {
            assert_eq!(accepted(offset, count), expected, "{count} words at {offset}");
        }
        assert!(Region::new(0).is_err());
    }
}
