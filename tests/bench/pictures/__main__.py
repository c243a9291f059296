"""`python -m tests.bench.pictures [--only NAME ...] [--json FILE] [--figures DIR]`.

Prints each table as it is done. Exit code 0: every bar is met; 1: some are not, or a table failed; 2: no phantom.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys
import time
from pathlib import Path
from types import ModuleType

import tests.bench.pictures
from tests.bench.pictures import phantom

ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    for variable in ONE_THREAD:
        os.environ[variable] = "1"
    names = sorted(
        module.name.removeprefix("table_")
        for module in pkgutil.iter_modules(tests.bench.pictures.__path__)
        if module.name.startswith("table_")
    )
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pictures", description="What is done to pictures.")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--json", type=Path, default=Path("bench-results/pictures.json"), help="default: %(default)s")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write the figures of the documentation instead")
    arguments = parser.parse_args()
    try:
        modules = {name: _module(name) for name in arguments.only or names}
        if arguments.figures:
            return _figures(modules, arguments.figures)
        return _tables(modules, arguments.json)
    except phantom.PhantomMissingError as error:
        print(error, file=sys.stderr)
        return 2


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tests.bench.pictures.table_{name}")


def _tables(modules: dict[str, ModuleType], json_file: Path) -> int:
    done = {}
    for name, module in modules.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        begin_s = time.monotonic()
        table = module.run()
        print(f"{name}: {time.monotonic() - begin_s:.0f} s", file=sys.stderr, flush=True)
        print(table.text(), end="\n\n", flush=True)
        done[name] = table
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps({name: table.as_json() for name, table in done.items()}, indent=1) + "\n")
    missed = [name for name, table in done.items() if not table.met]
    print(f"bars not met in: {', '.join(missed)}" if missed else "all bars met")
    return 1 if missed else 0


def _figures(modules: dict[str, ModuleType], folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in modules.items():
        if hasattr(module, "figures"):
            print(f"figures of {name} ...", file=sys.stderr, flush=True)
            module.figures(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
