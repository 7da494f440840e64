//! The rules, and who breaks them.

use super::source::{Reference, Source, Token};

/// What each layer may import from the crate, from the ground up. A layer that
/// is not named here does not exist yet: name it, and what it may import.
const LAYERS: [(&str, &[&str]); 12] = [
    ("units", &[]),
    ("stats", &[]),
    ("model", &["stats", "units"]),
    ("vm", &["model", "stats", "units"]),
    ("analysis", &["model", "stats", "units", "vm"]),
    ("sys", &["model", "units"]),
    ("profile", &["model", "stats", "sys", "units"]),
    ("worker", &["model", "stats", "sys", "units", "vm"]),
    ("report", &["analysis", "model", "stats", "units"]),
    ("store", &["model", "report", "units"]),
    (
        "lab",
        &[
            "analysis", "model", "profile", "stats", "sys", "units", "vm", "worker",
        ],
    ),
    (
        "cli",
        &[
            "analysis", "lab", "model", "profile", "report", "stats", "store", "sys", "units",
            "vm", "worker",
        ],
    ),
];

/// What the report may name of the statistics: figures that were computed elsewhere.
const SHOWN: [&str; 2] = ["Estimate", "Summary"];

/// The files that may print and the one that may end the process.
const PRINTERS: [&str; 3] = ["src/main.rs", "src/cli/output.rs", "src/cli/progress.rs"];

/// Every breach of a rule, as `file:line: what`.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .flat_map(|source| {
            let for_tests = is_test_module(source, sources);
            let mut found = imports(source);
            found.extend(computed(source));
            found.extend(words(source, for_tests));
            found.extend(exits(source, for_tests));
            found.extend(threads(source, for_tests));
            found
        })
        .collect()
}

/// Whether the file holds a module, or part of one, that exists for tests only.
fn is_test_module(source: &Source, sources: &[Source]) -> bool {
    let module = source.module();
    sources.iter().any(|parent| {
        let place = parent.module();
        module.starts_with(&place)
            && module
                .get(place.len())
                .is_some_and(|child| parent.test_modules.contains(child))
    })
}

fn breach(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.name)
}

fn imports(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(layer) = module.first() else {
        return Vec::new();
    };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| name == layer) else {
        return vec![breach(source, 1, &format!("{layer} is no known layer"))];
    };
    let judge = |reference: &Reference| {
        let [root, target, ..] = reference.segments.as_slice() else {
            return None;
        };
        let upward = match root.as_str() {
            "crate" => target == "*" || is_layer(target) && target != layer,
            "forktax" => true,
            _ => false,
        };
        (upward && !allowed.contains(&target.as_str()))
            .then(|| breach(source, reference.line, &format!("{layer} imports {target}")))
    };
    source.references.iter().filter_map(judge).collect()
}

fn is_layer(name: &str) -> bool {
    LAYERS.iter().any(|(layer, _)| *layer == name)
}

/// A view shows what was computed: it names no function of the statistics.
fn computed(source: &Source) -> Vec<String> {
    if !source.name.starts_with("src/report") {
        return Vec::new();
    }
    let judge = |reference: &Reference| {
        let rest = match reference.segments.as_slice() {
            [root, stats, rest @ ..] if root == "crate" && stats == "stats" => rest,
            [root, rest @ ..] if root == "forktax_stats" => rest,
            _ => return None,
        };
        let named = rest.first().map_or("statistics", String::as_str);
        (!SHOWN.contains(&named)).then(|| {
            let what = format!("report computes: it uses {named}");
            breach(source, reference.line, &what)
        })
    };
    source.references.iter().filter_map(judge).collect()
}

/// Words that may stand in some places only.
fn words(source: &Source, for_tests: bool) -> Vec<String> {
    let name = source.name.as_str();
    let judge = |(at, token): (usize, &Token)| {
        let calls_macro = source.tokens.get(at + 1).is_some_and(|t| t.text == "!");
        let test = token.test || for_tests;
        let allowed = match token.text.as_str() {
            "unsafe" | "global_asm" => name.starts_with("src/sys/"),
            "prettytable" => name == "src/report/render/text.rs",
            "inferno" => name == "src/report/render/flame_graph.rs",
            "fastrand" => !name.starts_with("src/report/"),
            "gimli" | "rustc_demangle" => name.starts_with("src/lab/callers/"),
            "perf_event_open" => name.starts_with("src/sys/perf/"),
            "println" | "print" | "eprintln" | "eprint" if calls_macro => {
                test || PRINTERS.contains(&name)
            }
            _ => true,
        };
        (!allowed).then(|| {
            breach(
                source,
                token.line,
                &format!("{} does not belong here", token.text),
            )
        })
    };
    source.tokens.iter().enumerate().filter_map(judge).collect()
}

fn exits(source: &Source, for_tests: bool) -> Vec<String> {
    if for_tests || PRINTERS.contains(&source.name.as_str()) {
        return Vec::new();
    }
    source
        .references
        .iter()
        .filter(|reference| !reference.test)
        .filter(|reference| {
            reference
                .segments
                .ends_with(&["process".into(), "exit".into()])
        })
        .map(|reference| breach(source, reference.line, "only main ends the process"))
        .collect()
}

/// The files that may start a thread: whoever forks relies on being alone
/// (`sys::threads::Alone`), and the tracers run in a process that does not.
const TRACERS: [&str; 2] = ["src/sys/trace.rs", "src/sys/perf/tracepoints.rs"];

fn threads(source: &Source, for_tests: bool) -> Vec<String> {
    if for_tests || TRACERS.contains(&source.name.as_str()) {
        return Vec::new();
    }
    let starts = |reference: &&Reference| {
        let mut pairs = reference.segments.windows(2);
        !reference.test
            && pairs.any(|pair| {
                pair[0] == "thread" && ["spawn", "scope", "Builder"].contains(&pair[1].as_str())
            })
    };
    let started = source.references.iter().filter(starts);
    let mut lines: Vec<usize> = started.map(|reference| reference.line).collect();
    let hidden = ["enable_steady_tick", "pthread_create"];
    let sleepers = "src/sys/threads.rs";
    let named = source.tokens.iter().filter(|token| {
        !token.test && source.name != sleepers && hidden.contains(&token.text.as_str())
    });
    lines.extend(named.map(|token| token.line));
    let lines = lines.into_iter();
    lines
        .map(|line| breach(source, line, "only tracers start a thread"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        breaches(&[Source::read(name, text)])
    }

    fn stands(name: &str, text: &str) {
        assert_eq!(found(name, text), Vec::<String>::new(), "{name}: {text}");
    }

    fn falls(name: &str, text: &str, complaint: &str) {
        assert_eq!(found(name, text), [complaint], "{name}: {text}");
    }

    #[test]
    fn an_upward_import_falls_in_whatever_disguise() {
        let complaint = "src/report/view.rs:1: report imports lab";
        for text in [
            "use crate::lab::run;",
            "use crate::{model::Plan, lab as laboratory};",
            "use super::super::lab;",
            "fn f() { crate::lab::run() }",
            "use forktax::lab;",
            "#[cfg(test)] mod tests { use super::super::super::lab; }",
        ] {
            falls("src/report/view.rs", text, complaint);
        }
        let all = "use crate::*;";
        falls("src/stats/x.rs", all, "src/stats/x.rs:1: stats imports *");
    }

    #[test]
    fn a_thread_is_started_by_tracers_alone() {
        let text = "fn f() { std::thread::spawn(|| ()); }";
        let complaint = "src/worker/x.rs:1: only tracers start a thread";
        falls("src/worker/x.rs", text, complaint);
        let builder = "use std::thread::Builder;";
        falls("src/worker/x.rs", builder, complaint);
        let ticking = "fn f(bar: Bar) { bar.enable_steady_tick(TIME); }";
        falls("src/worker/x.rs", ticking, complaint);
        stands(TRACERS[0], text);
        stands("src/worker/x.rs", "fn f() { std::thread::sleep(TIME); }");
    }

    #[test]
    fn each_layer_may_import_what_stands_below_it() {
        stands(
            "src/report/view.rs",
            "use crate::{model::Plan, stats::Estimate, units::Bytes};",
        );
        stands(
            "src/report/view.rs",
            "use super::render; use crate::report::x; mod lab {}",
        );
        stands(
            "src/cli/mod.rs",
            "use crate::{lab, report}; use super::worker;",
        );
        stands("src/main.rs", "use forktax::cli;");
        stands("src/lib.rs", "pub mod cli; use crate::cli::x;");
        stands("src/lab/mod.rs", "#[cfg(test)] mod tests { use super::*; }");
        falls(
            "src/lab/mod.rs",
            "use crate::cli;",
            "src/lab/mod.rs:1: lab imports cli",
        );
        falls(
            "src/worker.rs",
            "use super::lab;",
            "src/worker.rs:1: worker imports lab",
        );
    }

    #[test]
    fn a_view_falls_that_computes() {
        let complaint = "src/report/view/x.rs:1: report computes: it uses median_replicates";
        for text in [
            "use crate::stats::{Estimate, median_replicates};",
            "fn f() { crate::stats::median_replicates(&[], 1, 2) }",
            "use forktax_stats::median_replicates as middle;",
        ] {
            falls("src/report/view/x.rs", text, complaint);
            stands(
                "src/analysis/x.rs",
                &text.replace("forktax_stats", "crate::stats"),
            );
        }
        falls(
            "src/report/view/x.rs",
            "use crate::stats;",
            "src/report/view/x.rs:1: report computes: it uses statistics",
        );
        stands(
            "src/report/view/x.rs",
            "use crate::stats::{Estimate, Summary};",
        );
        falls(
            "src/report/view/x.rs",
            "use fastrand::Rng;",
            "src/report/view/x.rs:1: fastrand does not belong here",
        );
    }

    #[test]
    fn the_table_has_no_circle_and_nobody_imports_cli() {
        for (layer, below) in LAYERS {
            let place = |name: &str| LAYERS.iter().position(|(other, _)| *other == name);
            for name in below {
                assert!(place(name) < place(layer), "{layer} may import {name}");
                assert_ne!(*name, "cli");
            }
        }
    }

    #[test]
    fn an_unknown_layer_falls() {
        falls(
            "src/utils.rs",
            "",
            "src/utils.rs:1: utils is no known layer",
        );
    }

    #[test]
    fn unsafe_code_falls_outside_sys_and_talk_of_it_does_not() {
        let complaint = "src/lab/mod.rs:2: unsafe does not belong here";
        falls("src/lab/mod.rs", "fn f() {\n unsafe { g() } }", complaint);
        falls(
            "src/lab/mod.rs",
            "\n#[cfg(test)] mod tests { unsafe fn f() {} }",
            complaint,
        );
        stands("src/sys/memory.rs", "unsafe { g() }");
        stands(
            "src/lab/mod.rs",
            "// unsafe\nconst A: &str = \"unsafe\"; fn unsafely() {}",
        );
    }

    #[test]
    fn dependencies_stay_behind_their_doors() {
        stands("src/report/render/text.rs", "use prettytable::Table;");
        stands("src/sys/perf/counters.rs", "use perf_event_open::count;");
        falls(
            "src/report/render/csv.rs",
            "use prettytable::Table;",
            "src/report/render/csv.rs:1: prettytable does not belong here",
        );
        falls(
            "src/sys/clock.rs",
            "use perf_event_open::count;",
            "src/sys/clock.rs:1: perf_event_open does not belong here",
        );
    }

    #[test]
    fn only_the_printers_print_and_exit() {
        for name in PRINTERS {
            stands(name, "println!(); eprint!(); std::process::exit(1);");
        }
        falls(
            "src/lab/mod.rs",
            "fn f() { eprintln!(\"x\") }",
            "src/lab/mod.rs:1: eprintln does not belong here",
        );
        for text in [
            "std::process::exit(1)",
            "use std::process::{Command, exit};",
            "use std::process; process::exit(1)",
        ] {
            falls(
                "src/lab/mod.rs",
                text,
                "src/lab/mod.rs:1: only main ends the process",
            );
        }
        stands(
            "src/lab/mod.rs",
            "fn print() {} fn exit() {} self.print(); writeln!(f)",
        );
    }

    #[test]
    fn tests_may_print_wherever_they_are() {
        stands(
            "src/lab/mod.rs",
            "#[cfg(test)] mod tests { fn f() { println!() } }",
        );
        let sources = [
            Source::read("src/lab/mod.rs", "#[cfg(test)] mod tests; mod other;"),
            Source::read("src/lab/tests.rs", "println!()"),
            Source::read("src/lab/tests/deep.rs", "std::process::exit(0)"),
            Source::read("src/lab/other.rs", "println!()"),
        ];
        assert_eq!(
            breaches(&sources),
            ["src/lab/other.rs:1: println does not belong here"]
        );
    }
}
