"""The programs of a guest, built for its machine, and the shared libraries that they name."""

import os
import pathlib
import re
import shutil
import subprocess

from debian import NotToBeHad, Suite

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# The suite whose rustc, with the standard library of another machine, is new enough.
RUST_SUITE = "forky"
RUST_HOST = "x86_64-linux-gnu"


def command(*words, **how):
    """Runs a command that must succeed, and shows what it says only if it does not."""
    quiet = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(words, **quiet, **how)
    except FileNotFoundError as error:
        raise NotToBeHad(f"{words[0]} is missing") from error
    if done.returncode:
        raise NotToBeHad(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def build_helpers(machine, folder):
    """The programs that guests run beside forktax."""
    gcc = f"{machine.tools}gcc"
    if not shutil.which(gcc):
        raise NotToBeHad(f"{gcc} is missing: install {machine.tools_packages}")
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(HERE.glob("*.c")):
        made = folder / source.stem
        command(gcc, "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", made, source)
        yield source.stem, made


def build_forktax(machine, folder):
    """A release build, by this system's cargo. Its rustc knows this machine alone: for
    another one Debian's is taken, into the folder."""
    words = ["cargo", "build", "--release", "--locked", "--manifest-path", ROOT / "Cargo.toml"]
    if not machine.target:
        command(*words)
        return TARGET / "release/forktax"
    target = machine.target
    linker = f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"
    made = folder / "build"
    own = {"RUSTC": debians_rustc(machine, folder), linker: f"{machine.tools}gcc"}
    own["CARGO_TARGET_DIR"] = made
    command(*words, "--target", target, env={**os.environ, **own})
    return made / target / "release/forktax"


def debians_rustc(machine, folder):
    """Debian's rustc for this system, with the standard libraries of both machines. It has
    its own libc and loader, which may be newer than this system's."""
    place = folder / "rust"
    if not place.exists():
        partial = folder / "rust.partial"
        shutil.rmtree(partial, ignore_errors=True)
        host = Suite(RUST_SUITE, folder)
        for package in ["rustc", *host.closure("libstd-rust-dev")]:
            host.unpack(package, partial)
        Suite(RUST_SUITE, folder, machine.debian).unpack("libstd-rust-dev", partial)
        partial.rename(place)
    usr = place / "usr"
    loader = f"{usr}/lib64/ld-linux-x86-64.so.2"
    own = f"'{loader}' --library-path '{usr}/lib/{RUST_HOST}' '{usr}/bin/rustc'"
    rustc = place / "rustc"
    rustc.write_text(f'#!/bin/sh\nexec {own} "$@"\n')
    rustc.chmod(0o755)
    return rustc


def libraries(machine, program):
    """The shared libraries of a program: each one's file, and its place in a guest."""
    if not machine.target:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        return {library: library for library in re.findall(r"(/\S+) \(0x", listed)}
    # ldd asks the loader, which does not run here.
    found, left = {}, [program]
    while left:
        told = command(f"{machine.tools}readelf", "-d", left.pop())
        for name in re.findall(r"\(NEEDED\).*\[(.+)\]", told):
            file = command(f"{machine.tools}gcc", f"-print-file-name={name}").strip()
            if file not in found:
                found[file] = f"/lib/{name}"
                left.append(file)
    return found
