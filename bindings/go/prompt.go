package codegeex

// #include "callbacks.h"
import "C"

// A Language is one that the model knows; some have two names.
type Language struct {
	// Name is such as "python".
	Name string
	// Tag is the line that begins a prompt, such as "# language: Python".
	Tag string
}

func language(index C.size_t) Language {
	return Language{
		Name: C.GoString(C.codegeex_language_name(index)),
		Tag:  C.GoString(C.codegeex_language_tag(index)),
	}
}

// Languages are all that the model knows.
func Languages() []Language {
	all := make([]Language, C.codegeex_languages())
	for i := range all {
		all[i] = language(C.size_t(i))
	}
	return all
}

// FindLanguage finds a language by its name; upper and lower case are equal.
func FindLanguage(name string) (Language, error) {
	p, n := cText(name)
	var index C.size_t
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_language_find(p, n, &index, err)
	})
	if err != nil {
		return Language{}, err
	}
	return language(index), nil
}

func textOf(f func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status) (string, error) {
	var text *C.char
	var n C.size_t
	err := call(func(err **C.codegeex_error) C.codegeex_status { return f(&text, &n, err) })
	return takeString(text, n), err
}

// GenerationPrompt is the prompt for completing code in a language: its tag line, then the code.
func GenerationPrompt(language, code string) (string, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_prompt_generation(l, ln, c, cn, out, n, err)
	})
}

// ExpandTemplate puts an input into the places of a template: <INPUT> stands for the whole of it,
// <INPUT:a,b> for its lines from a up to, but without, b.
func ExpandTemplate(template, input string) (string, error) {
	t, tn := cText(template)
	i, in := cText(input)
	return textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_template_expand(t, tn, i, in, out, n, err)
	})
}

// A Task is a prompt with what is needed to use the answer: Lead, the completion and Tail together are
// the result.
type Task struct {
	// Prompt is what the model continues.
	Prompt string
	// Lead is the end of the prompt that is the beginning of the answer.
	Lead string
	// Tail belongs after a completion that has ended.
	Tail string
	// Language is the name of the language of the answer.
	Language string
	// Stop are the texts at which a completion goes on with something else: for GenerateOptions.Stop.
	Stop []string
}

func taskOf(f func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status) (Task, error) {
	var h *C.codegeex_task
	err := call(func(err **C.codegeex_error) C.codegeex_status { return f(&h, err) })
	if err != nil {
		return Task{}, err
	}
	defer C.codegeex_task_free(h)
	task := Task{
		Prompt:   lent(func(n *C.size_t) *C.char { return C.codegeex_task_prompt(h, n) }),
		Lead:     lent(func(n *C.size_t) *C.char { return C.codegeex_task_lead(h, n) }),
		Tail:     lent(func(n *C.size_t) *C.char { return C.codegeex_task_tail(h, n) }),
		Language: lent(func(n *C.size_t) *C.char { return C.codegeex_task_language(h, n) }),
	}
	for i := range C.codegeex_task_stops(h) {
		stop := lent(func(n *C.size_t) *C.char { return C.codegeex_task_stop(h, i, n) })
		task.Stop = append(task.Stop, stop)
	}
	return task, nil
}

// CompleteTask is code to go on with, after the tag line of its language.
func CompleteTask(language, code string) (Task, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_complete(l, ln, c, cn, out, err)
	})
}

// ExplainTask asks for the same code with a comment before every line that says what the line does.
func ExplainTask(language, code string) (Task, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_explain(l, ln, c, cn, out, err)
	})
}

// DocstringTask asks for the documentation of a function or a type, in the form that is usual for the
// language.
func DocstringTask(language, code string) (Task, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_docstring(l, ln, c, cn, out, err)
	})
}

// TranslateTask asks for code in another language. The declaration is how that begins; it may be
// empty, and the model chooses.
func TranslateTask(from, code, to, declaration string) (Task, error) {
	f, fn := cText(from)
	c, cn := cText(code)
	t, tn := cText(to)
	d, dn := cText(declaration)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_translate(f, fn, c, cn, t, tn, d, dn, out, err)
	})
}

// CustomTask is what a template makes of code, see ExpandTemplate. The template says everything, a tag
// line included.
func CustomTask(template, language, code string) (Task, error) {
	t, tn := cText(template)
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_custom(t, tn, l, ln, c, cn, out, err)
	})
}
