"""Rows of what llama.cpp allocates, by its own converter and its own libllama; no GPU is needed.

    python -m tests.census.engine_llamacpp SOURCE BUILD FOLDER '{"q8_0": {"ctk": "q8_0"}}'

``SOURCE`` is a llama.cpp checkout, or ``vendor/llama.cpp`` of the sources of llama-cpp-python;
``BUILD`` a folder for the library, which takes some minutes of a compiler once. ``FOLDER`` holds
``NAME.json`` files, each a ``config.json``. One JSON object a line is printed, as hfkv's reference
rows have them.

The converter reads the config and writes a GGUF file of metadata alone. A small driver loads its
hyperparameters with libllama and makes the memory as a context would; three lines put into a copy
of the sources let the constructors print bytes where their log has two decimals.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

CONTEXTS = (1, 1000, 4096, 32768, 100000)
_DRIVER = Path(__file__).with_suffix(".cpp")
#: File, what the one line of its log has that a line goes before, and that line.
_PRINTED = (
    (
        "llama-kv-cache.cpp",
        "(%6u cells, %3d layers, %2u/%u seqs)",
        'printf("KV %u %zu %u %u %s %zu %s %zu\\n", kv_size, layers.size(), n_seq_max, n_stream, '
        "ggml_type_name(type_k), memory_size_k, ggml_type_name(type_v), memory_size_v);\n",
    ),
    (
        "llama-memory-recurrent.cpp",
        "%2u seqs %2u rs_seq)",
        'printf("RS %u %zu %zu\\n", mem_size, memory_size_r, memory_size_s);\n',
    ),
    (
        "llama-kv-cache-dsv4.cpp",
        "ratio = %u, state = %u x %u",
        'printf("DSV4 %s %zu\\n", name, total_size());\n',
    ),
)


def main(arguments: list[str]) -> None:
    """Build what is not there yet, and print the rows of all configs in a folder."""
    source, build, folder = map(Path, arguments[:3])
    driver = built(source, build)
    for path in sorted(folder.glob("*.json")):
        with tempfile.TemporaryDirectory() as made:
            file = Path(made) / "model.gguf"
            try:
                arch = converted(source, path, file)
            except Exception as error:
                print(json.dumps({"model": path.stem, "error": f"{type(error).__name__}: {error}"}))
                continue
            for variant, options in json.loads(arguments[3]).items():
                results = [allocated(driver, file, count, options) for count in CONTEXTS]
                row = {"model": path.stem, "arch": arch, "variant": variant, "options": options}
                print(json.dumps({**row, "results": results}), flush=True)


def built(source: Path, build: Path) -> Path:
    """The driver, with a library of the sources that prints its bytes."""
    driver = build / "driver"
    if driver.exists():
        return driver
    copy = build / "source"
    shutil.copytree(source, copy, dirs_exist_ok=True)
    for name, said, line in _PRINTED:
        path = copy / "src" / name
        lines = path.read_text("utf-8").splitlines(keepends=True)
        places = [number for number, text in enumerate(lines) if said in text]
        if len(places) != 1:
            raise SystemExit(f"{name} is not as it was: where it prints its sizes has moved")
        lines.insert(places[0], line)
        path.write_text("".join(lines), "utf-8")
    flags = [
        *(
            "-DGGML_CPU=OFF",
            "-DGGML_OPENMP=OFF",
            "-DBUILD_SHARED_LIBS=OFF",
            "-DCMAKE_BUILD_TYPE=None",
        ),
        *(f"-DLLAMA_BUILD_{part}=OFF" for part in ("COMMON", "TESTS", "TOOLS", "EXAMPLES", "APP")),
    ]
    objects = build / "objects"
    subprocess.run(["cmake", "-S", copy, "-B", objects, *flags], check=True, stdout=sys.stderr)
    subprocess.run(
        ["cmake", "--build", objects, "--target", "llama"], check=True, stdout=sys.stderr
    )
    subprocess.run(
        [
            *("c++", "-std=c++17", "-w", _DRIVER, "-o", driver),
            *(f"-I{copy / part}" for part in ("src", "include", "ggml/include")),
            objects / "src/libllama.a",
            *(objects / "ggml/src" / name for name in ("libggml.a", "libggml-base.a")),
            *("-lpthread", "-ldl", "-lm"),
        ],
        check=True,
    )
    return driver


def converted(source: Path, config: Path, file: Path) -> str:
    """Write the metadata of a model as llama.cpp's converter does; the name it gives it."""
    for part in ("gguf-py", "."):
        if str(source / part) not in sys.path:
            sys.path.insert(0, str(source / part))
    gguf, conversion, base = map(import_module, ("gguf", "conversion", "conversion.base"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copy(config, folder / "config.json")
        hparams = base.ModelBase.load_hparams(folder, False)
        architecture = base.get_model_architecture(hparams, base.ModelType.TEXT)
        cls = conversion.get_model_class(architecture)
        model = cls(folder, gguf.LlamaFileType.MOSTLY_BF16, file, hparams=hparams)
        model.set_gguf_parameters()
    writer = model.gguf_writer
    writer.write_header_to_file(path=file)
    writer.write_kv_data_to_file()
    writer.close()
    name: str = gguf.MODEL_ARCH_NAMES[model.model_arch]
    return name


def allocated(driver: Path, file: Path, n_ctx: int, options: dict[str, Any]) -> dict[str, Any]:
    """What is allocated for one context, or what was refused."""
    line = (
        f"{n_ctx} {options.get('batch', 2048)} {options.get('ubatch', 512)} "
        f"{options.get('n_seq', 1)} {int(options.get('unified', False))} "
        f"{options.get('ctk', 'f16')} {options.get('ctv', 'f16')} "
        f"{int(options.get('swa_full', False))} {options.get('fa', 1)}\n"
    )
    ran = subprocess.run([driver, file], input=line, capture_output=True, text=True, check=False)
    said = [text.split() for text in ran.stdout.splitlines()]
    result: dict[str, Any] = {"n_ctx": n_ctx}
    for words in said:
        if words[0] == "CONTEXT":
            result.update(n_ctx_effective=int(words[1]), n_ctx_seq=int(words[2]))
        elif words[0] == "ERROR":
            return {**result, "error": " ".join(words[1:])}
    if ran.returncode or ["DONE"] not in said:
        return {**result, "error": ran.stderr[-300:] or f"it ended with {ran.returncode}"}
    caches = list(_caches(said))
    return {**result, "bytes_total": sum(cache["bytes"] for cache in caches), "caches": caches}


def _caches(said: list[list[str]]) -> Iterator[dict[str, Any]]:
    for kind, *words in said:
        if kind == "KV":
            cells, layers, seqs, streams, k_type, k, v_type, v = words
            yield {
                "cache": "llama_kv_cache",
                "cells": int(cells),
                "layers": int(layers),
                "seqs": int(seqs),
                "streams": int(streams),
                "bytes": int(k) + int(v),
                "parts": {
                    "K": {"type": k_type, "bytes": int(k)},
                    "V": {"type": v_type, "bytes": int(v)},
                },
            }
        elif kind == "RS":
            cells, r, s = words
            yield {
                "cache": "llama_memory_recurrent",
                "cells": int(cells),
                "bytes": int(r) + int(s),
                "parts": {
                    "R": {"type": "f32", "bytes": int(r)},
                    "S": {"type": "f32", "bytes": int(s)},
                },
            }
        elif kind == "DSV4":
            yield {"cache": f"dsv4_state:{words[0]}", "bytes": int(words[1])}


if __name__ == "__main__":
    main(sys.argv[1:])
