//! `codegeex_task`: prompts for the tasks of a model.

use std::ffi::c_char;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::buffer::KeptText;
use super::error::codegeex_error;
use super::status::codegeex_status;
use crate::language::Language;
use crate::memory::try_collect_ok;
use crate::prompt::{Task, Template};

/// A prompt with its stop strings and the text around the answer.
///
/// Threads: immutable; any number of threads may read one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_task(std::convert::Infallible);

pub struct TaskValue {
    pub task: Task,
    prompt: KeptText,
    lead: KeptText,
    tail: KeptText,
    language: KeptText,
    stop: Vec<KeptText>,
}

impl Handle for codegeex_task {
    const NAME: &'static str = "codegeex_task";
    type Value = TaskValue;
}

fn new_task(task: Task) -> crate::Result<*mut codegeex_task> {
    new_handle(TaskValue {
        prompt: KeptText::new(&task.prompt)?,
        lead: KeptText::new(&task.lead)?,
        tail: KeptText::new(&task.tail)?,
        language: KeptText::new(task.language.name())?,
        stop: try_collect_ok(task.stop.iter().map(|s| KeptText::new(s)))?,
        task,
    })
}

/// Completion of code, with the language tag in front.
///
/// `task` receives a handle; free it with codegeex_task_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_complete(
    language: *const c_char,
    language_len: usize,
    code: *const c_char,
    code_len: usize,
    task: *mut *mut codegeex_task,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = Language::from_name(call.text(language, language_len, "language")?)?;
        let code = call.text(code, code_len, "code")?;
        let out = call.out(task, "task")?;
        out.set(new_task(Task::complete(language, code)?)?);
        Ok(())
    })
}

/// Explanation of code: the same code with a comment before every line.
///
/// `task` receives a handle; free it with codegeex_task_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_explain(
    language: *const c_char,
    language_len: usize,
    code: *const c_char,
    code_len: usize,
    task: *mut *mut codegeex_task,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = Language::from_name(call.text(language, language_len, "language")?)?;
        let code = call.text(code, code_len, "code")?;
        let out = call.out(task, "task")?;
        out.set(new_task(Task::explain(language, code)?)?);
        Ok(())
    })
}

/// Documentation of a function or a type, in the usual form of the language.
///
/// `task` receives a handle; free it with codegeex_task_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_docstring(
    language: *const c_char,
    language_len: usize,
    code: *const c_char,
    code_len: usize,
    task: *mut *mut codegeex_task,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = Language::from_name(call.text(language, language_len, "language")?)?;
        let code = call.text(code, code_len, "code")?;
        let out = call.out(task, "task")?;
        out.set(new_task(Task::docstring(language, code)?)?);
        Ok(())
    })
}

/// Translation of code into another language. `declaration` is the beginning of the translation. If
/// it is empty, the model chooses one.
///
/// `task` receives a handle; free it with codegeex_task_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_translate(
    from: *const c_char,
    from_len: usize,
    code: *const c_char,
    code_len: usize,
    to: *const c_char,
    to_len: usize,
    declaration: *const c_char,
    declaration_len: usize,
    task: *mut *mut codegeex_task,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let from = Language::from_name(call.text(from, from_len, "from")?)?;
        let code = call.text(code, code_len, "code")?;
        let to = Language::from_name(call.text(to, to_len, "to")?)?;
        let declaration = call.text(declaration, declaration_len, "declaration")?;
        let out = call.out(task, "task")?;
        out.set(new_task(Task::translate(from, code, to, declaration)?)?);
        Ok(())
    })
}

/// A custom prompt from a template, see codegeex_template_expand. The template is the whole prompt,
/// including a language tag.
///
/// `task` receives a handle; free it with codegeex_task_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_custom(
    template: *const c_char,
    template_len: usize,
    language: *const c_char,
    language_len: usize,
    code: *const c_char,
    code_len: usize,
    task: *mut *mut codegeex_task,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let template = Template::parse(call.text(template, template_len, "template")?)?;
        let language = Language::from_name(call.text(language, language_len, "language")?)?;
        let code = call.text(code, code_len, "code")?;
        let out = call.out(task, "task")?;
        out.set(new_task(Task::custom(&template, language, code)?)?);
        Ok(())
    })
}

/// The prompt. NUL-terminated UTF-8; it belongs to the task. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_prompt(
    task: *const codegeex_task,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(call.get(task, "task")?.prompt.lend(len))
    })
}

/// The end of the prompt that belongs to the answer, such as the opening quotes of a docstring.
/// Show it before the completion. NUL-terminated UTF-8; it belongs to the task. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_lead(
    task: *const codegeex_task,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(call.get(task, "task")?.lead.lend(len))
    })
}

/// Text to append to a finished completion, such as the closing quotes. NUL-terminated UTF-8; it
/// belongs to the task. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_tail(
    task: *const codegeex_task,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(call.get(task, "task")?.tail.lend(len))
    })
}

/// The name of the language of the answer. NUL-terminated UTF-8; it belongs to the task. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_language(
    task: *const codegeex_task,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(call.get(task, "task")?.language.lend(len))
    })
}

/// Number of stop strings of a task; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_stops(task: *const codegeex_task) -> usize {
    guard_value!(0, |call| { Ok(call.get(task, "task")?.stop.len()) })
}

/// A stop string of a task. NUL-terminated UTF-8; it belongs to the task. NULL for NULL or an index
/// out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_stop(
    task: *const codegeex_task,
    index: usize,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        let task = call.get(task, "task")?;
        Ok(task
            .stop
            .get(index)
            .map_or(std::ptr::null(), |stop| stop.lend(len)))
    })
}

/// Frees a task. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_task_free(task: *mut codegeex_task) {
    free_handle(task)
}
