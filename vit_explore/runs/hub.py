"""Weights to the Hugging Face hub: safetensors, what they are, and a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_explore.errors import BadReference, BadRunState, ModelUnavailable
from vit_explore.runs.export import exported, exported_from
from vit_explore.runs.model_card import front_matter, model_card
from vit_explore.runs.store import RunStore
from vit_explore.runs.stored import WEIGHTS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

STEM = "model"


def push(ref: str, repo: str, command: str, hardware: str, home: Path | None = None, private: bool = True) -> str:
    """Upload a run's or a bundled model's weights into a model repository of the hub, made where it is missing; gives
    its address.

    repo: OWNER/NAME. command, hardware: for the card. The hub's own token is used. Raises BadReference, BadRunState for
    a run that was not tested, ModelUnavailable where the hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    readme = _readme(ref, command, hardware, home)
    weights, about = exported(ref, home, STEM)
    files = {f"{STEM}.safetensors": weights, f"{STEM}.json": about.encode(), "README.md": readme.encode()}
    operations = [CommitOperationAdd(name, data) for name, data in files.items()]
    try:
        return _commit(HfApi(library_name="vit_explore"), repo, private, operations)
    except HFValidationError as error:
        raise BadReference(f"{repo!r} names no repository of the hub ({error}); give OWNER/NAME.") from None
    except (LocalTokenNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise ModelUnavailable(
            f"The hub did not take {repo} ({str(error).splitlines()[0][:200]}); log in with `hf auth login`, unset "
            "HF_HUB_OFFLINE, and try again. The weights are still here."
        ) from error


def _commit(api: HfApi, repo: str, private: bool, operations: list[Any]) -> str:
    made = api.create_repo(repo, private=private, exist_ok=True)
    api.create_commit(made.repo_id, operations, commit_message="Weights and model card of vit_explore")
    return str(made)


def _readme(ref: str, command: str, hardware: str, home: Path | None) -> str:
    parsed = exported_from(ref)
    if parsed.kind == "bundled":
        about = json.loads((WEIGHTS / f"{parsed.name}.json").read_text(encoding="utf-8"))
        text = (WEIGHTS / f"{parsed.name}.md").read_text(encoding="utf-8")
        return front_matter(about.get("data", {}).get("dataset", "")) + _of_step(text, parsed.step, about["step"])
    store = RunStore(home)
    record = store.get(parsed.name)
    if record.test_top1 is None or record.config is None:
        raise BadRunState(f"The run {record.id!r} was not tested, so its card could not say what it reaches.")
    text = model_card(record, store, record.name, command, hardware)
    return front_matter(record.config.data.dataset) + _of_step(text, parsed.step, record.step)


def _of_step(card: str, step: int | None, end: int | None) -> str:
    """The card of weights at a step, which says so where it is not the end that its numbers are of."""
    if step is None or step == end:
        return card
    title, _, rest = card.partition("\n")
    caution = f"**These are the weights of step {step:,}**; what follows is of the end, step {end or 0:,}."
    return f"{title}\n\n{caution}\n{rest}"
