"""Files as spreadsheets and editors save them, and what each is worth.

`CSVS`: name to (content, points, words). `points` is how many points `check` and the driver find;
None where both refuse it. `words` stand in what they say, a cure among them. `JSONS` is the same of
driver configs, whose third is whether VOLTTRON's config store takes them.
"""

from __future__ import annotations

import json

HEAD = (
    "Volttron Point Name,Attribute Name,Register Name,Port #,Type,Units,Starting Value,Writable,"
    "Notes"
)
ROWS = (
    "Load,portLoad,LoadRegister,2,float,kW,,FALSE,by the gate",
    "State,Status,StationStatusRegister,2,string,,,FALSE,",
    "Called,stationName,StationRegister,2,string,,,FALSE,",
)


def csv(*rows: str, head: str = HEAD, end: str = "\r\n", before: str = "", last: str = "") -> str:
    """A registry, each line ended alike."""
    return before + "".join(line + end for line in (head, *(rows or ROWS))) + last


def noted(notes: str) -> str:
    """A registry whose first row has these notes, as they stand in the file."""
    return csv(ROWS[0].replace("by the gate", notes), *ROWS[1:])


def renamed(name: str) -> str:
    """A registry whose first point has this name, as it stands in the file."""
    return csv(ROWS[0].replace("Load,", f"{name},", 1), *ROWS[1:])


_FIRST = "first line of a registry names its columns"

CSVS: dict[str, tuple[str | bytes, int | None, tuple[str, ...]]] = {
    "plain": (csv(), 3, ()),
    "mark": (csv(before="\ufeff"), 3, ()),
    "mark before quotes": (csv(head='"' + HEAD.replace(",", '","') + '"', before="\ufeff"), 3, ()),
    "quotes and line breaks": (noted('"the ""upper"" socket,\r\nunder a roof, dry"'), 3, ()),
    "carriage returns": (csv(end="\r"), 3, ()),
    "no last line end": (csv(end="\n").rstrip(), 3, ()),
    "an inch mark": (noted('4" pipe, "old"').replace("pipe, ", "pipe "), 3, ()),
    "a quoted start": (noted('"4" pipe'), 3, ("text follows a closing quote", "quote the whole")),
    "commas behind": (csv(*(row + "," for row in ROWS), head=HEAD + ","), 3, ()),
    "a comma in notes": (noted("dry, by the gate"), 3, ("more cells than", "quote cells")),
    "an own column": (csv(*(row + ",mine" for row in ROWS), head=HEAD + ",Circuit"), 3, ()),
    "short rows": (csv("Load,portLoad,LoadRegister,2", *ROWS[1:]), 3, ()),
    "typographic": (noted("\u201cupper\u201d \u2013 2\u00bd m"), 3, ()),
    "no-break spaces": (renamed("\u00a0Load\u00a0"), 3, ()),
    "a NUL behind": (csv(last="\0"), 3, ("NUL", "remove")),
    "a NUL in a cell": (csv().rstrip() + "\0", 3, ("NUL", "remove")),
    "blank rows behind": (csv(last=",,,,,,,,\r\n" * 4), 3, ()),
    "blank rows within": (csv(ROWS[0], " , ,,,,,,,", *ROWS[1:]), 3, ()),
    "blank lines": (csv(ROWS[0], "", "", *ROWS[1:]), 3, ()),
    "semicolons": (csv().replace(",", ";"), None, ("separated by ;", "save it with commas")),
    "tabs": (csv().replace(",", "\t"), None, ("separated by tabs", "save it with commas")),
    "bars": (csv().replace(",", "|"), None, ("separated by |", "save it with commas")),
    "a line for spreadsheets": (csv(before="sep=,\r\n"), None, ("'sep='", "remove", _FIRST)),
    "the same with semicolons": (
        csv(before="sep=;\r\n").replace(",", ";"), None, ("'sep=;'", "remove", _FIRST),
    ),
    "a comment above": (csv(before="# east wall\r\n"), None, ("comment", "remove", _FIRST)),
    "a title above": (csv(before="East wall,,\r\n"), None, ("no column Attribute Name", _FIRST)),
    "a blank line above": (csv(before="\r\n"), None, ("blank line", _FIRST)),
    "a comment within": (
        csv(ROWS[0], "# the rest", *ROWS[1:]), None, ("row 3", "remove the row", "no comments"),
    ),
    "no attributes": (
        csv(head=HEAD.replace("Attribute Name", "Attr")), None, ("no column Attribute Name", _FIRST)
    ),
    "no names": (
        csv(head=HEAD.replace("Volttron Point Name", "Name")),
        3, ("Volttron Point Name: there is no such column", "add it"),
    ),
    "a misspelt column": (
        csv(head=HEAD.replace("Writable", "Writeable")),
        3, ("Writeable: is not a column of a registry", "did you mean 'Writable'?"),
    ),
    "no rows": (csv("", head=HEAD), None, ("no row", "add rows")),
    "a slash": (renamed("Bay 2/Load"), None, ("row 2", "slash", "use a dot")),
    "a line break in a name": (renamed('"Load\r\nBay 2"'), None, ("line break", "in one line")),
    "case": (
        csv(ROWS[0], ROWS[0].replace("Load", "LOAD", 1).replace(",2,", ",1,")),
        2, ("by case only", "SQL historians", "another name"),
    ),
    "twice": (csv(*ROWS, ROWS[0]), 3, ("used by row 2 too", "another name")),
    "the host's interval in words": (
        csv(*(row + ",1 min" for row in ROWS), head=HEAD + ",interval"),
        None, ("row 2: interval: '1 min' is not an interval", "Scrape Interval"),
    ),
    "the host's interval as text": (
        csv(*(row + ",60.0" for row in ROWS), head=HEAD + ",interval"), 3, ()
    ),
    "a port of a station": (
        csv("Org,orgID,StationRegister,2,string,,,FALSE,"), 1, ("whole station", "leave it empty"),
    ),
}  # fmt: skip

# What cannot be stored at all, so that the driver never sees it.
UNREADABLE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "UTF-16": (csv().encode("utf-16"), ("UTF-16", "save it as UTF-8")),
    "UTF-16 without mark": (csv().encode("utf-16-le"), ("UTF-16", "save it as UTF-8")),
    "Windows-1252": (
        noted("Stra\u00dfe").encode("cp1252"), ("line 2", "0xdf is not UTF-8", "save it as UTF-8")
    ),
}  # fmt: skip

# The store takes it and loses points: the cell with the open quote swallows the rest.
LOST: dict[str, tuple[str, tuple[str, ...]]] = {
    "an open quote": (noted('"by the gate'), ("row 2", "never closed", "close it")),
}

_CONFIG = json.dumps(
    {
        "driver_config": {
            "username": "u#1",
            "password": "p//w/*d*/'",
            "endpoint": "http://127.0.0.1:9/x",
            "stationID": "1:34003",
        },
        "driver_type": "chargepoint",
        "registry_config": "config://points.csv",
        "interval": 3600,
        "publish_depth_first_all": True,
        "all_publish_interval": 60,
    },
    indent=1,
)


def having(key: str, value: object) -> str:
    """The config with another value of one of the host's keys."""
    return json.dumps({**json.loads(_CONFIG), key: value}, indent=1)


JSONS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "plain": (_CONFIG, True, ()),
    "hashes": ("# east wall, 'left\n" + _CONFIG + "\n# the end", True, ()),
    "slashes": (_CONFIG.replace('"1:34003"', '"1:34003" // it\'s the "first"'), True, ()),
    "stars": (_CONFIG.replace(' "interval"', '/* spare:\n */ "interval"'), True, ()),
    "a beat on a point": (
        having("heart_beat_point", "devices/a/one/Load"), True,
        ("is a point of the registry", "leave heart_beat_point out"),
    ),
    "driver type of the driver config": (
        _CONFIG.replace('"username"', '"driver_type": "chargepoint", "username"').replace(
            '"driver_type": "chargepoint",\n', '"driver_type": "other",\n'
        ),
        True, (),
    ),
    "both names of the driver config": (
        having("remote_config", {"stationID": "1:1"}), True, ("'username' is missing", "add it"),
    ),
    "host's other keys": (
        having("campus", "c").replace("{", '{"building": "b", "timezone": "UTC",', 1), True, (),
    ),
    "carriage returns": (_CONFIG.replace("\n", "\r") + "\r// end", True, ()),
    "mark": ("\ufeff" + _CONFIG, False, ("byte order mark", "without BOM")),
    "comma": (
        _CONFIG.replace('"1:34003"', '"1:34003",'), False,
        ("line 6, column 25", "a comma before }", "remove the comma"),
    ),
    "comma behind a comment": (
        "/* one\ntwo */" + _CONFIG.replace('"1:34003"', '"1:34003", // last'), False,
        ("line 7, column 25", "a comma before }", "remove the comma"),
    ),
    "no comma": (
        _CONFIG.replace('"1:34003"\n }', '"1:34003"\n }').replace("3600,", "3600"), False,
        ("line 11", "comma"),
    ),
    "single quotes": (_CONFIG.replace('"interval"', "'interval'"), False, ("double quotes",)),
    "typographic": (
        _CONFIG.replace('"interval"', "\u201cinterval\u201d"), False, ("straight double quotes",)
    ),
    "Python": (_CONFIG.replace("true", "True"), False, ("write true",)),
    "NUL": (_CONFIG + "\0", False, ("NUL", "remove it")),
    "two": (_CONFIG + _CONFIG, False, ("remove what follows",)),
    "open comment": (_CONFIG + "/* the end", False, ("close it with */",)),
    "backslash": (_CONFIG.replace("u#1", "a\\user"), False, ("each backslash twice",)),
    "nothing": ("\n// nothing\n", False, ("empty", "write one JSON object")),
    "list": ("[]", True, ("must be a JSON object", "begin with {")),
    "key twice": (_CONFIG.replace("{", '{"interval": 5,', 1), True, ("'interval' stands twice",)),
    "interval as text": (having("interval", "60"), True, ()),
    "interval as text of a decimal": (having("interval", "60.0"), True, ()),
    "interval as nothing": (having("interval", ""), True, ()),
    "interval in words": (
        having("interval", "60 s"), True, ("'60 s' is not an interval", "seconds")
    ),
    "interval in parts": (
        having("interval", 0.5), True, ("0.5 is not an interval", "whole seconds")
    ),
    "publish as text": (having("publish_depth_first_all", "true"), True, ()),
    "publish in words": (
        having("publish_depth_first_all", "maybe"), True, ("'maybe' is not true or false", "true")
    ),
    "no publish as text": (having("publish_depth_first_all", "false"), True, ("store nothing",)),
    "publish interval as text": (having("all_publish_interval", "60"), True, ()),
    "publish interval in words": (
        having("all_publish_interval", "often"), True, ("'often' is not an interval", "seconds")
    ),
}  # fmt: skip
