//! Canonical solutions as samples: the ground truth that an installation is checked with.

use super::dataset::Problem;
use super::samples::Sample;

/// Published problems whose own solution does not pass their own tests, and why. Every other one
/// does.
pub const BROKEN: &[(&str, &str)] = &[
    (
        "JavaScript/112",
        "the solution returns `(z, true)`, which is `true` in JavaScript, and the tests expect a list",
    ),
    (
        "JavaScript/155",
        "the solution counts no digit in 0, and the last test expects one",
    ),
    (
        "Rust/32",
        "the tests stand in a comment, so none runs; they would pass whatever compiles",
    ),
];

/// Published problems whose own solution passes their own tests in some runs only, and why.
pub const UNSTABLE: &[(&str, &str)] = &[(
    "Go/95",
    "the solution looks at no more than two keys of a map, which Go gives in another order each \
     time; in one run of four or so it does not see the key that decides",
)];

/// Published problems whose tests pass whatever compiles, and why.
pub const UNTESTED: &[(&str, &str)] = &[(
    "CPP/23",
    "the tests call `strlen` with string literals, which is the C library's and not the solution's",
)];

/// Why the canonical solution of a problem does not pass, or not in every run, if that is known.
pub fn broken(task_id: &str) -> Option<&'static str> {
    let found = BROKEN.iter().chain(UNSTABLE).find(|(id, _)| *id == task_id);
    found.map(|(_, why)| *why)
}

/// The canonical solution of a problem as its sample number 0.
pub fn sample(problem: &Problem) -> Sample {
    let mut sample = Sample::new(
        &problem.task_id,
        &problem.prompt,
        &problem.canonical_solution,
    );
    sample.completion_id = Some(0);
    sample
}
