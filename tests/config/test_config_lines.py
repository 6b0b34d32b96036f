"""The line of every key, list member and table of a TOML text."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from sluiceway.config.lines import find_lines

TRICKY = '''\
top = 1 # [not.a.table]
"quoted.key" = "x = 1 # no comment"
a.b . "c d" = 2
text = """
[fake]
x = ""1\\"""
"""
raw = \'\'\'
[fake2]
\'\'\'
many = [
  "one", # first ]
  [2, 3], {x = 4, y.z = [
    5,
  ]},
]
when = 1979-05-27 07:32:00
number = 1.5e3

[table]
key = true
[[list]]
name = 'a # b'
[list.inner]
deep = 1
[[list]]
[[list.sub]]
x = 1
[[list.sub]]
x = { y = "}" }
'''


def test_every_kind_of_text_table_and_list_has_its_line():
    tomllib.loads(TRICKY)
    assert find_lines(TRICKY) == {
        ("top",): 1,
        ("quoted.key",): 2,
        ("a",): 3,
        ("a", "b"): 3,
        ("a", "b", "c d"): 3,
        ("text",): 4,
        ("raw",): 8,
        ("many",): 11,
        ("many", 0): 12,
        ("many", 1): 13,
        ("many", 1, 0): 13,
        ("many", 1, 1): 13,
        ("many", 2): 13,
        ("many", 2, "x"): 13,
        ("many", 2, "y"): 13,
        ("many", 2, "y", "z"): 13,
        ("many", 2, "y", "z", 0): 14,
        ("when",): 17,
        ("number",): 18,
        ("table",): 20,
        ("table", "key"): 21,
        ("list",): 22,
        ("list", 0): 22,
        ("list", 0, "name"): 23,
        ("list", 0, "inner"): 24,
        ("list", 0, "inner", "deep"): 25,
        ("list", 1): 26,
        ("list", 1, "sub"): 27,
        ("list", 1, "sub", 0): 27,
        ("list", 1, "sub", 0, "x"): 28,
        ("list", 1, "sub", 1): 29,
        ("list", 1, "sub", 1, "x"): 30,
        ("list", 1, "sub", 1, "x", "y"): 30,
    }


KEYS = st.sampled_from(["a", "b-1", '"a.b"', "'c # d'", '"\\u0041"', '"]"'])
SCALARS = st.sampled_from(
    ["1", "-2.5", "true", "''", '"\\""', '"]} # ,"', "'''\n[x]\n'''", '"""\\\n" ""a"""']
)


@st.composite
def documents(draw, depth=2):
    """The text of a value, with the lines of its inside counted from 0."""
    kind = draw(st.sampled_from(["scalar", "list", "table"] if depth else ["scalar"]))
    if kind == "scalar":
        return draw(SCALARS), {}
    text, lines = ("[", {}) if kind == "list" else ("{", {})
    members = draw(
        st.lists(documents(depth - 1), max_size=3)  # type: ignore[arg-type]
        if kind == "list"
        else st.dictionaries(KEYS, documents(depth - 1), max_size=3)
    )
    keyed = enumerate(members) if kind == "list" else members.items()
    seen = set()
    for key, pair in keyed if kind == "table" else list(enumerate(members)):
        inner, inside = pair
        name = key if kind == "list" else next(iter(tomllib.loads(f"{key} = 1")))
        if name in seen:
            continue
        seen.add(name)
        text += draw(st.sampled_from(["\n", "\n # a ] comment\n", " "])) * (
            kind == "list"
        )
        here = text.count("\n")
        lines[(name,)] = here
        lines |= {(name, *path): here + line for path, line in inside.items()}
        text += (inner if kind == "list" else f"{key} = {inner}") + ", "
    if kind == "table":
        text = text.removesuffix(", ")
    return text + ("]" if kind == "list" else "}"), lines


@given(documents())
def test_the_lines_of_what_is_inside_of_a_value_are_right(document):
    text, lines = document
    whole = f"# first\nkey = {text}\nlast = 1\n"
    tomllib.loads(whole)
    expected = {("key", *path): line + 2 for path, line in lines.items()}
    found = find_lines(whole)
    assert found.pop(("last",)) == whole.count("\n")
    assert found == {("key",): 2, **expected}
