"""The commands `runs export|import|page` and `export --push`: a run as a file, for another machine or a reader."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from vit_explore.errors import BadConfig
from vit_explore.printing import say
from vit_explore.run_commands import open_store


def export_weights(arguments: argparse.Namespace) -> int:
    """export"""
    from vit_explore.runs.export import check_out, export

    if arguments.out is None and arguments.push is None:
        raise BadConfig("Nothing is exported: give --out FILE, --push OWNER/NAME, or both.")
    if arguments.out is not None:
        check_out(arguments.out, arguments.force)  # before anything is published
    if arguments.push is not None:
        say(_push(arguments))
    if arguments.out is None:
        return 0
    for path in export(arguments.run, arguments.out, force=arguments.force):
        say(str(path))
    return 0


def export_run(arguments: argparse.Namespace) -> int:
    """runs export"""
    from vit_explore.runs.archive import file_name, pack

    store = open_store()
    out = Path(arguments.out) if arguments.out else Path(file_name(store.get(arguments.run)))
    say(f"Wrote {pack(store, arguments.run, out, arguments.force)}.")
    return 0


def import_run(arguments: argparse.Namespace) -> int:
    """runs import"""
    from vit_explore.runs.archive import unpack

    store = open_store()
    run = unpack(store, Path(arguments.file))
    say(json.dumps({"run": run}) if arguments.json else f"Entered as the run {run}: {store.get(run).name}.")
    return 0


def page_of_run(arguments: argparse.Namespace) -> int:
    """runs page"""
    from vit_explore import takehome
    from vit_explore.data.images import load_image
    from vit_explore.runs.places import check_place, write

    store, out = open_store(), Path(arguments.out)
    check_place(out)
    picture = load_image(arguments.picture) if arguments.picture else takehome.first_sample(store, arguments.run)
    html = takehome.sheet(store, arguments.run, picture, guess=store.guess_of(arguments.run))
    write(out, html.encode())
    say(f"Wrote {out}.")
    return 0


def _push(arguments: argparse.Namespace) -> str:
    from vit_explore.runs.export import exported_from
    from vit_explore.runs.hub import push
    from vit_explore.takehome.again import command_of_run

    parsed = exported_from(arguments.run)
    store = open_store()
    record = store.get(parsed.name) if parsed.kind == "run" else None
    command = command_of_run(store, record) if record is not None and record.config is not None else ""
    hardware = (record.device if record is not None else None) or "a device that is not known"
    return push(arguments.run, arguments.push, command, hardware, private=not arguments.public)
