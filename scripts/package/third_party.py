#!/usr/bin/env python3
"""Prints the crates that the program is linked with, their licences, and the texts of these, each text once.

  third_party.py FOLDER_OF_THE_PROJECT

The licences of most crates ask that a binary carries them.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def linked_crates(root):
    """The packages that the program's own code reaches, without those that only build or test it."""
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "metadata", "--locked", "--format-version", "1", "--manifest-path", str(root / "Cargo.toml")]
    target = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    host = re.search(r"^host: (.*)$", target, re.MULTILINE).group(1)
    command += ["--filter-platform", host]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    edges = {
        node["id"]: [
            dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }
    own = metadata["resolve"]["root"]
    found, todo = set(), [own]
    while todo:
        for dependency in edges[todo.pop()]:
            if dependency not in found:
                found.add(dependency)
                todo.append(dependency)
    crates = [packages[name] for name in found - {own}]
    return sorted(crates, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The licence files of a crate, also those of C libraries inside, and the one that its manifest names."""
    folder = pathlib.Path(package["manifest_path"]).parent
    names = {path for path in folder.rglob("*") if path.is_file() and LICENCE_FILE.match(path.name)}
    if package["license_file"]:
        names.add(folder / package["license_file"])
    for path in sorted(names):
        yield path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip() + "\n"


def main():
    root = pathlib.Path(sys.argv[1])
    crates = linked_crates(root)
    users, bodies = {}, {}
    print("llmload-uring is linked with these crates. The texts of their licences follow.\n")
    for package in crates:
        label = f"{package['name']} {package['version']}"
        print(f"{label:<40} {package['license'] or 'see below'}")
        for text in texts(package):
            # The same licence is wrapped and indented in many ways.
            key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            bodies.setdefault(key, text)
            users.setdefault(key, []).append(label)
    for key, text in bodies.items():
        print("\n" + "=" * 100)
        print("Of " + ", ".join(users[key]) + ":\n")
        print(text, end="")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
