"""What `tutelage serve` adds to the bare network: CPU time of an image, latency, and fifty requests at once.

The server is a process of its own on one thread; the client is this one. CPU seconds are those of the server alone,
read from /proc, so that they depend little on what else the machine does; seconds on the clock do. The bare network
gets the same images, decoded before, in another process. Images are sent as they are in their files, over connections
that stay open, with an empty cache.

    python benchmarks/serving.py RUN PHOTOS [--images 200] [--rounds 5] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

AT_ONCE = 50
_SAID = re.compile(r"Ctrl\+C: http://127\.0\.0\.1:(\d+)/#(\S+)")
_BARE = """
import sys, time, json
from pathlib import Path
import numpy as np, torch, tutelage
from tutelage.data.images.survey import pixel_reader
torch.set_num_threads(1)
model = tutelage.load(sys.argv[1], device="cpu")
model.get_ready()
read = pixel_reader(size=model.image_size, channels=model.channels, framing=model.framing)
contents = [Path(name).read_bytes() for name in sys.argv[3:]]
found = {"decode": [], "alone": [], "together": []}
def timed(name, work):
    begin = time.process_time()
    made = work()
    found[name].append(1000 * (time.process_time() - begin) / len(contents))
    return made
alone = lambda: [model.probabilities(one[None]) for one in pixels]
together = lambda: [model.probabilities(pixels[k : k + 32]) for k in range(0, len(pixels), 32)]
pixels = np.stack([read(content) for content in contents])
alone(), together()
for _ in range(int(sys.argv[2])):
    timed("decode", lambda: [read(content) for content in contents])
    timed("alone", alone)
    timed("together", together)
print(json.dumps(found))
"""


class Server:
    """`tutelage serve RUN` in a process, and the CPU time that it took."""

    def __init__(self, run: Path) -> None:
        words = [sys.executable, "-m", "tutelage", "serve", str(run), "--no-browser", "--device", "cpu"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = next(match for line in self.process.stdout if (match := _SAID.search(line)))
        self.port, self.key = int(found[1]), found[2]

    def cpu(self) -> float:
        """Seconds so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def asker(self) -> Callable[[bytes], int]:
        """A function that sends an image over a connection of its own, and gives the status."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        headers = {"X-Tutelage-Token": self.key, "Content-Type": "application/octet-stream"}

        def ask(content: bytes) -> int:
            link.request("POST", "/api/predict", content, headers)
            answer = link.getresponse()
            assert answer.status != 200 or json.loads(answer.read())["predictions"][0]["label"] is not None
            return answer.status

        return ask

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0


def one_by_one(server: Server, contents: Sequence[bytes]) -> tuple[float, list[float]]:
    """CPU milliseconds of an image, and the latency of each in milliseconds, of one client."""
    ask, times, begin = server.asker(), [], server.cpu()
    for content in contents:
        start = time.perf_counter()
        assert ask(content) == 200
        times.append(1000 * (time.perf_counter() - start))
    return 1000 * (server.cpu() - begin) / len(contents), times


def many_clients(server: Server, contents: Sequence[bytes], clients: int) -> tuple[float, float, list[int]]:
    """CPU milliseconds of an image, seconds until the last answer, and the statuses, of clients that start together."""
    shares, statuses = [contents[k::clients] for k in range(clients)], list[int]()
    together = threading.Barrier(clients + 1)

    def work(share: Sequence[bytes]) -> None:
        ask = server.asker()
        together.wait()
        statuses.extend(ask(content) for content in share)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    together.wait()
    start, begin = time.perf_counter(), server.cpu()
    for thread in threads:
        thread.join()
    return 1000 * (server.cpu() - begin) / len(contents), time.perf_counter() - start, statuses


def spread(values: Sequence[float]) -> str:
    """The median, and the smallest and largest value."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    files = sorted(path for path in given.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // given.images)][: given.images]
    contents = [file.read_bytes() for file in files]
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"TUTELAGE_CACHE": cache, "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-c", _BARE, str(given.run), str(given.rounds), *map(str, files)]
        bare = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        server = Server(given.run)
        alone, eight, fifty, latency, last = [], [], [], list[float](), []
        one_by_one(server, contents), many_clients(server, contents, 8)
        for _ in range(given.rounds):
            cpu, times = one_by_one(server, contents)
            alone.append(cpu)
            latency += times
            eight.append(many_clients(server, contents, 8)[0])
            cpu, seconds, statuses = many_clients(server, contents[:AT_ONCE], AT_ONCE)
            assert statuses == [200] * AT_ONCE, statuses
            fifty.append(cpu)
            last.append(seconds)
        server.end()
    ranked = sorted(latency)
    slow = ranked[len(ranked) * 95 // 100]
    lines = [
        f"{len(files)} images, {given.rounds} rounds, {platform.machine()}, one thread, "
        f"load of the machine {os.getloadavg()[0]:.1f}",
        "",
        "| CPU milliseconds of an image | median (smallest and largest) |",
        "|---|---|",
        f"| decoding, cropping, resizing | {spread(bare['decode'])} |",
        f"| bare network, one image at a time | {spread(bare['alone'])} |",
        f"| bare network, 32 images at a time | {spread(bare['together'])} |",
        f"| served, one client | {spread(alone)} |",
        f"| served, 8 clients | {spread(eight)} |",
        f"| served, {AT_ONCE} requests at once | {spread(fifty)} |",
        "",
        f"- one client waits {statistics.median(ranked):.0f} ms (95th percentile: {slow:.0f})",
        f"- of {AT_ONCE} requests at once, all are answered; the last one after {spread(last)} s",
    ]
    print("\n".join(lines))
    if given.out is not None:
        given.out.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
