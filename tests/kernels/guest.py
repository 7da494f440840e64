"""A guest with a kernel of its own, under QEMU's emulator, that does a list of commands."""

import pathlib
import shutil
import subprocess
import tarfile

from programs import libraries

HERE = pathlib.Path(__file__).parent
PASSWD = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n"


class GuestFailed(Exception):
    """A guest that did not come to its end."""


class Guest:
    """A machine, a kernel, what its initramfs holds, and a busybox of the host's."""

    def __init__(self, machine, kernel, busybox, host_busybox, folder):
        self.machine = machine
        self.kernel = kernel
        self.host_busybox = host_busybox
        self.folder = folder
        self.tree = folder / "tree"
        shutil.rmtree(folder, ignore_errors=True)
        for part in "bin", "dev", "etc", "proc", "sys", "tmp":
            (self.tree / part).mkdir(parents=True)
        (self.tree / "etc/passwd").write_text(PASSWD)
        shutil.copy(busybox, self.tree / "bin/busybox")
        (self.tree / "bin/sh").symlink_to("busybox")
        shutil.copy(HERE / "init", self.tree / "init")

    def add_program(self, name, path):
        """Puts a program into /bin, with the shared libraries that it names."""
        shutil.copy(path, self.tree / "bin" / name)
        for library, within in libraries(self.machine, path).items():
            place = self.tree / within.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)

    def bring(self, path):
        """Puts a file into /brought."""
        (self.tree / "brought").mkdir(exist_ok=True)
        shutil.copy(path, self.tree / "brought")

    def run(self, plan, seconds):
        """Boots, does the plan, and returns the folder with what came of it."""
        (self.tree / "prepare").write_text(plan.prepare)
        lines = (f"{step.name}\t{step.user}\t{step.command}\n" for step in plan.steps)
        (self.tree / "plan").write_text("".join(lines))
        console, sent = self.folder / "console", self.folder / "sent.tar.gz"
        machine = self.machine
        cpu = plan.cpu + machine.cpu
        # One thread for all CPUs is as quick: a step seldom uses two. With a thread for each,
        # a program's first fault sometimes came again for ever.
        command = [machine.emulator, "-accel", "tcg,thread=single", "-cpu", cpu, "-smp", "2"]
        command += ["-m", "1G", "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-serial", f"file:{console}"]
        command += machine.board
        command += ["-kernel", self.kernel, "-initrd", self._initramfs()]
        # What the kernel does not know is a variable of the first process.
        options = f"console={machine.console} port={machine.port} panic=-1 quiet {plan.options}"
        command += ["-append", options.strip()]
        quiet = {"stdin": subprocess.DEVNULL}
        try:
            subprocess.run(command, check=True, timeout=seconds, cwd=self.folder, **quiet)
            results = self.folder / "results"
            with tarfile.open(sent) as archive:
                archive.extractall(results)
        except (subprocess.SubprocessError, tarfile.TarError, EOFError) as error:
            last = console.read_text(errors="replace")[-2000:] if console.exists() else ""
            raise GuestFailed(f"{error}; the console's last lines:\n{last}") from error
        return results

    def _initramfs(self):
        names = (path.relative_to(self.tree) for path in sorted(self.tree.rglob("*")))
        listed = "".join(f"{name}\n" for name in names)
        made = self.folder / "initramfs"
        pack = [self.host_busybox, "cpio", "-o", "-H", "newc", "-R", "0:0"]
        with open(made, "wb") as out:
            quiet = {"stdout": out, "stderr": subprocess.DEVNULL}
            subprocess.run(pack, cwd=self.tree, input=listed.encode(), check=True, **quiet)
        return made
