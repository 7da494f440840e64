"""The machines that guests are: their emulator, their kernels of Debian and their compiler."""

import dataclasses

import plans


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of machine, as Debian, QEMU and gcc know it."""

    name: str
    debian: str
    emulator: str
    emulator_package: str
    # The board and its second serial port, of which QEMU makes a file.
    board: tuple
    # What is added to the CPU that a plan asks for.
    cpu: str
    console: str
    port: str
    # The prefix of gcc and readelf, and the packages that they are in.
    tools: str
    tools_packages: str
    # What cargo calls the machine; none for the host's own.
    target: str
    # By name the suite and the package, which stands for the kernel of this day.
    kernels: dict
    usual: str
    variants: list


CLOUD = "linux-image-cloud-amd64"
CLOUD_ARM64 = "linux-image-cloud-arm64"

X86_64 = Machine(
    name="x86_64",
    debian="amd64",
    emulator="qemu-system-x86_64",
    emulator_package="qemu-system-x86",
    board=("-serial", "file:sent.tar.gz"),
    cpu="",
    console="ttyS0",
    port="ttyS1",
    tools="",
    tools_packages="gcc",
    target="",
    kernels={
        "5.10": ("bullseye", CLOUD),
        "6.1": ("bookworm", CLOUD),
        "6.12": ("trixie", CLOUD),
    },
    usual="6.1",
    variants=plans.VARIANTS,
)

# Signed pointers in the algorithm of the architecture take most of an emulator's time.
ARM64 = Machine(
    name="arm64",
    debian="arm64",
    emulator="qemu-system-aarch64",
    emulator_package="qemu-system-arm",
    board=(
        *("-M", "virt"),
        *("-chardev", "file,id=sent,path=sent.tar.gz", "-device", "pci-serial,chardev=sent"),
    ),
    cpu=",pauth-impdef=on",
    console="ttyAMA0",
    port="ttyS0",
    tools="aarch64-linux-gnu-",
    tools_packages="gcc-aarch64-linux-gnu and libc6-dev-arm64-cross",
    target="aarch64-unknown-linux-gnu",
    kernels={
        "6.1": ("bookworm", CLOUD_ARM64),
        "6.12": ("trixie", CLOUD_ARM64),
        "6.12-16k": ("trixie", "linux-image-arm64-16k"),
    },
    usual="6.12",
    variants=plans.ARM64_VARIANTS,
)

MACHINES = {machine.name: machine for machine in (X86_64, ARM64)}
