"""The options are the settings: none is missing, none is of another kind, none is written down twice."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

from milvus_rag import Settings
from milvus_rag.cli import app
from milvus_rag.cli.setting_options import takes_settings
from milvus_rag.errors import SettingsError
from milvus_rag.server.setting_fields import ServerSettingFields
from milvus_rag.server.settings import ServerSettings
from milvus_rag.setting_fields import DeclaredSetting, Group, Mode, Secret, Setting, SettingFields, declared_settings
from milvus_rag.settings import load_settings

from .conftest import Run

SETTINGS = declared_settings(ServerSettingFields)
OPTIONS = [setting for setting in SETTINGS.values() if not setting.setting.variable_only]
BOUNDED = [setting for setting in SETTINGS.values() if setting.setting.bounds]
# What several commands have beside the settings.
SHARED = {"docs", "filter", "json", "watch"}
# An evaluation tries several values of these; and its measures say themselves how many passages they look at.
# A copy reads everything, whatever is asked for.
OF_ITS_OWN = {
    "eval": {"splitter", "chunk_size", "mode", "fusion", "weights", "expand", "reranker", "k", "citations"},
    "copy": {"consistency_level"},
}
# Texts that a setting takes whose kind alone does not say it, none the default.
TEXTS = {
    "allowed_origins": "https://docs.example.org",
    "consistency_level": "Bounded",
    "mode": "dense",
    "min_score": "none",
    "pooling": "cls",
    "splitter": "marker",
    "fusion": "rrf",
    "weights": "0.3,0.7",
    "log_format": "text",
    "root_path": "/chat",
    "trusted_proxies": "10.0.0.0/24",
}


def commands() -> dict[str, Any]:
    """The commands by name, as they are parsed."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def named(setting: DeclaredSetting) -> str:
    return setting.name


def text_for(setting: DeclaredSetting) -> str:
    """A value of a setting as it is written, inside its bounds and not the default."""
    if setting.name in TEXTS:
        return TEXTS[setting.name]
    if setting.kind is bool:
        return str(not setting.value)
    if setting.is_json:
        return '{"name": 1}'
    if setting.kind in (int, float):
        limit = setting.setting
        low = limit.ge if limit.ge is not None else limit.gt
        assert low is not None
        return str(setting.kind(low + 1)) if setting.value != low + 1 else str(setting.kind(low + 2))
    return "a-word"


@pytest.fixture
def probe() -> Callable[..., Settings]:
    """Runs a command that has every option, and gives the settings that it got."""

    def read(*arguments: str) -> Settings:
        got: list[Settings] = []
        command = typer.Typer()

        @command.command()
        @takes_settings(*Group)
        def keep(*, settings: Settings) -> None:
            got.append(settings)

        CliRunner().invoke(command, arguments, catch_exceptions=False)
        (settings,) = got
        return settings

    return read


class TestNoneIsMissing:
    @pytest.mark.parametrize("setting", SETTINGS.values(), ids=named)
    def test_a_setting_is_an_option_or_says_why_not(self, setting: DeclaredSetting) -> None:
        having = [name for name, command in commands().items() if setting.name in {p.name for p in command.params}]
        if setting.setting.variable_only:
            assert having == []
            assert len(setting.setting.variable_only.split()) > 3
        else:
            assert having

    @pytest.mark.parametrize("command", commands())
    def test_a_group_is_there_whole_or_not_at_all(self, command: str) -> None:
        options = {parameter.name for parameter in commands()[command].params} - OF_ITS_OWN.get(command, set())
        for group in Group:
            members = {setting.name for setting in OPTIONS if setting.setting.group is group}
            wanted = members - OF_ITS_OWN.get(command, set())
            assert wanted & options in (set(), wanted)

    @pytest.mark.parametrize("command", commands())
    def test_an_option_has_the_name_of_its_setting(self, command: str) -> None:
        for parameter in commands()[command].params:
            if parameter.name in SETTINGS:
                first, *others = SETTINGS[parameter.name].flags
                assert parameter.opts == [first, *others]

    def test_what_commands_share_is_a_setting(self) -> None:
        options = (p for command in commands().values() for p in command.params if p.param_type_name == "option")
        shared = Counter(parameter.name for parameter in options)
        names = {name for name, count in shared.items() if count > 1}
        assert names - set(SETTINGS) - {"help"} == SHARED

    @pytest.mark.parametrize(("fields", "model"), [(SettingFields, Settings), (ServerSettingFields, ServerSettings)])
    def test_a_field_is_a_field_of_the_model(self, fields: type, model: type[Settings]) -> None:
        declared = declared_settings(fields)
        assert list(declared) == list(model.model_fields)
        assert {name: setting.value for name, setting in declared.items()} == {
            name: field.default for name, field in model.model_fields.items()
        }
        assert declared == declared_settings(model)

    def test_no_two_have_the_same_option(self) -> None:
        flags = Counter(flag for setting in SETTINGS.values() for flag in setting.flags)
        assert set(flags.values()) == {1}


class TestAnOptionIsItsVariable:
    @pytest.mark.parametrize("setting", OPTIONS, ids=named)
    def test_both_set_the_same(
        self, setting: DeclaredSetting, probe: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text, flag = text_for(setting), setting.flags[0]
        switch = flag.replace("--", "--no-") if setting.value else flag
        by_option = probe(switch) if setting.kind is bool else probe(flag, text)
        monkeypatch.setenv(setting.variable, text)
        by_variable = probe()
        assert getattr(by_option, setting.name) == getattr(by_variable, setting.name) != setting.value
        assert by_option == by_variable

    @pytest.mark.parametrize("setting", OPTIONS, ids=named)
    def test_an_option_wins(
        self, setting: DeclaredSetting, probe: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text, flag = text_for(setting), setting.flags[0]
        if setting.kind is bool:
            opposite = flag.replace("--no-", "--") if flag.startswith("--no-") else flag.replace("--", "--no-")
            monkeypatch.setenv(setting.variable, "true")
            assert getattr(probe(opposite), setting.name) is False
            monkeypatch.setenv(setting.variable, "false")
            assert getattr(probe(flag), setting.name) is True
            return
        expected = probe(flag, text)
        monkeypatch.setenv(setting.variable, str(setting.value or ""))
        assert probe(flag, text) == expected

    def test_a_list_is_given_one_by_one_or_with_commas(
        self, probe: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = ("a.example", "b.example")
        given = probe("--allow-host", names[0], "--allow-host", names[1])
        assert isinstance(given, ServerSettings)
        assert given.allowed_hosts == names
        monkeypatch.setenv("MILVUS_RAG_ALLOWED_HOSTS", " a.example,b.example ,")
        assert probe() == given


class TestBounds:
    @pytest.mark.parametrize("setting", BOUNDED, ids=named)
    def test_a_value_outside_names_where_it_stands(
        self, setting: DeclaredSetting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit = setting.setting
        outside = [
            value
            for value in (
                None if limit.ge is None else limit.ge - 1,
                limit.gt,
                None if limit.le is None else limit.le + 1,
            )
            if value is not None
        ]
        assert outside
        for value in outside:
            number = setting.kind(value)
            with pytest.raises(SettingsError, match=f"^{re.escape(setting.flags[0])} cannot be used: "):
                load_settings(ServerSettings, **{setting.name: number})
            with monkeypatch.context() as patch:
                patch.setenv(setting.variable, str(number))
                with pytest.raises(SettingsError, match=f"^{setting.variable} cannot be used: "):
                    load_settings(ServerSettings)

    @pytest.mark.parametrize("setting", BOUNDED, ids=named)
    def test_the_bounds_themselves_are_inside(self, setting: DeclaredSetting) -> None:
        for value in (setting.setting.ge, setting.setting.le):
            if value is not None:
                settings = load_settings(ServerSettings, **{setting.name: setting.kind(value)})
                assert getattr(settings, setting.name) == value

    def test_the_help_says_them(self) -> None:
        for command in commands().values():
            for parameter in command.params:
                if parameter.name in {setting.name for setting in BOUNDED}:
                    assert SETTINGS[parameter.name].setting.bounds in parameter.help

    def test_a_setting_whose_option_has_another_name(self, run: Run) -> None:
        with pytest.raises(SettingsError, match=r"^--rerank cannot be used: "):
            load_settings(reranker=["none"])
        with pytest.raises(SettingsError, match=r"^--allow-host cannot be used: "):
            load_settings(ServerSettings, allowed_hosts=3)

    @pytest.mark.parametrize(("option", "value"), [("--splitter", "lines"), ("--mode", "sparse")])
    def test_each_of_several_values_is_checked(self, run: Run, option: str, value: str) -> None:
        good = {"--splitter": "marker", "--mode": "dense"}[option]
        ran = run("eval", "questions.jsonl", option, good, option, value)
        assert ran.exit_code == 2
        assert ran.error.startswith(f"{option} cannot be used: ")


class TestDeclarations:
    """What the fields of a class say, whatever class it is."""

    class Fields:
        count: Annotated[int | None, Setting("Count.", Group.FILES, ge=1)] = None
        share: Annotated[float | Literal["auto"] | None, Setting("Share.", Group.FILES, le=1)] = "auto"
        secret: Annotated[Secret | None, Setting("Secret.", Group.FILES, flags=("--hush", "-q"))] = None
        words: Annotated[tuple[str, ...], Setting("Words.", Group.FILES)] = ()
        way: Annotated[Mode, Setting("Way.", Group.FILES, gt=0)] = "dense"
        other: int = 3

    def test_kinds_are_without_none(self) -> None:
        kinds = {name: setting.kind for name, setting in declared_settings(self.Fields).items()}
        assert kinds.pop("share") == float | Literal["auto"]
        assert kinds == {"count": int, "secret": Secret, "words": tuple[str, ...], "way": Mode}
        assert get_origin(kinds["words"]) is tuple
        assert get_args(kinds["way"]) == ("dense", "full_text", "hybrid")

    def test_names_and_bounds(self) -> None:
        declared = declared_settings(self.Fields)
        assert declared["secret"].flags == ("--hush", "-q")
        assert declared["words"].flags == ("--words",)
        assert declared["words"].variable == "MILVUS_RAG_WORDS"
        assert [setting.setting.bounds for setting in declared.values()] == ["x>=1", "x<=1", "", "", "x>0"]

    @pytest.mark.parametrize(
        ("setting", "bounds"),
        [
            (Setting("", Group.FILES), ""),
            (Setting("", Group.FILES, ge=0), "x>=0"),
            (Setting("", Group.FILES, gt=0), "x>0"),
            (Setting("", Group.FILES, le=0), "x<=0"),
            (Setting("", Group.FILES, ge=-1, le=0), "-1<=x<=0"),
            (Setting("", Group.FILES, gt=0, le=1.5), "0<x<=1.5"),
        ],
    )
    def test_bounds_are_written_as_the_help_does(self, setting: Setting, bounds: str) -> None:
        assert setting.bounds == bounds

    def test_a_model_may_have_fields_that_are_none_of_ours(self) -> None:
        class Mine(Settings):
            mine: str = "a,b"

        assert Mine(mine="c,d", k=5).mine == "c,d"

    def test_what_is_said_of_secrets_and_lists(self) -> None:
        declared = declared_settings(self.Fields)
        said = {name: declared[name].described(several="several", secret="hide it") for name in declared}
        assert said["secret"] == "Secret; hide it."
        assert said["words"] == "Words; several."
        assert said["count"] == "Count."
