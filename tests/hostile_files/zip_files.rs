//! Zip files.

use super::*;

#[test]
fn zip_files() {
    let n = u32::MAX.to_le_bytes();
    let mut appended = good();
    appended.push(b'!');
    let mut prefixed = b"PK\x03\x04".to_vec();
    prefixed.extend(good());
    let mut compressed = Entry::new("m/data.pkl", b"x");
    compressed.method = 8;
    let mut encrypted = Entry::new("m/data.pkl", b"x");
    encrypted.flags = 1;
    let twice = [
        Entry::new("m/data.pkl", b"a"),
        Entry::new("m/data.pkl", b"b"),
    ];
    let mut nameless = Entry::new("m/data.pkl", b"x");
    nameless.name = vec![0xff];
    let mut renamed = good();
    renamed[30] = b'n';
    let mut unsigned = good();
    unsigned[3] = 0x05;
    unsigned[0..4].copy_from_slice(b"PK\x03\x04");
    // The second entry's header moved into the first entry's data.
    let inner = zip(&[Entry::new("m/byteorder", b"little")]);
    let mut overlapping = zip(&[
        Entry::new("m/data.pkl", &inner[..inner.len() - 22]),
        Entry::new("m/byteorder", b"little"),
    ]);
    let (directory, _) = zip_places(&overlapping);
    let second = directory + 46 + "m/data.pkl".len();
    overlapping[second + 42..second + 46].copy_from_slice(&40u32.to_le_bytes());
    let mut locator = good();
    let end = locator.len() - 22;
    locator.splice(
        end..end,
        *b"PK\x06\x07\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0",
    );
    check(vec![
        case(
            "cut short",
            good()[..90].to_vec(),
            Malformed,
            &["cut short", "byte 90"],
        ),
        case("appended to", appended, Malformed, &["no zip end record"]),
        case(
            "prefixed",
            prefixed,
            Malformed,
            &["prefixed with other data", "end record at byte"],
        ),
        case(
            "too many entries",
            patched(true, 8, &[255; 4]),
            Malformed,
            &["65535 entries"],
        ),
        case(
            "too few entries",
            patched(true, 8, &[1, 0, 1, 0]),
            Malformed,
            &["after its 1 entries"],
        ),
        case(
            "huge directory",
            patched(true, 12, &n),
            Malformed,
            &["4294967295 bytes long"],
        ),
        case(
            "directory past the end",
            patched(true, 16, &n),
            Malformed,
            &["at byte 4294967295"],
        ),
        case(
            "second disk",
            patched(true, 4, &[1, 0]),
            Unsupported,
            &["one part of several"],
        ),
        case(
            "bad entry",
            patched(false, 0, b"QK"),
            Malformed,
            &["expected a zip directory entry"],
        ),
        case(
            "long name",
            patched(false, 28, &[255; 2]),
            Malformed,
            &["65535 bytes expected"],
        ),
        case(
            "sizes differ",
            patched(false, 20, &[1, 0]),
            Malformed,
            &["1 bytes are to become"],
        ),
        case(
            "zip bomb",
            patched(false, 20, &[0, 0, 0, 0x40, 0, 0, 0, 0x40]),
            Malformed,
            &["m/data.pkl", "disagrees with the zip directory"],
        ),
        case(
            "no zip64 field",
            patched(false, 20, &n),
            Malformed,
            &["needs a zip64 extra field"],
        ),
        case(
            "header past the end",
            patched(false, 42, &[0xf0; 4]),
            Malformed,
            &["byte 4042322160"],
        ),
        case(
            "zip64 locator",
            locator,
            Malformed,
            &["points to byte 18446744073709551615"],
        ),
        case(
            "compressed",
            zip(&[compressed]),
            Unsupported,
            &["is compressed (method 8", "torch.save"],
        ),
        case(
            "encrypted",
            zip(&[encrypted]),
            Unsupported,
            &["is encrypted"],
        ),
        case(
            "two of a name",
            zip(&twice),
            Malformed,
            &["named `m/data.pkl`", "0 and 41"],
        ),
        case(
            "name not text",
            zip(&[nameless]),
            Malformed,
            &["name is not UTF-8"],
        ),
        case(
            "another local name",
            renamed,
            Malformed,
            &["local header at byte 0 disagrees"],
        ),
        case(
            "overlapping",
            overlapping,
            Malformed,
            &["inside entry `m/byteorder`", "byte 40"],
        ),
        case(
            "no pickle",
            zip(&[Entry::new("m/x", b"")]),
            Unsupported,
            &["no data.pkl"],
        ),
        case(
            "big-endian",
            zip(&[
                Entry::new("m/data.pkl", b"\x80\x02}."),
                Entry::new("m/byteorder", b"big"),
            ]),
            Unsupported,
            &["byteorder is `big`"],
        ),
    ]);
}

#[test]
fn a_zip_bomb_of_overlapping_entries_is_refused() {
    // Many directory entries that share one local header: a quine of megabytes from a kilobyte.
    let one = zip(&[Entry::new("m/data/0", &[0; 64])]);
    let (directory, end) = zip_places(&one);
    let mut file = one[..directory].to_vec();
    for _ in 0..20 {
        file.extend(&one[directory..end]);
    }
    let size = (file.len() - directory) as u32;
    file.extend(&one[end..]);
    let end = file.len() - 22;
    file[end + 8..end + 12].copy_from_slice(&[20, 0, 20, 0]);
    file[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    check(vec![case(
        "shared header",
        file,
        Malformed,
        &["inside entry", "begins at byte 0"],
    )]);
}
