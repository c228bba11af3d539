"""The memory of a run at its highest: of the card, or of the whole process, which is what a machine has to hold."""

from __future__ import annotations

from pathlib import Path

import torch

_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class Peak:
    """From here on."""

    def __init__(self, device: torch.device) -> None:
        self.device, self._is_known = device, True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self._is_known = _reset()

    def bytes(self) -> int | None:
        """The highest so far; None where the machine does not tell (on a CPU, Linux alone does)."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return _highest() if self._is_known else None


def _reset() -> bool:
    """Begin the count of the process anew; whether that is possible here."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _highest() -> int | None:
    lines = _STATUS.read_text().splitlines()
    found = next((line for line in lines if line.startswith("VmHWM:")), None)
    return None if found is None else 1024 * int(found.split()[1])
