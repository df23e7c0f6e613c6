//! GPT-2's alphabet: a printable character for every byte, in which its files spell tokens.
//!
//! Printable bytes of Latin-1 are themselves; the others follow from U+0100 on. The order of the
//! ids of single bytes is the same: first the printable ones.

/// The bytes in the order of their ids.
pub(super) const BYTE_ORDER: [u8; 256] = {
    let mut order = [0; 256];
    let mut at = 0;
    let mut pass = 0;
    while pass < 2 {
        let mut byte = 0;
        while byte < 256 {
            if is_printable(byte as u8) == (pass == 0) {
                order[at] = byte as u8;
                at += 1;
            }
            byte += 1;
        }
        pass += 1;
    }
    order
};

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The characters that spell the bytes of [`BYTE_ORDER`], in the same order.
pub(super) fn byte_chars() -> impl Iterator<Item = char> {
    BYTE_ORDER
        .into_iter()
        .filter(|&byte| is_printable(byte))
        .map(char::from)
        .chain('\u{100}'..)
        .take(256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_the_bytes_as_gpt2_does() {
        let spelled: Vec<(u8, char)> = BYTE_ORDER.into_iter().zip(byte_chars()).collect();
        assert_eq!(spelled.len(), 256);
        for pair in [
            (b'!', '!'),
            (b' ', 'Ġ'),
            (b'\n', 'Ċ'),
            (0xFF, 'ÿ'),
            (0xAD, 'Ń'),
            (0, 'Ā'),
        ] {
            assert!(spelled.contains(&pair), "{pair:?}");
        }
        assert_eq!(BYTE_ORDER[0], b'!');
        assert_eq!(BYTE_ORDER[220], b' ');
        assert_eq!(BYTE_ORDER[255], 0xAD);
    }
}
