"""The README's example is what a newcomer pastes first: it must run as printed."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_library_in_ten_lines_runs(capsys) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    quick = blocks[0].replace("seed=0)", "seed=0, n_networks=1, network_steps=2, align_steps=2)")
    assert quick != blocks[0]
    exec(compile(quick, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "A-R-A-R" in printed
    assert "paths=" in printed
