"""Packages of Debian, taken by apt into a folder of its own.

Nothing is installed, and the lists of the system's apt are left alone.
"""

import os
import pathlib
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NotToBeHad(Exception):
    """What the checks need and this machine does not give."""


def mirror():
    """The mirror of the environment, else that of the system's apt, else Debian's own."""
    if named := os.environ.get("DEBIAN_MIRROR"):
        return named
    query = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    try:
        known = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    except FileNotFoundError as error:
        raise NotToBeHad("apt-get is missing: kernels are taken from Debian") from error
    origins = (line.split(maxsplit=1) for line in known)
    main = [uri for origin, uri in origins if origin == "Debian" and "security" not in uri]
    return main[0] if main else "http://deb.debian.org/debian"


class Suite:
    """One suite of Debian for one machine, as a folder with lists and packages."""

    def __init__(self, name, folder, architecture="amd64"):
        self.folder = folder / (name if architecture == "amd64" else f"{name}-{architecture}")
        for part in "lists/partial", "cache/archives/partial":
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        sources = self.folder / "sources.list"
        own = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self.folder / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
        }
        self.configuration = [word for key in own for word in ("-o", f"{key}={own[key]}")]
        if not any((self.folder / "lists").glob("*_Packages*")):
            options = f"arch={architecture} target=Packages signed-by={KEYRING}"
            sources.write_text(f"deb [{options}] {mirror()} {name} main\n")
            self._apt("apt-get", "update", "-q")

    def _apt(self, tool, *words):
        command = [tool, *self.configuration, *words]
        try:
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise NotToBeHad(f"{tool} is missing: kernels are taken from Debian") from error
        # apt takes an index that it could not fetch for a warning.
        if done.returncode or "Failed to fetch" in done.stderr:
            raise NotToBeHad(f"{tool} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def depends(self, package):
        """The first package that this one, which holds nothing itself, stands for."""
        lines = self._apt("apt-cache", "depends", package).splitlines()
        return next(line.split()[1] for line in lines if line.strip().startswith("Depends:"))

    def closure(self, package):
        """A package and all that it depends on."""
        told = self._apt("apt-cache", "depends", "--recurse", "--important", package)
        return [line for line in told.splitlines() if line and not line.startswith((" ", "<"))]

    def unpacked(self, package):
        """The folder that a package's files are in, taken only once."""
        place = self.folder / package
        if not place.exists():
            partial = pathlib.Path(f"{place}.partial")
            self.unpack(package, partial)
            partial.rename(place)
        return place

    def unpack(self, package, place):
        """Puts a package's files into a folder."""
        self._apt("apt-get", "download", "-q", package)
        archive = next(self.folder.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, place], check=True)
        archive.unlink()
