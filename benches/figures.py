#!/usr/bin/env python3
"""Measures the release binary as a user meets it: start-up, idle memory, the demonstration.

Needs nothing but Python 3.9 and Linux (memory is read from /proc). Every run has a directory of its own, in the
directory for temporary files unless --scratch names another, and leaves nothing behind.

    cargo build --release --package topology
    benches/figures.py
"""

import argparse
import http.client
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

READY_MAX_S = 30
POLL_S = 0.0005


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parent.parent
    arguments.add_argument("--binary", type=pathlib.Path, default=root / "target/release/syncwell")
    arguments.add_argument("--runs", type=int, default=15, help="starts of each kind; the median is printed")
    arguments.add_argument("--demos", type=int, default=3, help="demonstrations; the median is printed")
    arguments.add_argument("--idle", type=float, default=10, help="seconds without work before memory is read")
    arguments.add_argument("--scratch", type=pathlib.Path, help="where the data directories are made")
    given = arguments.parse_args()
    if not given.binary.is_file():
        sys.exit(f"error: no binary at {given.binary}\n  try: cargo build --release --package topology")
    with tempfile.TemporaryDirectory(dir=given.scratch, prefix="syncwell-figures-") as scratch:
        print_table(figures(given, pathlib.Path(scratch)))


def figures(given, scratch):
    new = [start(given.binary, scratch / f"new-{run}") for run in range(given.runs)]
    existing = [start(given.binary, scratch / "new-0") for _ in range(given.runs)]
    memory = idle(given.binary, scratch / "new-0", given.idle)
    demos = [demo(given.binary) for _ in range(given.demos)]
    yield "version", subprocess.check_output([given.binary, "--version"], text=True).strip()
    yield "machine", f"{platform.system()} {platform.machine()}, {processors()} processors, {memory_gib():.0f} GiB"
    yield "size of the binary", f"{given.binary.stat().st_size / 1e6:.1f} MB"
    yield "start until ready, new directory", spread(new)
    yield "start until ready, existing directory", spread(existing)
    yield f"resident memory after {given.idle:.0f} s without work", f"{memory / 1e6:.1f} MB"
    yield "demo, from start to end", f"{statistics.median(demos):.2f} s"


def spread(seconds):
    low, high = min(seconds) * 1e3, max(seconds) * 1e3
    return f"{statistics.median(seconds) * 1e3:.0f} ms ({low:.0f} to {high:.0f}, {len(seconds)} runs)"


def up(binary, directory, port):
    command = [binary, "up", "--data", directory, "--listen", f"127.0.0.1:{port}"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start(binary, directory):
    """Seconds from the start of the process until /readyz answers 200."""
    port = free_port()
    begun = time.perf_counter()
    process = up(binary, directory, port)
    try:
        while not is_ready(port):
            if process.poll() is not None:
                sys.exit(f"error: syncwell up ended with {process.returncode}\n  try: {binary} doctor")
            if time.perf_counter() - begun > READY_MAX_S:
                sys.exit(f"error: not ready after {READY_MAX_S} s\n  try: {binary} doctor")
            time.sleep(POLL_S)
        return time.perf_counter() - begun
    finally:
        stop(process)


def idle(binary, directory, seconds):
    """Resident bytes of a process that has had nothing to do for a while."""
    port = free_port()
    process = up(binary, directory, port)
    try:
        while not is_ready(port):
            time.sleep(POLL_S)
        time.sleep(seconds)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024
    finally:
        stop(process)


def demo(binary):
    """Seconds that the demonstration takes."""
    begun = time.perf_counter()
    subprocess.run([binary, "demo"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def processors():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    return text.count("\nprocessor\t") + text.startswith("processor\t")


def memory_gib():
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"^MemTotal:\s+(\d+) kB$", text, re.MULTILINE)[1]) / (1 << 20)


def print_table(rows):
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    print(f"| {'figure':{width}} | value |\n|{'-' * (width + 2)}|---|")
    for name, value in rows:
        print(f"| {name:{width}} | {value} |")


if __name__ == "__main__":
    main()
