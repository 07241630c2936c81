"""Which Celery app sends: the one that is named, the one beside the settings, or none, with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from celery import Celery, current_app

from celery_cqrs.exceptions import CeleryAppNotFound
from celery_cqrs.transport.celery import find_app

THREE_LINES = "from celery import Celery\napp = Celery({name!r}, set_as_current=False)\n"
MakeProject = Callable[..., str]


@pytest.fixture(autouse=True)
def _unnamed(settings: Any) -> None:
    """No app is named, as in most projects."""
    settings.CQRS = {key: value for key, value in settings.CQRS.items() if key != "celery_app"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProject:
    """Makes a project package with these files, on the path; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(*, celery: str = THREE_LINES, settings: str = "settings.py", name: str = "") -> str:
        name = name or f"proj_{token_hex(4)}"
        for file in ("__init__.py", settings):
            (tmp_path / name / file).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name / file).write_text("")
        if celery:
            (tmp_path / name / "celery.py").write_text(celery.format(name=name))
        return name

    return make


@pytest.fixture
def another_current_app() -> Iterator[Celery]:
    """An app that was made elsewhere in the process and is the current one."""
    before = current_app._get_current_object()
    app = Celery("elsewhere", set_as_current=False)
    app.set_current()
    yield app
    before.set_current()
    app.close()


@pytest.fixture
def no_current_app() -> Iterator[None]:
    """A web process whose project package does not import its Celery app: Celery makes an unconfigured one up."""
    before = current_app._get_current_object()
    app = Celery("default", set_as_current=False)
    app.set_current()
    yield
    before.set_current()
    app.close()


def use_settings(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", module)


@pytest.mark.parametrize("separator", [":", "."])
def test_the_named_app_is_taken(settings: Any, project: MakeProject, separator: str) -> None:
    name = project()
    settings.CQRS = {**settings.CQRS, "celery_app": f"{name}.celery{separator}app"}
    assert find_app().main == name


def test_the_named_app_beats_the_one_beside_the_settings(
    settings: Any, project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, named = project(), project()
    use_settings(monkeypatch, f"{beside}.settings")
    settings.CQRS = {**settings.CQRS, "celery_app": f"{named}.celery:app"}
    assert find_app().main == named


def test_the_app_beside_the_settings_is_found(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    name = project()
    use_settings(monkeypatch, f"{name}.settings")
    assert find_app().main == name


def test_the_app_beside_a_settings_package_is_found(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    name = project(settings="settings/production.py")
    use_settings(monkeypatch, f"{name}.settings.production")
    assert find_app().main == name


def test_settings_of_another_name_are_beside_their_app(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    name = project(settings="production.py")
    use_settings(monkeypatch, f"{name}.production")
    assert find_app().main == name


def test_the_current_app_is_taken_when_none_is_beside_the_settings(
    project: MakeProject, monkeypatch: pytest.MonkeyPatch, another_current_app: Celery
) -> None:
    use_settings(monkeypatch, f"{project(celery='')}.settings")
    assert find_app() is another_current_app


@pytest.mark.usefixtures("no_current_app")
def test_an_app_that_celery_made_up_is_never_taken(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    name = project(celery="")
    use_settings(monkeypatch, f"{name}.settings")
    with pytest.raises(CeleryAppNotFound) as caught:
        find_app()
    assert f"{name}.celery:app" in str(caught.value)
    assert 'CQRS["celery_app"]' in str(caught.value)


@pytest.mark.parametrize("named", ["nowhere.celery:app", "nonsense", "os.path:join", ":app", "..:app", "os:nothing"])
@pytest.mark.usefixtures("no_current_app")
def test_a_name_that_is_no_app_is_answered_with_the_sentence(
    settings: Any, project: MakeProject, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    use_settings(monkeypatch, f"{project(celery='')}.settings")
    settings.CQRS = {**settings.CQRS, "celery_app": named}
    with pytest.raises(CeleryAppNotFound, match="No Celery app was found"):
        find_app()


@pytest.mark.usefixtures("no_current_app")
def test_settings_without_a_package_are_answered_with_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, "settings")
    with pytest.raises(CeleryAppNotFound, match="No Celery app was found"):
        find_app()


@pytest.mark.usefixtures("no_current_app")
def test_an_app_that_cannot_be_imported_keeps_its_cause(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, f"{project(celery='import missing_dependency')}.settings")
    with pytest.raises(CeleryAppNotFound) as caught:
        find_app()
    assert "missing_dependency" in str(caught.value.__cause__)
