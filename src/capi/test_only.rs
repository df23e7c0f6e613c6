//! Functions for tests only, absent from installed libraries: compiled with `--cfg
//! codegeex_capi_test` alone, which `tests/capi/run.sh` gives, and which no feature can switch on
//! by accident.

use super::boundary::guard;
use super::error::codegeex_error;
use super::model::codegeex_model;
use super::status::codegeex_status;

/// Panics with the model in its hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_test_panic(
    model: *const codegeex_model,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        panic!(
            "on purpose, with {}",
            model.generator.model().config().hidden_size
        );
    })
}
