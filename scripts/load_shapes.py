"""Draws the latency of every request over the time at which it was due, from two runs of scripts/load-shapes.sh.

usage: load_shapes.py target/load-shapes/closed target/load-shapes/open > docs/load-shapes.svg
"""

import json
import pathlib
import sys

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP, BOTTOM = 860, 190, 58, 50, 24, 38, 48
SECONDS, LATENCY_MAX = 20, 3.5
INK, MUTED, DOT, BAND = "#24292f", "#57606a", "#0969da", "#eaeef2"


def read(run):
    """The requests of a run as pairs of due time and latency, in seconds, and the freeze on the same clock."""
    document = json.loads(pathlib.Path(f"{run}.json").read_text())
    zero = min(request["start_ts"] for request in document["details"])
    frozen = [float(line) - zero for line in pathlib.Path(f"{run}.frozen").read_text().split()]
    requests = [(request["start_ts"] - zero, request["latency"]) for request in document["details"]]
    return requests, frozen, document["metrics"]["latency"]


def text(x, y, what, size=13, anchor="start", colour=INK, weight="normal"):
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
        f'font-weight="{weight}">{what}</text>\n'
    )


def panel(run, top, title, note):
    requests, frozen, latency = read(run)

    def across(seconds):
        return LEFT + seconds / SECONDS * (WIDTH - LEFT - RIGHT)

    def down(seconds):
        return top + PANEL - min(seconds, LATENCY_MAX) / LATENCY_MAX * PANEL

    begin, end = map(across, frozen)
    out = f'<rect x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" height="{PANEL}" fill="{BAND}"/>\n'
    out += text((begin + end) / 2, top + 16, "server frozen", 12, "middle", MUTED)
    for row, words in enumerate(note):
        out += text(end + 14, down(2) + 18 * row, words)
    for tick in range(4):
        y = down(tick)
        out += f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{BAND}"/>\n'
        out += text(LEFT - 8, y + 4, f"{tick} s", 12, "end", MUTED)
    for tick in range(0, SECONDS + 1, 5):
        out += text(across(tick), top + PANEL + 17, f"{tick} s", 12, "middle", MUTED)
    # Requests that fall on the same spot are drawn once.
    spots = sorted({(round(2 * across(due)) / 2, round(2 * down(took)) / 2) for due, took in requests})
    dots = "".join(f"M{x:g} {y:g}h0" for x, y in spots)
    out += f'<path d="{dots}" stroke="{DOT}" stroke-width="3" stroke-linecap="round" fill="none"/>\n'
    slow = sum(took > 2 * latency["p50"] / 1000 for _, took in requests)
    said = f"{len(requests):,} requests, {slow:,} of them slow: p99 {latency['p99'] / 1000:.2f} s"
    out += text(LEFT, top - 10, title, 14, weight="bold")
    return out + text(WIDTH - RIGHT, top - 10, said, 13, "end")


def main(closed, opened):
    height = TOP + 2 * PANEL + GAP + BOTTOM
    out = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
        "<title>Latency of each request while the server is frozen for three seconds</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
    )
    note = ("each of the 20 users waits once,", "and asks nothing in the meantime")
    out += panel(closed, TOP, "Closed loop: 20 users", note)
    note = ("requests go on arriving, and each", "waits for what is left of the freeze")
    out += panel(opened, TOP + PANEL + GAP, "Open loop: 200 requests per second", note)
    legend = "when the request was due; each dot is one request, its height the latency"
    out += text(WIDTH / 2, height - 10, legend, 13, "middle")
    print(out + "</svg>")


main(*sys.argv[1:3])
