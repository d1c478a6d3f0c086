"""Small repositories of the kinds that the check was once wrong about, each with what is right."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared data is not there")

#: Case to the codes that are found, of findings and of notes, and a word of the messages.
RIGHT: dict[str, tuple[set[str], set[str] | None, str]] = {
    "silent-unreadable-record": ({"HFKV004", "HFKV102"}, None, "record"),
    "lock-devzero": ({"HFKV004", "HFKV102"}, None, "regular file"),
    "fp-config-json-list": (set(), set(), ""),
    "fp-config-json-comments": (set(), set(), ""),
    "fp-config-json-empty": (set(), set(), ""),
    "fp-mlx-adapter-config": (set(), None, ""),
    "fp-seqcls-modules-to-save": (set(), set(), ""),
    "fp-tokencls-modules-to-save": (set(), set(), ""),
    "fp-lfs-pointer-adapter": (set(), set(), ""),
    "fp-lfs-pointer-model": (set(), set(), ""),
    "fp-config-encoder": (set(), set(), ""),
    "fp-config-no-dtype": (set(), set(), ""),
    "fp-config-own-model-type": (set(), None, ""),
    "fp-swift-model-name": (set(), set(), ""),
    "fp-llamafactory-v1-all": (set(), set(), ""),
    "fp-unsloth-studio-list": (set(), set(), ""),
    "fp-unsloth-studio-empty": (set(), set(), ""),
    "fp-hydra-rank": (set(), set(), ""),
    "fp-jinja-rank": (set(), set(), ""),
    "fp-jinja-template": (set(), None, ""),
    "fp-helm-template": (set(), None, ""),
    "fp-hydra-targets": (set(), set(), ""),
    "fp-server-path": (set(), {"HFKV003"}, "bases"),
    "fp-output-dir-base": (set(), {"HFKV003"}, "bases"),
    "fp-torchtune-phi3": (set(), None, ""),
    "fp-linear-shared-gate": (set(), set(), ""),
    "fp-template-no-base": (set(), None, ""),
    "fp-diffusers-base": (set(), None, ""),
    "fp-axolotl-quoted-rank": (set(), set(), ""),
    "miss-dora-awq": ({"HFKV108"}, None, "DoRA"),
    "miss-adapter-typo": ({"HFKV101", "HFKV107"}, None, "did you mean lora"),
    "miss-peft-type-lower": ({"HFKV101", "HFKV107"}, None, "LORA"),
    "miss-alpha-text": ({"HFKV107"}, None, "lora_alpha"),
    "miss-list-of-runs": ({"HFKV101"}, None, "q_proj"),
    "miss-json-array": ({"HFKV101"}, None, "q_proj"),
    "miss-jsonc-training": ({"HFKV101"}, None, "q_proj"),
    "miss-utf16-yaml": ({"HFKV101"}, None, "q_proj"),
    "miss-latin1-yaml": ({"HFKV101"}, None, "q_proj"),
    "miss-utf16-readme": ({"HFKV301"}, None, ""),
    "miss-context": ({"HFKV112"}, None, "4,096"),
    "miss-sequence-len-budget": ({"HFKV112", "HFKV201"}, None, "1,048,576 tokens x 8"),
    "miss-plain-claim": (set(), {"HFKV304"}, "put it between"),
    "miss-renamed-base": ({"HFKV007"}, None, "Qwen/Qwen2.5-0.5B"),
    "miss-python": ({"HFKV102"}, None, "q_proj"),
    "miss-autotrain": ({"HFKV101"}, None, "q_proj"),
    "miss-oumi": ({"HFKV101"}, None, "q_proj"),
    "miss-swift-list-in-all": ({"HFKV101"}, None, "q_proj"),
    "miss-mlx": ({"HFKV101", "HFKV109"}, None, "q_proj"),
    "miss-verl-list": ({"HFKV101"}, None, "q_proj"),
    "miss-nemo-rl": ({"HFKV101"}, None, "porj"),
    "miss-nemo-automodel": ({"HFKV101"}, None, "q_proj"),
    "miss-litgpt": (set(), None, ""),
    "msg-typo-key": ({"HFKV111"}, None, "did you mean lora_target_modules"),
    "msg-did-you-mean-itself": ({"HFKV104"}, None, "layers_pattern"),
    "msg-gib-shown-as-gb": ({"HFKV301"}, None, "4.5 GiB"),
    "msg-vlm-v4-names": ({"HFKV101"}, None, "model.language_model.layers"),
    "msg-no-dtype-advice": (set(), set(), ""),
}  # fmt: skip


def _hfkv(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", "from hfkv.cli import main; main()", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return done.returncode, done.stdout, done.stderr


def _copy(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / name
    shutil.copytree(CASES / "check" / name, folder)
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    return folder


def judge(name: str, folder: Path) -> str:
    """What is wrong with the answer; "" where it is right."""
    findings, notes, words = RIGHT[name]
    if name == "lock-devzero":
        (folder / "hfkv.lock").symlink_to("/dev/zero")
    elif name != "silent-unreadable-record":
        code, _, err = _hfkv(folder, "lock", "--source", "snapshot")
        if code and not (folder / "hfkv.lock").exists():
            return err
    code, out, err = _hfkv(folder, "check", "--format", "json")
    try:
        found = json.loads(out)["findings"]
    except ValueError:
        return out + err
    mine = {item["code"] for item in found if not item.get("note")}
    noted = {item["code"] for item in found if item.get("note")}
    if mine != findings or (notes is not None and noted != notes) or code != bool(findings):
        return f"{code} {found}"
    if words not in " ".join(item["message"] for item in found):
        return f"without {words!r}: {found}"
    return ""


@pytest.mark.parametrize("name", RIGHT)
def test_each_case(name: str, tmp_path: Path) -> None:
    assert judge(name, _copy(name, tmp_path)) == ""


def test_no_case_is_left_out() -> None:
    lines = (CASES / "check" / "CASES.tsv").read_text("utf-8").splitlines()[1:]
    names = {line.split("\t")[0] for line in lines}
    assert names == {*RIGHT, "fix-damages-bold", "lock-check-not-suppressible"}


def test_what_is_right_in_any_spelling_is_not_touched(tmp_path: Path) -> None:
    folder = _copy("fix-damages-bold", tmp_path)
    before = (folder / "README.before").read_bytes()
    (folder / "README.md").write_bytes(before)
    (folder / "README.after").unlink()
    _hfkv(folder, "lock", "--source", "snapshot")
    code, out, _ = _hfkv(folder, "check", "--fix")
    assert (code, out, (folder / "README.md").read_bytes()) == (0, "", before)


def test_what_is_not_locked_can_be_let_pass(tmp_path: Path) -> None:
    folder = _copy("lock-check-not-suppressible", tmp_path)
    assert _hfkv(folder, "lock", "--check")[:2] == (0, "")
    assert _hfkv(folder, "check")[0] == 0


def _unpack(folder: Path) -> None:
    """Weights of which only the header is kept, as files with a sparse rest."""
    for packed in folder.rglob("*.header.gz"):
        raw = gzip.decompress(packed.read_bytes())
        file = packed.with_name(packed.name.removesuffix(".header.gz"))
        size = int(file.with_name(file.name + ".size").read_text())
        with file.open("wb") as out:
            out.write(len(raw).to_bytes(8, "little") + raw)
            out.truncate(size)


ADAPTERS: dict[str, tuple[set[str], str]] = {
    "resized-vocabulary-saved": ({"HFKV106"}, "128,320"),
    "resized-vocabulary-saved-2": ({"HFKV106"}, "32,000"),
    "adapter-without-lora": ({"HFKV106"}, "no LoRA tensor"),
    "mllama-adapter-old-names": ({"HFKV102"}, "model.language_model."),
    "mlx-adapter": (set(), ""),
    "layers-beyond-depth": ({"HFKV109"}, "no layer 7"),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_each_adapter(name: str, tmp_path: Path) -> None:
    shutil.copytree(CASES / "adapters", tmp_path / "all")
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path / "all")], check=True)
    folder = tmp_path / "all"
    for other in [*ADAPTERS]:
        if other != name:
            shutil.rmtree(folder / other)
    _unpack(folder)
    _hfkv(folder / name, "lock", "--source", "snapshot")
    _, out, err = _hfkv(folder / name, "check", "--format", "json", "adapter_config.json")
    found = [item for item in json.loads(out or err)["findings"] if not item.get("note")]
    codes, words = ADAPTERS[name]
    assert {item["code"] for item in found} >= codes, found
    assert bool(found) == bool(codes), found
    assert words in " ".join(item["message"] for item in found)
    if name in ("resized-vocabulary-saved", "adapter-without-lora", "mllama-adapter-old-names"):
        assert len(found) == 1
