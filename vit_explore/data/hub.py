"""Files of the Hugging Face hub: from its local cache without a word to the network, or downloaded with progress."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from vit_explore.data.base import Progress

PROBE_TIMEOUT = 6.0  # seconds; without the probe, the hub's client tries for half a minute on a machine with no network


class HubUnavailable(Exception):
    """The hub cannot be reached, or does not have the file; the message says which, in a few words."""


def cached_file(repo: str, filename: str) -> Path | None:
    """The file in the hub's local cache (HF_HOME), or None. No network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, filename, repo_type="dataset")
    return Path(found) if isinstance(found, str) else None


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def probe() -> None:
    """Raises HubUnavailable within a few seconds when there is no way to the hub (HF_ENDPOINT)."""
    from huggingface_hub import constants

    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT):
            pass
    except urllib.error.HTTPError:
        return  # it answers
    except (OSError, ValueError) as error:
        raise HubUnavailable(f"{constants.ENDPOINT} cannot be reached: {getattr(error, 'reason', error)}") from None


def download(repo: str, filename: str, progress: Progress) -> Path:
    """The file from the hub, resumed where an earlier download ended, kept in its cache. Raises HubUnavailable."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    # the base of HfHubHTTPError is the error of whichever HTTP library the hub's client is built on
    http_errors = [base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"]
    errors: tuple[Any, ...] = (OSError, EntryNotFoundError, RuntimeError, *http_errors)
    bar = _reporting_bar(f"Downloading {repo}/{Path(filename).name}", progress)
    try:
        return Path(hf_hub_download(repo, filename, repo_type="dataset", tqdm_class=bar))
    except errors as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise HubUnavailable(f"the hub did not give {filename}: {reason[0].rstrip('.')[:160]}") from None


def _reporting_bar(message: str, progress: Progress) -> Any:
    """A tqdm class that draws nothing and reports to `progress`."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.seen = kwargs.get("initial") or 0
            self.goal = kwargs.get("total") or 0
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            self.seen += n or 0
            progress(message, min(1.0, self.seen / self.goal) if self.goal else 0.0)
            return super().update(n)

    return Bar
