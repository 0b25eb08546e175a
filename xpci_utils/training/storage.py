"""Tensors on disk as safetensors, never pickled; small facts travel as JSON in the header."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xpci_utils import files, paths


def save_tensors(path: str | Path, tensors: dict[str, torch.Tensor], facts: dict) -> None:
    """Write tensors and JSON ``facts`` to one file, atomically."""
    plain = {name: _on_host(tensor) for name, tensor in tensors.items()}
    with files.atomic_path(path) as temporary:
        save_file(plain, temporary, metadata={"facts": json.dumps(facts)})


def _on_host(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous copy in the memory of the CPU that shares nothing with other tensors: safetensors refuses those that
    do. What comes from a GPU is such a copy already."""
    tensor = tensor.detach().contiguous()
    return tensor.clone() if tensor.device.type == "cpu" else tensor.cpu()


def load_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict]:
    """(tensors, facts) of a file that ``save_tensors`` wrote; ValueError says when it is not one."""
    try:
        with safe_open(str(path), framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except FileNotFoundError:
        raise FileNotFoundError(f"{paths.display(path)} is missing; run the stage that writes it first") from None
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{paths.display(path)} is not a readable safetensors file ({error}); "
            "if a stage wrote it, delete it and run that stage again"
        ) from None


def save_model(path: str | Path, module: torch.nn.Module, config: dict) -> None:
    """Write a module's state and the ``config`` that builds it again."""
    save_tensors(path, module.state_dict(), config)
