"""A throw-away paper of two measured and two computed cells whose trainings take a tenth of a second."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from repro.cli import app
from repro.errors import InputError

IDENTITY = """
id = "deep"
title = "Depth"
arxiv = "0000.00000"
year = 2020
authors = "Nobody"
"""
"""Of a paper whose protocol is DeepLab v3's."""
PAPER = f"""{IDENTITY}
[protocol.train]
iterations = 4000 # 4 at scale smoke
[protocol.model]
multi_grid = [1, 2, 4]
"""
SMALLER = {
    "model.width": "2",
    "model.stem_width": "2",
    "model.head_channels": "4",
    "data.side": "33",
    "data.train_images": "8",
    "data.val_images": "6",
    "evaluate.canvas": "[33, 33]",
    "evaluate.batch_size": "2",
    "train.crop": "33",
    "train.batch_size": "4",
    "train.weight_decay": "0.01",
    "train.lr": "0.0002",  # soon everything would be called background, and no fault of the evaluation seen
    "pretrain.crop": "33",
    "pretrain.batch_size": "4",
    "pretrain.iterations": "3",
}
RULES = "".join(
    f'\n[[deviations]]\nscale = "smoke"\nkey = "{key}"\nvalue = {value}\nreason = "Faster."\n'
    for key, value in SMALLER.items()
)
TABLE = """
id = "deep/table1"
aliases = ["deep1"]
title = "Heads"
source = { paper = "deep", table = "1" }
headings = ["Head"]
[[columns]]
metric = "miou"
[[columns]]
metric = "multiply_adds"

[[rows]]
printed = ["aspp"]
published = [60.1, 50.0]
[rows.set]
model.head = "aspp"
model.atrous_rates = [6, 12]
model.image_pooling = true
model.decoder = ["conv2"]
train.optimizer = "adamw"
evaluate.output_stride = 8
[[rows]]
printed = ["cascade"]
published = [63.2, 40.0]
[rows.set]
train.optimizer = "sgd"
model.last_block = 5
"""


def depth_table(number: int, shallow: int = 4) -> str:
    """Another table of that paper: two depths, and that the deeper one is better."""
    deep = shallow + 1
    return f"""
id = "deep/table{number}"
aliases = ["deep{number}"]
title = "Depth"
source = {{ paper = "deep", table = "{number}" }}

[[axes]]
key = "model.last_block"
values = [{shallow}, {deep}]

[published]
miou = [60.1, 63.2]

[[claims]]
id = "deep.t{number}.c1"
text = "Deeper is better."
kind = "greater"
left = {{ last_block = {deep} }}
right = {{ last_block = {shallow} }}
"""


def write_paper(folder: Path) -> Path:
    """Write the paper's files into `folder`."""
    (folder / "paper.toml").write_text(PAPER + RULES)
    (folder / "table1.toml").write_text(TABLE)
    return folder


def newest(folder: Path, stem: str, suffix: str) -> Path:
    """The report of a table written last: data set, cells and settings that were asked for are in its name."""
    return max(folder.glob(f"{stem}*.{suffix}"), key=lambda path: path.stat().st_mtime_ns)


def repro(*words: object) -> tuple[int, str, str]:
    """The command in this process: its exit code, stdout and stderr; wrong input as the command's own 2."""
    found = CliRunner().invoke(app, [*map(str, words)])
    if isinstance(found.exception, InputError):
        return 2, found.stdout, str(found.exception)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr
