//! The boundary: what it lets in and what it keeps from getting out. The C tests have the rest.

use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

use super::boundary::{
    Exclusive, Failure, Handle, STRLEN, free_handle, guard, guard_value, new_handle,
};
use super::buffer::{KeptText, codegeex_free, give, lend};
use super::error::{
    codegeex_error, codegeex_error_cause, codegeex_error_causes, codegeex_error_code,
    codegeex_error_free, codegeex_error_message,
};
use super::event::codegeex_event;
use super::status::*;
use crate::ErrorKind;
use crate::generate::FinishReason;

/// A handle of these tests.
struct Probe;

impl Handle for Probe {
    const NAME: &'static str = "codegeex_probe";
    type Value = Exclusive<u32>;
}

/// Another kind.
struct Other;

impl Handle for Other {
    const NAME: &'static str = "codegeex_other";
    type Value = u64;
}

unsafe fn add(probe: *const Probe, n: u32, error: *mut *mut codegeex_error) -> codegeex_status {
    guard!(error, |call| {
        let probe = call.get(probe, "probe")?;
        let mut value = probe.get("probe")?;
        *value = value.checked_add(n).unwrap();
        Ok(())
    })
}

unsafe fn value(probe: *const Probe) -> u32 {
    guard_value!(77, |call| {
        let probe = call.get(probe, "probe")?;
        let value = probe.get("probe")?;
        Ok(*value)
    })
}

/// Message and status of an error, which is freed.
fn taken(error: *mut codegeex_error) -> (codegeex_status, String) {
    assert!(!error.is_null());
    // SAFETY: an error of this library, used no more afterwards.
    unsafe {
        let message = CStr::from_ptr(codegeex_error_message(error, null_mut()));
        let found = (
            codegeex_error_code(error),
            message.to_str().unwrap().to_owned(),
        );
        codegeex_error_free(error);
        found
    }
}

#[test]
fn a_panic_is_a_status_and_poisons_the_handle() {
    let probe = new_handle::<Probe>(Exclusive::new(u32::MAX)).unwrap();
    let mut error = null_mut();
    // SAFETY: the handle lives until it is freed here.
    unsafe {
        assert_eq!(add(probe, 0, &mut error), CODEGEEX_OK);
        assert!(error.is_null());
        assert_eq!(add(probe, 1, &mut error), CODEGEEX_PANIC);
        let (status, message) = taken(error);
        assert_eq!(status, CODEGEEX_PANIC);
        assert!(
            message.contains("called `Option::unwrap()` on a `None` value"),
            "{message}"
        );
        assert_eq!(add(probe, 0, &mut error), CODEGEEX_POISONED);
        assert!(
            taken(error)
                .1
                .contains("an earlier call with probe panicked")
        );
        assert_eq!(add(probe, 0, null_mut()), CODEGEEX_POISONED);
        assert_eq!(value(probe), 77);
        free_handle(probe);
        free_handle(null_mut::<Probe>());
    }
}

#[test]
fn a_handle_of_another_kind_is_refused_and_left_alone() {
    let other = new_handle::<Other>(5).unwrap();
    let mut error = null_mut();
    // SAFETY: the handle lives until it is freed here.
    unsafe {
        assert_eq!(add(other.cast(), 1, &mut error), CODEGEEX_INVALID_ARGUMENT);
        assert_eq!(
            taken(error).1,
            "probe is not a live codegeex_probe handle: it was freed, or has another type"
        );
        assert_eq!(add(null(), 1, &mut error), CODEGEEX_INVALID_ARGUMENT);
        assert_eq!(taken(error).1, "probe is NULL; it is required");
        free_handle(other.cast::<Probe>());
        let alive = guard_value!(0, |call| { Ok(*call.get(other, "other")?) });
        assert_eq!(alive, 5);
        free_handle(other);
    }
}

#[test]
fn what_is_in_use_is_busy_and_may_be_freed() {
    let probe = new_handle::<Probe>(Exclusive::new(0)).unwrap();
    let mut error = null_mut();
    let outer = guard!(null_mut(), |call| {
        let held = call.get(probe, "probe")?;
        let mut inside = held.get("probe")?;
        // As from a callback.
        assert_eq!(add(probe, 1, &mut error), CODEGEEX_BUSY);
        free_handle(probe);
        *inside += 1;
        Ok(())
    });
    assert_eq!(outer, CODEGEEX_OK);
    assert!(taken(error).1.contains("in use by another call"));
}

#[test]
fn a_struct_gets_as_much_as_it_says_it_has_room_for() {
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Sizes {
        struct_size: usize,
        a: u64,
        b: u64,
    }
    let fill = |sizes: &mut Sizes| {
        guard!(null_mut(), |call| {
            let out = call.sized(sizes, "sizes")?;
            out.set(Sizes {
                struct_size: 0,
                a: 1,
                b: 2,
            });
            Ok(())
        })
    };
    let all = size_of::<Sizes>();
    for (struct_size, status, a, b) in [
        (all, CODEGEEX_OK, 1, 2),
        (all - 8, CODEGEEX_OK, 1, 9),
        (all - 16, CODEGEEX_OK, 9, 9),
        (all + 8, CODEGEEX_OK, 1, 2),
        (0, CODEGEEX_INVALID_ARGUMENT, 9, 9),
        (7, CODEGEEX_INVALID_ARGUMENT, 9, 9),
        (usize::MAX, CODEGEEX_INVALID_ARGUMENT, 9, 9),
    ] {
        let mut sizes = Sizes {
            struct_size,
            a: 9,
            b: 9,
        };
        assert_eq!(fill(&mut sizes), status, "{struct_size}");
        assert_eq!(sizes, Sizes { struct_size, a, b });
    }
}

#[test]
fn texts_and_arrays_are_looked_at() {
    let bytes = b"a\xe2\x82";
    let text = |data: *const u8, len: usize| {
        let result = super::boundary::run(|call| {
            // SAFETY: what is not readable is refused before it is read.
            unsafe { call.text(data.cast(), len, "text") }.map(str::to_owned)
        });
        result.map_err(|failure| failure.status())
    };
    assert_eq!(text(bytes.as_ptr(), 1), Ok("a".into()));
    assert_eq!(text(null(), 0), Ok(String::new()));
    assert_eq!(text(null(), 1), Err(CODEGEEX_INVALID_ARGUMENT));
    assert_eq!(text(bytes.as_ptr(), 3), Err(CODEGEEX_INVALID_UTF8));
    let longest = usize::MAX - 1;
    let refused = Err(CODEGEEX_INVALID_ARGUMENT);
    assert_eq!(text(bytes.as_ptr(), longest), refused);
    assert_eq!(
        text(c"until here".as_ptr().cast(), STRLEN),
        Ok("until here".into())
    );
    assert_eq!(text(c"".as_ptr().cast(), STRLEN), Ok(String::new()));
    assert_eq!(text(null(), STRLEN), refused);
    assert_eq!(
        text(c"\xff".as_ptr().cast(), STRLEN),
        Err(CODEGEEX_INVALID_UTF8)
    );
    let ids = [0u32; 4];
    let slice = |data: *const u32, len| {
        let result = super::boundary::run(|call| {
            // SAFETY: the same.
            unsafe { call.slice(data, len, "ids") }.map(<[u32]>::len)
        });
        result.map_err(|failure| failure.status())
    };
    assert_eq!(slice(ids.as_ptr(), 4), Ok(4));
    assert_eq!(
        slice(ids.as_ptr(), usize::MAX / 2),
        Err(CODEGEEX_INVALID_ARGUMENT)
    );
    let odd = ids.as_ptr().cast::<u8>().wrapping_add(1).cast();
    assert_eq!(slice(odd, 2), Err(CODEGEEX_INVALID_ARGUMENT));
}

#[test]
fn errors_keep_their_causes() {
    let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
    let failure = crate::Error::new(ErrorKind::NotFound, "x: cannot open").with_source(cause);
    let error = codegeex_error::of(Failure::Library(failure)).unwrap();
    // SAFETY: the error lives until it is freed by `taken`.
    unsafe {
        assert_eq!(codegeex_error_causes(error), 1);
        let mut len = 0;
        let cause = codegeex_error_cause(error, 0, &mut len);
        assert_eq!(CStr::from_ptr(cause).to_bytes().len(), len);
        assert!(codegeex_error_cause(error, 1, null_mut()).is_null());
    }
    assert_eq!(taken(error).0, ErrorKind::NotFound.code());
}

#[test]
fn buffers_end_with_zeros_and_are_freed_by_one_function() {
    for len in [0usize, 1, 3, 4, 1000] {
        let values: Vec<u32> = (0..len as u32).collect();
        let (mut data, mut found) = (null_mut(), 9);
        let status = guard!(null_mut(), |call| {
            give(
                &values,
                call.out(&mut data, "data")?,
                call.out(&mut found, "found")?,
            )
        });
        assert_eq!((status, found), (CODEGEEX_OK, len));
        // SAFETY: as many values, and a zero behind them.
        unsafe {
            assert_eq!(std::slice::from_raw_parts(data, len), values);
            assert_eq!(*data.add(len), 0);
            codegeex_free(data.cast());
        }
    }
    let mut len = 0;
    let text = KeptText::new("a\0b").unwrap();
    let data = text.lend(super::boundary::Out::to(&mut len));
    assert_eq!(len, 3);
    // SAFETY: three bytes and a zero.
    assert_eq!(unsafe { *data.add(3) }, 0);
}

#[test]
fn empty_arrays_have_addresses_too() {
    // Go ends a program in which a number of the first page looks like a pointer.
    let mut len = 9;
    let ids: &[u32] = &[];
    let addresses = [
        lend(ids, super::boundary::Out::to(&mut len)).addr(),
        codegeex_event::end(0, "", FinishReason::Length).text.addr(),
        codegeex_event::token(0, 1, 0.0, "", &[]).text.addr(),
        codegeex_event::token(0, 1, 0.0, "", &[])
            .top_logprobs
            .addr(),
    ];
    assert_eq!(len, 0);
    assert!(addresses.iter().all(|&at| at >= 4096), "{addresses:?}");
}

#[test]
fn numbers_of_this_boundary_are_nobody_elses() {
    let numbers: Vec<i32> = ALL.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted());
    let mut unique = numbers.clone();
    unique.dedup();
    assert_eq!(unique, numbers);
    assert!(
        ALL.iter()
            .all(|(_, name)| name.ends_with('\0') && name.len() > 2)
    );
    for kind in ErrorKind::ALL {
        assert!(![CODEGEEX_PANIC, CODEGEEX_POISONED].contains(&kind.code()));
    }
}

/// The keys of options with descriptions and defaults, as the header lists them.
fn listed<H>(
    new: unsafe extern "C" fn(*mut *mut H, *mut *mut codegeex_error) -> codegeex_status,
    key: unsafe extern "C" fn(usize, *mut *const c_char) -> *const c_char,
    get: unsafe extern "C" fn(
        *const H,
        *const c_char,
        usize,
        *mut *mut c_char,
        *mut usize,
        *mut *mut codegeex_error,
    ) -> codegeex_status,
    free: unsafe extern "C" fn(*mut H),
) -> Vec<String> {
    let text = |text: *const c_char| {
        // SAFETY: a text with a NUL of the library.
        unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
    };
    let mut list = Vec::new();
    // SAFETY: handles and texts live until they are freed here.
    unsafe {
        let mut options = null_mut();
        assert_eq!(new(&mut options, null_mut()), CODEGEEX_OK);
        let mut help = null();
        loop {
            let name = key(list.len(), &mut help);
            if name.is_null() {
                break;
            }
            let (mut value, mut len) = (null_mut(), 0);
            let found = get(options, name, STRLEN, &mut value, &mut len, null_mut());
            assert_eq!(found, CODEGEEX_OK);
            list.push(format!(
                "- `{}`: {} Default: `{}`.",
                text(name),
                text(help),
                text(value)
            ));
            codegeex_free(value.cast());
        }
        free(options);
    }
    list
}

#[test]
fn the_header_lists_every_option() {
    let header = include_str!("../../include/codegeex.h").replace("\n * ", " ");
    let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
    macro_rules! check {
        ($module:ident, $($function:ident),+) => {
            for line in listed($(super::$module::$function),+) {
                assert!(header.contains(&line), "include/codegeex.h lacks\n{line}");
            }
        };
    }
    check!(
        generate_options,
        codegeex_generate_options_new,
        codegeex_generate_options_key,
        codegeex_generate_options_get,
        codegeex_generate_options_free
    );
    check!(
        open_options,
        codegeex_open_options_new,
        codegeex_open_options_key,
        codegeex_open_options_get,
        codegeex_open_options_free
    );
    check!(
        convert,
        codegeex_convert_options_new,
        codegeex_convert_options_key,
        codegeex_convert_options_get,
        codegeex_convert_options_free
    );
    check!(
        beam,
        codegeex_beam_options_new,
        codegeex_beam_options_key,
        codegeex_beam_options_get,
        codegeex_beam_options_free
    );
    check!(
        service,
        codegeex_service_options_new,
        codegeex_service_options_key,
        codegeex_service_options_get,
        codegeex_service_options_free
    );
    check!(
        edit,
        codegeex_edit_options_new,
        codegeex_edit_options_key,
        codegeex_edit_options_get,
        codegeex_edit_options_free
    );
}
