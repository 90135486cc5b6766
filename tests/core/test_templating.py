"""The language for bodies: what it says, what it refuses and how, and that nothing gets out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokiflow.core.templating import LENGTH_LIMIT, OUTPUT_LIMIT, Mode, TemplateError, read, render
from tokiflow.core.templating.filters import FILTERS
from tokiflow.core.templating.shapes import NUMBER, TEXT

SHAPE = {
    "summary": TEXT,
    "at": TEXT,
    "timezone": TEXT,
    "seconds": NUMBER,
    "code": NUMBER,
    "nothing": TEXT,
    "monitor": {"name": TEXT, "url": TEXT, "tags": [TEXT]},
    "output": [TEXT],
    "empty": [TEXT],
    "many": [{"name": TEXT, "url": TEXT}],
}
VALUES: dict[str, Any] = {
    "summary": 'it said "no" \\ \n',
    "at": "2026-11-21T01:05:01.000Z",
    "timezone": "Europe/Berlin",
    "seconds": 104.2,
    "code": 0,
    "nothing": None,
    "monitor": {"name": "Nightly backup", "url": "https://x.example/?a=1&b=ü", "tags": ["db", "prod"]},
    "output": ["one", "two", "three"],
    "empty": [],
    "many": [{"name": "A", "url": "a"}, {"name": "B", "url": "b"}],
}


def made(source: str, mode: Mode = Mode.TEXT, values: dict[str, Any] = VALUES) -> str:
    return render(read(source, SHAPE, mode), values)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("", ""),
        ("plain } } text }}", "plain } } text }}"),
        ("{{monitor.name}}", "Nightly backup"),
        ("{{  monitor.name\n}}!", "Nightly backup!"),
        ("{{ nothing }}|{{ code }}|{{ seconds }}|{{ output }}", "|0|104.2|one\ntwo\nthree"),
        ("{{{ code }}}", "{0}"),
        ('{{ "{{" }} {{ \'it\\\'s\' }} {{ "a\\n\\t\\"b\\"" }} {{ "}}" }}', '{{ it\'s a\n\t"b" }}'),
        ("{{ monitor.name | upper }} {{ monitor.name | lower | upper }}", "NIGHTLY BACKUP NIGHTLY BACKUP"),
        ("{{ monitor.name | truncate 8 }}", "Nightly…"),
        ("{{ monitor.name | truncate: 8 }}{{ monitor.name | truncate(8) }}", "Nightly…Nightly…"),
        ("{{ monitor.name | truncate 100 }}{{ code | truncate 1 }}", "Nightly backup0"),
        ('{{ nothing | default "none" }} {{ code | default "none" }} {{ nothing | default monitor.name }}',
         "none 0 Nightly backup"),
        ('{{ monitor.tags | join ", " }} {{ monitor.tags | join(", ") }} {{ empty | join "-" }}', "db, prod db, prod "),
        ("{{ output | first }} {{ output | last 2 | join '/' }} {{ output | length }}", "one two/three 3"),
        ("{{ monitor.url | url }}", "https%3A%2F%2Fx.example%2F%3Fa%3D1%26b%3D%C3%BC"),
        ('{{ at | date "%H:%M" }} {{ at | date "%d %b %H:%M %Z" timezone }} {{ at | date "%H" "Asia/Tokyo" }}',
         "01:05 21 Nov 02:05 CET 10"),
        ("{{ at | date }} {{ at | unix }} [{{ nothing | date }}{{ summary | date }}{{ summary | unix }}]",
         "2026-11-21 01:05 1795223101 []"),
        ("{{ seconds | duration }} [{{ nothing | duration }}]", "1 m 44 s []"),
        ("{{ monitor.tags | json }} {{ nothing | json | length }}", '["db", "prod"] 4'),
        ("{% if nothing %}a{% else %}b{% endif %}", "b"),
        ("{% if code %}a{% elif seconds > 100 %}b{% else %}c{% endif %}", "b"),
        ("{% if code == 0 and not nothing or summary %}a{% endif %}", "a"),
        ("{% if code == '0' %}a{% endif %}{% if code != none %}b{% endif %}", "ab"),
        ("{% if nothing == none %}a{% endif %}{% if nothing != 0 and nothing != '' %}b{% endif %}", "ab"),
        ("{% if 'db' in monitor.tags and 'x' not in monitor.tags and 'back' in monitor.name %}a{% endif %}", "a"),
        ("{% if output | length >= 3 %}a{% endif %}{% if seconds <= 1 %}b{% endif %}", "a"),
        ("{% for line in output %}{{ loop.index }}{{ line }}{% if not loop.last %}, {% endif %}{% endfor %}",
         "1one, 2two, 3three"),
        ("{% for line in empty %}x{% else %}nothing{% endfor %}", "nothing"),
        ("{% for one in many %}{{ one.name }}={{ one.url }};{% endfor %}", "A=a;B=b;"),
        ("{% for line in output | last 2 %}{{ line }} {% endfor %}", "two three "),
        ("{% for a in many %}{% for b in many %}{{ a.name }}{{ b.name }} {% endfor %}{% endfor %}", "AA AB BA BB "),
        ("a\n  {% for line in output %}\n- {{ line }}\n  {% endfor %}\nz", "a\n- one\n- two\n- three\nz"),
        ("a {%- if code == 0 -%} b {%- endif %} c {{- code -}} d", "ab c0d"),
    ],
)  # fmt: skip
def test_what_is_written_comes_out(source: str, wanted: str) -> None:
    assert made(source) == wanted


@pytest.mark.parametrize(
    ("source", "place", "why"),
    [
        ("{{ monitor.nmae }}", (1, 4), "monitor.nmae is not known; did you mean monitor.name?"),
        ("{{ name }}", (1, 4), "did you mean monitor.name?"),
        ("{{ sumary }}", (1, 4), "did you mean summary?"),
        ("{{ zzzz }}", (1, 4), "there is at, code,"),
        ("one\n\n  {{ monitor.tags.x }}", (3, 6), "monitor.tags is a list"),
        ("{{ monitor.__class__ }}", (1, 4), "is not known"),
        ("{{ monitor.name.upper }}", (1, 4), "is not known"),
        ("{{ summary | uper }}", (1, 14), "there is no filter uper; did you mean upper?"),
        ("{{ summary | }}", (1, 1), "a filter is missing"),
        ("{{ summary | truncate }}", (1, 1), "truncate wants to know more; write truncate 80"),
        ("{{ summary | truncate 'a' }}", (1, 23), "truncate wants a number here"),
        ("{{ summary | truncate 1 2 }}", (1, 25), "too much for truncate"),
        ("{{ summary | truncate(1 }}", (1, 1), "is not closed"),
        ("{{ summary | join ',' }}", (1, 14), "join takes a list, and this is a text; lists are empty, many"),
        ("{{ monitor.tags | upper }}", (1, 19), 'write | join ", " before it'),
        ("{{ monitor | upper }}", (1, 14), "choose one of its values"),
        ("{{ at | date '%Q' }}", (1, 14), "no form of a date"),
        ("{{ at | date '%H' 'Berlin' }}", (1, 19), "no time zone"),
        ("{{ at | date summary }}", (1, 14), "no form of a date"),
        ("{{ monitor }}", (1, 1), "write one of them, like monitor.name"),
        ("{{ many }}", (1, 1), "go over it with {% for one in many %}"),
        ("{{ }}", (1, 1), "nothing between the braces"),
        ("{{ summary", (1, 1), 'this {{ has no }}; to write two braces, write {{ "{{" }}'),
        ("{{ summary %}", (1, 12), "ends with }}"),
        ("{{ summary summary }}", (1, 12), "is too much here"),
        ("{{ 7*7 }}", (1, 5), "there is no arithmetic"),
        ("{{ 'a\n' }}", (1, 4), "no second one on its line"),
        ("{{ summary[0] }}", (1, 11), "[ can’t stand"),
        ("{{ '\\x41' }}", (1, 4), "\\x means nothing"),
        ("{{ 9999999999999999999999 }}", (1, 4), "too large a number"),
        ("{% raw %}", (1, 1), "{% raw %} is not known"),
        ("{% esle %}", (1, 1), "did you mean else?"),
        ("{% %}", (1, 1), "is not known"),
        ("{% if code %}", (1, 1), "this {% if %} has no {% endif %}"),
        ("{% if %}{% endif %}", (1, 1), "a name is missing"),
        ("{% if code = 1 %}{% endif %}", (1, 12), "write =="),
        ("{% if summary > 1 %}{% endif %}", (1, 15), "compares numbers"),
        ("{% if and %}{% endif %}", (1, 7), "a name is missing before it"),
        ("{% if code not 1 %}{% endif %}", (1, 16), "not in"),
        ("{% if code %}{% else %}{% else %}{% endif %}", (1, 24), "here {% endif %} is due"),
        ("{% if code %}{% endfor %}", (1, 14), "here {% endif %} is due"),
        ("{% endif %}", (1, 1), "has no {% if %} before it"),
        ("{% else %}", (1, 1), "has no {% if %} before it"),
        ("{% for line in summary %}{% endfor %}", (1, 16), "for goes over a list, and this is a text"),
        ("{% for line %}{% endfor %}", (1, 1), "in is missing"),
        ("{% for %}{% endfor %}", (1, 1), "write {% for line in output %}"),
        ("{% for summary in output %}{% endfor %}", (1, 8), "stands for something already"),
        ("{% for loop in output %}{% endfor %}", (1, 8), "can’t be the name"),
        ("{% for line in output %}{% elif code %}{% endfor %}", (1, 25), "belongs to an {% if %}"),
        ("{% for line in output %}{% endfor %}{{ line }}", (1, 40), "line is not known"),
        ("{% if code %}" * 9 + "{% endif %}" * 9, (1, 105), "nested more than 8 deep"),
        ("{{ code }}" * 600, (1, 1), "more than 500 tags"),
        ("{{ summary " + "| upper" * 20 + "}}", (1, 70), "more than 8 filters"),
        ("x" * (LENGTH_LIMIT + 1), (1, 1), "longer than 10,000"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_to_write(source: str, place: tuple[int, int], why: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read(source, SHAPE)
    assert why in str(caught.value)
    assert (caught.value.line, caught.value.column) == place
    assert str(caught.value).startswith(f"Line {place[0]}, column {place[1]}: ")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('{"a": "{% if code %}b"{% endif %}}', "the quotes don’t match"),
        ('{"a": {% for one in output %}"{% endfor %}}', "the quotes don’t match"),
        ('{"a": "b', 'a " is missing'),
        ('{"a": "\\{{ code }}"}', "a backslash can’t stand before a tag"),
        ('{"a": "{{ monitor }}"}', "is a group of values"),
    ],
)
def test_in_json_quotes_must_match(source: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        read(source, SHAPE, Mode.JSON)


def test_in_json_a_quote_may_be_opened_on_every_way() -> None:
    source = '{"a": {% if code %}"b{% else %}"c{% endif %} d"}'
    assert json.loads(made(source, Mode.JSON)) == {"a": "c d"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{% for a in many %}{% for b in many %}{% for c in many %}.{% endfor %}{% endfor %}{% endfor %}", "steps"),
        ("{% for a in many %}{{ many | json }}{% endfor %}", "longer than 100,000"),
        ("{% for a in many %}{% if many | json | length > 1 %}{% endif %}{% endfor %}", "steps"),
        ("{% for a in many %}{% if 'x' in output | join '-' %}{% endif %}{% endfor %}", "steps"),
    ],
)
def test_what_takes_too_long_or_gets_too_long_is_stopped(source: str, why: str) -> None:
    many = [{"name": "A" * 100, "url": "b"}] * 200
    with pytest.raises(TemplateError, match=why):
        made(source, values={**VALUES, "many": many, "output": ["x" * 300] * 200})


# Any template is refused with a clear error, or it renders within bounds.

PARTS = st.sampled_from(
    [*"{}%-|:(),<=[]\"'\\ \n", "{{", "}}", "{%", "%}", "==", "80", "x", "none"]
    + ["if ", "elif ", "else", "endif", "for x in ", "endfor", " and ", " or ", " not ", " in ", "{% else %}"]
    + ["summary", "at", "code", "monitor", "monitor.name", "monitor.tags", "output", "many", "x.name", "loop.last"]
    + ["{{ summary }}", "{% if code %}", "{% endif %}", "{% for x in many %}", "{% endfor %}", "{{ x.name | json }}"]
    + [f" | {one.usage} " for one in FILTERS.values()]
)
TEMPLATES = st.one_of(st.lists(PARTS, max_size=40).map("".join), st.text(max_size=60))
TEXTS = st.text(max_size=40)
LEAVES = st.one_of(st.none(), TEXTS, st.integers(), st.floats())
SOME = st.fixed_dictionaries(
    {
        "summary": LEAVES, "at": st.one_of(LEAVES, st.datetimes().map(str)), "timezone": LEAVES, "seconds": LEAVES,
        "code": LEAVES, "nothing": st.none(), "empty": st.just([]), "output": st.lists(TEXTS, max_size=5),
        "monitor": st.one_of(st.none(), st.fixed_dictionaries({"name": TEXTS, "tags": st.lists(TEXTS, max_size=3)})),
        "many": st.lists(st.fixed_dictionaries({"name": TEXTS, "url": LEAVES}), max_size=4),
    }
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])  # its first texts take long, before tables are made
@given(source=TEMPLATES, values=SOME, mode=st.sampled_from(Mode))
def test_any_template_is_refused_or_renders_within_bounds(source: str, values: dict[str, Any], mode: Mode) -> None:
    try:
        template = read(source, SHAPE, mode)
    except TemplateError as error:
        refused = error
    else:
        assert len(render(template, values)) <= OUTPUT_LIMIT
        return
    lines = source.split("\n")
    assert 1 <= refused.line <= len(lines)
    assert 1 <= refused.column <= len(lines[refused.line - 1]) + 1
    assert refused.why


CHAINS = st.lists(st.sampled_from(sorted(one.usage for one in FILTERS.values() if one.takes != "list")), max_size=4)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(values=SOME, chain=CHAINS)
def test_any_value_in_json_is_json_between_quotes_and_without(values: dict[str, Any], chain: list[str]) -> None:
    """And nothing but a value: what stands around it stays what it was."""
    value = "".join(["{{ summary", *(f" | {one}" for one in chain), " }}"])
    source = (
        f'{{"quoted": "<{value}>", "bare": {value}, '
        '"list": {{ output }}, "each": [{% for x in many %}{"name": "{{ x.name }}", "url": {{ x.url | json }}}'
        '{% if not loop.last %},{% endif %}{% endfor %}], "group": {{ monitor }}, "end": true}'
    )
    found = json.loads(made(source, Mode.JSON, values), parse_constant=pytest.fail)
    assert list(found) == ["quoted", "bare", "list", "each", "group", "end"]
    assert found["quoted"][0] + found["quoted"][-1] == "<>"
    assert found["list"] == values["output"]
    assert [one["name"] for one in found["each"]] == [one["name"] for one in values["many"]]
    assert found["end"] is True


@given(value=TEXTS)
def test_any_value_in_a_form_is_one_value(value: str) -> None:
    written = made("a={{ summary }}&b={{ summary | url }}", Mode.FORM, {"summary": value})
    assert written.count("&") == 1
    assert written.count("=") == 2
