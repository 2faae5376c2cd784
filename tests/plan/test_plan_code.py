"""Import closures of throw-away packages."""

import textwrap

import pytest

from repro.plan.chain import with_network
from repro.plan.code import changed, closure
from repro.spec.protocol import Model


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "pack"
    (root / "sub").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": "from pack.sub import b\nimport os\nX = 1\n",
        "sub/__init__.py": "",
        "sub/b.py": '"""Text."""\n\ndef f():\n    """More."""\n    from pack import c\n    return c\n',
        "c.py": "Y = 2\n",
        "unused.py": "Z = 3\n",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    return root


def _closure(root):
    return closure(["pack.a"], root)


def test_closure_follows_imports_also_inside_functions(package):
    assert [m for m, _ in _closure(package).modules] == ["pack", "pack.a", "pack.c", "pack.sub", "pack.sub.b"]


def test_comments_docstrings_and_layout_do_not_count(package):
    before = _closure(package)
    (package / "sub/b.py").write_text(
        textwrap.dedent(
            '''
            """Other text."""


            def f():
                # a comment
                from pack import c

                return c
            '''
        )
    )
    assert _closure(package).digest == before.digest


def test_a_change_of_meaning_counts_and_is_named(package):
    before = _closure(package)
    (package / "c.py").write_text("Y = 3 + 0\n")
    after = _closure(package)
    assert after.digest != before.digest
    assert changed(dict(before.modules), dict(after.modules)) == ["pack.c"]


def test_a_module_outside_the_closure_does_not_count(package):
    before = _closure(package)
    (package / "unused.py").write_text("Z = 4\n")
    assert _closure(package).digest == before.digest


def test_no_such_module(package):
    with pytest.raises(ValueError, match=r"pack\.nothing"):
        closure(["pack.nothing"], package)


def test_the_trainings_closure_holds_networks_and_no_reports():
    shared = closure(["repro.train.training", "repro.data.scenes"])
    assert {"repro.train.loop", "repro.data.augment", "repro.data.scenes"} <= {name for name, _ in shared.modules}
    names = [name for name, _ in with_network(shared, Model(backbone="resnet50", head="aspp")).modules]
    assert {"repro.nets.resnet", "repro.nets.heads", "repro.nets.aspp", "repro.train.loop"} <= set(names)
    assert not {"repro.nets.vgg", "repro.nets.xception"} & set(names)
    assert not [n for n in names if n.startswith(("repro.report", "repro.judge", "repro.run", "repro.plan"))]


def test_relative_imports_and_files_beside_the_package_belong_to_its_distribution(package):
    (package / "sub/b.py").write_text("from . import d\nfrom ..c import Y\nimport beside\n")
    (package / "sub/d.py").write_text("")
    (package.parent / "beside.py").write_text("import deeper.still\n")
    (package.parent / "deeper").mkdir()
    (package.parent / "deeper/still.py").write_text("")
    names = {m for m, _ in _closure(package).modules}
    assert names == {"pack.a", "pack.c", "pack.sub", "pack.sub.b", "pack.sub.d", "beside", "deeper.still"}


def test_beside_an_installed_package_lie_others(package):
    installed = package.parent / "site-packages"
    installed.mkdir()
    package = package.rename(installed / "pack")
    (installed / "torch.py").write_text("")
    (package / "c.py").write_text("import torch\n")
    assert "torch" not in {m for m, _ in _closure(package).modules}


def test_a_module_that_is_one_file_is_a_package_of_its_own(package):
    (package.parent / "alone.py").write_text("import pack.c\nimport os\n")
    found = closure(["alone"], package.parent / "alone")
    assert {m for m, _ in found.modules} == {"alone", "pack.c"}
