"""A Milvus Lite database for the tests of the store."""

import uuid
from pathlib import Path

import pytest


@pytest.fixture
def lite_uri(tmp_path: Path) -> str:
    """Path of a Milvus Lite database that is not there yet."""
    return str(tmp_path / "test.db")


@pytest.fixture
def collection_name() -> str:
    """A name that no other test uses, for a server that lives on."""
    return f"test_{uuid.uuid4().hex}"
