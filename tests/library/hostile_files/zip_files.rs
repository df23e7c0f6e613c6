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

/// A checkpoint whose storage has its sizes and its place in zip64 extra fields, as those of a
/// file of more than 4 GiB have.
fn with_zip64() -> Vec<u8> {
    let file = good();
    let (directory, end) = zip_places(&file);
    let name = b"m/data/0";
    let find = |from: usize, upto: usize| {
        let at = file[from..upto].windows(name.len()).position(|w| w == name);
        from + at.unwrap()
    };
    // The name is last in a directory entry, and the data follow it in the local header.
    let (local, central) = (find(0, directory) - 30, find(directory, end) - 46);
    let extra = |fields: &[u64]| {
        let body: Vec<u8> = fields.iter().flat_map(|n| n.to_le_bytes()).collect();
        [&[1, 0, body.len() as u8, 0], &body[..]].concat()
    };
    let mut out = file[..local + 38].to_vec();
    out[local + 18..local + 26].fill(0xff);
    let added = extra(&[12, 12]);
    out[local + 28] = added.len() as u8;
    out.extend(&added);
    out.extend(&file[local + 38..directory]);
    let start = out.len();
    let mut entries = file[directory..end].to_vec();
    let entry = central - directory;
    entries[entry + 20..entry + 28].fill(0xff);
    entries[entry + 42..entry + 46].fill(0xff);
    let added = extra(&[12, 12, local as u64]);
    entries[entry + 30] = added.len() as u8;
    entries.splice(entry + 54..entry + 54, added);
    out.extend(&entries);
    let mut last = file[end..].to_vec();
    last[12..16].copy_from_slice(&(entries.len() as u32).to_le_bytes());
    last[16..20].copy_from_slice(&(start as u32).to_le_bytes());
    out.extend(last);
    out
}

#[test]
fn zip64_fields_are_read() {
    let file = with_zip64();
    let tensor = open(&file).unwrap().tensor("w").unwrap();
    let data = tensor.blocks[0].data.as_slice();
    assert_eq!(data, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for at in 0..file.len() {
        let mut spoiled = file.clone();
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            spoiled[at] = value;
            survive(&spoiled);
        }
    }
}
