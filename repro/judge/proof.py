"""What simulations show of the judge, as a page of Markdown: `python -m repro.judge.proof > reports/judge.md`.

Experiments with a known truth (`repro.judge.simulate`): how often intervals hold it, how often a true null is called a
finding, how many true differences are found with how many seeds. About 20 minutes on one core; the same seed gives the
same page on the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from repro.judge.miou import miou
from repro.judge.power import power
from repro.judge.simulate import World, coverage, greater, verdicts, without_seed_noise
from repro.randomness import generator

WORLDS = {
    "as small scales have it": World(),
    "seeds matter most": World(seed=0.2, seed_cell=0.2),
    "images matter most": World(seed=0.02, seed_cell=0.01, image_cell=0.6, image_seed_cell=0.1),
    "40 images, 12 classes": World(images=40, classes=12),
}
SEEDS = (1, 2, 3, 5, 10)
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.3)
EXPERIMENTS = 3000


def page(experiments: int = EXPERIMENTS) -> str:
    """Return the page; `experiments` per figure."""
    blocks = [
        "# The judge, judged",
        f"Simulated experiments whose truth is known, {experiments} for each figure. `python -m repro.judge.proof` "
        "makes this page.",
        "## Do 95 % intervals hold the truth?",
        "In per cent; the promise is 93 to 97 from 3 seeds on. The last columns: an interval from seeds alone, and the "
        "mean width of the difference's interval in points. With one seed the interval covers images only, so that "
        "world has no seed noise.",
        *_coverage(experiments),
        "## Is a difference found that is not there?",
        "Two networks that are equally good, in per cent of experiments; the promise for “supported” is at most 5.",
        *_nulls(experiments),
        "Nine claims without a difference and three true ones, judged together: the mean share of wrong verdicts.",
        *_discoveries(experiments),
        "## Is a difference found that is there?",
        "In per cent of experiments, beside what `repro.judge.power` foretells from the spread over seeds alone.",
        *_power(experiments),
    ]
    return "\n\n".join(blocks) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _coverage(experiments: int) -> Iterator[str]:
    rows = []
    for name, world in WORLDS.items():
        for seeds in SEEDS:
            at = without_seed_noise(world) if seeds == 1 else world
            found = coverage(at, seeds, experiments, generator(0, "coverage", name, seeds))
            alone = f"{100 * found.cell_seeds_only:.1f}" if seeds > 1 else "–"
            shares = (f"{100 * found.cell:.1f}", f"{100 * found.difference:.1f}", alone, f"{found.width:.1f}")
            rows.append((f"{name}, {seeds} seed{'s' * (seeds > 1)}", *shares))
    yield _table(("world", "score", "difference", "seeds alone", "width"), rows)


def _nulls(experiments: int) -> Iterator[str]:
    rows = []
    for name, world in WORLDS.items():
        for seeds in SEEDS[1:]:
            found = verdicts(world, [greater(1, 0)], [0], seeds, experiments, generator(0, "null", name, seeds))
            shares = (f"{100 * found.supported:.1f}", f"{100 * found.contradicted:.1f}")
            rows.append((f"{name}, {seeds} seeds", *shares))
    yield _table(("world", "supported", "contradicted"), rows)


def _discoveries(experiments: int) -> Iterator[str]:
    world = World(cells=(0.0, 0.0, 0.0, 0.0, 0.0, 0.25))
    nulls = [(1, 0), (2, 0), (3, 0), (4, 0), (2, 1), (3, 1), (4, 1), (3, 2), (4, 2)]
    claims = [greater(*pair) for pair in [*nulls, (5, 0), (5, 1), (5, 2)]]
    rows = []
    for seeds in (3, 5):
        rng = generator(0, "discoveries", seeds)
        found = verdicts(world, claims, [0] * 9 + [1] * 3, seeds, max(1, experiments // 5), rng)
        rows.append((f"{seeds} seeds", f"{100 * found.false_discovery:.1f}", f"{100 * found.supported * 12 / 3:.1f}"))
    yield _table(("", "wrong among verdicts", "true claims found (about)"), rows)


def _power(experiments: int) -> Iterator[str]:
    rows = []
    for level in LEVELS[1:]:
        world = replace(World(images=200, image_cell=0.0), cells=(0.0, level))
        truth = world.truth(generator(0, "truth", str(level)))
        scores = miou(world.measure(300, generator(0, "spread", str(level))).sum(axis=2))
        difference, deviation = float(truth[1] - truth[0]), float((scores[1] - scores[0]).std(ddof=1))
        for seeds in SEEDS[2:]:
            rng = generator(0, "power", str(level), seeds)
            found = verdicts(world, [greater(1, 0)], [1], seeds, max(1, experiments // 3), rng)
            name = f"{100 * difference:.1f} points, paired deviation {100 * deviation:.1f}, {seeds} seeds"
            rows.append((name, f"{100 * found.supported:.0f}", f"{100 * power(difference, deviation, seeds):.0f}"))
    yield _table(("difference", "supported", "foretold"), rows)


if __name__ == "__main__":
    print(page(), end="")
