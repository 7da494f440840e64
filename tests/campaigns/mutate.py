#!/usr/bin/env python3
"""Gives forktax documents that somebody has edited, cut off or forged, and looks at what it
makes of them.

    tests/campaigns/mutate.py [--runs N] [--seed S] [--jobs J] [--binary FILE] [--only RUN]

Each run changes one of the results and shapes in tests/data, its values, its structure or
its bytes, and has a command read it: `show` and `compare` in every format, `shape --shape`,
`card --stored`, and `explain` and `advise` with `--shape`, most of them with an export that
is refused once the plan is made, so that few of them measure.

A fault is: an end by a signal or a panic; more than 2 s of CPU time or 500 MB; a status that
the command does not have, or one of failure without a message; what steers a terminal on
stdout or stderr or in an exported file; a cell of CSV that a spreadsheet takes for a formula;
an element or an attribute in SVG, or a tag or a cell in Markdown, that the text of a
document has made; JSON that cannot be read again.
"""

import csv
import dataclasses
import io
import json
import os
import random
import re
import select
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree

from campaign import DATA, ROOT, Outcome, arguments, carry_out
from mutations import Mutations

CPU_SECONDS, WALL_SECONDS, MEGABYTES = 2, 300, 500
# Larger ones are not tried: what is allowed grows with them.
LARGEST = 4 << 20
# The most pages of a shape that is built.
MOST_PAGES = 20_000

FORBIDDEN = re.compile(
    "["
    + "".join(
        re.escape(c)
        for c in map(chr, range(0x110000))
        if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")
    )
    + "]"
)

PICTURES = {"explain", "reproduce", "card", "process", "advise"}


@dataclasses.dataclass
class Document:
    """A stored document, and what can be asked of it. The small one has the beginnings of
    its longest lists alone, and is read in a fraction of the time."""

    name: str
    text: str
    small: str
    subject: str
    sections: list

    def is_shape(self):
        return self.subject == "shape"


@dataclasses.dataclass
class Case:
    """A command that reads, and what it may end with and write."""

    words: list
    statuses: set
    format: str = "table"
    exported: str = ""
    stdin: bool = False
    is_measuring: bool = False
    # What it says after it has read and accepted a document that it then does not use.
    refusal: str = ""


def documents(binary):
    files = sorted([*DATA.glob("*.json"), *DATA.glob("compared/*"), *DATA.glob("shapes/*")])
    found = [document(binary, file.name, file.read_text()) for file in files]
    by_turns = asked(binary, *"sweep --mappings 0 --spawns 64 --vs=--fds=5 --format json".split())
    return [*found, document(binary, "by-turns", by_turns.stdout)]


def document(binary, name, text):
    value = json.loads(text)
    subject = "shape" if "shape_version" in value else "comparison"
    if "plan" in value:
        order = value["plan"]["order"]
        subject = order if isinstance(order, str) else next(iter(order))
    subject = "by turns" if "by_turns" in value else subject
    reading = ["shape", "--shape", "-"] if subject == "shape" else ["show", "-"]
    said = asked(binary, *reading, "--section", "?", input=text).stderr
    sections = said.strip().rpartition("there are ")[2].split(", ")
    small = json.dumps(shortened(value))
    small = text if asked(binary, *reading, input=small).returncode else small
    return Document(name, text, small, subject, sections)


def asked(binary, *words, **more):
    return subprocess.run([binary, *words], capture_output=True, text=True, check=False, **more)


def shortened(value):
    if isinstance(value, dict):
        return {key: shortened(part) for key, part in value.items()}
    return list(map(shortened, value[:4])) if isinstance(value, list) else value


def free_texts():
    """The names of fields that hold any text, by the schemas."""
    found = set()
    for file in ("document", "comparison", "shape"):
        schema = json.loads((ROOT / f"docs/schema/{file}.json").read_text())
        definitions = {"#": schema, **schema["$defs"]}
        for part in definitions.values():
            for variant in [part, *part.get("oneOf", [])]:
                fields = variant.get("properties", {}).items()
                found |= {name for name, field in fields if holds_text(field, definitions)}
    return found


def holds_text(field, definitions):
    """Whether it may be any text, or a list of such."""
    while "$ref" in field or "items" in field:
        name = field.get("$ref", "").rpartition("/")[2]
        field = definitions[name] if name else field["items"]
    if any(holds_text(part, definitions) for part in field.get("anyOf", [])):
        return True
    return "string" in field.get("type", []) and not {"enum", "const"} & set(field)


class Workshop:
    """What all runs need: the documents, this host, and what a picture is made of."""

    def __init__(self, given):
        self.binary, self.seed = given.binary, given.seed
        self.documents = documents(given.binary)
        self.texts = [document.small for document in self.documents]
        self.free = free_texts()
        words = "sweep --mappings 0 --method vfork --spawns 2 --format json".split()
        self.host = json.loads(asked(self.binary, *words).stdout)["host"]
        self.tags, self.attributes = set(), set()

    # Commands.

    def case(self, rng, document, folder):
        """A command, and the document, as it is to be read by that."""
        if document.is_shape():
            kinds = {"shape": 4, "explain": 2, "advise": 2, "measure": 0.05, "show": 0.2}
        else:
            comparable = document.subject in ("sweep", "card", "by turns")
            kinds = {"show": 6, "compare": 5 if comparable else 0.3, "shape": 0.1}
            kinds |= {"stored": 6, "priced": 3} if document.subject == "card" else {}
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        return getattr(self, f"case_of_{kind}")(rng, document, folder)

    def shown(self, rng, document, formats):
        """A format, and what of a report is wanted."""
        form = rng.choice(formats)
        words = ["--format", form]
        if form in ("table", "markdown"):
            section = ["--section", rng.choice(document.sections)]
            words += rng.choice([[], [], ["--brief"], ["--legend", "always"], section])
        return form, words

    def export(self, rng, document):
        """A file besides, more often one that is drawn."""
        drawn = ["svg"] if document.subject in PICTURES else []
        drawn += ["folded"] if document.subject == "explain" or "ledger" in document.name else []
        ending = rng.choice([*drawn, *drawn, "", "csv", "md", "txt", "json"])
        return (f"out.{ending}", ["--export", f"out.{ending}"]) if ending else ("", [])

    def case_of_show(self, rng, document, folder):
        form, shown = self.shown(rng, document, ["table", "markdown", "csv", "json"])
        exported, export = self.export(rng, document)
        stdin = rng.random() < 0.2
        words = ["show", "-" if stdin else "in.json", *shown, *export]
        return Case(words, {0, 2, 4}, form, exported, stdin)

    def case_of_compare(self, rng, document, folder):
        """With what it was made of or another that was not changed, or with itself."""
        alike = [other for other in self.documents if other.subject == document.subject]
        other = rng.choice([document, rng.choice(alike), rng.choice(self.documents)])
        (folder / "other.json").write_text(other.small)
        files = rng.choice([["in.json", "other.json"], ["other.json", "in.json"], ["in.json"] * 2])
        files = ["in.json"] if document.subject == "by turns" else files
        form, _ = self.shown(rng, document, ["table", "markdown", "csv", "json"])
        limit = rng.choice([[], ["--fail-above", "0"], ["--fail-above", "1e6"]])
        words = ["compare", *files, "--format", form, *limit]
        return Case(words, {0, 1, 2, 4}, form)

    def case_of_shape(self, rng, document, folder):
        form, shown = self.shown(rng, document, ["table", "markdown", "json"])
        more = rng.choice([[], [], ["--anonymous"], ["-o", "out.shape.json"]])
        stdin = rng.random() < 0.2
        words = ["shape", "--shape", "-" if stdin else "in.json", *shown, *more]
        return Case(words, {0, 2, 4}, form, "out.shape.json" if "-o" in more else "", stdin)

    def planned(self, command, file):
        words = [command, "--shape", file, "--export", "folded=never"]
        return Case(words, {2, 4}, refusal="cannot be shown as folded")

    def case_of_explain(self, rng, document, folder):
        case = self.planned("explain", "in.json")
        case.words += rng.choice([[], [], ["--cpu", "any"], ["--method", "all"]])
        return case

    def case_of_advise(self, rng, document, folder):
        return self.planned("advise", "in.json")

    def case_of_measure(self, rng, document, folder):
        command = rng.choice(["explain", "advise"])
        words = [command, "--shape", "in.json", "--time", "50ms", "-q"]
        return Case(words, {0, 1, 2, 4}, is_measuring=True)

    def case_of_stored(self, rng, document, folder):
        form, shown = self.shown(rng, document, ["table", "markdown", "csv", "json"])
        exported, export = self.export(rng, document)
        return Case(["card", "--stored", *shown, *export], {0, 2, 4}, form, exported)

    def case_of_priced(self, rng, document, folder):
        """A card by whose prices a process is explained."""
        shape = next(document for document in self.documents if document.is_shape())
        (folder / "shape.json").write_text(shape.text)
        return self.planned(rng.choice(["explain", "advise"]), "shape.json")

    # The store.

    def of_this_host(self, text):
        return json.dumps(json.loads(text) | {"host": self.host})

    def store(self, folder, content):
        """Puts a card where this host's is looked for."""
        store = folder / "cache/forktax"
        store.mkdir(parents=True)
        file = store / f"card-{fingerprint(self.host)}.json"
        file.write_bytes(content)
        file.chmod(0o600)

    # Runs.

    def command(self, folder, case, width=100):
        """Runs it: its status, what it used, and what it said."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COLUMNS": str(width),
        }
        read = folder / "in.json" if case.stdin else os.devnull
        files = [open(read), open(folder / "stdout", "w"), open(folder / "stderr", "w")]
        with files[0], files[1], files[2]:
            process = subprocess.Popen(
                [self.binary, *case.words],
                cwd=folder,
                env=environment,
                stdin=files[0],
                stdout=files[1],
                stderr=files[2],
            )
        file = os.pidfd_open(process.pid)
        has_ended = bool(select.select([file], [], [], WALL_SECONDS)[0])
        os.close(file)
        if not has_ended:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage, has_ended

    def run(self, number, folder):
        rng = random.Random(f"{self.seed}/{number}")
        weights = [
            {"shape": 3, "card": 2, "by turns": 3}.get(other.subject, 1) for other in self.documents
        ]
        document = rng.choices(self.documents, weights)[0]
        case = self.case(rng, document, folder)
        is_stored = "--stored" in case.words or "shape.json" in case.words
        is_whole = rng.random() < (0.5 if document.subject == "card" else 0.2)
        text = document.text if is_whole else document.small
        text = self.of_this_host(text) if is_stored else text
        content = Mutations(rng, self.texts, self.free).of(text)[:LARGEST]
        (folder / "in.json").write_bytes(content)
        if is_stored:
            self.store(folder, content)
        outcome = Outcome(f"{document.name}: {' '.join(case.words)}")
        if case.is_measuring and not is_small(content):
            outcome.counts["left out: a large shape that would be built"] += 1
            return outcome
        status, usage, has_ended = self.command(folder, case, rng.choice([100, 80, 200]))
        look = Look(self, case, folder, outcome)
        look.at_end(status, usage, has_ended)
        look.at_files(status)
        outcome.counts[case.words[0] + (" (measured)" if case.is_measuring else "")] += 1
        if not look.is_taken(status):
            outcome.counts["refused"] += 1
        else:
            outcome.counts["taken"] += 1
            outcome.counts[f"taken by {case.words[0]}"] += 1
        return outcome

    def begin(self, folder):
        """Shows what is as it was: what pictures of it are made of is allowed, and that
        cards are found."""
        for document in self.documents:
            (folder / "in.json").write_text(document.text)
            case = Case(["show", "in.json", "--export", "out.svg"], {0})
            if document.subject in PICTURES and not self.command(folder, case)[0]:
                for element in ElementTree.parse(folder / "out.svg").iter():
                    self.tags.add(element.tag)
                    self.attributes |= set(element.attrib)
        card = next(document for document in self.documents if document.subject == "card")
        self.store(folder, self.of_this_host(card.text).encode())
        status = self.command(folder, Case(["card", "--stored"], {0}))[0]
        if status or not self.tags:
            said = (folder / "stderr").read_text()
            sys.exit(f"the stored card of this host was not found, or no picture drawn: {said}")


def is_small(content):
    """Whether a shape has few pages; what is none is refused before anything is built."""
    kinds = ("own", "file", "zero", "swapped", "huge")
    try:
        mappings = json.loads(content)["mappings"]
        runs = [run for mapping in mappings for kind in kinds for run in mapping.get(kind, [])]
        return sum(count for _, count in runs) <= MOST_PAGES
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return True


def fingerprint(host):
    """As src/model/host/facts.rs makes it: names of facts, and what they are, hashed by
    FNV-1a."""
    known = {name: value for name, value in host.items() if not isinstance(value, dict)}
    facts = {
        "machine": known.get("machine", ""),
        "kernel": known["kernel"],
        "kernel build": known.get("kernel_build", ""),
        "boot options": " ".join(known.get("boot", [])),
        "architecture": known["arch"],
        "CPU": known.get("cpu", ""),
        "CPUs": known["cores"],
        "virtualisation": known["virtualisation"],
        "transparent huge pages": known.get("thp", ""),
        "page size": f"{known['page_size']} bytes",
        "Meltdown": known.get("meltdown", ""),
    }
    value = 0xCBF2_9CE4_8422_2325
    for byte in "".join(f"{name}={fact}\n" for name, fact in facts.items()).encode():
        value = (value ^ byte) * 0x0100_0000_01B3 % (1 << 64)
    return f"{value:016x}"


class Look:
    """All that is looked at after a run."""

    def __init__(self, workshop, case, folder, outcome):
        self.workshop, self.case, self.folder = workshop, case, folder
        self.fault = outcome.faults.append

    def at_end(self, status, usage, has_ended):
        said = self.read("stderr")
        if not has_ended:
            self.fault(f"it has not ended after {WALL_SECONDS} s")
        elif status not in self.case.statuses or "panicked" in said:
            self.fault(f"status {status}: {said[-500:]!r}")
        if status and not said.strip():
            self.fault(f"status {status} without a message")
        if not self.case.is_measuring:
            seconds = usage.ru_utime + usage.ru_stime
            if seconds > CPU_SECONDS:
                self.fault(f"{seconds:.1f} s of CPU time")
            if usage.ru_maxrss > MEGABYTES * 1000:
                self.fault(f"{usage.ru_maxrss / 1000:.0f} MB")

    def is_taken(self, status):
        refusal = self.case.refusal
        return status in (0, 1) or bool(refusal) and refusal in self.read("stderr")

    def at_files(self, status):
        if status == 0:
            self.at_format(self.case.format, self.read("stdout"))
        else:
            self.read("stdout")
        if self.case.exported and (self.folder / self.case.exported).exists():
            ending = self.case.exported.rpartition(".")[2]
            form = {"md": "markdown", "txt": "table"}.get(ending, ending)
            self.at_format(form, self.read(self.case.exported))

    def read(self, name):
        """Text of which nothing steers."""
        content = (self.folder / name).read_bytes()
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            self.fault(f"{name} is no UTF-8: {error}")
            return ""
        # The one is quick, and the other knows of more what it is.
        is_plain = text.replace("\n", "").isprintable()
        if found := None if is_plain else FORBIDDEN.search(text):
            around = text[max(0, found.start() - 40) : found.end() + 40]
            self.fault(f"{name} steers a terminal: {around!r}")
        return text

    def at_format(self, form, text):
        # A table for a terminal has nothing but what is looked at everywhere.
        if text and form != "table":
            getattr(self, f"at_{form}")(text)
        elif not text and "--section" not in self.case.words:
            self.fault(f"{form} of nothing")

    def at_json(self, text):
        try:
            json.loads(text, parse_constant=self.fault)
        except ValueError as error:
            self.fault(f"broken JSON: {error}")

    def at_folded(self, text):
        for line in text.splitlines():
            if not re.fullmatch(r"\S.*;\S.* \d+", line):
                self.fault(f"no stack: {line[:300]!r}")

    def at_csv(self, text):
        rows = list(csv.reader(io.StringIO(text)))
        if {len(row) for row in rows} != {18}:
            self.fault("its rows are of different lengths")
        for cell in {cell for row in rows for cell in row}:
            if cell.strip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20") and not is_number(cell):
                self.fault(f"a formula: {cell[:300]!r}")

    def at_markdown(self, text):
        """Outside of fences, and without what is escaped, no tag and no link is left, and
        the rows of a table have the cells of its header."""
        plain = re.sub(r"\\.", "", re.sub(r"(?ms)^```text\n.*?^```$", "", text))
        if found := re.search(r"<[a-zA-Z/!?]|\]\(|`", plain):
            around = plain[max(0, found.start() - 100) : found.end() + 100]
            self.fault(f"a tag, a link or a code: {around!r}")
        cells = 0
        for line in plain.split("\n"):
            if not line.startswith("| "):
                cells = 0
            elif cells and line.count("|") != cells:
                self.fault(f"{line.count('|')} instead of {cells} bars: {line[:300]!r}")
            else:
                cells = line.count("|")

    def at_svg(self, text):
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            self.fault(f"broken SVG: {error}")
            return
        known = self.workshop.tags | self.workshop.attributes
        for element in root.iter():
            if others := {element.tag, *element.attrib} - known:
                self.fault(f"SVG that is not the tool's: {others}")
            if re.search(r"NaN|\binf\b", " ".join(element.attrib.values())):
                self.fault(f"no figure in SVG: {element.attrib}")


def is_number(text):
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def main():
    given = arguments(__doc__, 100_000)
    workshop = Workshop(given)
    return carry_out(given, workshop.run, {"taken": 0.15}, workshop.begin)


if __name__ == "__main__":
    sys.exit(main())
