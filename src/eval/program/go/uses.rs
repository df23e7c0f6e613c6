//! Which packages Go code uses: names before a dot that no declaration in scope has taken.
//!
//! Scopes are those of the language: the package's, functions' with their parameters, blocks, the
//! headers of `if`, `for`, `switch` and `select`, and clauses. A name counts from the end of the
//! statement that declares it. Types are not worked out, so code that does not compile may give
//! anything; code that does gives what the compiler finds.

use std::collections::{BTreeSet, HashMap};

use super::lex::{Kind, Token, tokens};

/// Tokens that are looked through for the end or the start of something in brackets.
const FARTHEST: usize = 512;

/// Names that stand for packages in `text`, declarations of a file after the imports.
pub(super) fn packages(text: &str) -> BTreeSet<&str> {
    let tokens = tokens(text);
    let mut walk = Walk {
        tokens: &tokens,
        scopes: Vec::new(),
        taken: HashMap::new(),
        open: Vec::new(),
        pending: Vec::new(),
        bodies: Vec::new(),
        used: BTreeSet::new(),
    };
    walk.enter_scope(top_level(&tokens));
    for at in 0..tokens.len() {
        walk.step(at);
    }
    walk.used
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `(`, `[`, or the braces of a type or a literal.
    Plain,
    /// The parenthesis of grouped declarations: each line of it declares.
    Group,
    /// A block, which is a scope.
    Block,
    /// The block of a header.
    HeaderBlock,
    /// `if`, `for`, `switch` or `select` up to the end of its last block, which is a scope.
    Header,
}

/// Names that come into scope later.
#[derive(Debug)]
struct Later<'a> {
    /// How much was open when they were declared.
    depth: usize,
    names: Vec<&'a str>,
}

struct Walk<'t, 'a> {
    tokens: &'t [Token<'a>],
    scopes: Vec<BTreeSet<&'a str>>,
    /// In how many of the scopes a name is declared.
    taken: HashMap<&'a str, usize>,
    open: Vec<Open>,
    /// What variables are declared by statements that have not ended.
    pending: Vec<Later<'a>>,
    /// Parameters of functions whose body has not begun.
    bodies: Vec<Later<'a>>,
    used: BTreeSet<&'a str>,
}

impl<'a> Walk<'_, 'a> {
    fn token(&self, at: usize) -> Option<&Token<'a>> {
        self.tokens.get(at)
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.token(at).is_some_and(|t| t.is(text))
    }

    fn is_before(&self, at: usize, text: &str) -> bool {
        at > 0 && self.is(at - 1, text)
    }

    fn step(&mut self, at: usize) {
        let token = self.tokens[at];
        match token.kind {
            Kind::Name => {
                let is_taken = self.taken.contains_key(token.text);
                if self.is(at + 1, ".") && !self.is_before(at, ".") && !is_taken {
                    self.used.insert(token.text);
                }
            }
            Kind::Literal => {}
            Kind::Semicolon => self.end_statement(at),
            Kind::Keyword => self.keyword(at),
            Kind::Operator => match token.text {
                "{" => self.open_brace(at),
                "(" if ["var", "const", "type"]
                    .iter()
                    .any(|k| self.is_before(at, k)) =>
                {
                    self.open.push(Open::Group);
                    self.declare_from(at + 1);
                }
                "(" | "[" => self.open.push(Open::Plain),
                "}" | ")" | "]" => self.close(at),
                ":=" => {
                    let names = self.names_before(at);
                    self.later(names);
                }
                // After the head of a clause.
                ":" => self.settle(),
                _ => {}
            },
        }
    }

    fn later(&mut self, names: Vec<&'a str>) {
        let depth = self.open.len();
        self.pending.push(Later { depth, names });
    }

    /// Puts in scope what was declared by the statement that ends here.
    fn settle(&mut self) {
        while let Some(last) = self.pending.pop_if(|l| l.depth >= self.open.len()) {
            if last.depth == self.open.len() {
                self.declare(last.names);
            }
        }
    }

    fn end_statement(&mut self, at: usize) {
        self.settle();
        // Types of functions have no body.
        let depth = self.open.len();
        while self.bodies.pop_if(|body| body.depth >= depth).is_some() {}
        if self.open.last() == Some(&Open::Group) {
            self.declare_from(at + 1);
        }
    }

    fn keyword(&mut self, at: usize) {
        match self.tokens[at].text {
            "if" | "for" | "switch" | "select" => {
                self.open.push(Open::Header);
                self.enter_scope(BTreeSet::new());
            }
            // Every clause is a scope of its own.
            "case" | "default" if self.open.last() == Some(&Open::HeaderBlock) => {
                self.leave_scope();
                self.enter_scope(BTreeSet::new());
            }
            "var" | "const" | "type" if self.scopes.len() > 1 && !self.is(at + 1, "(") => {
                self.declare_from(at + 1);
            }
            "func" => self.function(at),
            _ => {}
        }
    }

    /// Names that a declaration lists, from here on.
    fn declare_from(&mut self, mut at: usize) {
        // At the top they are in scope everywhere.
        if self.scopes.len() == 1 {
            return;
        }
        let mut names = Vec::new();
        while let Some(name) = self.token(at).filter(|t| t.kind == Kind::Name) {
            names.push(name.text);
            if !self.is(at + 1, ",") {
                break;
            }
            at += 2;
        }
        self.later(names);
    }

    /// Names on the left of `:=`.
    fn names_before(&self, mut at: usize) -> Vec<&'a str> {
        let mut names = Vec::new();
        while at > 0 && self.tokens[at - 1].kind == Kind::Name {
            names.push(self.tokens[at - 1].text);
            if at < 2 || !self.is(at - 2, ",") {
                break;
            }
            at -= 2;
        }
        names
    }

    /// Notes the parameters of a function or a literal of one. They are in scope in its body only.
    fn function(&mut self, at: usize) {
        let mut names = Vec::new();
        let mut next = at + 1;
        let is_name = |at: usize| self.token(at).is_some_and(|t| t.kind == Kind::Name);
        if self.is(next, "(") {
            // Of a literal or a type, or the receiver of a method.
            next = self.parameters(next, &mut names);
            if self.open.is_empty() && is_name(next) && self.is(next + 1, "(") {
                next = self.parameters(next + 1, &mut names);
            }
        } else if is_name(next) {
            next += 1;
            if self.is(next, "[") {
                next = self.parameters(next, &mut names);
            }
            next = self.parameters(next, &mut names);
        }
        if self.is(next, "(") {
            self.parameters(next, &mut names);
        }
        let depth = self.open.len();
        self.bodies.push(Later { depth, names });
    }

    /// Adds the names of a list in brackets, which begins here; returns where it has ended.
    fn parameters(&self, start: usize, names: &mut Vec<&'a str>) -> usize {
        let mut depth = 0usize;
        let mut first = Vec::new();
        let (mut is_first, mut has_names) = (false, false);
        let end = self.tokens.len().min(start + FARTHEST);
        for at in start..end {
            let token = &self.tokens[at];
            if is_first && token.kind == Kind::Name {
                let next = self.token(at + 1);
                let is_alone = next.is_none_or(|t| [",", ")", "]", "."].iter().any(|o| t.is(o)));
                has_names |= !is_alone;
                if !next.is_some_and(|t| t.is(".")) {
                    first.push(token.text);
                }
            }
            is_first = false;
            if ["(", "[", "{"].iter().any(|o| token.is(o)) {
                depth += 1;
                is_first = depth == 1;
            } else if [")", "]", "}"].iter().any(|o| token.is(o)) {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    if has_names {
                        names.extend(first);
                    }
                    return at + 1;
                }
            } else if depth == 1 && (token.is(",") || token.kind == Kind::Semicolon) {
                is_first = true;
            }
        }
        end
    }

    fn open_brace(&mut self, at: usize) {
        if self.is_before(at, "struct") || self.is_before(at, "interface") {
            self.open.push(Open::Plain);
            return;
        }
        let depth = self.open.len();
        let mut parameters = None;
        while let Some(body) = self.bodies.pop_if(|body| body.depth >= depth) {
            parameters
                .get_or_insert_with(BTreeSet::new)
                .extend(body.names);
        }
        if let Some(parameters) = parameters {
            self.open.push(Open::Block);
            self.enter_scope(parameters);
            return;
        }
        if self.open.last() == Some(&Open::Header) {
            if self.is_literal(at) {
                self.open.push(Open::Plain);
                return;
            }
            self.settle();
            self.open.push(Open::HeaderBlock);
            self.enter_scope(BTreeSet::new());
            return;
        }
        // Braces of a literal are no scope, but nothing is declared in them either.
        self.open.push(Open::Block);
        self.enter_scope(BTreeSet::new());
    }

    /// Whether a brace in a header follows the type of a list or a map, as in `range []int{1, 2} {`.
    fn is_literal(&self, brace: usize) -> bool {
        let mut at = brace;
        // Back over the type of elements.
        while at > 0 {
            let token = &self.tokens[at - 1];
            let is_part = token.kind == Kind::Name || token.is(".") || token.is("*");
            if !is_part {
                break;
            }
            at -= 1;
        }
        if at == 0 || !(self.is(at - 1, "]") || self.is(at - 1, "}")) {
            return false;
        }
        if self.is(at - 1, "]") && at == brace {
            return false;
        }
        // To the first of the brackets that end here.
        let mut depth = 0usize;
        for i in (at.saturating_sub(FARTHEST)..at).rev() {
            let token = &self.tokens[i];
            if ["}", "]", ")"].iter().any(|o| token.is(o)) {
                depth += 1;
            } else if ["{", "[", "("].iter().any(|o| token.is(o)) {
                depth = depth.saturating_sub(1);
                let Some(before) = i.checked_sub(1).map(|b| &self.tokens[b]) else {
                    return false;
                };
                if depth == 0 && token.is("{") {
                    return before.is("struct") || before.is("interface");
                }
                if depth == 0 && !before.is("]") {
                    let is_value = matches!(before.kind, Kind::Name | Kind::Literal);
                    return !is_value && !before.is(")") && !before.is("}");
                }
            }
        }
        false
    }

    fn close(&mut self, at: usize) {
        if self.open.last() == Some(&Open::Group) {
            self.settle();
        }
        let closed = self.open.pop();
        // A header ends here where brackets do not match, as in code that does not compile.
        if !matches!(closed, None | Some(Open::Plain | Open::Group)) {
            self.leave_scope();
        }
        self.forget_inner();
        // `else` goes on with the header; anything else after its block ends it.
        if closed == Some(Open::HeaderBlock) && !self.is(at + 1, "else") {
            while self.open.pop_if(|open| *open == Open::Header).is_some() {
                self.leave_scope();
                self.forget_inner();
            }
        }
    }

    /// Forgets what was to come into scope in something that is closed.
    fn forget_inner(&mut self) {
        let depth = self.open.len();
        while self.pending.pop_if(|later| later.depth > depth).is_some() {}
        while self.bodies.pop_if(|later| later.depth > depth).is_some() {}
    }

    fn enter_scope(&mut self, names: BTreeSet<&'a str>) {
        self.scopes.push(BTreeSet::new());
        self.declare(names);
    }

    /// Declares names in the innermost scope.
    fn declare(&mut self, names: impl IntoIterator<Item = &'a str>) {
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        for name in names {
            if scope.insert(name) {
                *self.taken.entry(name).or_default() += 1;
            }
        }
    }

    fn leave_scope(&mut self) {
        if self.scopes.len() < 2 {
            return;
        }
        for name in self.scopes.pop().unwrap_or_default() {
            if let Some(count) = self.taken.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.taken.remove(name);
                }
            }
        }
    }
}

/// What the package declares; a group of declarations included.
fn top_level<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    let mut depth = 0usize;
    let mut in_group = false;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let list = |mut at: usize, names: &mut BTreeSet<&'a str>| {
            while let Some(name) = tokens.get(at).filter(|t| t.kind == Kind::Name) {
                names.insert(name.text);
                if !tokens.get(at + 1).is_some_and(|t| t.is(",")) {
                    break;
                }
                at += 2;
            }
        };
        let is_declaration = ["var", "const", "type", "func"].iter().any(|k| token.is(k));
        if depth == 0 && is_declaration {
            match next {
                Some(next) if next.is("(") => in_group = !token.is("func"),
                _ => list(at + 1, &mut names),
            }
        }
        if ["(", "[", "{"].iter().any(|o| token.is(o)) {
            depth += 1;
            if depth == 1 && in_group {
                list(at + 1, &mut names);
            }
        } else if [")", "]", "}"].iter().any(|o| token.is(o)) {
            depth = depth.saturating_sub(1);
            in_group &= depth > 0;
        } else if depth == 1 && in_group && token.kind == Kind::Semicolon {
            list(at + 1, &mut names);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses_math(body: &str) -> bool {
        let text = format!("func f(x int) int {{\n{body}\n}}\n");
        packages(&text).contains("math")
    }

    #[test]
    fn names_before_a_dot_are_packages() {
        for body in [
            "return math.Abs(x)",
            "var d math.T",
            "f := func(math math.T) {}\nf(x)",
            "math := math.T(x)",
            "if math := math.Abs(x); math > 0 {\n}",
            "{\nmath := 1\n_ = math.x\n}\nreturn math.Pi",
            "for _, math := range []int{1} {\n_ = math.x\n}\nreturn math.Pi",
            "switch {\ncase x > 1:\nmath := t{}\n_ = math.x\ncase x < 1:\nreturn math.Pi\n}",
            "y := []math.T{math.A}",
            "return T{math: math.Pi}.math",
            "return 3*math.\nPi",
            "a.math.b()\nmath.c()",
            "var math = math.Pi",
            "func(math T) {\nmath.x()\n}(1)\nmath.y()",
            "if x > 0 {\nmath := T{}\nmath.a()\n} else if x < 1 {\nmath.b()\n}",
        ] {
            assert!(uses_math(body), "{body}");
        }
    }

    #[test]
    fn names_that_are_declared_are_none() {
        for body in [
            "math := T{}\nreturn math.x",
            "var math T\nreturn math.x",
            "var (\nn int\nmath, m T\n)\nreturn math.x + m.x",
            "var (n, math T)\nreturn math.x",
            "const math = 1\n_ = math.x",
            "a, math, b := g()\nmath.x(a, b)",
            "for math := range list {\nmath.x()\n}",
            "for i, math := range list {\nif i > 0 {\nmath.x()\n}\n}",
            "for math := g(); math.ok(); math.next() {\n}",
            "if math, ok := g(); ok {\nmath.x()\n} else if math.y() {\nmath.z()\n} else {\nmath.u()\n}",
            "switch math := v.(type) {\ncase T:\nmath.x()\ndefault:\nmath.y()\n}",
            "select {\ncase math := <-c:\nmath.x()\n}",
            "g := func(math T, n int) int {\nreturn math.x\n}",
            "g := func(n, math T) (err error) {\nreturn math.x\n}",
            "g := func(math ...T) func(int) int {\nreturn math.x\n}",
            "for _, math := range []T{{1}, {2}} {\nmath.x()\n}",
            "for _, math := range [][]T{{}} {\nmath.x()\n}",
            "for _, math := range map[string]*T{} {\nmath.x()\n}",
            "for _, math := range []struct{ n int }{{1}} {\nmath.x()\n}",
            "if math := a[1]; math.x {\nmath.y()\n}",
            "if math := a[1][2] * b; math.x {\nmath.y()\n}",
            "if math := func() T { return T{} }(); math.x {\nmath.y()\n}",
            "defer func() {\nif math := recover(); math != nil {\nmath.x()\n}\n}()",
            "type math struct{ x int }\nmath.y()",
            "switch x {\ncase 1:\nmath := T{}\nmath.y()\n}",
            "math := T{\na: 1,\n}\nmath.y()",
            "// math.Pi\n/* math.\nPi */\nreturn \"math.Pi\" + `math.Pi` + 'm'",
            "return a.math.Pi + 0x1p-2",
            "L:\nfor {\nmath := T{}\nmath.x()\nbreak L\n}",
        ] {
            assert!(!uses_math(body), "{body}");
        }
    }

    #[test]
    fn declarations_of_the_package_are_in_scope_everywhere() {
        for text in [
            "func f() { math.x() }\nvar math = T{}\n",
            "func f() { math.x() }\nvar (\na = T{b: 1}\nmath, c T\n)\n",
            "func f() { math.x() }\nfunc math() {}\n",
            "func f() { math.x() }\ntype math int\n",
            "func (math T) f() { math.x() }\n",
            "func (r *T) f(math T) (a, b int) { math.x() }\n",
            "func f[math T](a []math) (math2 int) { math.x(math2.y) }\n",
            "func f(n int) (math T) {\nmath.x()\nreturn\n}\n",
            "var f = func(math T) int { return math.x }\n",
            "func f(\na int,\nmath T,\n) {\nmath.x()\n}\n",
        ] {
            assert_eq!(packages(text).len(), 0, "{text}");
        }
        for text in [
            "func (t T) math() { math.x() }\n",
            "var x = math.Pi\n",
            "func f(a math.T, b T) {}\n",
            "func f(math.T) {}\n",
            "type T struct {\nmath math.T\n}\n",
            "func g(math T) {}\nfunc f() { math.x() }\n",
            "var f = func() int { return math.x }\n",
            "func f() math.T { return T{} }\n",
        ] {
            assert_eq!(packages(text), BTreeSet::from(["math"]), "{text}");
        }
    }

    #[test]
    fn no_code_is_walked_for_ever() {
        for text in [
            "func(",
            "if [",
            "{",
            "}",
            ")",
            "a := func(a ",
            "for x := range []struct{",
            "case ",
        ] {
            packages(&text.repeat(5_000));
        }
    }
}
