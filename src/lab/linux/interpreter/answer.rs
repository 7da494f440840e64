//! What an interpreter says of itself.

use std::path::Path;
use std::str::FromStr;

/// The oldest version that has all that the scripts use: time.monotonic_ns.
const OLDEST: [u32; 2] = [3, 7];

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    implementation: String,
    version: [u32; 3],
    /// The file that the process executes, all links resolved.
    file: String,
    /// What it takes for its own program; empty if it does not know.
    executable: String,
}

/// Why an answer is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("it says something else")]
    Lines,
    #[error("it names no version")]
    Version,
    #[error("it does not name its program")]
    File,
}

impl FromStr for Answer {
    type Err = Nonsense;

    fn from_str(text: &str) -> Result<Self, Nonsense> {
        let lines: Vec<&str> = text.lines().collect();
        // What comes before is a wrapper's.
        let [.., implementation, version, file, executable] = lines[..] else {
            return Err(Nonsense::Lines);
        };
        if !file.starts_with('/') {
            return Err(Nonsense::File);
        }
        let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
        let numbers = numbers.map_err(|_| Nonsense::Version)?;
        Ok(Self {
            implementation: implementation.to_owned(),
            version: numbers.try_into().map_err(|_| Nonsense::Version)?,
            file: file.to_owned(),
            executable: executable.to_owned(),
        })
    }
}

impl Answer {
    /// Whether it is an interpreter that can be measured.
    pub(super) fn check(&self) -> Result<(), String> {
        let version = self.version();
        let [major, minor, _] = self.version;
        if major < 3 {
            return Err(format!("is Python {version}, and Python 3 is needed"));
        }
        if self.implementation != "cpython" {
            let name = &self.implementation;
            return Err(format!("is {name} {version}, and CPython is needed"));
        }
        if [major, minor] < OLDEST {
            let [major, minor] = OLDEST;
            let why = format!("is Python {version}, and at least {major}.{minor} is needed");
            return Err(why);
        }
        Ok(())
    }

    /// The program to execute: what it takes for its own, since that leads to
    /// its library, unless this is a wrapper that left it its name.
    pub(super) fn program(&self) -> &str {
        let own = Path::new(&self.executable).canonicalize();
        let is_own = own.is_ok_and(|own| own == Path::new(&self.file));
        if is_own { &self.executable } else { &self.file }
    }

    /// Such as 3.11.7.
    pub(super) fn version(&self) -> String {
        self.version.map(|number| number.to_string()).join(".")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(implementation: &str, version: &str, executable: &str) -> Answer {
        let text = format!("{implementation}\n{version}\n/usr/bin/python3.11\n{executable}\n");
        text.parse().unwrap()
    }

    #[test]
    fn only_cpython_3_with_the_clock_will_do() {
        assert_eq!(answer("cpython", "3.11.7", "").check(), Ok(()));
        assert_eq!(answer("cpython", "3.7.0", "").check(), Ok(()));
        for (implementation, version, named) in [
            ("cpython", "2.7.18", "Python 3 is needed"),
            ("cpython", "3.6.15", "3.7"),
            ("pypy", "3.10.14", "CPython"),
        ] {
            let why = answer(implementation, version, "").check().unwrap_err();
            assert!(why.contains(named) && why.contains(version), "{why}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_believed() {
        for elsewhere in ["", "/bin/sh", "/nowhere/python3"] {
            let answer = answer("cpython", "3.11.7", elsewhere);
            assert_eq!(answer.program(), "/usr/bin/python3.11");
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().canonicalize().unwrap().join("python3.11");
        let link = dir.path().join("python3");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let (file, link) = (file.to_str().unwrap(), link.to_str().unwrap());
        let text = format!("cpython\n3.11.7\n{file}\n{link}\n");
        assert_eq!(text.parse::<Answer>().unwrap().program(), link);
    }

    #[test]
    fn a_wrapper_may_say_something_first() {
        let text = "using the environment of today\ncpython\n3.11.7\n/a\n/b\n";
        assert_eq!(text.parse::<Answer>().unwrap().version(), "3.11.7");
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, why) in [
            ("", Nonsense::Lines),
            ("cpython\n3.11.7\n/a\n", Nonsense::Lines),
            ("cpython\n3.11\n/a\n/b\n", Nonsense::Version),
            ("cpython\nthree\n/a\n/b\n", Nonsense::Version),
            ("cpython\n3.11.7\na\n/b\n", Nonsense::File),
        ] {
            assert_eq!(text.parse::<Answer>(), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_answer_comes_back(version: [u32; 3], name in "[a-z]{1,9}", file in "/[a-z/.0-9]{1,20}") {
            let written = version.map(|number| number.to_string()).join(".");
            let text = format!("{name}\n{written}\n{file}\n{file}\n");
            let answer: Answer = text.parse().unwrap();
            prop_assert_eq!(answer.version(), written);
            prop_assert_eq!(answer.program(), file);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[ -~\n]{0,80}") {
            if let Ok(answer) = text.parse::<Answer>() {
                prop_assert!(answer.file.starts_with('/'));
            }
        }
    }
}
