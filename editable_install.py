"""An editable install that type checkers and editors see into: a path to a folder with the package, in place of code.

setuptools maps the name ``milvus_rag`` onto ``src/`` by a finder that runs at import, which no checker runs. Here the
install is the path of a folder that holds ``milvus_rag`` as a link to ``src/``; ``make types`` uses the same one.
"""

from pathlib import Path

from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
LINKS = Path(".cache", "typing")


class LinkedEditable(editable_wheel):  # type: ignore[misc]  # setuptools has no types
    """``pip install --editable``; where no links can be made (Windows, as a rule), what setuptools does."""

    def finalize_options(self) -> None:
        """Say where the package is found."""
        if _linked():
            self.distribution.package_dir = {"": LINKS.as_posix()}
        super().finalize_options()


def _linked() -> bool:
    link = ROOT / LINKS / "milvus_rag"
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path("..", "..", "src"), target_is_directory=True)
    except OSError:
        return False
    return (link / "__init__.py").is_file()
