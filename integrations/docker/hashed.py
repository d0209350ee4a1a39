"""Print the lines of a lock, with their hashes, of the packages that pip would install.

pip install --dry-run --report report.json --constraint versions '.[serve]'
python hashed.py report.json requirements.lock > hashed.txt
pip install --no-deps --require-hashes -r hashed.txt
"""

import json
import re
import sys
from pathlib import Path


def main() -> None:
    report, lock = (Path(path).read_text() for path in sys.argv[1:])
    entries = re.split(r"\n(?=[a-z0-9])", "\n" + lock)
    for package in json.loads(report)["install"]:
        name, version = package["metadata"]["name"], package["metadata"]["version"]
        if name == "reelm":
            continue
        begins = f"{re.sub(r'[-_.]+', '-', name).lower()}=={version} "
        if not (found := [entry for entry in entries if entry.startswith(begins)]):
            sys.exit(f"{begins}is not in the lock; lock it first")
        print(found[0])


if __name__ == "__main__":
    main()
