"""Stored settings of other versions, or damaged: read where they can be, shown as such where not, hiding nothing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from run_tools import FakeTrainer, checkpoint, evaluated, finished, me, snapshot, started, step, tiny_config

from vit_explore import cli, upgrades
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig, BadReference, BadRunState
from vit_explore.runs import stored
from vit_explore.runs.export import export, exported
from vit_explore.runs.records import config_json
from vit_explore.runs.references import available_references, load_model
from vit_explore.runs.store import RunStore
from vit_explore.runs.worker import run_worker


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def trained(store: RunStore, state: str = "stopped") -> str:
    claimant = me()
    run = store.create(tiny_config(name="the odd one"), claimant)
    store.record_all(run, [started(), snapshot(0), step(1), evaluated(1), snapshot(1), checkpoint(1)])
    store.record(run, finished(1, stopped=True))
    store.let_go(run, claimant.worker, state)
    return run


def spoil(store: RunStore, run: str, kind: str) -> None:
    """Give a run stored settings that this version cannot read."""
    with sqlite3.connect(store.path) as connection:
        text = connection.execute("SELECT config FROM runs WHERE id = ?", (run,)).fetchone()[0]
        connection.execute("UPDATE runs SET config = ? WHERE id = ?", (SPOILT[kind](text), run))


def _changed(text: str, change: Any) -> str:
    values = json.loads(text)
    change(values)
    return json.dumps(values)


SPOILT = {
    "unknown field": lambda text: _changed(text, lambda v: v["model"].update(rope=True)),
    "renamed field": lambda text: _changed(text, lambda v: v["train"].update(learning_rate=v["train"].pop("lr"))),
    "unknown section": lambda text: _changed(text, lambda v: v.update(sweep={})),
    "unknown value": lambda text: _changed(text, lambda v: v["model"].update(pos_embed="rope2d")),
    "newer version": lambda text: _changed(text, lambda v: v.update(version=99)),
    "no version": lambda text: _changed(text, lambda v: v.update(version="new")),
    "a list": lambda _: "[1, 2]",
    "a section that is a list": lambda text: _changed(text, lambda v: v.update(model=[1])),
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
}


@pytest.mark.parametrize("kind", list(SPOILT))
def test_a_config_that_cannot_be_read_hides_nothing(store: RunStore, kind: str) -> None:
    other, odd = trained(store), trained(store)
    spoil(store, odd, kind)
    records = {record.id: record for record in store.list()}
    assert set(records) == {odd, other}
    assert records[other].config is not None
    assert records[other].unreadable is None
    record = store.get(odd)
    assert record == records[odd]
    assert (record.config, record.state, record.name) == (None, "stopped", "the odd one (2)")
    assert "cannot be read here" in str(record.unreadable)
    assert [row.step for row in store.snapshots(odd)] == [0, 1]
    assert store.steps(odd)["step"].tolist() == [1]
    assert {offer.ref for offer in available_references()} >= {f"run:{odd}", f"run:{other}"}


def test_the_sentence_names_what_is_unknown(store: RunStore) -> None:
    run = trained(store)
    spoil(store, run, "unknown field")
    assert "ModelConfig has no field 'rope')" in str(store.get(run).unreadable)
    spoil(store, run, "newer version")
    assert "they are of version 99, and this program reads up to version 2)" in str(store.get(run).unreadable)


@pytest.mark.parametrize("kind", ["unknown field", "cut off"])
def test_what_can_be_done_with_it(store: RunStore, tmp_path: Path, kind: str) -> None:
    run = trained(store)
    spoil(store, run, kind)
    stored = store.get(run).stored
    assert "cannot go on" in str(store.get(run).resume_refusal)
    with pytest.raises(BadRunState, match="cannot go on"):
        store.resume(run)
    with pytest.raises(BadConfig, match="cannot be read here"):
        store.duplicate(run)
    weights, card = export(run, tmp_path / "odd")
    assert weights.read_bytes() == store.snapshot_path(run, 1).read_bytes()
    kept = json.loads(card.read_text())
    assert kept["config"] == (stored if kind == "cut off" else json.loads(stored))
    assert kept["facts"]["classes"] == ["red", "green", "blue"]
    assert exported(f"run:{run}@0")[0] == store.snapshot_path(run, 0).read_bytes()
    store.rename(run, "still odd")
    assert (store.get(run).name, store.get(run).stored) == ("still odd", stored)
    store.delete(run)
    assert store.list() == []


def test_a_model_that_cannot_be_read_is_told(store: RunStore) -> None:
    run = trained(store)
    with sqlite3.connect(store.path) as connection:
        facts = json.loads(connection.execute("SELECT facts FROM runs").fetchone()[0])
        facts["model"]["rope"] = True
        connection.execute("UPDATE runs SET facts = ?", (json.dumps(facts),))
    record = store.get(run)
    assert (record.model, record.classes) == (None, ("red", "green", "blue"))
    assert record.config is not None  # it can be duplicated
    with pytest.raises(BadReference, match="settings of the model cannot be read here"):
        load_model(f"run:{run}")
    assert json.loads(exported(run)[1])["facts"]["model"]["rope"] is True


def test_facts_that_are_damaged_are_told(store: RunStore) -> None:
    run = trained(store)
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE runs SET facts = '{'")
    assert store.get(run).model is None
    assert "cannot be read here" in str(store.get(run).unreadable)


def test_a_queued_one_does_not_stop_the_worker(store: RunStore) -> None:
    odd, sound = store.create(tiny_config()), store.create(tiny_config())
    spoil(store, odd, "unknown field")
    for _ in range(2):
        run_worker("cpu", once=True, make_trainer=FakeTrainer())
    assert store.get(sound).state == "finished"
    record = store.get(odd)
    assert (record.state, record.error) == ("failed", record.unreadable)
    assert not store.has_queued()


def test_in_the_command_line(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(store)
    spoil(store, run, "unknown field")
    assert cli.main(["runs", "list"]) == 0
    assert "the odd one" in capsys.readouterr().out
    assert cli.main(["runs", "show", run]) == 0
    shown = capsys.readouterr().out
    assert "cannot be read here" in shown
    assert '"rope": true' in shown
    assert cli.main(["runs", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert json.loads(row["config"])["model"]["rope"] is True
    assert "cannot be read here" in row["unreadable"]
    assert cli.main(["runs", "resume", run]) == 2
    assert capsys.readouterr().err.startswith(f"error: The run {run!r} cannot go on. The stored settings cannot be")
    assert cli.main(["runs", "delete", run]) == 0


# ------------------------------------------------------------------ versions


def test_each_step_is_taken_once_from_where_the_settings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(values: dict[str, Any]) -> dict[str, Any]:
        if "train" in values:
            values["train"] = {{"rate": "lr"}.get(key, key): value for key, value in values["train"].items()}
        return values

    def doubled(values: dict[str, Any]) -> dict[str, Any]:
        model = values.get("model", {})
        return {**values, "model": {**model, "width": 2 * model["width"]}} if model else values

    monkeypatch.setattr(upgrades, "CONFIG_VERSION", 3)
    monkeypatch.setattr(upgrades, "STEPS", {1: renamed, 2: doubled})
    old = {"train": {"rate": 0.5, "seconds": 9}, "model": {"width": 8}}
    assert upgrades.upgrade(old) == {"train": {"lr": 0.5, "seconds": 9}, "model": {"width": 16}}
    assert upgrades.upgrade({"version": 3, **old}) == old
    assert upgrades.stored_config(json.dumps({**old, "name": "old"})).train.lr == 0.5
    assert upgrades.stored_model({"width": 8}, 2).width == 16
    assert upgrades.stored_model({"width": 8}, 3).width == 8


def test_stored_settings_carry_their_version() -> None:
    config = RunConfig(name="mine", model=ModelConfig(width=192))
    text = config_json(config)
    assert json.loads(text)["version"] == upgrades.PLAIN_VERSION
    assert upgrades.stored_config(text) == config


def test_exported_cards_carry_their_version() -> None:
    assert json.loads(exported("bundled:vit-shapes")[1])["version"] == upgrades.PLAIN_VERSION


def test_a_card_beside_weights_is_read_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = json.loads((stored.WEIGHTS / "vit-minute.json").read_text())
    for name, changes in (("plain", {}), ("versioned", {"version": 1}), ("newer", {"version": 99})):
        (tmp_path / f"{name}.json").write_text(json.dumps({**card, **changes}))
        (tmp_path / f"{name}.safetensors").symlink_to(stored.WEIGHTS / "vit-minute.safetensors")
    monkeypatch.setattr(stored, "WEIGHTS", tmp_path)
    offers = {offer.ref: offer.card.name for offer in available_references()}
    assert offers == {"bundled:plain": "vit", "bundled:versioned": "vit", "bundled:newer": ""}
    assert load_model("bundled:versioned").classes == load_model("bundled:plain").classes
    with pytest.raises(BadConfig, match="they are of version 99"):
        load_model("bundled:newer")


def test_reading_them_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import vit_explore.upgrades"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
