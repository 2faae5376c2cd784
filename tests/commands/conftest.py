"""What tests of commands share."""

from __future__ import annotations

import pytest
from command_processes import Home


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A run of the small paper to its end that nothing happened to."""
    home = Home(tmp_path_factory.mktemp("undisturbed")).make()
    end = home.run("--jobs", "1")
    assert end.code == 0, end.output
    return home
