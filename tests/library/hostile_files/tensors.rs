//! Tensors that a pickle describes.

use super::pickles::pickled;
use super::*;

#[test]
fn tensors_of_pickles() {
    let with = |change: &dyn Fn(&mut PickledTensor)| {
        let mut t = MATRIX;
        change(&mut t);
        pt(&Pickle::of(&t))
    };
    check(vec![
        case(
            "no storage",
            with(&|t| t.key = "7"),
            Malformed,
            &["tensor `w`", "`m/data/7` is not in the file"],
        ),
        case(
            "outside",
            with(&|t| t.key = "../../etc/passwd"),
            Malformed,
            &["is not in the file"],
        ),
        case(
            "long key",
            with(&|t| t.key = "0000000000000000000000000000000000"),
            Malformed,
            &["34 bytes"],
        ),
        case(
            "storage too long",
            with(&|t| t.elements = 7),
            Malformed,
            &["claims 7 elements", "12 bytes from byte"],
        ),
        case(
            "storage endless",
            with(&|t| t.elements = i64::MAX),
            Malformed,
            &["9223372036854775807"],
        ),
        case(
            "storage negative",
            with(&|t| t.elements = -1),
            Malformed,
            &["a persistent id"],
        ),
        case(
            "other type",
            with(&|t| t.storage = "FloatStorage"),
            Malformed,
            &["6 elements of type f32"],
        ),
        case(
            "rows too many",
            with(&|t| t.shape = &[3, 3]),
            Malformed,
            &["shape [3, 3]"],
        ),
        case(
            "offset",
            with(&|t| t.offset = 1),
            Malformed,
            &["at element 1", "past the 6 elements"],
        ),
        case(
            "offset negative",
            with(&|t| t.offset = -1),
            Malformed,
            &["a call"],
        ),
        case(
            "offset endless",
            with(&|t| t.offset = i64::MAX),
            Malformed,
            &["past the 6 elements"],
        ),
        case(
            "strides too long",
            with(&|t| t.strides = &[4, 1]),
            Malformed,
            &["strides [4, 1]"],
        ),
        case(
            "strides endless",
            with(&|t| t.strides = &[i64::MAX, 1]),
            Malformed,
            &["past the 6"],
        ),
        case(
            "strides negative",
            with(&|t| t.strides = &[-3, 1]),
            Malformed,
            &["its strides is not"],
        ),
        case(
            "strides missing",
            with(&|t| t.strides = &[1]),
            Malformed,
            &["2 dimensions and 1 strides"],
        ),
        case(
            "bomb",
            with(&|t| (t.shape, t.strides) = (&[1 << 40, 1 << 20], &[0, 0])),
            Unsupported,
            &["`w` is a view that repeats more elements"],
        ),
        case(
            "shape overflows",
            with(&|t| t.shape = &[i64::MAX, i64::MAX]),
            Malformed,
            &["more elements"],
        ),
        case(
            "shape overflows before a zero",
            with(&|t| {
                (t.shape, t.strides) = (&[i64::MAX, i64::MAX, 0], &[1, 1, 1]);
            }),
            Malformed,
            &["more elements"],
        ),
        case(
            "shape negative",
            with(&|t| t.shape = &[-2, 3]),
            Malformed,
            &["its shape is not"],
        ),
        case(
            "many dimensions",
            with(&|t| (t.shape, t.strides) = (&[1; 9], &[1; 9])),
            Malformed,
            &["more than 8 dimensions"],
        ),
    ]);
    let merged = Pickle::new()
        .op(b"}")
        .text("layers.0.attention.query_key_value.weight")
        .tensor(&MATRIX)
        .op(b"s.");
    let twice = Pickle::new()
        .op(b"}")
        .text("transformer.final_layernorm.weight")
        .tensor(&MATRIX)
        .op(b"s")
        .text("final_layernorm.weight")
        .tensor(&MATRIX)
        .op(b"s.");
    check(vec![
        case(
            "merged of two rows",
            pickled(merged),
            ShapeMismatch,
            &["[2, 3]", "multiple of 3 rows"],
        ),
        case(
            "one name twice",
            pickled(twice),
            Malformed,
            &["`final_layernorm.weight` is there twice"],
        ),
    ]);
}
