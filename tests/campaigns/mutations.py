"""Documents as somebody may have edited, cut off or forged them."""

import json
import re
import sys

# As deep as a few changes can make a document.
sys.setrecursionlimit(10_000)

INTEGERS = [0, 1, 2, 7, 255, 2**31, 2**32 - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]
WRONG_INTEGERS = [-1, -(2**63), 2**64, 2**70]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.0, 5e-324, 1e-308, 1e15, 1e16, 1e19, 1e300, 1.7e308, -1.7e308]
WRONG_FLOATS = [float("nan"), float("inf"), float("-inf")]
TOKENS = [
    "1e999",
    "-1e999",
    "-",
    "NaN",
    "-NaN",
    "0x10",
    "01",
    "1e-400",
    "9" * 400,
    "1." + "3" * 400,
]

# What steers terminals, spreadsheets, browsers and renderers of Markdown, and what is long.
TEXTS = [
    "",
    " ",
    "\0",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m\x85\x90",
    "\x7f\x08\r\n\tforktax: all is well",
    "\u202e\u2066\u200f\u061c\u2028\u2029",
    "\u200b\ufeff\u00ad\ufe0f\U000e0041\U0001d173",
    "=1+1",
    "+1",
    "-1+cmd|' /C x'!A0",
    "@SUM(A1)",
    "\t=1",
    " \r=1",
    "\uff1d1",
    '",=1,"',
    "<script>alert(1)</script>",
    "\"'><script x='",
    "]]></text><script>alert(1)</script><!--",
    '" onload="alert(1)',
    "&#27;&lt;script&gt;&",
    "<!DOCTYPE x [<!ENTITY y 'z'>]>",
    "| a | b |",
    "```\n<b>x</b>\n```",
    "[x](javascript:alert(1))![](y)",
    "\\",
    "a, b;c d\te",
    "NaN",
    "-inf",
    "null",
    "%s%n{}",
    "\u6f22\U0001f980\u0301" * 9,
    "\u0301" * 300,
    "x" * 100,
    "y " * 3000,
    "z" * 70_000,
]
MILD_TEXTS = TEXTS[:]
TEXTS += ["\ud800", "=" * (1 << 20), "w" * ((1 << 20) + 1)]


def keys(value):
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


class Mutations:
    """Changes of a document, drawn by chance. What is grafted onto it comes from other
    `texts`. Mild are those that a document may well survive: they leave all texts as
    they are but those of fields that are `free`."""

    def __init__(self, rng, texts, free):
        self.rng, self.texts, self.free = rng, texts, free

    def of(self, text):
        """The bytes of a changed document."""
        rng = self.rng
        kind = rng.choices(["values", "anything", "bytes"], [6, 3, 2])[0]
        if kind == "bytes":
            content = text.encode()
            for _ in range(rng.choice([1, 1, 2, 5])):
                content = self.of_bytes(content)
            return content
        root = json.loads(text)
        for _ in range(rng.choice([1, 1, 2, 3, 8, 30])):
            self.change(root, kind == "values")
        written = json.dumps(root, ensure_ascii=rng.random() < 0.5)
        if kind == "anything" and rng.random() < 0.2:
            written = self.of_text(written)
        return written.encode(errors="surrogatepass")

    # Values.

    def pick(self, root):
        """The place of a part: what it is in, and where, and the name of its field. Large
        lists of the same would have nearly all parts, so that a walk from the root is the
        usual way."""
        holder, at, name, value = None, None, None, root
        while below := keys(value):
            if holder is not None and self.rng.random() < 0.08:
                break
            holder, at = value, self.rng.choice(below)
            name = at if isinstance(at, str) else name
            value = holder[at]
        return holder, at, name

    def change(self, root, is_mild):
        holder, at, name = self.pick(root)
        # A version that is not known ends it all.
        if holder is None or str(name).endswith("_version") and self.rng.random() < 0.95:
            return
        value = holder[at]
        if isinstance(value, bool):
            holder[at] = not value
        elif isinstance(value, (int, float)):
            holder[at] = self.number(value, is_mild)
        elif isinstance(value, str):
            if not is_mild or name in self.free:
                holder[at] = self.string(value, is_mild)
        elif is_mild and isinstance(value, list):
            self.change_list(value)
        elif not is_mild:
            self.rebuild(holder, at, root)

    def number(self, value, is_mild):
        if not is_mild and self.rng.random() < 0.3:
            return self.rng.choice([*WRONG_FLOATS, str(value), None, [value], {}])
        if isinstance(value, int):
            wrong = [] if is_mild else WRONG_INTEGERS
            return self.rng.choice([*INTEGERS, *wrong, value + 1, max(value - 1, 0), value * 10])
        return self.rng.choice([*FLOATS, -value, value * 1e9, value / 1e9])

    def string(self, value, is_mild):
        text = self.rng.choice(TEXTS if self.rng.random() < 0.2 or not is_mild else MILD_TEXTS)
        if self.rng.random() < 0.3:
            cut = self.rng.randint(0, len(value))
            return value[:cut] + text + value[cut:]
        return text

    def change_list(self, value):
        kind = self.rng.choice(["empty", "shorter", "longer", "shuffled", "again"])
        if kind == "empty":
            value.clear()
        elif kind == "shorter" and value:
            del value[self.rng.randrange(len(value))]
        elif kind == "longer" and value:
            value += value[: self.rng.randint(1, len(value))]
        elif kind == "again" and 0 < len(json.dumps(value)) < 20_000:
            value += value * self.rng.randint(1, 20)
        else:
            self.rng.shuffle(value)

    def rebuild(self, holder, at, root):
        """Another part in its place, none, or one of another document."""
        kind = self.rng.choice(
            ["gone", "null", "deep", "swap", "graft", "graft", "renamed", "other"]
        )
        if kind == "gone":
            del holder[at]
        elif kind == "null":
            holder[at] = None
        elif kind == "deep":
            for _ in range(self.rng.choice([1, 10, 100, 200])):
                holder[at] = [holder[at]] if self.rng.random() < 0.5 else {"measured": holder[at]}
        elif kind == "swap":
            other, there, _ = self.pick(root)
            # A part that would then be within itself has no end.
            if json.dumps(other[there]) not in json.dumps(holder[at]):
                if json.dumps(holder[at]) not in json.dumps(other[there]):
                    holder[at], other[there] = other[there], holder[at]
        elif kind == "graft":
            other, there, _ = self.pick(json.loads(self.rng.choice(self.texts)))
            same = list(self.named(at)) if self.rng.random() < 0.7 else []
            holder[at] = self.rng.choice(same) if same else other[there]
        elif kind == "renamed" and isinstance(holder, dict):
            holder[self.rng.choice([at.upper(), at + " ", "measured", "missing"])] = holder.pop(at)
        else:
            holder[at] = self.rng.choice([[], {}, "", 0, True, [[]], {"missing": "unavailable"}])

    def named(self, name):
        """What has this name in some other document."""
        other = json.loads(self.rng.choice(self.texts))
        stack = [other]
        while stack:
            value = stack.pop()
            for key in keys(value):
                if key == name and isinstance(name, str):
                    yield value[key]
                stack.append(value[key])

    # Text and bytes.

    def of_text(self, text):
        """What JSON allows and values do not hold, and what it does not allow."""
        rng = self.rng
        kind = rng.choice(["twice", "number", "deep", "deep", "behind", "before"])
        if kind == "twice":
            found = list(re.finditer(r'"(\w+)": ', text))
            name = rng.choice(found) if found else None
            return text[: name.start()] + name[0] + "1, " + text[name.start() :] if name else text
        if kind == "number":
            found = list(re.finditer(r"(?<=: )-?\d[\d.e+-]*", text))
            number = rng.choice(found) if found else None
            return (
                text[: number.start()] + rng.choice(TOKENS) + text[number.end() :]
                if number
                else text
            )
        if kind == "deep":
            depth = rng.choice([100, 127, 128, 129, 1000, 100_000, 1_000_000])
            begin, end = rng.choice(["[]", ('{"a":', "}"), ("[", "")])
            return text[:1] + '"deep": ' + begin * depth + "1" + end * depth + ", " + text[1:]
        if kind == "behind":
            return text + rng.choice([" ", "\n\n", "x", text, "\0", "]", " " * 100_000])
        return rng.choice(["\ufeff", "\n" * 1000, "[", '"', "/* x */", "{"]) + text

    def of_bytes(self, content):
        rng = self.rng
        if not content:
            return content
        at = rng.randrange(len(content))
        to = min(len(content), at + rng.choice([1, 2, 10, 1000, 50_000]))
        kind = rng.choice(["flip", "flip", "end", "twice", "gone", "noise", "digit"])
        if kind == "flip":
            return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        if kind == "end":
            return content[:at]
        if kind == "twice":
            return content[:to] + content[at:to] + content[to:]
        if kind == "gone":
            return content[:at] + content[to:]
        if kind == "noise":
            return content[:at] + rng.randbytes(rng.choice([1, 4, 100])) + content[at:]
        digit = re.compile(rb"\d").search(content, at)
        return (
            content
            if not digit
            else content[: digit.start()] + b"%d" % rng.randrange(10) + content[digit.end() :]
        )
