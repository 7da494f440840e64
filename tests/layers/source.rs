//! A source file as tokens and paths, with comments and strings left out.

/// One token: a word, `::`, or a single character of punctuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// Whether it belongs to an item under `#[cfg(test)]`.
    pub(crate) test: bool,
}

/// A path with `crate`, `self` and `super` resolved: `crate::a::b` or `std::b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) test: bool,
}

/// One file, read.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the package's root.
    pub(crate) name: String,
    pub(crate) tokens: Vec<Token>,
    /// Every path in it, `use` groups expanded.
    pub(crate) references: Vec<Reference>,
    /// Modules that it declares for tests only and keeps in files of their own.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    pub(crate) fn read(name: &str, text: &str) -> Self {
        let mut tokens = tokenise(text);
        let test_modules = mark_tests(&mut tokens);
        let references = references(&module_of(name), &tokens);
        Self {
            name: name.to_owned(),
            tokens,
            references,
            test_modules,
        }
    }

    /// The modules from the crate's root down to this file.
    pub(crate) fn module(&self) -> Vec<String> {
        module_of(&self.name)
    }
}

fn module_of(name: &str) -> Vec<String> {
    let mut module: Vec<String> = name
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    let last = module.last().map(String::as_str);
    if last == Some("mod") || (module.len() == 1 && matches!(last, Some("lib" | "main"))) {
        module.pop();
    }
    module
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn tokenise(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < chars.len() {
        let end = blank_end(&chars, at);
        if end > at {
            line += chars[at..end].iter().filter(|c| **c == '\n').count();
            at = end;
            continue;
        }
        let end = if is_word(chars[at]) {
            run_end(&chars, at, is_word)
        } else if chars[at..].starts_with(&[':', ':']) {
            at + 2
        } else {
            at + 1
        };
        tokens.push(Token {
            text: chars[at..end].iter().collect(),
            line,
            test: false,
        });
        at = end;
    }
    tokens
}

/// The end of what stands at `at` if it is no code: space, comment, literal.
fn blank_end(chars: &[char], at: usize) -> usize {
    match chars[at] {
        c if c.is_whitespace() => at + 1,
        '/' if chars.get(at + 1) == Some(&'/') => run_end(chars, at, |c| c != '\n'),
        '/' if chars.get(at + 1) == Some(&'*') => block_comment_end(chars, at),
        '"' => quoted_end(chars, at, '"'),
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            quoted_end(chars, at, '\'')
        }
        'r' | 'b' | 'c' => prefixed_end(chars, at),
        _ => at,
    }
}

fn run_end(chars: &[char], at: usize, belongs: impl Fn(char) -> bool) -> usize {
    let length = chars[at..].iter().take_while(|c| belongs(**c)).count();
    at + length
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_u32;
    let mut at = start;
    while at < chars.len() {
        if chars[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if chars[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `b'x'`, `b"x"`, `r"x"`, `br#"x"#` and the like; a word that
/// merely begins with these letters is no literal.
fn prefixed_end(chars: &[char], start: usize) -> usize {
    let prefix = run_end(chars, start, |c| matches!(c, 'r' | 'b' | 'c'));
    let raw = chars[start..prefix].contains(&'r');
    let hashes = run_end(chars, prefix, |c| c == '#') - prefix;
    let quote = prefix + hashes;
    match chars.get(quote) {
        Some('"') if raw => {
            let mut close = vec!['"'];
            close.extend(std::iter::repeat_n('#', hashes));
            (quote + 1..chars.len())
                .find(|at| chars[*at..].starts_with(&close))
                .map_or(chars.len(), |at| at + close.len())
        }
        Some(c @ ('"' | '\'')) if hashes == 0 => quoted_end(chars, prefix, *c),
        _ => start,
    }
}

/// Marks the items under `#[cfg(test)]`; gives the modules among them that
/// live in other files.
fn mark_tests(tokens: &mut [Token]) -> Vec<String> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = tokens[at..].iter().map(|token| token.text.as_str());
        if !rest.take(ATTRIBUTE.len()).eq(ATTRIBUTE) {
            at += 1;
            continue;
        }
        let end = item_end(tokens, at + ATTRIBUTE.len());
        for token in &mut tokens[at..end] {
            token.test = true;
        }
        if let [.., keyword, name, stop] = &tokens[at..end]
            && (keyword.text.as_str(), stop.text.as_str()) == ("mod", ";")
        {
            modules.push(name.text.clone());
        }
        at = end;
    }
    modules
}

/// The end of the item at `start`: its `;`, or the `}` that closes its body.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn references(file: &[String], tokens: &[Token]) -> Vec<Reference> {
    let mut found = Vec::new();
    // Each open brace, with the name of the module that it opens, if any.
    let mut braces: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match token.text.as_str() {
            "{" => {
                let opens_module = at >= 2 && tokens[at - 2].text == "mod";
                braces.push(opens_module.then(|| tokens[at - 1].text.clone()));
            }
            "}" => drop(braces.pop()),
            word if word.starts_with(is_word) => {
                let mut paths = Vec::new();
                let end = read_path(tokens, at, &[], &mut paths);
                let here: Vec<String> = file
                    .iter()
                    .chain(braces.iter().flatten())
                    .cloned()
                    .collect();
                found.extend(paths.into_iter().map(|path| Reference {
                    segments: resolve(&here, &path),
                    line: token.line,
                    test: token.test,
                }));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads the path at `at` and everything in its groups; gives its end.
fn read_path(
    tokens: &[Token],
    mut at: usize,
    before: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = before.to_vec();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    loop {
        match text(at) {
            "{" if !path.is_empty() => {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = match text(at) {
                        "," => at + 1,
                        _ => read_path(tokens, at, &path, found),
                    };
                }
                return at + 1;
            }
            word if word == "*" || word.starts_with(is_word) => {
                path.push(word.to_owned());
                at += 1;
                if text(at) == "::" {
                    at += 1;
                    continue;
                }
                // `a as b` renames a path, which goes on nowhere.
                if !before.is_empty() && text(at) == "as" {
                    at += 2;
                }
            }
            // A turbofish ends a path; anything else is stepped over.
            _ => at += 1,
        }
        found.push(path);
        return at;
    }
}

/// A path as seen from the crate's root.
fn resolve(here: &[String], path: &[String]) -> Vec<String> {
    let mut base: Option<Vec<String>> = None;
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" if base.is_none() => base = Some(Vec::new()),
            "self" if base.is_none() => base = Some(here.to_vec()),
            "super" => {
                base.get_or_insert_with(|| here.to_vec()).pop();
            }
            _ => break,
        }
        rest = others;
    }
    let Some(base) = base else {
        return path.to_vec();
    };
    let mut segments = vec!["crate".to_owned()];
    segments.extend(base);
    segments.extend(rest.iter().cloned());
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(name: &str, text: &str) -> Vec<String> {
        Source::read(name, text)
            .references
            .iter()
            .map(|reference| reference.segments.join("::"))
            .filter(|path| path.contains("::"))
            .collect()
    }

    fn words(text: &str) -> String {
        let tokens: Vec<String> = tokenise(text).into_iter().map(|t| t.text).collect();
        tokens.join(" ")
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        assert_eq!(words("a // unsafe\nb /* x /* y */ z */ c"), "a b c");
        assert_eq!(words(r#"f("unsafe \" x", 'u', '\'', b'u')"#), "f ( , , , )");
        assert_eq!(words("g(r#\"a \" unsafe\"#, br\"x\", c\"y\")"), "g ( , , )");
        assert_eq!(
            words("fn h<'a>(b: &'a str)"),
            "fn h < ' a > ( b : & ' a str )"
        );
        assert_eq!(words("r#type brc crate"), "r # type brc crate");
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let tokens = tokenise("/*\n\n*/ a \"\n\" b");
        assert_eq!((tokens[0].line, tokens[1].line), (3, 4));
    }

    #[test]
    fn groups_are_expanded_and_renames_do_not_hide() {
        assert_eq!(
            paths("src/lab/mod.rs", "use crate::{a::{b, c as d}, e::*}; x();"),
            ["crate::a::b", "crate::a::c", "crate::e::*"]
        );
        assert_eq!(
            paths(
                "src/lab/mod.rs",
                "let x = std::process::exit(crate::f::<u8>());"
            ),
            ["std::process::exit", "crate::f"]
        );
    }

    #[test]
    fn super_is_resolved_through_files_and_inline_modules() {
        assert_eq!(
            paths(
                "src/a/b.rs",
                "use super::c; use super::super::d; use self::e;"
            ),
            ["crate::a::c", "crate::d", "crate::a::b::e"]
        );
        assert_eq!(
            paths("src/a/mod.rs", "mod i { use super::x; } use super::y;"),
            ["crate::a::x", "crate::y"]
        );
        assert_eq!(paths("src/lib.rs", "use self::a;"), ["crate::a"]);
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let source = Source::read(
            "src/a.rs",
            "#[cfg(test)] mod tests; one; #[cfg(test)] mod inline { two; } three;",
        );
        assert_eq!(source.test_modules, ["tests"]);
        let marked = |word: &str| source.tokens.iter().find(|t| t.text == word).unwrap().test;
        assert_eq!(
            (marked("one"), marked("two"), marked("three")),
            (false, true, false)
        );
    }
}
