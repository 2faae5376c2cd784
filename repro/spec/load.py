"""Read every spec file into one suite, and check it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from repro.errors import InputError, did_you_mean, shortened
from repro.memo import Memo, default_folder
from repro.spec.claim import Claim
from repro.spec.dataset import Dataset, FilePatterns, LabelFormat
from repro.spec.explain import brief, first, first_error
from repro.spec.files import toml_files
from repro.spec.gpu import Gpu, own_gpus
from repro.spec.ids import Id, file_stem
from repro.spec.keys import flatten, keys, unknown
from repro.spec.metric import find_metric
from repro.spec.pitfall import Pitfall, Pitfalls
from repro.spec.places import built_in
from repro.spec.questions import question
from repro.spec.reading import parse, read_text
from repro.spec.scales import Rule, Scale, TableRule, check_condition, lineage
from repro.spec.table import Axis, Cell, Column, Paper, Point, Source, TableRow, TableSpec

Parsed = TypeVar("Parsed", bound=BaseModel)
_ID: TypeAdapter[str] = TypeAdapter(Id)
_DECIMAL = "\0decimal"
"""A key that no spec has."""
PARTS: dict[str, type[BaseModel]] = {
    "source": Source,
    "axes": Axis,
    "points": Point,
    "rows": TableRow,
    "columns": Column,
    "claims": Claim,
    "deviations": TableRule,
    "files": FilePatterns,
    "labels": LabelFormat,
    "pitfalls": Pitfall,
}


@dataclass
class Suite:
    """Everything that is declared: tables in the order of their files, papers, scales, data sets."""

    tables: dict[str, TableSpec] = field(default_factory=dict)
    papers: dict[str, Paper] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    gpus: dict[str, Gpu] = field(default_factory=dict)
    pitfalls: tuple[Pitfall, ...] = ()
    """Known mistakes with their reported sizes."""
    references: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Short name of a pitfall's source -> (what a reader sees, address)."""
    aliases: dict[str, str] = field(default_factory=dict)
    _sound: set[str] = field(default_factory=set)
    """Ids of tables that have been checked."""
    _declared_in: dict[str, str] = field(default_factory=dict)
    """File that declares one data set -> its name."""

    def find(self, name: str) -> TableSpec:
        """A table by id or alias, its cells and claims checked. Raises InputError with suggestions."""
        spec = self.tables.get(self.aliases.get(name, name))
        if spec is None:
            hint = did_you_mean(name, [*self.tables, *self.aliases])
            raise InputError(f'table "{shortened(name)}": there is no such table.{hint} `repro list` shows all.')
        if spec.id not in self._sound:
            self.check(spec)
            self._sound.add(spec.id)
        return spec

    def select(self, names: Iterable[str]) -> list[TableSpec]:
        """Tables by id or alias; "all" is every one that needs no other package. Each once, in the order asked for."""
        every = [table.id for table in self.tables.values() if not table.needs]
        ids = [i for name in names for i in (every if name == "all" else [self.find(name).id])]
        return [self.find(i) for i in dict.fromkeys(ids)]

    def dataset(self, name: str) -> Dataset:
        """A data set's facts. Raises InputError with suggestions."""
        if name not in self.datasets:
            known = ", ".join(self.datasets)
            hint = did_you_mean(name, self.datasets)
            raise InputError(f'data set "{shortened(name)}": there is no such data set; there are {known}.{hint}')
        return self.datasets[name]

    def dataset_name(self, given: str) -> str:
        """The name of a data set, or of the one that the file `given` (.toml) declares, which is known from then on."""
        if not given.endswith(".toml"):
            self.dataset(given)
            return given
        path = Path(given)
        if given not in self._declared_in:
            if not os.path.exists(given):
                raise InputError(
                    f"--dataset {shortened(given)}: no such file. Name a data set, or the file that declares yours."
                )
            memo = Memo(Path(os.devnull))
            name = form_name(path.stem, given)
            _add(self.datasets, {name: _form(Dataset, _read(path, given, memo), given)}, given, "data set")
            self._declared_in[given] = name
        return self._declared_in[given]

    def scale(self, name: str) -> Scale:
        """A scale by name. Raises InputError with suggestions."""
        lineage(name, self.scales)
        return self.scales[name]

    def gpu(self, name: str) -> Gpu:
        """A kind of GPU, the user's own first. Raises InputError with suggestions."""
        path = own_gpus()
        own = _named(path, str(path), Gpu, _memo(path.parent)) if path.is_file() else {}
        known = {**self.gpus, **own}
        if name not in known:
            raise InputError(
                f"--gpu {name}: there is no such kind; there are {', '.join(known)}.{did_you_mean(name, known)} "
                f"`repro bench rate --save-rate {name}` measures the device of this machine."
            )
        return known[name]

    def cells_of(self, claim: Claim, own: TableSpec | None) -> tuple[Cell, ...]:
        """The cells that a claim of table `own` (None: of a paper's text) speaks of."""
        ids = sorted(claim.tables()) or ([own.id] if own else [])
        missing = [i for i in ids if i not in self.tables]
        if missing:
            hint = did_you_mean(missing[0], self.tables)
            raise InputError(f'claim {claim.id}: there is no table "{missing[0]}".{hint}')
        return tuple(c for i in ids for c in self.tables[i].cells() if c.metric == claim.metric)

    def check(self, spec: TableSpec) -> None:
        """Expand a table, try the selectors of its claims and baseline, and its deviations.

        Raises InputError for what is wrong.
        """
        spec.cells()
        try:
            spec.baselines()
        except InputError as error:
            raise InputError(f"{spec.place}: baseline: {error}") from None
        self.check_rules(spec.deviations, spec.place)
        for i, claim in enumerate(spec.claims):
            self.check_claim(claim, spec, f"{spec.place}: claims[{i}] ({claim.id})")

    def check_rules(self, rules: Iterable[TableRule], place: str) -> None:
        """Check a table's or a paper's own departures. Raises InputError that names the first wrong one."""
        for i, rule in enumerate(rules):
            at = f"{place}: deviations[{i}]"
            _check_rule(rule.key, rule.when, at)
            try:
                lineage(rule.scale, self.scales)
            except InputError as error:
                raise InputError(f"{at}.scale: {error}") from None

    def check_claim(self, claim: Claim, own: TableSpec | None, place: str) -> None:
        """Put a claim to the table's cells. Raises InputError that names the claim."""
        if claim.kind == "text":
            return
        try:
            find_metric(claim.metric)
        except InputError as error:
            raise InputError(f"{place}: metric: {error}") from None
        try:
            question(claim, self.cells_of(claim, own))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        except KeyError:
            raise InputError(
                f'{place}: along: a cell has no "{claim.along}". Name a key that every cell has.'
            ) from None


def load_suite(tables_dirs: Sequence[Path] | None = None) -> Suite:
    """The suite's own specs, and those under `tables_dirs`.

    Reads and checks the form of every file; a table's cells and claims are checked when it is asked for (`Suite.find`).
    Raises InputError naming file, key, bad value and remedy.
    """
    suite = Suite()
    own = built_in()
    given = [Path(d) for d in tables_dirs or ()]
    files = [
        (_name(p, folder.parent if folder in own else None), p) for folder in (*own, *given) for p in toml_files(folder)
    ]
    memo = _memo(own[0].parent)
    rest = []
    for place, path in files:
        if path.name == "scales.toml":
            scales = _named(path, place, Scale, memo)
            for scale in scales.values():
                scale._place = place
            _add(suite.scales, scales, place, "scale")
        elif path.name == "datasets.toml":
            _add(suite.datasets, _named(path, place, Dataset, memo, _same_classes), place, "data set")
        elif path.name == "gpus.toml":
            _add(suite.gpus, _named(path, place, Gpu, memo), place, "GPU")
        elif path.name == "pitfalls.toml":
            known = _form(Pitfalls, _read(path, place, memo), place)
            suite.pitfalls += known.pitfalls
            _add(suite.references, known.sources, place, "source")
        elif path.name == "paper.toml":
            paper = _form(Paper, _read(path, place, memo), place)
            paper._place = place
            flatten(paper.protocol, f"{place}: protocol")
            _add(suite.papers, {paper.id: paper}, place, "paper")
        else:
            rest.append((place, path))
    for name, scale in suite.scales.items():
        lineage(name, suite.scales)
        for i, rule in enumerate(scale.deviations):
            _check_rule(rule.key, rule.when, f"{scale._place}: {name}.deviations[{i}]")
    for paper in suite.papers.values():
        suite.check_rules(paper.deviations, paper._place)
    for place, path in rest:
        _add_table(suite, place, path, memo)
    memo.keep()
    return suite


def _add_table(suite: Suite, place: str, path: Path, memo: Memo) -> None:
    spec = _form(TableSpec, _read(path, place, memo), place)
    if spec.source.paper not in suite.papers:
        hint = did_you_mean(spec.source.paper, suite.papers)
        raise InputError(
            f"{place}: source.paper: there is no paper {brief(spec.source.paper)}.{hint} A paper.toml declares one."
        )
    spec._place, spec._paper = place, suite.papers[spec.source.paper]
    if spec.id in suite.tables:
        raise InputError(f'{place}: id: "{spec.id}" is already {suite.tables[spec.id].place}\'s. Choose another.')
    if spec.id in suite.aliases:
        raise InputError(f'{place}: id: "{spec.id}" is an alias of {suite.aliases[spec.id]}. Choose another.')
    stem = file_stem(spec.id).casefold()
    like = next((table_id for table_id in suite.tables if file_stem(table_id).casefold() == stem), None)
    if like is not None:
        raise InputError(f'{place}: id: the reports of "{spec.id}" and "{like}" would be one file. Choose another.')
    for alias in spec.aliases:
        taken = suite.aliases.get(alias, alias if alias in suite.tables else "")
        if taken:
            raise InputError(f'{place}: aliases: "{alias}" is already {taken}\'s. Choose another.')
        suite.aliases[alias] = spec.id
    claims = [claim.id for claim in spec.claims]
    twice = next((table_id for table_id in claims if claims.count(table_id) > 1), None)
    if twice is not None:
        raise InputError(f'{place}: claims: "{twice}" stands twice. Give each its own id.')
    suite.tables[spec.id] = spec


def _check_rule(key: str, when: Mapping[str, Any], place: str) -> None:
    if not keys().get(key, False):
        raise InputError(f"{place}.key: {key}: {unknown(key)}")
    for name, wanted in flatten(when, f"{place}.when").items():
        try:
            check_condition(wanted)
        except ValueError as error:
            raise InputError(f"{place}.when.{name}: {error}") from None


def _name(path: Path, root: Path | None) -> str:
    """How messages name a file: from the suite's root, or as the user would type it."""
    return (
        path.relative_to(root).as_posix()
        if root
        else os.path.relpath(path)
        if path.is_relative_to(Path.cwd())
        else str(path)
    )


def _memo(root: Path) -> Memo:
    """Parsed files of earlier processes: reading them again takes a third of what `repro list` may take."""
    digest = hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:20]
    return Memo(default_folder() / "specs" / f"{digest}.json", "bounded", _spelt, _unspelt)


def _spelt(value: Any) -> dict[str, str]:
    """A number as JSON keeps it with its printed decimals; TypeError for dates, which no spec has."""
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    raise TypeError(f"{value!r} has no form in JSON")


def _unspelt(node: dict[str, Any]) -> Any:
    return Decimal(node[_DECIMAL]) if _DECIMAL in node else node


def _read(path: Path, place: str, memo: Memo) -> dict[str, Any]:
    """Parse TOML; numbers under `published` keep their printed decimals (Decimal), all others become float."""
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error}. Mend or remove it.") from None
    tree = memo.recall(path, stat)
    if tree is None:
        tree = parse(read_text(path, place), place)
        memo.learn(path, stat, tree)
    return {k: _plain(v, k == "published") for k, v in tree.items()}


def _plain(node: Any, printed: bool) -> Any:
    if isinstance(node, dict):
        return {k: _plain(v, printed or k == "published") for k, v in node.items()}
    if isinstance(node, list):
        return tuple(_plain(v, printed) for v in node)
    return float(node) if isinstance(node, Decimal) and not printed else node


def _form(kind: type[Parsed], tree: Mapping[str, Any], place: str) -> Parsed:
    """Check a tree against its schema. Raises InputError for the first thing wrong."""
    try:
        return kind.model_validate(tree, strict=True)
    except ValidationError as error:
        loc = tuple(str(p) for p in first(error)["loc"][:-1] if not isinstance(p, int))
        form = (Rule if kind is Scale else PARTS.get(loc[-1])) if loc else kind
        at, message = first_error(error, {loc: list(form.model_fields) if form else ()})
        raise InputError(f"{place}: {at + ': ' if at else ''}{message}") from None


def _same_classes(trees: dict[str, Any], place: str) -> dict[str, Any]:
    """`classes = "voc2012"`: the classes of another data set of the file."""
    out = {}
    for name, tree in trees.items():
        other = tree.get("classes") if isinstance(tree, dict) else None
        if isinstance(other, str):
            source = trees.get(other)
            if not isinstance(source, dict) or not isinstance(source.get("classes"), tuple):
                hint = did_you_mean(other, trees)
                raise InputError(f"{place}: {name}.classes: {brief(other)} is no data set with classes here.{hint}")
            tree = {**tree, "classes": source["classes"]}
        out[name] = tree
    return out


def _named(
    path: Path,
    place: str,
    kind: type[Parsed],
    memo: Memo,
    complete: Callable[[dict[str, Any], str], dict[str, Any]] = lambda trees, _place: trees,
) -> dict[str, Parsed]:
    """A file of named tables: [tiny], [paper]."""
    out = {}
    for name, tree in complete(_read(path, place, memo), place).items():
        if not isinstance(tree, dict):
            raise InputError(f"{place}: {shortened(name)}: {brief(tree)} is not a table. Write [{shortened(name)}].")
        out[form_name(name, place)] = _form(kind, tree, f"{place}: {name}")
    return out


def form_name(name: str, place: str) -> str:
    """Return the name of a scale, data set or kind of GPU; InputError, with its place, where it is none."""
    try:
        return _ID.validate_python(name)
    except ValidationError as error:
        raise InputError(f"{place}: {first_error(error)[1]}") from None


def _add(known: dict[str, Any], more: Mapping[str, Any], place: str, what: str) -> None:
    for name, value in more.items():
        if name in known:
            raise InputError(f'{place}: {what} "{name}" is declared twice. Choose another name.')
        known[name] = value
