"""The import directions of the design: who may know whom, and that cheap imports stay cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from vit_explore.ui import site

PACKAGE = Path(__file__).parents[2] / "vit_explore"

# errors, registry, cards, config ← data, models ← training ← runs; models ← explain; explain.results ← plots; all ← ui
BASE = {
    "errors",
    "config",
    "registry",
    "home",
    "cards",
    "text",
    "upgrades",
    "discovery",
    "told",
    "html",
    "seeds",
    "precision",
}
MAY_IMPORT = {
    "errors": set(),
    "home": {"errors"},
    "registry": {"errors"},
    "discovery": set(),
    "cards": {"errors", "registry", "config"},  # config for annotations alone
    "config": {"errors", "registry", "cards", "config", "text"},
    "text": set(),
    "told": set(),
    "html": set(),
    "seeds": set(),
    "precision": {"errors", "config"},
    "upgrades": {"errors", "config"},
    "presets": BASE,
    "reports": BASE | {"presets", "runs", "training", "reports"},
    "data": BASE | {"data"},
    "models": BASE | {"models"},
    "training": BASE | {"data", "models", "training"},
    "runs": BASE | {"data", "models", "training", "runs", "presets"},
    "explain": BASE | {"data", "models", "explain"},
    "diagnosis": BASE | {"training", "runs", "explain", "diagnosis"},
    "trust": BASE | {"explain", "trust"},
    "film": BASE | {"data", "explain", "runs", "film", "plots.theme", "plots.canvas", "plots.heat"},
    "plots": {"errors", "text", "discovery", "explain.results", "trust.results", "plots"},
    "flags": BASE | {"presets"},
    "tuning": BASE | {"data", "models", "training", "runs", "tuning"},
    "probe_command": BASE | {"flags", "printing", "progress", "tuning"},
    "inside_commands": BASE | {"data", "flags", "printing", "progress", "runs", "trust", "labs"},
    "classroom": {"errors"},
    "cluster_command": {"errors", "printing", "runs"},
    "serve_command": {"errors", "printing", "runs", "classroom"},
    "film_command": {"errors", "data", "film", "printing", "progress", "runs", "told"},
    "progress": {"training"},
    "cli": BASE
    | {"data", "models", "training", "runs", "presets", "flags", "progress", "printing", "run_commands"}
    | {
        "here",
        "probe_command",
        "sweep_commands",
        "inside_commands",
        "film_command",
        "serve_command",
        "away_commands",
        "cluster_command",
    },
    "here": {"printing", "runs"},
    "sweeps": BASE | {"data", "training", "runs", "sweeps"},
    "labs": BASE | {"training", "sweeps", "explain", "runs", "labs"},
    "sweep_commands": {"errors", "here", "printing", "progress", "training", "runs", "sweeps"},
    "printing": {"text"},
    "run_commands": {"errors", "printing", "progress", "training", "runs", "diagnosis"},
    "away_commands": {"errors", "data", "flags", "here", "printing", "run_commands", "runs", "takehome"},
    "takehome": {"errors", "film", "flags", "html", "plots.canvas", "runs", "takehome", "text", "told", "training"},
    "__main__": {"cli", "openmp"},
    "openmp": set(),
    "__init__": set(),
}
# the floors of the app's side: none knows a higher one, no page knows a page
FLOORS = {
    "site": set(),
    "first_visit": set(),
    "components": {"components"},
    "session": {"site", "session"},
    "kit": {"site", "session", "components", "kit"},
    "explanations": {"site", "session", "components", "kit", "explanations"},
    "shell": {"site", "session", "components", "kit"},
}
WITHOUT_WIDGETS = {
    "cache_data",
    "cache_resource",
    "context",
    "query_params",
    "rerun",
    "secrets",
    "session_state",
    "spinner",
    "user",
}  # of Streamlit
HOME_OF = {"streamlit": {"ui"}, "plotly": {"plots"}, "captum": {"explain"}, "sqlalchemy": {"runs"}}


def modules() -> list[tuple[str, Path]]:
    return [(p.relative_to(PACKAGE).with_suffix("").parts[0], p) for p in sorted(PACKAGE.rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(
    ("part", "path"), modules(), ids=lambda v: str(v.relative_to(PACKAGE)) if isinstance(v, Path) else ""
)
def test_directions_hold(part: str, path: Path) -> None:
    names = imported(path)
    for package, homes in HOME_OF.items():
        if part not in homes:
            assert not [n for n in names if n.split(".")[0] == package], f"{package} belongs in {homes}"
    if part == "plots":
        assert not [n for n in names if n.split(".")[0] == "torch"]
    if part == "ui":
        return
    for name in names:
        if not name.startswith("vit_explore."):
            continue
        inner = name.removeprefix("vit_explore.")
        assert any(inner == ok or inner.startswith(f"{ok}.") for ok in MAY_IMPORT[part]) or any(
            ok.startswith(f"{inner}.") for ok in MAY_IMPORT[part]
        ), f"{part} may not import {name}"


def floor_of(path: Path) -> tuple[str, set[str]]:
    """A file's place in the house, and the places that it may know."""
    inner = path.relative_to(PACKAGE / "ui").with_suffix("").parts
    if inner[0] != "pages" or inner == ("pages", "__init__"):
        return inner[0], FLOORS.get(inner[0], set())
    return f"pages.{inner[1]}", FLOORS["explanations"] | {f"pages.{inner[1]}"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "ui").rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_floors_hold(path: Path) -> None:
    floor, allowed = floor_of(path)
    for name in imported(path):
        if name.startswith("vit_explore.ui."):
            inner = name.removeprefix("vit_explore.ui.")
            assert any(inner == ok or inner.startswith(f"{ok}.") for ok in allowed) or any(
                ok.startswith(f"{inner}.") for ok in allowed
            ), f"{floor} may not import {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "ui" / "session").glob("*.py")), ids=lambda p: p.name)
def test_the_session_draws_no_widget(path: Path) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "st"
    }
    assert used <= WITHOUT_WIDGETS


@pytest.mark.parametrize("path", sorted((PACKAGE.parent / "pages").rglob("*.py")), ids=lambda p: p.name)
def test_a_file_of_the_navigation_shows_the_page_of_its_name(path: Path) -> None:
    assert {name for name in imported(path) if name.startswith("vit_explore")} == {
        f"vit_explore.ui.pages.{path.stem}",
        f"vit_explore.ui.pages.{path.stem}.page",
    }


def test_only_the_table_of_pages_knows_their_paths() -> None:
    for path in [*(PACKAGE / "ui").rglob("*.py"), PACKAGE.parent / "app.py"]:
        strings = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
        found = [s for s in strings if isinstance(s, str) and "pages/" in s and s.endswith(".py")]
        assert not found, path.name
    assert all((PACKAGE.parent / page.path).is_file() for page in site.PAGES)


def loaded_by(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(' '.join(sys.modules))"],
        capture_output=True, text=True, check=True, cwd=PACKAGE.parent,
    )  # fmt: skip
    return {name.split(".")[0] for name in out.stdout.split()}


def test_a_diagnosis_of_what_is_known_needs_no_torch() -> None:
    code = "from vit_explore.diagnosis import evidence, symptoms, weights; assert len(symptoms.names()) > 5"
    assert not loaded_by(code) & {"torch", "plotly", "streamlit", "timm"}


def test_the_grids_are_known_without_torch_and_numpy() -> None:
    code = "from vit_explore.sweeps import sweeps; assert sum(len(s.runs()) for _, s in sweeps) > 100"
    assert not loaded_by(code) & {"torch", "numpy", "plotly", "streamlit", "timm", "sqlalchemy"}
    assert not loaded_by("import vit_explore as vx; vx.labs.names()") & {"torch", "plotly", "streamlit", "timm"}


def test_importing_the_package_is_cheap() -> None:
    assert not loaded_by("import vit_explore") & {"torch", "numpy", "pydantic", "streamlit", "plotly", "timm"}


def test_the_command_line_and_the_presets_are_imported_without_numpy() -> None:
    assert not loaded_by("import vit_explore.cli, vit_explore.training") & {"torch", "numpy", "streamlit", "timm"}


def test_cards_and_lists_of_names_are_read_without_importing_what_they_describe() -> None:
    code = (
        "import vit_explore as vx; cards = [c.example for _, c in vx.explain.EXPLANATIONS]; "
        "assert len(cards) > 12; vx.explain.__all__; vx.plots.__all__; dir(vx.explain)"
    )
    assert not loaded_by(code) & {"torch", "numpy", "plotly", "streamlit", "timm", "captum"}


def test_hooks_exist_in_two_files_only() -> None:
    homes = {PACKAGE / "explain" / name for name in ("capture.py", "heads.py")}
    for path in PACKAGE.rglob("*.py"):
        names = {getattr(node, "attr", "") for node in ast.walk(ast.parse(path.read_text()))}
        hooks = {name for name in names if name.startswith("register_") and name.endswith("_hook")}
        assert not hooks or path in homes, (path.name, hooks)


def test_plots_need_no_torch() -> None:
    code = "import vit_explore as vx; [getattr(vx.plots, n) for n in vx.plots.__all__]"
    assert not loaded_by(code) & {"torch", "streamlit", "timm"}


def test_training_needs_neither_streamlit_nor_plotly_nor_captum() -> None:
    loaded = loaded_by("import vit_explore.cli, vit_explore.training, vit_explore.runs.worker")
    assert not loaded & {"streamlit", "plotly", "captum"}


def test_a_vit_needs_no_timm() -> None:
    code = "import vit_explore as vx; vx.create_model(vx.ModelConfig(width=16, depth=1, num_heads=2))"
    assert not loaded_by(code) & {"timm", "torchvision"}


def test_cards_and_optimisers_are_known_without_torch() -> None:
    code = (
        "from vit_explore.cards import card_of, cards, rules; from vit_explore.config import RunConfig, settings; "
        "assert 'vit' in cards.names() and 'muon' in rules.names(); "
        "assert card_of('timm:vit_tiny_patch16_224').family == card_of('vit').family; "
        "RunConfig().update(model='resnet18').model.takes_half_size; [s.help for s in settings().values()]"
    )
    assert not loaded_by(code) & {"torch", "timm", "torchvision", "streamlit"}
