//! A histogram: how many values lie in each slot; the larger the values, the wider their slots.

use crate::varint;

/// Counts of values by slot, each doubling of the values in `2^BITS` slots: values below `2^(BITS + 1)` are kept
/// exactly, larger ones within `1/2^(BITS + 1)` of themselves, which is 6.3 % for 3 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram<const BITS: u32> {
    /// As many as the largest value needs.
    slots: Vec<u64>,
    count: u64,
}

impl<const BITS: u32> Histogram<BITS> {
    /// Slots that cover every `u32`.
    pub const SLOTS_MAX: usize = ((32 - BITS) as usize + 1) << BITS;

    /// Adds one value.
    pub fn add(&mut self, value: u32) {
        self.put(Self::slot(value), 1);
    }

    /// Adds what another one counts.
    pub fn merge(&mut self, other: &Self) {
        for (slot, &count) in other.slots.iter().enumerate() {
            self.put(slot, count);
        }
    }

    fn put(&mut self, slot: usize, count: u64) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, 0);
        }
        self.slots[slot] += count;
        self.count += count;
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value that `per_mille` of 1,000 do not exceed; `None` of none.
    pub fn quantile(&self, per_mille: u64) -> Option<u32> {
        let rank = (self.count * per_mille).div_ceil(1000).max(1);
        let mut below = 0;
        let slot = self.slots.iter().position(|in_slot| {
            below += in_slot;
            below >= rank
        });
        slot.map(Self::middle)
    }

    /// The slots that are not empty, as bytes.
    pub fn pack(&self) -> Vec<u8> {
        let (mut bytes, mut empty) = (Vec::new(), 0);
        for &count in &self.slots {
            if count == 0 {
                empty += 1;
                continue;
            }
            varint::push(&mut bytes, std::mem::take(&mut empty));
            varint::push(&mut bytes, count);
        }
        bytes
    }

    /// Reads what [`Self::pack`] wrote; `None` for bytes it never writes.
    pub fn unpack(mut bytes: &[u8]) -> Option<Self> {
        let mut read = Self::default();
        while !bytes.is_empty() {
            let empty = usize::try_from(varint::take(&mut bytes)?).ok()?;
            let slot = read.slots.len().checked_add(empty).filter(|slot| *slot < Self::SLOTS_MAX)?;
            let count = varint::take(&mut bytes).filter(|count| *count > 0)?;
            read.count.checked_add(count)?;
            read.put(slot, count);
        }
        Some(read)
    }

    /// The slot of a value: octave by octave, `2^BITS` steps in each.
    fn slot(value: u32) -> usize {
        let shift = (u32::BITS - value.leading_zeros()).saturating_sub(BITS + 1);
        ((shift << BITS) + (value >> shift)) as usize
    }

    /// The middle of a slot, the inverse of `slot`.
    fn middle(slot: usize) -> u32 {
        let slot = u32::try_from(slot).expect("there are fewer than 2^32 slots");
        let shift = (slot >> BITS).saturating_sub(1);
        let low = (slot - (shift << BITS)) << shift;
        low + ((1 << shift) >> 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const BITS: u32>() {
        for value in (0..32).flat_map(|bit| [1_u32 << bit, (1 << bit) + (1 << bit) / 3, u32::MAX >> bit]) {
            let middle = Histogram::<BITS>::middle(Histogram::<BITS>::slot(value));
            assert!(middle.abs_diff(value) <= value >> (BITS + 1), "{value} became {middle}");
        }
        assert_eq!(Histogram::<BITS>::slot(u32::MAX), Histogram::<BITS>::SLOTS_MAX - 1);
    }

    #[test]
    fn every_value_lies_within_its_part_of_the_middle_of_its_slot() {
        check::<3>();
        check::<7>();
    }

    #[test]
    fn quantiles_are_ranks_also_of_what_was_merged() {
        let (mut odd, mut even) = (Histogram::<7>::default(), Histogram::<7>::default());
        (1..=100).for_each(|value| if value % 2 == 0 { even.add(value) } else { odd.add(value) });
        odd.merge(&even);
        assert_eq!([500, 950, 990, 1000].map(|rank| odd.quantile(rank)), [50, 95, 99, 100].map(Some));
        assert_eq!((odd.count(), Histogram::<7>::default().quantile(500)), (100, None));
    }

    #[test]
    fn what_is_packed_reads_back() {
        let mut histogram = Histogram::<3>::default();
        assert_eq!(Histogram::unpack(&histogram.pack()).as_ref(), Some(&histogram));
        for value in [0, 3, 3, 700, u32::MAX] {
            histogram.add(value);
        }
        assert_eq!(Histogram::unpack(&histogram.pack()), Some(histogram));
        let beyond = [0xff, 0x7f, 1];
        for broken in [&[0][..], &[0, 0], &[0x80], &beyond] {
            assert_eq!(Histogram::<3>::unpack(broken), None, "{broken:?}");
        }
    }
}
