"""A Dash page of the latest statuses. It asks the API every two seconds.

python dashboard.py --api http://127.0.0.1:8080/charge_point_live_status/ --port 8050
"""

from __future__ import annotations

import argparse
from typing import Any

import requests
from dash import Dash, Input, Output, dcc, html

COLUMNS = (
    "charge_point_id",
    "status",
    "composite_status",
    "available_for_charging",
    "requires_maintenance",
    "last_message_timestamp",
)


def rows(api: str) -> list[dict[str, Any]]:
    """The documents as the table shows them; what is not known is a dash."""
    answer = requests.get(api, timeout=10)
    answer.raise_for_status()
    return [
        {name: "–" if found[name] is None else found[name] for name in COLUMNS}
        for found in answer.json()
    ]


def table(found: list[dict[str, Any]]) -> list[Any]:
    """The rows as parts of the page; those that are down are red."""
    down = {"backgroundColor": "#fbdcdc"}
    head = html.Tr([html.Th(name.replace("_", " ")) for name in COLUMNS])
    body = [
        html.Tr(
            [html.Td(str(row[name])) for name in COLUMNS],
            style=down if row["composite_status"] == "down" else {},
        )
        for row in found
    ]
    return [html.Thead(head), html.Tbody(body)]


def refresh(api: str) -> tuple[list[Any], str]:
    """(the table, a sentence about it). Where the API does not answer, nothing is known."""
    try:
        found = rows(api)
    except requests.RequestException as error:
        return [], f"The API does not answer ({type(error).__name__}): nothing is known."
    down = sum(row["composite_status"] == "down" for row in found)
    return table(found), f"{len(found)} charge points, {down} down"


def page(api: str) -> Dash:
    """The page over an API."""
    app = Dash(__name__, title="Charge points")
    app.layout = html.Div(
        [
            html.H1("Charge points"),
            html.P(id="summary"),
            html.Table(id="table"),
            dcc.Interval(id="tick", interval=2_000),
        ]
    )

    @app.callback(
        Output("table", "children"), Output("summary", "children"), Input("tick", "n_intervals")
    )
    def _(_: int | None) -> tuple[list[Any], str]:
        return refresh(api)

    return app


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", default="http://127.0.0.1:8080/charge_point_live_status/")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8050)
    given = parser.parse_args()
    page(given.api).run(host=given.host, port=given.port, debug=False)


if __name__ == "__main__":
    main()
