"""Simulated hosts on one machine, each with its own network, processes and disk; they end with the test process.

A host is a set of Linux namespaces. Its disk is this machine's disk, used as a read-only base image, under a layer in
memory that no other host sees; /tmp, /dev/shm and ~/.ray are empty. A bridge connects the hosts with each other and
with this machine, and with nothing else.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
NETWORK = f"10.213.{os.getpid() % 256}"
HERE = f"{NETWORK}.1"
"""Address of this machine; the hosts have the following addresses."""

_NAMESPACES = ["--net", "--mount", "--pid", "--uts", "--ipc"]

# Bash is the init process and reaps orphaned processes. It ends, and the whole host with it, when its standard input is
# closed: the test process holds the other end, so this happens however that process ends.
_INIT = """
set -e
mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
mount --rbind /sys sys && mount --rbind /dev dev && mount -t tmpfs none dev/shm
mount -t proc none proc && mount -t tmpfs none tmp && chmod 1777 tmp
mkdir -p ".$HOME/.ray" && mount -t tmpfs none ".$HOME/.ray"
pivot_root . mnt && umount -l /mnt
hostname "$1" && ip link set lo up
echo ready && read -r || true
"""


def impossible() -> str:
    """Return the reason why hosts cannot be created here, or an empty string if they can."""
    command = [*_unshare(), "sh", "-c", "ip link add name b type bridge && mount -t tmpfs none /mnt"]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return run.stderr if run.returncode else ""


def _unshare() -> list[str]:
    return ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--"]


def _ip(*command: object) -> None:
    subprocess.run(["ip", *map(str, command)], check=True)


class Host:
    """A named host, which runs until it is killed; its commands get the variables in `environment`."""

    def __init__(self, name: str, address: str, environment: dict[str, str]) -> None:
        self.name, self.address, self.environment = name, address, environment
        self.checkout = ROOT
        self._process = subprocess.Popen(
            [*_unshare(), "bash", "-c", _INIT, "init", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self.init = int(children.read_text())

    def command(self, *command: object) -> list[str]:
        """Return the command line that runs a command on this host, in the folder of the checkout."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        enter = [
            "nsenter",
            "--target",
            str(self.init),
            *_NAMESPACES,
            "--",
            "env",
            "-i",
            "-C",
            str(self.checkout),
            *variables,
        ]
        return [*enter, *map(str, command)]

    def run(self, *command: object, given: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*command), input=given, capture_output=True, text=True)

    def check(self, *command: object, given: str | None = None) -> str:
        run = self.run(*command, given=given)
        assert run.returncode == 0, f"{command} on {self.name}:\n{run.stdout}{run.stderr}"
        return run.stdout + run.stderr

    def move_checkout(self, place: str) -> None:
        """Move the checkout and its .venv to another path, as if they had been installed only there."""
        venv, place = ROOT / ".venv", Path(place)
        changed = [*venv.glob("lib/python*/site-packages/*raypipe*.pth"), venv / "bin/ray"]
        self.check("sed", "-i", f"s|{ROOT}|{place}|g", *changed)
        self.check("mkdir", "-p", place)
        self.check("mount", "--bind", ROOT, place)
        self.check("mount", "-t", "tmpfs", "none", ROOT)
        self.checkout = place
        self.environment["PATH"] = self.environment["PATH"].replace(str(ROOT), str(place))

    def kill(self) -> None:
        """Kill the host as in a power failure: processes and network vanish at once."""
        self._process.kill()
        self._process.wait()


class Network:
    """A bridge and the hosts connected to it."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self._switch = Host("switch", "", {})
        self._ip = ["nsenter", "--target", str(self._switch.init), "--net", "ip"]
        self._in_switch("link", "add", "bridge", "type", "bridge")
        self._in_switch("link", "set", "bridge", "up")
        self._here = f"raypipe{os.getpid()}"
        self._plug_in(self._here, os.getpid())
        _ip("address", "add", f"{HERE}/24", "dev", self._here)
        _ip("link", "set", self._here, "up")

    def _in_switch(self, *command: object) -> None:
        subprocess.run([*self._ip, *map(str, command)], check=True)

    def _plug_in(self, device: str, process: int) -> None:
        """Connect the bridge to the network namespace of a process, as the interface `device` there."""
        end = f"port{len(self.hosts)}"
        _ip("link", "add", end, "netns", self._switch.init, "type", "veth", "peer", "name", device, "netns", process)
        self._in_switch("link", "set", end, "master", "bridge", "up")

    def host(self, name: str, **environment: str) -> Host:
        """Add a host; its commands get these environment variables and find `ray`."""
        address = f"{NETWORK}.{len(self.hosts) + 2}"
        path = f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"
        found = Host(name, address, {"PATH": path, "HOME": os.environ["HOME"], **environment})
        self.hosts.append(found)
        self._plug_in("eth0", found.init)
        found.check("ip", "address", "add", f"{address}/24", "dev", "eth0")
        found.check("ip", "link", "set", "eth0", "up")
        found.check("ip", "route", "add", "default", "via", HERE)
        return found

    def end(self) -> None:
        _ip("link", "delete", self._here)
        for host in (*self.hosts, self._switch):
            host.kill()


@contextlib.contextmanager
def network() -> Iterator[Network]:
    found = Network()
    try:
        yield found
    finally:
        found.end()
