//! Numbers in as few bytes as they need: 7 bits a byte, the lowest first; all but the last have their high bit set.

/// Writes a number behind what stands there.
pub fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

/// Reads what [`push`] wrote and leaves what stands behind it; `None` when it does not end, or within 64 bits.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    loop {
        let (&byte, behind) = bytes.split_first()?;
        *bytes = behind;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_ends_where_it_ended() {
        let numbers = [0, 1, 0x7f, 0x80, 300, 1 << 35, u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            push(&mut bytes, number);
        }
        let mut rest = &bytes[..];
        assert_eq!(numbers.map(|_| take(&mut rest)), numbers.map(Some));
        assert!(rest.is_empty() && bytes.len() == 1 + 1 + 1 + 2 + 2 + 6 + 10);
        for broken in [&[][..], &[0x80], &[0xff; 20]] {
            assert_eq!(take(&mut &*broken), None, "{broken:?}");
        }
    }
}
