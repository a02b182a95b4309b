#!/usr/bin/env python3
"""Compares `lastack read` with what wireshark.mjs cached of the same captures.

    python3 tests/oracle/compare.py CACHE [--under DIR] [--lastack BINARY] [--list N] [--json FILE]

Streams whose TCP lies in a tunnel, streams that Wireshark knows only from a header quoted in an ICMP error, and
captures that Wireshark stops reading early are counted apart: there the two programs need not read the same.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cache")
    parser.add_argument("--under", default="/", help="only captures below this folder")
    parser.add_argument("--lastack", default="target/release/lastack")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", type=int, default=40, help="how many differences to print")
    parser.add_argument("--json", help="write every difference here")
    return parser.parse_args()


def ours(binary, path, timeout):
    """Our streams by number, the exit code and what was said on stderr."""
    command = [binary, "read", "--format", "ndjson", "--sort", "stream", path]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {}, None, None, "no end within %g s" % timeout
    streams, summary = {}, None
    for line in ran.stdout.splitlines():
        record = json.loads(line)
        if record["type"] == "connection":
            streams[record["stream"]] = record
        elif record["type"] == "summary":
            summary = record
    return streams, summary, ran.returncode, ran.stderr.decode(errors="replace").strip()


def identity(summary):
    """Whether every frame of the input is accounted for."""
    if summary is None:
        return True
    parts = ("segments", "non_tcp", "fragments", "filtered")
    return summary["frames"] == sum(summary[part] for part in parts) + sum(summary["skipped"].values())


# Our counts of an endpoint, and Wireshark's flag for each.
SEQUENCE = {
    "retransmissions": "retransmission",
    "out_of_order": "out_of_order",
    "keep_alives": "keep_alive",
    "zero_windows": "zero_window",
}


def both_ends(record, field):
    return sum(end[field] for end in record["endpoints"].values())


def compare(task):
    path, theirs, binary, timeout = task
    mine, summary, code, said = ours(binary, path, timeout)
    counts = collections.Counter()
    differences = []

    def differ(what, **fields):
        differences.append({"file": path, "what": what, **fields})

    if not identity(summary):
        differ("identity")
    counts["captures"] += 1
    if code not in (0, 2):
        differ("exit", code=code, said=said[-200:])
    stopped = theirs["code"] != 0
    if stopped and not theirs["frames"]:
        counts["captures Wireshark refuses"] += 1
        return counts, differences
    if code == 2 and summary is None:
        counts["captures we refuse"] += 1
        if theirs["streams"]:
            differ("refused", said=said[-200:], streams=len(theirs["streams"]))
        return counts, differences
    if summary and not stopped and summary["frames"] != theirs["frames"]:
        differ("frames of the capture", ours=summary["frames"], theirs=theirs["frames"], said=said[-200:])

    for stream in theirs["streams"]:
        stream["between"] = [name for name in stream["between"] if not name.startswith(("icmp", "_ws"))]
    numbers = {stream["stream"] for stream in theirs["streams"]}
    tunnelled_capture = any(stream["between"] for stream in theirs["streams"])
    for number in sorted(set(mine) - numbers):
        # Wireshark may have stopped earlier, or not know the tunnel.
        group = "stopped" if stopped else "tunnelled capture" if tunnelled_capture else "plain"
        counts[group, "only ours"] += 1
        differ("only ours", group=group, stream=number, first_frame=mine[number]["first_frame"])
    for stream in theirs["streams"]:
        number = stream["stream"]
        quoted_only = stream["frames"] == 0
        group = ("quoted" if quoted_only else "stopped" if stopped else "tunnelled" if stream["between"]
                 else "plain, in a capture with tunnels" if tunnelled_capture else "plain")
        counts[group, "streams"] += 1
        if stream["cut"]:
            counts[group, "of these cut by snaplen"] += 1
        record = mine.get(number)
        if record is None:
            counts[group, "only theirs"] += 1
            differ("only theirs", group=group, stream=number, first_frame=stream["first_frame"], between=stream["between"])
            continue
        equal = True
        for field, own, other in (
            ("first frame", record["first_frame"], stream["first_frame"]),
            ("frames", both_ends(record, "frames"), stream["frames"]),
            ("completeness", record["completeness"], stream["completeness"]),
            *((field, both_ends(record, field), stream["analysis"].get(flag, 0)) for field, flag in SEQUENCE.items()),
        ):
            if own == other:
                counts[group, field] += 1
            else:
                equal = False
                differ(field, group=group, stream=number, ours=own, theirs=other, quoted=stream["quoted_frames"],
                       cut=stream["cut"], between=stream["between"])
        counts[group, "all equal"] += equal
    return counts, differences


def main():
    options = arguments()
    with open(os.path.join(options.cache, "index.json")) as file:
        index = json.load(file)
    tasks = []
    for path, name in sorted(index.items()):
        cached = os.path.join(options.cache, name)
        if path.startswith(os.path.abspath(options.under)) and os.path.exists(cached) and os.path.exists(path):
            with open(cached) as file:
                tasks.append((path, json.load(file), options.lastack, options.timeout))
    counts, differences = collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for some, more in pool.map(compare, tasks):
            counts += some
            differences += more
    for word in ("captures", "captures Wireshark refuses", "captures we refuse"):
        print("%-32s %d" % (word, counts[word]))
    groups = sorted({key[0] for key in counts if isinstance(key, tuple)})
    for group in groups:
        total = counts[group, "streams"]
        print("\n%s: %d streams" % (group, total))
        for field in ("of these cut by snaplen", "first frame", "frames", "completeness", *SEQUENCE, "all equal", "only theirs", "only ours"):
            if counts[group, field] or field == "all equal":
                share = "  %.3f %%" % (100 * counts[group, field] / total) if total else ""
                print("  %-26s %6d%s" % (field, counts[group, field], share))
    print("\n%d differences" % len(differences))
    for difference in differences[: options.list]:
        print("  " + json.dumps(difference))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(differences, file, indent=0)


if __name__ == "__main__":
    main()
