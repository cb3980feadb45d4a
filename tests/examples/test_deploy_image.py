"""The image of examples/deploy: what it is made of, and what its build and its commands do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from milvus_rag.server.settings import ServerSettings
from milvus_rag.setting_fields import PREFIX
from support.deployment import DEPLOY, ROOT, Instruction, assignments, instructions_of, is_sent, program
from support.ports import free_port
from support.waiting import PATIENCE_SECONDS, wait_until

KEY = "correct-horse-battery-staple"
DOCKERFILE = DEPLOY / "Dockerfile"
INSTRUCTIONS = instructions_of(DOCKERFILE.read_text("utf-8"))
LAST = INSTRUCTIONS[-1].stage
IGNORE = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")
# Where the image has its environment, and its data.
HOME = "/opt/milvus-rag"
DATA = "/data"


def all_of(name: str, stage: int = LAST) -> list[Instruction]:
    return [instruction for instruction in INSTRUCTIONS if (instruction.name, instruction.stage) == (name, stage)]


def the(name: str, stage: int = LAST) -> Instruction:
    (instruction,) = all_of(name, stage)
    return instruction


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run([program("hadolint"), "--no-color", DOCKERFILE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_base_is_pinned_and_has_a_python_that_the_project_runs_on() -> None:
    base = assignments(the("ARG", -1).value)["PYTHON"]
    assert [instruction.value.partition(" ")[0] for instruction in INSTRUCTIONS if instruction.name == "FROM"] == [
        "python:${PYTHON}",
        "python:${PYTHON}",
    ]
    version, variant = base.split("-", 1)
    assert [int(part) for part in version.split(".")[:2]] >= [3, 11]
    assert version.count(".") == 2
    assert variant == "slim-bookworm"


def test_it_does_not_run_as_root() -> None:
    assert int(the("USER").value) > 0
    # Who it is, is said after the last thing that only root can do.
    assert INSTRUCTIONS.index(the("USER")) > max(map(INSTRUCTIONS.index, [*all_of("RUN"), *all_of("COPY")]))


def test_it_is_told_what_it_understands() -> None:
    variables = {name for name in assignments(the("ENV").value) if name.startswith(PREFIX)}
    assert {name.removeprefix(PREFIX).lower() for name in variables} <= ServerSettings.model_fields.keys()
    assert int(the("EXPOSE").value) == ServerSettings().port
    assert the("VOLUME").value == the("WORKDIR").value == DATA


def test_nothing_secret_is_in_it() -> None:
    named = [instruction.value for instruction in INSTRUCTIONS if instruction.name in ("ARG", "ENV")]
    assert not [value for value in named if "KEY" in value or "TOKEN" in value or "PASSWORD" in value]


def test_what_it_is_made_of_is_there_and_nothing_else_is_sent_to_the_builder() -> None:
    copies = [copy for copy in INSTRUCTIONS if copy.name == "COPY" and not copy.flags]
    sources = {source for copy in copies for source in copy.value.split()[:-1]}
    for source in sources:
        assert (ROOT / source).exists(), source
        assert is_sent(source, IGNORE), source
    sent = {line.removeprefix("!") for line in IGNORE.splitlines() if line.startswith("!")}
    assert sent == sources
    assert is_sent("src/server/app.py", IGNORE)
    assert is_sent("src/server/page/index.html", IGNORE)
    for path in (
        ".env",
        ".git/config",
        "docs/deploy.md",
        "examples/deploy/.env",
        "examples/gemini.py",
        "milvus_demo.db/wal/1.log",
        "src/server/__pycache__/app.cpython-312.pyc",
    ):
        assert not is_sent(path, IGNORE), path


@dataclass(frozen=True)
class Image:
    """What the Dockerfile makes, in a folder.

    Attributes:
        folder: Stands for ``/``.
    """

    folder: Path

    def __call__(self, text: str) -> str:
        """A path of the image, as it is here."""
        for inside in (HOME, DATA):
            text = text.replace(inside, str(self.folder) + inside)
        return text

    def environment(self, **more: str) -> dict[str, str]:
        variables = {name: self(value) for name, value in assignments(the("ENV").value).items()}
        path = variables["PATH"].replace("$PATH", os.environ["PATH"])
        return {**os.environ, **variables, "PATH": path, **more}

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the image to its end."""
        arguments = [*the("ENTRYPOINT").arguments, *command]
        return subprocess.run(
            arguments,
            env=self.environment(**more),
            cwd=self(DATA),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def is_healthy(self, environment: Mapping[str, str]) -> bool:
        """What HEALTHCHECK finds."""
        shell, _, command = the("HEALTHCHECK").value.partition(" ")
        assert shell == "CMD"
        (check,) = instructions_of(f"CMD {command}")
        arguments = [self(argument) for argument in check.arguments]
        return subprocess.run(arguments, env=environment, capture_output=True, timeout=PATIENCE_SECONDS).returncode == 0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The build's own steps, with one extra, on the Python of these tests."""
    folder = tmp_path_factory.mktemp("image")
    build = folder / "build"
    image = Image(folder)
    for path in (image(HOME), image(DATA), build):
        Path(path).mkdir(parents=True)
    base = folder / "base"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", base], check=True)
    environment = {**os.environ, "EXTRAS": "server", "PATH": f"{base / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("VIRTUAL_ENV", None)
    for step in INSTRUCTIONS:
        if step.stage == 0 and step.name == "COPY":
            copy(step.value, build)
        elif step.stage == 0 and step.name == "RUN" and step.value.startswith("pip install"):
            # The one step that is left out: it is here already.
            assert step.value.endswith("--constraint constraints.txt uv")
            (base / "bin" / "uv").symlink_to(program("uv"))
        elif step.stage == 0 and step.name == "RUN":
            run_step(image(step.value), build, environment)
    shutil.copy(DEPLOY / "healthcheck.py", image(HOME))
    return image


def copy(value: str, target: Path) -> None:
    for source in value.split()[:-1]:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)


def run_step(command: str, build: Path, environment: Mapping[str, str]) -> None:
    """Run a step; what it installs is in uv's cache, so the network is asked only where that is not so."""
    for more in ({"UV_OFFLINE": "1"}, {}):
        variables = {**environment, **more, "UV_VENV_CLEAR": "1", "UV_NO_PROGRESS": "1"}
        done = subprocess.run(["sh", "-ec", command], env=variables, cwd=build, capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def indexed(image: Image) -> Image:
    docs = image.folder / "docs"
    docs.mkdir()
    (docs / "keys.md").write_text("# Keys\n\nThe spare key is under the third flower pot.\n")
    done = image.run("index", str(docs))
    assert done.returncode == 0, done.stderr
    assert "1 added" in done.stdout
    return image


@pytest.fixture
def container(indexed: Image) -> Iterator[tuple[dict[str, str], "subprocess.Popen[bytes]"]]:
    """The image's own command; its environment, and the process."""
    environment = indexed.environment(MILVUS_RAG_PORT=str(free_port()), MILVUS_RAG_SERVER_KEY=KEY)
    command = [*the("ENTRYPOINT").arguments, *the("CMD").arguments]
    process = subprocess.Popen(command, env=environment, cwd=indexed(DATA), stderr=subprocess.DEVNULL)
    try:
        yield environment, process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.xdist_group("image")
class TestBuilt:
    def test_it_answers_is_healthy_and_ends_at_sigterm(
        self, indexed: Image, container: tuple[dict[str, str], "subprocess.Popen[bytes]"]
    ) -> None:
        environment, process = container

        def is_healthy() -> bool:
            assert process.poll() is None
            return indexed.is_healthy(environment)

        wait_until(is_healthy, "it is not healthy", pause=0.2)
        url = f"http://127.0.0.1:{environment['MILVUS_RAG_PORT']}"
        assert (
            httpx.post(f"{url}/rag/invoke", json={"input": "Where is the key?"}, timeout=PATIENCE_SECONDS).status_code
            == 401
        )
        answer = httpx.post(
            f"{url}/rag/invoke",
            json={"input": "Where is the key?"},
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=PATIENCE_SECONDS,
        )
        assert "third flower pot" in answer.json()["output"]["answer"]
        assert {path.name for path in Path(indexed(DATA)).iterdir()} == {"milvus.db"}
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not indexed.is_healthy(environment)

    def test_it_is_healthy_also_where_it_answers_for_given_names_only(self, indexed: Image) -> None:
        port = str(free_port())
        environment = indexed.environment(
            MILVUS_RAG_PORT=port, MILVUS_RAG_SERVER_KEY=KEY, MILVUS_RAG_ALLOWED_HOSTS="docs.example.org, example.org"
        )
        process = subprocess.Popen(["milvus-rag", "serve"], env=environment, cwd=indexed(DATA), stderr=subprocess.PIPE)
        try:
            assert process.stderr is not None
            assert any(b"Listening on" in line for line in process.stderr)
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_SECONDS).status_code == 421
            assert indexed.is_healthy(environment)
        finally:
            process.kill()
            process.communicate()

    def test_without_a_key_it_does_not_start(self, indexed: Image) -> None:
        done = indexed.run("serve")
        assert done.returncode == 2
        assert "MILVUS_RAG_SERVER_KEY" in done.stderr

    def test_it_holds_no_developers_tools(self, image: Image) -> None:
        installed = {path.name for path in Path(image(HOME), "bin").iterdir()}
        assert "milvus-rag" in installed
        assert not installed & {"pytest", "uv", "pip", "ruff", "mypy"}
