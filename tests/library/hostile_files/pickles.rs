//! Pickles.

use super::*;

pub fn pickled(p: Pickle) -> Vec<u8> {
    pt(&p.0)
}

#[test]
fn pickles() {
    let p = Pickle::new;
    let many = |bytes: &[u8], n: usize| p().op(&bytes.repeat(n));
    let mut endless = b"c".to_vec();
    endless.extend([b'a'; 5000]);
    check(vec![
        case("empty", pt(b""), Malformed, &["m/data.pkl", "at byte 0"]),
        case(
            "no end",
            pickled(p().op(b"}")),
            Malformed,
            &["at byte 3: 1 bytes expected"],
        ),
        case(
            "after the end",
            pickled(p().op(b"}.}")),
            Malformed,
            &["at byte 4", "1 bytes after"],
        ),
        case(
            "nothing",
            pickled(p().op(b".")),
            Malformed,
            &["at byte 2", "the stack has none"],
        ),
        case(
            "two values",
            pickled(p().op(b"}}.")),
            Malformed,
            &["values left on the stack"],
        ),
        case(
            "protocol 0",
            pt(b"\x80\x00}."),
            Unsupported,
            &["protocol 0"],
        ),
        case(
            "protocol 9",
            pt(b"\x80\x09}."),
            Unsupported,
            &["protocol 9"],
        ),
        case(
            "a command",
            pickled(p().global("os", "system").text("true").op(b"\x85R.")),
            Unsupported,
            &["at byte 2", "`os.system`", "never runs"],
        ),
        case(
            "eval",
            pickled(p().global("builtins", "eval").op(b".")),
            Unsupported,
            &["`builtins.eval`"],
        ),
        case(
            "stack global",
            pickled(p().text("posix").text("system").op(b"\x93.")),
            Unsupported,
            &["`posix.system`"],
        ),
        case(
            "other storage",
            pickled(p().global("torch", "QInt8Storage").op(b".")),
            Unsupported,
            &["`torch.QInt8Storage`"],
        ),
        case(
            "endless name",
            pt(&endless),
            Malformed,
            &["longer than 256 bytes"],
        ),
        case(
            "opcode i",
            pickled(p().op(b"(ios\nsystem\n.")),
            Unsupported,
            &["at byte 3", "`os.system`"],
        ),
        case(
            "opcode o",
            pickled(p().op(b"(o.")),
            Malformed,
            &["no class"],
        ),
        case(
            "new object",
            pickled(p().op(b"}}\x81.")),
            Malformed,
            &["at byte 4", "no class"],
        ),
        case(
            "new object with keywords",
            pickled(p().global("os", "system").op(b")}\x92.")),
            Unsupported,
            &["at byte 2", "`os.system`"],
        ),
        case(
            "frozen set below the mark",
            pickled(p().op(b"\x91.")),
            Malformed,
            &["needs a mark"],
        ),
        case(
            "item of no set",
            pickled(p().op(b"}(N\x90.")),
            Malformed,
            &["no set"],
        ),
        case(
            "buffer elsewhere",
            pickled(p().op(b"\x97.")),
            Unsupported,
            &["0x97"],
        ),
        case(
            "text opcode",
            pickled(p().op(b"I7\n.")),
            Unsupported,
            &["(`I`)"],
        ),
        case(
            "extension",
            pickled(p().op(b"\x82\x01.")),
            Unsupported,
            &["0x82"],
        ),
        case(
            "calls nothing",
            pickled(p().op(b"})R.")),
            Malformed,
            &["at byte 4", "a call"],
        ),
        case(
            "calls with a list",
            pickled(p().global("collections", "OrderedDict").op(b"]R.")),
            Malformed,
            &["a call whose arguments"],
        ),
        case(
            "text past the end",
            pickled(p().op(b"X\xff\xff\xff\xff")),
            Malformed,
            &["4294967295 bytes expected"],
        ),
        case(
            "text past memory",
            pickled(p().op(b"\x8d").op(&[255; 8])),
            Malformed,
            &["bytes expected"],
        ),
        case(
            "long past the end",
            pickled(p().op(b"\x8b\xff\xff\xff\x7f")),
            Malformed,
            &["2147483647 bytes"],
        ),
        case(
            "text not text",
            pickled(p().op(b"X\x01\0\0\0\xff.")),
            Malformed,
            &["not UTF-8"],
        ),
        case(
            "frame past the end",
            pickled(p().op(b"\x95").op(&[255; 8])),
            Malformed,
            &["a frame of"],
        ),
        case(
            "no mark",
            pickled(p().op(b"t.")),
            Malformed,
            &["needs a mark"],
        ),
        case(
            "below the mark",
            pickled(p().op(b"}(0.")),
            Malformed,
            &["at byte 4", "the stack has none"],
        ),
        case(
            "odd items",
            pickled(p().op(b"}(Nu.")),
            Malformed,
            &["a key without a value"],
        ),
        case(
            "item of no dictionary",
            pickled(p().op(b"NNNs.")),
            Malformed,
            &["no dictionary"],
        ),
        case(
            "item of no list",
            pickled(p().op(b"}Na.")),
            Malformed,
            &["no list"],
        ),
        case(
            "state of no dictionary",
            pickled(p().op(b"]Nb.")),
            Malformed,
            &["no object or dictionary"],
        ),
        case(
            "memo unknown",
            pickled(p().op(b"h\x05.")),
            Malformed,
            &["value 5", "memo that has 0"],
        ),
        case(
            "memo far ahead",
            pickled(p().op(b"}r\xff\xff\xff\xff.")),
            Malformed,
            &["value 4294967295"],
        ),
        case(
            "deep marks",
            pickled(many(b"(", 100_000)),
            Malformed,
            &["marks nested deeper", "byte 1002"],
        ),
        case(
            "deep stack",
            pickled(many(b"]", 100_000)),
            Malformed,
            &["a stack of more than"],
        ),
        case(
            "many values",
            pickled(many(b"N0", 2_200_000)),
            Malformed,
            &["more than 2097152 values"],
        ),
        case(
            "persistent id",
            pickled(p().op(b"}Q.")),
            Malformed,
            &["a persistent id that is not"],
        ),
        case(
            "root is a list",
            pickled(p().op(b"].")),
            Unsupported,
            &["not a dictionary"],
        ),
    ]);
}

#[test]
fn pickles_that_share_and_nest() {
    let p = Pickle::new;
    // A dictionary that contains itself.
    let cyclic = p()
        .op(b"}q\0")
        .text("a")
        .op(b"h\0s")
        .text("w")
        .tensor(&MATRIX)
        .op(b"s.");
    // Each of 12 dictionaries holds the one before twice: 2^12 paths from a few bytes.
    let mut sharing = p().op(b"}q\x000");
    for i in 0..12u8 {
        sharing = sharing.op(b"}").op(&[b'q', i + 1]);
        sharing = sharing.text("a").op(&[b'h', i, b's']);
        sharing = sharing.text("b").op(&[b'h', i, b's', b'0']);
    }
    let sharing = sharing.op(b"h\x0c.");
    // Lists a hundred thousand deep: nothing may recurse, not even dropping them.
    let mut deep = p().op(b"}").text("a");
    for _ in 0..50_000 {
        deep = deep.op(b"]");
    }
    let deep = deep
        .op(&b"a".repeat(49_999))
        .op(b"s")
        .text("w")
        .tensor(&MATRIX)
        .op(b"s.");
    let mut nested = p();
    for _ in 0..1000 {
        nested = nested.op(b"}").text("a");
    }
    let nested = nested.op(b"N").op(&b"s".repeat(1000)).op(b".");
    let mut wide = p().op(b"}");
    wide = wide.text(&"k".repeat(600)).tensor(&MATRIX).op(b"s.");
    let empty_cycle = p().op(b"}q\0").text("a").op(b"h\0s.");
    check(vec![
        case("cyclic", pickled(cyclic), Malformed, &["too many names"]),
        case(
            "sharing",
            pickled(sharing),
            Malformed,
            &["contain each other"],
        ),
    ]);
    // None of these is a model's, and none keeps the model beside it from opening.
    for (name, file, tensors) in [
        ("cycle of nothing", empty_cycle, 0),
        ("nested", nested, 0),
        ("long name", wide, 0),
        ("deep", deep, 1),
    ] {
        assert_eq!(
            open(&pickled(file)).unwrap().tensors().len(),
            tensors,
            "{name}"
        );
    }
}

#[test]
fn names_made_by_sharing_do_not_multiply() {
    // One tensor and one long key, remembered and put into dictionary after dictionary.
    let mut p = Pickle::new().op(b"}").text("w").tensor(&MATRIX).op(b"q\0s");
    p = p.text("keys").op(b"}").text(&"k".repeat(400)).op(b"q\x01}");
    for i in 0..20_000u32 {
        p = p.op(b"M").op(&(i as u16).to_le_bytes()).op(b"0");
        p = p
            .op(b"X\x02\0\0\0")
            .op(&[b'a' + (i % 26) as u8, b'a' + (i / 26 % 26) as u8])
            .op(b"h\0s");
    }
    let file = pickled(p.op(b"ss."));
    let error = open(&file).map(|s| s.tensors().len()).unwrap_err();
    assert_eq!(error.kind(), Malformed, "{error}");
}
