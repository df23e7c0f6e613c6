//! The syntax of every language of [`Language`](crate::language::Language), by name.

use super::syntax::{
    BlockComment,
    Blocks::{self, Brackets, Indentation, Keywords},
    Functions, Opener, Quote, Raw, Syntax,
    When::{self, AfterEquals, Always, LineEnd, OutsideBrackets, Statement, UnlessOpened},
};

pub(super) fn of(name: &str) -> &'static Syntax {
    match name {
        "c" | "cuda" | "objective-c" => &C,
        "c++" | "objective-c++" => &CPP,
        "c#" => &CSHARP,
        "css" => &CSS,
        "dart" => &DART,
        "lua" => &LUA,
        "python" => &PYTHON,
        "perl" => &PERL,
        "prolog" => &PROLOG,
        "swift" => &SWIFT,
        "lisp" | "scheme" => &LISP,
        "clojure" => &CLOJURE,
        "java" => &JAVA,
        "scala" => &SCALA,
        "tex" => &TEX,
        "vue" | "markdown" | "html" => &HTML,
        "php" => &PHP,
        "javascript" | "typescript" | "actionscript" => &JS,
        "go" => &GO,
        "shell" => &SHELL,
        "rust" => &RUST,
        "sql" => &SQL,
        "kotlin" => &KOTLIN,
        "vb" | "basic" | "excel" => &BASIC,
        "ruby" => &RUBY,
        "pascal" | "delphi" => &PASCAL,
        "r" => &R,
        "fortran" => &FORTRAN,
        "lean" => &LEAN,
        "matlab" => &MATLAB,
        "assembly" => &ASSEMBLY,
        "groovy" => &GROOVY,
        "abap" => &ABAP,
        "gdscript" => &GDSCRIPT,
        "haskell" => &HASKELL,
        "julia" => &JULIA,
        "elixir" => &ELIXIR,
        "solidity" => &SOLIDITY,
        "powershell" => &POWERSHELL,
        "erlang" => &ERLANG,
        "cobol" => &COBOL,
        _ => &PLAIN,
    }
}

const fn block(open: &'static str, close: &'static str) -> BlockComment {
    BlockComment {
        open,
        close,
        is_nested: false,
        at_line_start: false,
    }
}

const fn nested(open: &'static str, close: &'static str) -> BlockComment {
    BlockComment {
        is_nested: true,
        ..block(open, close)
    }
}

const fn at_line_start(open: &'static str, close: &'static str) -> BlockComment {
    BlockComment {
        at_line_start: true,
        ..block(open, close)
    }
}

/// One line, with escapes by backslash.
const fn quote(open: &'static str) -> Quote {
    Quote {
        open,
        close: open,
        escape: Some('\\'),
        is_multiline: false,
        interpolation: None,
        is_char: false,
        not_after_value: false,
    }
}

/// Many lines, with escapes.
const fn long(open: &'static str) -> Quote {
    Quote {
        is_multiline: true,
        ..quote(open)
    }
}

/// Without escapes, one line.
const fn plain(open: &'static str) -> Quote {
    Quote {
        escape: None,
        ..quote(open)
    }
}

/// Without escapes, many lines.
const fn plain_long(open: &'static str, close: &'static str) -> Quote {
    Quote {
        close,
        is_multiline: true,
        ..plain(open)
    }
}

const fn with(quote: Quote, interpolation: &'static str) -> Quote {
    Quote {
        interpolation: Some(interpolation),
        ..quote
    }
}

const CHAR: Quote = Quote {
    is_char: true,
    ..quote("'")
};

const fn opener(word: &'static str, when: When) -> Opener {
    Opener { word, when }
}

const CURLY: Blocks = Brackets(&['{']);

const PLAIN: Syntax = Syntax {
    line_comments: &[],
    line_start_comments: &[],
    comment_word: None,
    comment_after_blank: false,
    block_comments: &[],
    quotes: &[],
    raw: Raw::None,
    has_regex: false,
    code_escape: None,
    word_chars: "",
    has_labels: false,
    ignores_case: false,
    blocks: Blocks::None,
    functions: Functions::Outermost,
    directive: None,
    line_ends_statement: false,
};

/// Blocks in curly brackets, comments with slashes, functions by their parameters.
const CURLY_PLAIN: Syntax = Syntax {
    line_comments: &["//"],
    block_comments: &[block("/*", "*/")],
    quotes: &[quote("\""), quote("'")],
    blocks: CURLY,
    functions: Functions::Parameters,
    ..PLAIN
};

static C: Syntax = Syntax {
    directive: Some('#'),
    ..CURLY_PLAIN
};
static CPP: Syntax = Syntax {
    raw: Raw::Cpp,
    directive: Some('#'),
    ..CURLY_PLAIN
};
static CSHARP: Syntax = Syntax {
    quotes: &[
        quote("\""),
        quote("'"),
        plain_long("\"\"\"", "\"\"\""),
        plain_long("@\"", "\""),
        plain_long("$@\"", "\""),
        plain_long("@$\"", "\""),
    ],
    directive: Some('#'),
    ..CURLY_PLAIN
};
static JAVA: Syntax = Syntax {
    quotes: &[quote("\""), quote("'"), long("\"\"\"")],
    ..CURLY_PLAIN
};
static CSS: Syntax = Syntax {
    line_comments: &[],
    word_chars: "-",
    functions: Functions::Outermost,
    ..CURLY_PLAIN
};
static DART: Syntax = Syntax {
    block_comments: &[nested("/*", "*/")],
    quotes: &[
        with(quote("\""), "${"),
        with(quote("'"), "${"),
        with(long("\"\"\""), "${"),
        with(long("'''"), "${"),
    ],
    raw: Raw::Prefix,
    ..CURLY_PLAIN
};
static JS: Syntax = Syntax {
    quotes: &[quote("\""), quote("'"), with(long("`"), "${")],
    has_regex: true,
    word_chars: "$",
    ..CURLY_PLAIN
};
static GO: Syntax = Syntax {
    quotes: &[quote("\""), quote("'"), plain_long("`", "`")],
    functions: Functions::Words(&["func"]),
    line_ends_statement: true,
    ..CURLY_PLAIN
};
static RUST: Syntax = Syntax {
    block_comments: &[nested("/*", "*/")],
    quotes: &[long("\""), CHAR],
    raw: Raw::Rust,
    functions: Functions::Words(&["fn"]),
    ..CURLY_PLAIN
};
static SWIFT: Syntax = Syntax {
    block_comments: &[nested("/*", "*/")],
    quotes: &[
        with(quote("\""), "\\("),
        with(long("\"\"\""), "\\("),
        plain_long("#\"", "\"#"),
    ],
    functions: Functions::Words(&["func", "init", "deinit", "subscript"]),
    ..CURLY_PLAIN
};
static SCALA: Syntax = Syntax {
    block_comments: &[nested("/*", "*/")],
    quotes: &[
        with(quote("\""), "${"),
        with(plain_long("\"\"\"", "\"\"\""), "${"),
        CHAR,
    ],
    functions: Functions::Words(&["def"]),
    ..CURLY_PLAIN
};
static KOTLIN: Syntax = Syntax {
    block_comments: &[nested("/*", "*/")],
    quotes: &[
        with(quote("\""), "${"),
        with(plain_long("\"\"\"", "\"\"\""), "${"),
        quote("'"),
    ],
    functions: Functions::Words(&["fun", "init", "constructor"]),
    ..CURLY_PLAIN
};
static GROOVY: Syntax = Syntax {
    quotes: &[
        with(quote("\""), "${"),
        quote("'"),
        with(long("\"\"\""), "${"),
        long("'''"),
    ],
    has_regex: true,
    ..CURLY_PLAIN
};
static PHP: Syntax = Syntax {
    line_comments: &["//", "#"],
    quotes: &[with(long("\""), "{$"), long("'"), long("`")],
    word_chars: "$",
    functions: Functions::Words(&["function"]),
    ..CURLY_PLAIN
};
static SOLIDITY: Syntax = Syntax {
    functions: Functions::Words(&["function", "constructor", "modifier", "receive", "fallback"]),
    ..CURLY_PLAIN
};
static PERL: Syntax = Syntax {
    line_comments: &["#"],
    comment_after_blank: true,
    block_comments: &[
        at_line_start("=pod", "\n=cut"),
        at_line_start("=head", "\n=cut"),
        at_line_start("=begin", "\n=cut"),
    ],
    quotes: &[long("\""), long("'"), long("`")],
    has_regex: true,
    word_chars: "$",
    functions: Functions::Words(&["sub"]),
    ..CURLY_PLAIN
};
static R: Syntax = Syntax {
    line_comments: &["#"],
    block_comments: &[],
    quotes: &[long("\""), long("'"), plain("`")],
    word_chars: ".",
    functions: Functions::Words(&["function"]),
    ..CURLY_PLAIN
};
static POWERSHELL: Syntax = Syntax {
    line_comments: &["#"],
    comment_after_blank: true,
    block_comments: &[block("<#", "#>")],
    quotes: &[
        Quote {
            escape: Some('`'),
            ..with(long("\""), "$(")
        },
        plain_long("'", "'"),
        plain_long("@\"", "\n\"@"),
        plain_long("@'", "\n'@"),
    ],
    code_escape: Some('`'),
    word_chars: "$",
    ignores_case: true,
    functions: Functions::Words(&["function", "filter"]),
    ..CURLY_PLAIN
};

static PYTHON: Syntax = Syntax {
    line_comments: &["#"],
    quotes: &[quote("\""), quote("'"), long("\"\"\""), long("'''")],
    blocks: Indentation {
        opener: Some(':'),
        continuations: &[
            ("if", &["elif", "else"]),
            ("elif", &["elif", "else"]),
            ("for", &["else"]),
            ("while", &["else"]),
            ("try", &["except", "else", "finally"]),
            ("except", &["except", "else", "finally"]),
            ("else", &["finally"]),
        ],
    },
    functions: Functions::Words(&["def"]),
    ..PLAIN
};
static GDSCRIPT: Syntax = Syntax {
    blocks: Indentation {
        opener: Some(':'),
        continuations: &[("if", &["elif", "else"]), ("elif", &["elif", "else"])],
    },
    functions: Functions::Words(&["func"]),
    ..PYTHON
};
static HASKELL: Syntax = Syntax {
    line_comments: &["--"],
    block_comments: &[nested("{-", "-}")],
    quotes: &[quote("\""), CHAR],
    word_chars: "'",
    blocks: Indentation {
        opener: None,
        continuations: &[("if", &["then", "else"])],
    },
    ..PLAIN
};
static LEAN: Syntax = Syntax {
    block_comments: &[nested("/-", "-/")],
    quotes: &[long("\""), CHAR],
    ..HASKELL
};

static LUA: Syntax = Syntax {
    line_comments: &["--"],
    quotes: &[quote("\""), quote("'")],
    raw: Raw::Lua,
    blocks: Keywords {
        openers: &[
            opener("function", Always),
            opener("if", Always),
            opener("do", Always),
            opener("repeat", Always),
        ],
        closers: &["end", "until"],
        before_plain: &["goto"],
        brackets: &[],
    },
    functions: Functions::Words(&["function"]),
    ..PLAIN
};
static RUBY: Syntax = Syntax {
    line_comments: &["#"],
    block_comments: &[at_line_start("=begin", "\n=end")],
    quotes: &[with(long("\""), "#{"), long("'"), with(long("`"), "#{")],
    has_regex: true,
    has_labels: true,
    blocks: Keywords {
        openers: &[
            opener("def", Always),
            opener("class", Always),
            opener("module", Always),
            opener("begin", Always),
            opener("case", Always),
            opener("do", UnlessOpened),
            opener("for", Statement),
            opener("if", Statement),
            opener("unless", Statement),
            opener("while", Statement),
            opener("until", Statement),
        ],
        closers: &["end"],
        before_plain: &["def", "alias", "undef"],
        brackets: &['{'],
    },
    functions: Functions::Words(&["def"]),
    ..PLAIN
};
static JULIA: Syntax = Syntax {
    line_comments: &["#"],
    block_comments: &[nested("#=", "=#")],
    quotes: &[
        with(long("\""), "$("),
        with(long("\"\"\""), "$("),
        long("`"),
        CHAR,
    ],
    word_chars: "!",
    blocks: Keywords {
        openers: &[
            opener("function", Always),
            opener("macro", Always),
            opener("begin", OutsideBrackets),
            opener("quote", Always),
            opener("let", Always),
            opener("try", Always),
            opener("do", Always),
            opener("struct", Always),
            opener("module", Always),
            opener("baremodule", Always),
            opener("abstract", OutsideBrackets),
            opener("primitive", OutsideBrackets),
            opener("if", OutsideBrackets),
            opener("for", OutsideBrackets),
            opener("while", OutsideBrackets),
        ],
        closers: &["end"],
        before_plain: &[],
        brackets: &[],
    },
    functions: Functions::Words(&["function", "macro"]),
    ..PLAIN
};
static ELIXIR: Syntax = Syntax {
    line_comments: &["#"],
    quotes: &[
        with(long("\""), "#{"),
        with(long("'"), "#{"),
        with(long("\"\"\""), "#{"),
        with(long("'''"), "#{"),
    ],
    has_labels: true,
    blocks: Keywords {
        openers: &[opener("do", Always), opener("fn", Always)],
        closers: &["end"],
        before_plain: &[],
        brackets: &[],
    },
    functions: Functions::Words(&["def", "defp", "defmacro", "defmacrop"]),
    ..PLAIN
};
static MATLAB: Syntax = Syntax {
    line_comments: &["%", "..."],
    block_comments: &[at_line_start("%{", "\n%}")],
    quotes: &[
        plain("\""),
        Quote {
            not_after_value: true,
            ..plain("'")
        },
    ],
    blocks: Keywords {
        openers: &[
            opener("function", OutsideBrackets),
            opener("if", OutsideBrackets),
            opener("for", OutsideBrackets),
            opener("parfor", OutsideBrackets),
            opener("while", OutsideBrackets),
            opener("switch", OutsideBrackets),
            opener("try", OutsideBrackets),
            opener("classdef", OutsideBrackets),
            opener("properties", Statement),
            opener("methods", Statement),
        ],
        closers: &["end", "endfunction", "endif", "endfor", "endwhile"],
        before_plain: &[],
        brackets: &[],
    },
    functions: Functions::Words(&["function"]),
    ..PLAIN
};
static PASCAL: Syntax = Syntax {
    line_comments: &["//"],
    block_comments: &[block("{", "}"), block("(*", "*)")],
    quotes: &[plain("'")],
    ignores_case: true,
    blocks: Keywords {
        openers: &[
            opener("begin", Always),
            opener("case", Always),
            opener("record", Always),
            opener("try", Always),
            opener("asm", Always),
            opener("repeat", Always),
            opener("class", AfterEquals),
            opener("interface", AfterEquals),
        ],
        closers: &["end", "until"],
        before_plain: &[],
        brackets: &[],
    },
    ..PLAIN
};
static BASIC: Syntax = Syntax {
    line_comments: &["'"],
    comment_word: Some("rem"),
    quotes: &[plain("\"")],
    ignores_case: true,
    blocks: Keywords {
        openers: &[
            opener("sub", Always),
            opener("function", Always),
            opener("property", Always),
            opener("class", Always),
            opener("module", Always),
            opener("structure", Always),
            opener("namespace", Always),
            opener("enum", Always),
            opener("for", Statement),
            opener("do", Statement),
            opener("while", Statement),
            opener("select", Statement),
            opener("try", Statement),
            opener("with", Statement),
            opener("using", Statement),
            opener("then", LineEnd),
        ],
        closers: &["end", "next", "loop", "wend", "endif"],
        before_plain: &["end", "exit", "continue", "declare", "as"],
        brackets: &[],
    },
    functions: Functions::Words(&["sub", "function", "property"]),
    ..PLAIN
};
static FORTRAN: Syntax = Syntax {
    line_comments: &["!"],
    quotes: &[plain("\""), plain("'")],
    ignores_case: true,
    blocks: Keywords {
        openers: &[
            opener("program", Statement),
            opener("module", Statement),
            opener("subroutine", Always),
            opener("function", Always),
            opener("do", Statement),
            opener("select", Statement),
            opener("interface", Statement),
            opener("block", Statement),
            opener("then", LineEnd),
        ],
        closers: &[
            "end",
            "enddo",
            "endif",
            "endfunction",
            "endsubroutine",
            "endprogram",
            "endmodule",
        ],
        before_plain: &["end", "module"],
        brackets: &[],
    },
    functions: Functions::Words(&["subroutine", "function"]),
    ..PLAIN
};
static ABAP: Syntax = Syntax {
    line_comments: &["\""],
    line_start_comments: &["*"],
    quotes: &[plain("'"), plain("`"), quote("|")],
    word_chars: "-",
    ignores_case: true,
    blocks: Keywords {
        openers: &[
            opener("if", Statement),
            opener("loop", Statement),
            opener("do", Statement),
            opener("while", Statement),
            opener("case", Statement),
            opener("try", Statement),
            opener("form", Statement),
            opener("function", Statement),
            opener("method", Statement),
            opener("class", Statement),
        ],
        closers: &[
            "endif",
            "endloop",
            "enddo",
            "endwhile",
            "endcase",
            "endtry",
            "endform",
            "endfunction",
            "endmethod",
            "endclass",
        ],
        before_plain: &[],
        brackets: &[],
    },
    functions: Functions::Words(&["form", "function", "method"]),
    ..PLAIN
};
static SHELL: Syntax = Syntax {
    line_comments: &["#"],
    comment_after_blank: true,
    quotes: &[with(long("\""), "$("), plain_long("'", "'"), long("`")],
    code_escape: Some('\\'),
    word_chars: "-$",
    blocks: Keywords {
        openers: &[
            opener("if", Statement),
            opener("case", Statement),
            opener("do", Statement),
        ],
        closers: &["fi", "esac", "done"],
        before_plain: &[],
        brackets: &['{'],
    },
    functions: Functions::Parameters,
    ..PLAIN
};

static LISP: Syntax = Syntax {
    line_comments: &[";"],
    block_comments: &[nested("#|", "|#")],
    quotes: &[long("\"")],
    code_escape: Some('\\'),
    word_chars: "-+*/<>=!?%&$",
    blocks: Brackets(&['(', '[']),
    ..PLAIN
};
static CLOJURE: Syntax = Syntax {
    block_comments: &[],
    blocks: Brackets(&['(', '[', '{']),
    ..LISP
};

static PROLOG: Syntax = Syntax {
    line_comments: &["%"],
    block_comments: &[block("/*", "*/")],
    quotes: &[quote("\""), quote("'"), quote("`")],
    ..PLAIN
};
static ERLANG: Syntax = Syntax {
    line_comments: &["%"],
    quotes: &[long("\""), long("'")],
    code_escape: Some('$'),
    ..PLAIN
};
static TEX: Syntax = Syntax {
    line_comments: &["%"],
    code_escape: Some('\\'),
    ..PLAIN
};
static HTML: Syntax = Syntax {
    block_comments: &[block("<!--", "-->")],
    ..PLAIN
};
static SQL: Syntax = Syntax {
    line_comments: &["--"],
    block_comments: &[block("/*", "*/")],
    quotes: &[
        plain_long("'", "'"),
        plain("\""),
        plain("`"),
        plain_long("$$", "$$"),
    ],
    ignores_case: true,
    ..PLAIN
};
static ASSEMBLY: Syntax = Syntax {
    line_comments: &[";", "//"],
    line_start_comments: &["#"],
    block_comments: &[block("/*", "*/")],
    quotes: &[quote("\"")],
    ..PLAIN
};
static COBOL: Syntax = Syntax {
    line_comments: &["*>", "//"],
    line_start_comments: &["*"],
    quotes: &[plain("\""), plain("'")],
    word_chars: "-",
    ignores_case: true,
    ..PLAIN
};
