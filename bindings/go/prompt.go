package codegeex

// #include "callbacks.h"
import "C"

// A Language is a programming language of the model. Some languages have aliases.
type Language struct {
	// Name is the name, such as "python".
	Name string
	// Tag is the language tag at the beginning of a prompt, such as "# language: Python".
	Tag string
}

func language(index C.size_t) Language {
	return Language{
		Name: C.GoString(C.codegeex_language_name(index)),
		Tag:  C.GoString(C.codegeex_language_tag(index)),
	}
}

// Languages returns all languages of the model.
func Languages() []Language {
	all := make([]Language, C.codegeex_languages())
	for i := range all {
		all[i] = language(C.size_t(i))
	}
	return all
}

// FindLanguage finds a language by its name; case-insensitive.
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

// GenerationPrompt is the prompt for completing code in a language: its language tag, then the code.
func GenerationPrompt(language, code string) (string, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_prompt_generation(l, ln, c, cn, out, n, err)
	})
}

// ExpandTemplate replaces the placeholders of a template with an input: <INPUT> is the whole input,
// <INPUT:a,b> its lines from a (inclusive) to b (exclusive).
func ExpandTemplate(template, input string) (string, error) {
	t, tn := cText(template)
	i, in := cText(input)
	return textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_template_expand(t, tn, i, in, out, n, err)
	})
}

// A Task is a prompt with its stop strings and the text around the answer. The result is Lead +
// completion + Tail.
type Task struct {
	// Prompt is the text to complete.
	Prompt string
	// Lead is the end of the prompt that belongs to the answer.
	Lead string
	// Tail is text to append to a finished completion.
	Tail string
	// Language is the name of the language of the answer.
	Language string
	// Stop are the stop strings, for GenerateOptions.Stop.
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

// CompleteTask asks for the completion of code, with the language tag in front.
func CompleteTask(language, code string) (Task, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_complete(l, ln, c, cn, out, err)
	})
}

// ExplainTask asks for an explanation of code: the same code with a comment before every line.
func ExplainTask(language, code string) (Task, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_explain(l, ln, c, cn, out, err)
	})
}

// DocstringTask asks for the documentation of a function or a type, in the usual form of the
// language.
func DocstringTask(language, code string) (Task, error) {
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_docstring(l, ln, c, cn, out, err)
	})
}

// TranslateTask asks for the translation of code. The declaration is the beginning of the
// translation; if it is empty, the model chooses one.
func TranslateTask(from, code, to, declaration string) (Task, error) {
	f, fn := cText(from)
	c, cn := cText(code)
	t, tn := cText(to)
	d, dn := cText(declaration)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_translate(f, fn, c, cn, t, tn, d, dn, out, err)
	})
}

// CustomTask is a custom prompt from a template, see ExpandTemplate. The template is the whole
// prompt, including a language tag.
func CustomTask(template, language, code string) (Task, error) {
	t, tn := cText(template)
	l, ln := cText(language)
	c, cn := cText(code)
	return taskOf(func(out **C.codegeex_task, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_task_custom(t, tn, l, ln, c, cn, out, err)
	})
}
