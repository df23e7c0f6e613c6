//! safetensors files.

use super::*;

#[test]
fn safetensors_files() {
    let one = |fields: &str, data| safetensors(&format!(r#"{{"w":{{{fields}}}}}"#), data);
    let deep = format!("{{\"w\":{}", "[".repeat(10_000));
    let mut long = safetensors("{}", 0);
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut short = safetensors(
        r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
        1,
    );
    short.pop();
    check(vec![
        case(
            "header past the end",
            long,
            Malformed,
            &["at byte 0", "18446744073709551615 bytes"],
        ),
        case(
            "header broken",
            safetensors("{\"w\":}", 0),
            Malformed,
            &["at byte 13", "header is broken"],
        ),
        case(
            "header deep",
            safetensors(&deep, 0),
            Malformed,
            &["at byte 12"],
        ),
        case(
            "header not JSON",
            safetensors("{nonsense", 0),
            Malformed,
            &["at byte 9"],
        ),
        case(
            "data cut short",
            short,
            Malformed,
            &["`w` claims bytes", "file at byte 61"],
        ),
        case(
            "backwards",
            one(r#""dtype":"U8","shape":[1],"data_offsets":[1,0]"#, 1),
            Malformed,
            &["`w` claims"],
        ),
        case(
            "overflow",
            one(
                r#""dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]"#,
                16,
            ),
            Malformed,
            &["does not fill"],
        ),
        case(
            "overflow before a zero",
            one(
                r#""dtype":"F32","shape":[4611686018427387905,4,0],"data_offsets":[0,0]"#,
                0,
            ),
            Malformed,
            &["does not fill"],
        ),
        case(
            "offset overflow",
            one(
                r#""dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,0]"#,
                1,
            ),
            Malformed,
            &["claims bytes 18446744073709551615"],
        ),
        case(
            "negative",
            one(r#""dtype":"U8","shape":[-1],"data_offsets":[0,1]"#, 1),
            Malformed,
            &["at byte"],
        ),
        case(
            "too large a shape",
            one(r#""dtype":"U8","shape":[2],"data_offsets":[0,1]"#, 1),
            Malformed,
            &["shape [2]"],
        ),
        case(
            "data left over",
            one(r#""dtype":"U8","shape":[1],"data_offsets":[0,1]"#, 2),
            Malformed,
            &["end at byte 62", "63 bytes"],
        ),
        case(
            "overlap",
            safetensors(
                r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
                3,
            ),
            Malformed,
            &["`b` begins at byte", "they overlap"],
        ),
        case(
            "gap",
            safetensors(
                r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#,
                3,
            ),
            Malformed,
            &["`b`", "a gap"],
        ),
        case(
            "one name twice",
            safetensors(
                r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
                2,
            ),
            Malformed,
            &["two tensors are named `a`"],
        ),
        case(
            "many dimensions",
            one(
                r#""dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]"#,
                1,
            ),
            Malformed,
            &["more than 8 dimensions"],
        ),
    ]);
}
