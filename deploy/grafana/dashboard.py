"""Writes dashboard.json, for Grafana 10.1 and newer.

python -m deploy.grafana.dashboard > deploy/grafana/dashboard.json
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import (
    bargauge,
    dashboard,
    heatmap,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_OF = '{cohort=~"$cohort", experiment=~"$experiment"}'
_OVER = "[$__rate_interval]"
_WIDE, _HALF, _THIRD = 24, 12, 8
_HEIGHT = 8


def _query(expression: str, legend: str = "", letter: str = "A") -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend or "__auto")
    return query.datasource(_SOURCE)


def _lines(
    title: str, *queries: tuple[str, str], unit: str = "short", span: int = _HALF, told: str = ""
) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).description(told).datasource(_SOURCE)
    panel = panel.unit(unit).min(0).fill_opacity(10).span(span).height(_HEIGHT)
    for letter, (expression, legend) in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_query(expression, legend, letter))
    return panel


def _number(title: str, expression: str, unit: str = "short", told: str = "") -> stat.Panel:
    panel = stat.Panel().title(title).description(told).datasource(_SOURCE)
    return panel.unit(unit).span(4).height(4).with_target(_query(expression))


def _stacked(panel: timeseries.Panel) -> timeseries.Panel:
    from grafana_foundation_sdk.builders.common import StackingConfig  # noqa: PLC0415

    return panel.stacking(StackingConfig().mode(StackingMode.NORMAL))


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).label(label).query(query).datasource(_SOURCE)
    variable = variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True)
    return variable.include_all(True).all_value(".*").sort(VariableSort.ALPHABETICAL_ASC)


def _run() -> list[stat.Panel | timeseries.Panel | bargauge.Panel]:
    done, whole = (
        f"max by (cohort, experiment, shard) (last_over_time(notemill_shard_{name}{_OF}[$__range]))"
        for name in ("done_texts", "texts")
    )
    progress = bargauge.Panel().title("Progress").datasource(_SOURCE).unit("percentunit")
    progress = progress.min(0).max(1).span(_HALF).height(_HEIGHT)
    progress = progress.description("Of the texts of all shards that were begun in the time shown.")
    return [
        _number("Jobs", f"count(notemill_slots{_OF})"),
        _number("Texts a second", f"sum(rate(notemill_texts_total{_OF}{_OVER}))"),
        _number("Tokens a second", f"sum(rate(notemill_tokens_total{_OF}{_OVER}))"),
        _number(
            "Slots in use",
            f"sum(notemill_slots_in_use{_OF}) / sum(notemill_slots{_OF})",
            "percentunit",
        ),
        _number(
            "Failed texts",
            f'sum(notemill_texts_total{_OF[:-1]}, status!="answered"}}) / '
            f"sum(notemill_texts_total{_OF})",
            "percentunit",
            "Of the jobs that run now.",
        ),
        _number(
            "Longest without progress",
            f"max(time() - notemill_progress_timestamp_seconds{_OF})",
            "s",
        ),
        progress.with_target(
            _query(
                f"sum by (experiment) ({done}) / sum by (experiment) ({whole})", "{{experiment}}"
            )
        ),
        _stacked(
            _lines(
                "Texts a second",
                (
                    f"sum by (experiment, status) (rate(notemill_texts_total{_OF}{_OVER}))",
                    "{{experiment}}: {{status}}",
                ),
            )
        ),
    ]


def _asking() -> list[timeseries.Panel | heatmap.Panel]:
    buckets = f"sum by (le) (rate(notemill_request_duration_seconds_bucket{_OF}{_OVER}))"
    heat = heatmap.Panel().title("Seconds of requests").datasource(_SOURCE).span(_HALF)
    heat = heat.height(_HEIGHT).calculate(False)
    return [
        _lines(
            "Tokens a second",
            (f"sum by (direction) (rate(notemill_tokens_total{_OF}{_OVER}))", "{{direction}}"),
        ),
        _lines(
            "Slots",
            (f"sum by (host) (notemill_slots{_OF})", "{{host}}: slots"),
            (f"sum by (host) (notemill_slots_in_use{_OF})", "{{host}}: in use"),
            (f"sum by (host) (notemill_requests_in_flight{_OF})", "{{host}}: requests in flight"),
        ),
        _lines(
            "Seconds of requests: quantiles",
            *(
                (f"histogram_quantile({each}, {buckets})", f"{each:.0%}")
                for each in (0.5, 0.9, 0.99)
            ),
            unit="s",
            told="Waiting for a slot included.",
        ),
        heat.with_target(_query(buckets, "{{le}}").format(PromQueryFormat.HEATMAP)),
        _lines(
            "Further attempts a minute, by reason",
            (f"60 * sum by (reason) (rate(notemill_retries_total{_OF}{_OVER}))", "{{reason}}"),
        ),
        _lines(
            "Engine restarts, and seconds to the first text",
            (f"sum by (host) (notemill_engine_restarts_total{_OF})", "{{host}}: restarts"),
            (f"max by (host) (notemill_first_text_seconds{_OF})", "{{host}}: first text, s"),
        ),
    ]


def _nodes() -> list[timeseries.Panel]:
    return [
        _lines(
            "GPU memory",
            (f"notemill_gpu_memory_used_bytes{_OF} / notemill_gpu_memory_size_bytes{_OF}", _GPU),
            unit="percentunit",
        ),
        _lines("GPU busy", (f"notemill_gpu_busy_ratio{_OF}", _GPU), unit="percentunit"),
        _lines(
            "Journals",
            (f"sum by (experiment) (notemill_journal_size_bytes{_OF})", "{{experiment}}"),
            unit="bytes",
            span=_THIRD,
        ),
        _lines(
            "Free of the results' file system",
            (
                f"min by (host) (notemill_results_free_bytes{_OF} / "
                f"notemill_results_size_bytes{_OF})",
                "{{host}}",
            ),
            unit="percentunit",
            span=_THIRD,
        ),
        _lines(
            "Seconds until the job's time limit",
            (f"notemill_job_end_timestamp_seconds{_OF} - time()", "{{shard}}, {{host}}"),
            unit="s",
            span=_THIRD,
        ),
    ]


_GPU = "{{host}}: {{gpu}}"


def _servers() -> list[timeseries.Panel]:
    return [
        _lines(
            "Requests to servers a second",
            (
                "sum by (server, status) (rate(notemill_server_requests_total[$__rate_interval]))",
                "{{server}}: {{status}}",
            ),
            span=_THIRD,
        ),
        _lines(
            "Slots of servers in use",
            (
                "notemill_server_requests_in_flight / notemill_server_slots",
                "{{server}}",
            ),
            unit="percentunit",
            span=_THIRD,
        ),
        _lines(
            "Seconds until servers end",
            ("notemill_server_expires_timestamp_seconds - time()", "{{server}}"),
            unit="s",
            span=_THIRD,
        ),
    ]


def _llamacpp() -> list[timeseries.Panel]:
    return [
        _lines(
            "llama.cpp: tokens a second",
            (f"sum(rate(llamacpp:prompt_tokens_total{_OVER}))", "prompt"),
            (f"sum(rate(llamacpp:tokens_predicted_total{_OVER}))", "answer"),
        ),
        _lines(
            "llama.cpp: requests",
            ("sum(llamacpp:requests_processing)", "in a slot"),
            ("sum(llamacpp:requests_deferred)", "waiting for one"),
        ),
    ]


def build() -> dashboard.Dashboard:
    """The dashboard, as a builder."""
    source = dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus")
    board = (
        dashboard.Dashboard("notemill")
        .uid("notemill")
        .description("Generated by deploy/grafana/dashboard.py.")
        .tags(["notemill"])
        .timezone("browser")
        .refresh("30s")
        .time("now-3h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(source)
        .with_variable(_variable("cohort", "Cohort", "label_values(notemill_shard_texts, cohort)"))
        .with_variable(
            _variable(
                "experiment",
                "Experiment",
                'label_values(notemill_shard_texts{cohort=~"$cohort"}, experiment)',
            )
        )
    )
    for title, panels in (
        ("Run", _run()),
        ("Asking", _asking()),
        ("Nodes", _nodes()),
        ("Servers of a pool", _servers()),
        ("The engine's own metrics, where it has them", _llamacpp()),
    ):
        board = board.with_row(dashboard.Row(title))
        for panel in panels:
            board = board.with_panel(panel)
    return board


def written() -> str:
    """The file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(build().build()) + "\n"


if __name__ == "__main__":
    print(written(), end="")
