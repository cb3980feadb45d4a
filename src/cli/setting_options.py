"""Options that are made of the settings."""

import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

import typer

from ..server.setting_fields import ServerSettingFields
from ..setting_fields import PREFIX, DeclaredSetting, Group, declared_settings

logger = logging.getLogger(__name__)

# How alike a variable's name and a setting's are where one is taken for a slip of the other.
_NEARLY = 0.8
_SEVERAL = "may be given several times"
_SETTINGS = declared_settings(ServerSettingFields)


def takes_settings(
    *groups: Group, without: Sequence[str] = (), each_of: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function that has a parameter `settings`: in its place stand the options of some groups.

    What is not given as an option comes from the environment, ``.env`` or the default.

    Args:
        groups: Whose settings are options, in the order in which the help lists them.
        without: Settings of these groups that the command does without.
        each_of: Help of settings that the command tries several values of. It gets them as parameters of these names,
            tuples that are empty where none was given; each value is read and checked as the setting's.

    Returns:
        A decorator.
    """
    several = {
        name: _option(_SETTINGS[name], list[str], _with_facts(f"{text}; {_SEVERAL}.", [_SETTINGS[name].setting.bounds]))
        for name, text in (each_of or {}).items()
    }
    single = {
        name: _single(name)
        for group in groups
        for name, setting in _SETTINGS.items()
        if setting.setting.group is group and not setting.setting.variable_only and name not in {*without, *several}
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in single}
            written = {name: tuple(arguments.pop(name) or ()) for name in several}
            settings, tried = _read(groups, given, written)
            command(settings=settings, **tried, **arguments)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            if parameter.name == "settings":
                parameters += single.values()
            else:
                own = several.get(parameter.name, parameter)
                parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        # Where inspect, and so typer, looks first.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _read(
    groups: Sequence[Group], given: Mapping[str, Any], written: Mapping[str, Sequence[str]]
) -> tuple[Any, dict[str, tuple[Any, ...]]]:
    """The settings, and the values of those that several are tried of."""
    # Imported here, since the help does without them.
    from ..settings import Settings, load_settings

    _warn_of_misspelt(frozenset(name for name in os.environ if name.startswith(PREFIX)))
    settings_type: type[Settings] = Settings
    if Group.SERVER in groups:
        from ..server.settings import ServerSettings

        settings_type = ServerSettings
    tried = {
        name: tuple(getattr(load_settings(settings_type, **{name: value}), name) for value in values)
        for name, values in written.items()
    }
    # An option that may be given several times is an empty list where it was not.
    return load_settings(settings_type, **{name: value for name, value in given.items() if value != []}), tried


@cache
def _warn_of_misspelt(variables: frozenset[str]) -> None:
    """Say it where a variable is nearly one of ours. Others may be other programs': Kubernetes sets some by itself."""
    known = {setting.variable.removeprefix(PREFIX) for setting in _SETTINGS.values()}
    for variable in sorted(variables):
        name = variable.removeprefix(PREFIX)
        near = get_close_matches(name, known, 1, _NEARLY) if name not in known else []
        if near:
            logger.warning("%s is no setting, and has no effect. Is %s%s meant?", variable, PREFIX, near[0])


def _option(setting: DeclaredSetting, kind: Any, help: str) -> inspect.Parameter:
    option = typer.Option(*_flags(setting), help=help, rich_help_panel=setting.setting.group.value)
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


# The help of the whole program makes the options of all commands.
@cache
def _single(name: str) -> inspect.Parameter:
    setting = _SETTINGS[name]
    text = setting.described(several=_SEVERAL, secret=f"better set as {setting.variable}")
    # Which of two options is the default needs no word where that is the one that does nothing.
    shows_default = bool(setting.default) and setting.value is not False
    facts = [f"default: {setting.default}" if shows_default else "", setting.setting.bounds]
    # What else there is, such as names of which one is chosen, is read from text by the settings.
    kind = list[str] if setting.is_list else setting.kind if setting.kind in (bool, int, float) else str
    return _option(setting, kind, _with_facts(text, facts))


def _with_facts(text: str, facts: Sequence[str]) -> str:
    shown = "; ".join(filter(None, facts))
    return f"{text} [{shown}]" if shown else text


def _flags(setting: DeclaredSetting) -> tuple[str, ...]:
    """Its options; a setting that is on or off has one for each, so that an option wins over the environment."""
    if setting.kind is not bool:
        return setting.flags
    first, *others = setting.flags
    opposite = f"--{first.removeprefix('--no-')}" if first.startswith("--no-") else f"--no-{first.removeprefix('--')}"
    return (f"{first}/{opposite}", *others)
