"""What a benchmark needs of the machine: programs, modules, the rights of root. Installs or names it."""

import os
import shutil
import subprocess

# Program or Python module, and the Debian package that brings it.
PACKAGES = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nginx": "nginx-light",
    "curl": "curl",
    "ffmpeg": "ffmpeg",
    "chromium": "chromium",
    "node": "nodejs",
    "npm": "npm",
    "aria2c": "aria2",
    "transmission-daemon": "transmission-daemon",
    "transmission-create": "transmission-cli",
    "python:libtorrent": "python3-libtorrent",
}

ROOT = "root"
# Modules that Debian brings are those of Debian's own Python, whichever one runs the lab.
PYTHON = "/usr/bin/python3"


class Missing(Exception):
    """Something is missing that could not be installed."""


def present(need):
    """Whether a program, a module or root is there."""
    if need == ROOT:
        return os.geteuid() == 0
    if need.startswith("python:"):
        line = [PYTHON, "-c", f"import {need.split(':', 1)[1]}"]
        return os.path.exists(PYTHON) and subprocess.run(line, capture_output=True).returncode == 0
    return shutil.which(need, path=search_path()) is not None


def search_path():
    """Where programs are looked for: daemons lie in sbin, which not every user's path has."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def meet(wanted):
    """Installs what is missing, as root on Debian; otherwise says what to install."""
    os.environ["PATH"] = search_path()
    if ROOT in wanted and not present(ROOT):
        raise Missing("this benchmark makes network namespaces and must be run as root")
    missing = sorted({PACKAGES[need] for need in wanted if need != ROOT and not present(need)})
    if not missing:
        return
    if not present(ROOT) or shutil.which("apt-get") is None:
        raise Missing(f"install these packages first: {' '.join(missing)}")
    install(missing)
    still = [need for need in wanted if not present(need)]
    if still:
        raise Missing(f"still missing after installing {' '.join(missing)}: {' '.join(still)}")


def install(packages):
    """Installs Debian packages, without starting the services that some bring."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]
    install_line = [*apt, "install", "-y", "--no-install-recommends", *packages]
    for line in ([*apt, "update"], install_line):
        done = subprocess.run(line, env=environment, capture_output=True, text=True)
        if done.returncode != 0 and line is install_line:
            raise Missing(f"apt-get could not install {' '.join(packages)}: {done.stderr.strip()[-400:]}")
