#!/usr/bin/env python3
"""Writes grafana/dashboards/*.json. What a panel shows and says stands here, its place and its look follow from it.

    grafana/boards.py            writes the boards anew
    grafana/boards.py --check    fails when they are not what would be written (tests/monitoring.rs)

A panel is P(title, what it says to somebody who was just woken, unit, queries, ...). A query is (legend, PromQL) or PromQL.
`N` stands for the selector of the namespace, `W` for that of namespace and worker. Nothing may be shown without unit and
description. Keep them few: what nobody would act on has no place here.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
DOCS = "https://helpline.example/docs"
N = 'namespace=~"$namespace"'
W = 'namespace=~"$namespace", instance=~"$worker"'
WIDTH, HEIGHT = 24, 7


def P(title, says, unit, queries, kind="timeseries", width=8, runbook=None, **more):
    queries = [queries] if isinstance(queries, (str, tuple)) else queries
    queries = [query if isinstance(query, tuple) else (None, query) for query in queries]
    return {"title": title, "says": says, "unit": unit, "queries": queries, "kind": kind, "width": width,
            "runbook": runbook, **more}


def S(title, says, unit, query, amber=None, red=None, width=4, **more):
    """A number: green below amber, amber below red. Where less is worse, amber is above red."""
    return P(title, says, unit, query, kind="stat", width=width, amber=amber, red=red, **more)


def quantile(share, metric, by="", selector=N):
    by = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric}_bucket{{{selector}}}[$__rate_interval])))"


def rate(metric, by, selector=N):
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def of(metric, selector=N):
    return f"max({metric}{{{selector}}})"


WAITING = S("Oldest question", "How long the member has waited who has waited longest. Above 30 s somebody is hurt.", "s",
            of("helpline_cluster_question_oldest_seconds"), 10, 30, runbook="questions-waiting")
OUTBOX = S("Oldest answer not posted", "An answer or another act that is stored and not on Discord yet. Above a minute "
           "Discord or a proxy does not take it.", "s", of("helpline_cluster_outbox_oldest_seconds"), 15, 60,
           runbook="outbox-old")
UNOWNED = S("Shards without owner", "Members of their servers get no answer. A second after a worker's death is "
            "normal.", "short", of("helpline_cluster_shards_unowned"), 1, 1, runbook="shard-without-owner")
DEAF = S("Gateway shards not connected", "Servers on them are deaf. A moment after a restart is normal.", "short",
         f"max(helpline_proxy_gateway_shards_unheld{{{N}}}) + sum(helpline_proxy_gateway_shards_held{{{N}}})"
         f" - sum(helpline_proxy_gateway_shards_up{{{N}}})", 1, 1, runbook="gateway-shard-down")
LAG = S("Slowest shard", "How long ago the oldest event arrived that its owner has not applied.", "s",
        of("helpline_shard_lag_seconds"), 5, 15, runbook="stream-lag")
IN_TIME = S("Answered within 10 s, last hour", "Objective: 99.9 % of questions. Empty while nobody asks.", "percentunit",
            f"sum(rate(helpline_question_seconds_bucket{{{N}, le=\"10\"}}[1h])) / (sum(rate(helpline_question_seconds_count"
            f"{{{N}}}[1h])) + sum(rate(helpline_late_questions_total{{{N}}}[1h])))", .999, .99, runbook="answers-late",
            decimals=2)

BOARDS = {
    "overview": ("Helpline: is it well?", "Is it well, and for whom not? Begin here.", [
        ("Is it well?", [
            IN_TIME, WAITING, OUTBOX, UNOWNED, LAG, DEAF,
            P("What fires", "Alerts that fire now; each has a runbook of its name. Empty: none does.", "short",
              "ALERTS{alertname=~\"Helpline.*\", alertstate=\"firing\"}", kind="table", width=8, none="nothing fires",
              columns=["alertname", "severity", "instance"]),
            P("Alive", "Members of the cluster, and processes that are scraped.", "short", [
                ("workers", f"sum by (state) (max by (state, namespace) (helpline_cluster_workers{{{N}, state=\"working\"}}))"),
                ("workers that leave", f"sum(max by (namespace) (helpline_cluster_workers{{{N}, state=\"draining\"}}))"),
                ("proxies", f"sum(max by (namespace) (helpline_proxies{{{N}}}))"),
            ], kind="bargauge", runbook="cluster-unseen"),
            P("Budgets", "Of what Discord allows: used invalid requests (10,000 in ten minutes: ban), and sessions that may "
              "still be started today.", "short", [
                  ("refused requests", of("helpline_rest_invalid_recent")),
                  ("sessions left", f"min(helpline_proxy_identifies_left{{{N}}})"),
              ], kind="bargauge", runbook="identify-budget-low"),
        ]),
        ("For whom not?", [
            P("Shards that are furthest behind", "The servers on these wait. The board of shards tells who owns them.", "s",
              ("{{shard}} on {{instance}}", f"topk(5, helpline_shard_lag_seconds{{{N}}})"), runbook="stream-lag"),
            P("Time to answer", "From a question's arrival to its stored answer. The objective is 10 s.", "s", [
                ("half", quantile(.5, "helpline_question_seconds")),
                ("19 of 20", quantile(.95, "helpline_question_seconds")),
                ("99 of 100", quantile(.99, "helpline_question_seconds")),
            ], runbook="answers-late"),
            P("What became of questions", "A rising share of unsure means that documents are missing, of handed over that "
              "members want humans.", "reqps", ("{{outcome}}", rate("helpline_questions_total", "outcome"))),
            P("First replies by the proxy", "Commands that the proxy deferred because no worker was in time. Many: workers "
              "are slow or gone.", "reqps",
              ("{{by}}", rate("helpline_proxy_interactions_acknowledged_total", "by")), runbook="interactions-unacknowledged"),
            P("Waiting and put aside", "Questions and effects under way, events in the dead-letter table, gaps being read "
              "again, events held for servers on the move.", "short", [
                  ("questions", of("helpline_cluster_questions_waiting")),
                  ("effects", of("helpline_cluster_outbox_effects")),
                  ("dead letters", of("helpline_cluster_dead_letters")),
                  ("open gaps", of("helpline_cluster_gaps_open")),
                  ("held events", of("helpline_cluster_held_events")),
              ], runbook="dead-letters"),
            P("Lost or given up", "Each of these hurt somebody: commands that were lost, events that were lost with Redis, "
              "channels not read again, answers not posted.", "short", [
                  ("commands", f"sum(increase(helpline_missed_interactions_total{{{N}}}[1h]))"),
                  ("events", f"sum(increase(helpline_proxy_given_up_events_total{{{N}}}[1h]))"),
                  ("channels", f"sum(increase(helpline_backfill_channels_total{{{N}, result=\"given_up\"}}[1h]))"),
                  ("answers", f"sum(increase(helpline_effects_total{{{N}, result=\"given_up\"}}[1h]))"),
              ], runbook="events-lost"),
        ]),
        ("Objectives", [
            P("Budget burnt: answers within 10 s", "1 burns exactly the month's budget of 0.1 %. Above 14 it is gone in two "
              "days.", "none", [
                  ("an hour", "avg_over_time(helpline:questions_late:rate5m[1h]) / avg_over_time(helpline:questions:rate5m[1h])"
                   " / 0.001"),
                  ("six hours", "avg_over_time(helpline:questions_late:rate5m[6h])"
                   " / avg_over_time(helpline:questions:rate5m[6h]) / 0.001"),
              ], width=12, runbook="answers-late"),
            P("Budget burnt: shards owned", "1 burns exactly the month's budget of 0.01 % of shard-seconds.", "none", [
                ("an hour", "avg_over_time(helpline:shards_unowned:ratio[1h]) / 0.0001"),
                ("six hours", "avg_over_time(helpline:shards_unowned:ratio[6h]) / 0.0001"),
            ], width=12, runbook="ownership-lost"),
        ]),
    ]),
    "shards": ("Helpline: shards", "Which shard hurts, and why: owner, lag, epoch, load, moves.", [
        ("Now", [
            UNOWNED, LAG,
            S("Oldest heartbeat of a worker", "Beats come each third of the lease. Above 30 s: silent, and nobody can take "
              "over.", "s", of("helpline_cluster_worker_heartbeat_oldest_seconds"), 5, 30, runbook="shard-without-owner"),
            S("Oldest heartbeat of a shard", "Of those that are owned: when their owner last said that it applies them.", "s",
              of("helpline_cluster_shard_heartbeat_oldest_seconds"), 5, 30, runbook="shard-without-owner"),
            S("Servers on their way", "Between two shards. Each takes well under a second, one after the other.", "short",
              of("helpline_server_moves_open"), 50, 200, runbook="server-move-stuck"),
            S("Longest on its way", "Above 60 s it is stuck.", "s", of("helpline_server_move_oldest_seconds"), 30, 60,
              runbook="server-move-stuck"),
            P("Every shard", "Owner, events it is behind, servers and load of each. Sort by what hurts.", "short", [
                ("behind, s", f"helpline_shard_lag_seconds{{{W}}}"), ("behind, events", f"helpline_shard_lag_entries{{{W}}}"),
                ("epoch", f"helpline_shard_epoch{{{W}}}"), ("servers", f"helpline_shard_servers{{{W}}}"),
                ("load", f"helpline_shard_load{{{W}}}"),
            ], kind="table", width=16, height=12, columns=["shard", "instance"], runbook="stream-lag"),
            P("Shards by status", "All online is well; starting for a second is a takeover.", "short",
              ("{{status}}", f"max by (status) (helpline_cluster_shards{{{N}}})"), height=12, runbook="shard-without-owner"),
        ]),
        ("Who owns", [
            P("Shards of each worker", "They should be about even. A worker with 0 has just come, leaves, or cannot claim.",
              "short", ("{{instance}}", f"helpline_shards_owned{{{W}}}"), runbook="shard-without-owner"),
            P("Takeovers and claims", "Takeovers: shards of the dead. Claims without takeovers are planned handoffs.", "cps", [
                ("taken over", rate("helpline_takeovers_total", "namespace")),
                ("claimed", rate("helpline_epoch_changes_total", "namespace")),
            ], runbook="shard-without-owner"),
            P("From a claim to its loop", "Redis and Postgres both have to answer. Should be under 0.1 s.", "s",
              ("99 of 100", quantile(.99, "helpline_claim_seconds")), runbook="shard-without-owner"),
            P("Lease renewal", "Above a third of the lease (1.7 s) workers begin to lose their shards.", "s",
              ("{{by}}, 99 of 100", quantile(.99, "helpline_lease_renew_seconds", "by")), runbook="database-slow"),
            P("Load of each worker", "Events a second plus seconds of answering a second.", "short",
              ("{{instance}}", f"sum by (instance) (helpline_shard_load{{{W}}})")),
            P("Imbalance", "Load of the hottest worker over the mean. Above 1.1 plus its heaviest shard placement is behind.",
              "none", ("hottest / mean", f"max(sum by (instance) (helpline_shard_load{{{N}}}))"
                       f" / avg(sum by (instance) (helpline_shard_load{{{N}}}) > 0)")),
        ]),
        ("Events", [
            P("Wait of events", "From arrival at the proxy to the commit that applied it.", "s", [
                ("half", quantile(.5, "helpline_event_wait_seconds", selector=W)),
                ("99 of 100", quantile(.99, "helpline_event_wait_seconds", selector=W)),
            ], runbook="stream-lag"),
            P("Events applied", "By worker. One that falls to 0 while it owns shards hangs.", "cps",
              ("{{instance}}", rate("helpline_events_applied_total", "instance", W)), runbook="stream-lag"),
            P("Servers moved, events held", "Held events wait for their server on its new shard.", "cps", [
                ("servers moved", rate("helpline_servers_moved_total", "namespace")),
                ("events held", rate("helpline_held_events_total", "namespace")),
                ("full", rate("helpline_held_events_full_total", "namespace")),
            ], runbook="server-move-stuck"),
        ]),
    ]),
    "gateway": ("Helpline: gateway and limits", "Discord's side: sessions, budgets, limits.", [
        ("Now", [
            DEAF,
            S("Proxies", "That live. Two at least, or a restart makes servers deaf.", "short", of("helpline_proxies"), 2, 1,
              runbook="proxy-down"),
            S("Sessions left today", "Discord resets the token when they are used up.", "short",
              f"min(helpline_proxy_identifies_left{{{N}}})", 500, 200, runbook="identify-budget-low"),
            S("Refused requests in ten minutes", "The breaker opens at 5,000; Discord bans at 10,000.", "short",
              of("helpline_rest_invalid_recent"), 2000, 5000, runbook="rest-breaker-open"),
            S("Breaker", "1: almost nothing is sent any more.", "short", of("helpline_rest_breaker_open"), 1, 1,
              runbook="rest-breaker-open"),
            S("Limits are shared", "0: a proxy cannot reach Redis and goes on with its part of the limits.", "short",
              f"min(helpline_rest_limits_shared{{{N}}})", 1, 0, runbook="rate-limited"),
        ]),
        ("Sessions", [
            P("Gateway shards", "Held and connected should be the same.", "short", [
                ("held", f"sum(helpline_proxy_gateway_shards_held{{{N}}})"),
                ("connected", f"sum(helpline_proxy_gateway_shards_up{{{N}}})"),
                ("recommended", of("helpline_proxy_recommended_gateway_shards")),
            ], runbook="gateway-shard-down"),
            P("Heartbeat latency", "Time Discord takes to answer a heartbeat; above a second the line or Discord is bad.", "s",
              ("{{gateway_shard}}", f"max by (gateway_shard) (helpline_proxy_gateway_latency_seconds{{{N}}})"),
              runbook="gateway-shard-down"),
            P("Sessions begun, resumed, lost", "Lost ones mean gaps. Each one begun counts against the day's 1,000.", "short", [
                ("begun", f"sum(increase(helpline_proxy_identifies_total{{{N}}}[1h]))"),
                ("resumed", f"sum(increase(helpline_proxy_resumes_total{{{N}}}[1h]))"),
                ("lost", f"sum(increase(helpline_proxy_lost_sessions_total{{{N}}}[1h]))"),
            ], runbook="identify-budget-low"),
            P("Events by class", "What Discord sends and is passed on.", "cps",
              ("{{class}}", rate("helpline_proxy_events_total", "class"))),
            P("Events dropped", "bot, unused and not_listening are normal. stream_full and malformed are not.", "cps",
              ("{{reason}}", rate("helpline_proxy_dropped_events_total", "reason")), runbook="events-lost"),
            P("Gaps", "Events that never came, by cause; they are read again over REST.", "short",
              ("{{cause}}", f"sum by (cause) (increase(helpline_gaps_total{{{N}}}[1h]))"), runbook="gaps-and-backfill"),
        ]),
        ("REST", [
            P("Requests", "By Discord's status. 403 grows: a server took permissions away.", "reqps",
              ("{{status}}", rate("helpline_proxy_rest_requests_total", "status")), runbook="rest-breaker-open"),
            P("Refused by a limit", "shared is others' doing. Anything else above 1 % is a case.", "reqps",
              ("{{scope}}", rate("helpline_proxy_rest_limited_total", "scope")), runbook="rate-limited"),
            P("Waiting for limits, and for Discord", "Waiting grows when the limit of 50 a second is used up.", "s", [
                ("for limits, 19 of 20", quantile(.95, "helpline_proxy_rest_wait_seconds")),
                ("for Discord, 19 of 20", quantile(.95, "helpline_proxy_rest_seconds")),
            ], runbook="rate-limited"),
            P("First replies", "Discord shows a failure after 3 s. The proxy steps in after 1.5 s.", "s",
              ("{{by}}, 99 of 100", quantile(.99, "helpline_proxy_interaction_acknowledgment_seconds", "by")),
              runbook="interactions-unacknowledged"),
            P("First replies that failed", "Members saw that the command failed.", "short",
              ("{{why}}", f"sum by (why) (increase(helpline_proxy_interactions_unacknowledged_total{{{N}}}[1h]))"),
              runbook="interactions-unacknowledged"),
            P("Requests of workers refused", "superseded: somebody else owns the shard, as it should be for a moment. "
              "overflow: too many wait.", "cps", [
                  ("superseded", rate("helpline_proxy_rest_superseded_total", "namespace")),
                  ("overflow", rate("helpline_proxy_rest_overflow_total", "namespace")),
              ], runbook="shard-without-owner"),
        ]),
    ]),
    "answers": ("Helpline: answers", "How good the answers are, and how soon they come.", [
        ("Now", [
            IN_TIME, WAITING,
            S("Questions waiting", "Stored and not answered yet.", "short", of("helpline_cluster_questions_waiting"), 50, 500,
              runbook="questions-waiting"),
            S("Not sure, last hour", "Share of questions that the documents did not answer. High: documents are missing; see "
              "/gaps in Discord.", "percentunit",
              f"sum(rate(helpline_questions_total{{{N}, outcome=\"unsure\"}}[1h])) / sum(rate(helpline_questions_total{{{N}}}[1h]))",
              .4, .7, decimals=1),
            S("Chat model", "1: it is left alone because it does not answer. 0 also where none is set.", "short",
              of("helpline_model_breaker_open"), 1, 1, runbook="model-down"),
            S("Servers that wait for vectors", "They are searched by words alone until then.", "short",
              f"sum(helpline_vectors_pending_servers{{{N}}})", 50, 500, runbook="sentence-model-down"),
        ]),
        ("Time", [
            P("Time to answer", "From arrival to the stored answer. The objective is 10 s.", "s", [
                ("half", quantile(.5, "helpline_question_seconds", selector=W)),
                ("19 of 20", quantile(.95, "helpline_question_seconds", selector=W)),
                ("99 of 100", quantile(.99, "helpline_question_seconds", selector=W)),
            ], width=12, runbook="answers-late"),
            P("Where the time goes", "19 of 20 take no longer: until the event is applied, the answerer, its transaction, and "
              "until Discord has the answer.", "s", [
                  ("event applied", quantile(.95, "helpline_event_wait_seconds", selector=W)),
                  ("answerer", quantile(.95, "helpline_answer_seconds", selector=W)),
                  ("answer stored", quantile(.95, "helpline_database_operation_seconds",
                                             selector=W + ', operation="answer"')),
                  ("posted", quantile(.95, "helpline_delivery_seconds", selector=W)),
              ], width=12, runbook="answers-late"),
        ]),
        ("Quality", [
            P("What became of questions", "unsure: documents are missing. handed_over: members want humans.", "reqps",
              ("{{outcome}}", rate("helpline_questions_total", "outcome", W))),
            P("Not answered", "Too many or too long for the server's settings; or too old after an outage.", "reqps", [
                ("refused: {{because}}", rate("helpline_refused_questions_total", "because", W)),
                ("late: {{done}}", rate("helpline_late_questions_total", "done", W)),
            ], runbook="answers-late"),
            P("Acts on Discord", "Threads, posts, edits; given_up ones never came.", "cps",
              ("{{effect}} {{result}}", rate("helpline_effects_total", "effect, result", W)), runbook="effects-given-up"),
        ]),
        ("Models", [
            P("Completions", "By how they ended; all but ok lead to quoted answers.", "reqps",
              ("{{result}}", rate("helpline_model_requests_total", "result", W)), runbook="model-down"),
            P("Answered without the model", "By reason, where a model is set.", "reqps",
              ("{{because}}", rate("helpline_model_fallbacks_total", "because", W)), runbook="model-down"),
            P("Tokens", "Spent on the chat model in an hour.", "short",
              ("tokens", f"sum(increase(helpline_model_tokens_total{{{W}}}[1h]))"), runbook="model-down"),
            P("Time of a completion", "All tries in it. No data: no model is set, or nobody asks.", "s",
              ("19 of 20", quantile(.95, "helpline_model_seconds", selector=W)), none="no model", runbook="model-down"),
            P("Questions with vectors", "All but ok are looked up by their words alone.", "reqps",
              ("{{result}}", rate("helpline_question_vectors_total", "result", W)), runbook="sentence-model-down"),
            P("Passages that got their vector", "In the background; 10 to 20 a second with a model in the process.", "cps",
              ("passages", rate("helpline_vectors_written_total", "namespace", W)), runbook="sentence-model-down"),
        ]),
    ]),
    "data-stores": ("Helpline: data stores", "Postgres and Redis, as Helpline feels them.", [
        ("Postgres", [
            P("Until a transaction begins", "Waiting for a turn and a connection. Above a second the pool or Postgres is full.",
              "s", ("{{kind}}, 19 of 20", quantile(.95, "helpline_database_begin_seconds", "kind", W)),
              runbook="database-slow"),
            P("Transactions by operation", "apply: events; answer: a stored answer; look: what these boards show.", "s",
              ("{{operation}}, 19 of 20", quantile(.95, "helpline_database_operation_seconds", "operation", W)),
              runbook="database-slow"),
            P("Connections in use", "All of a pool in use for long: raise DATABASE_POOL, or find what is slow.", "short",
              ("{{instance}} {{pool}}", f"helpline_database_connections{{{W}, state=\"busy\"}}"), runbook="database-slow"),
            P("Rows that wait", "Questions and effects, held events, dead letters. They should come back to about 0.", "short", [
                ("questions", of("helpline_cluster_questions_waiting")),
                ("effects", of("helpline_cluster_outbox_effects")),
                ("held events", of("helpline_cluster_held_events")),
                ("dead letters", of("helpline_cluster_dead_letters")),
            ], runbook="outbox-old"),
            P("Heartbeats and the last look", "Age of the oldest heartbeat, and of what these boards show of the cluster.", "s", [
                ("workers", of("helpline_cluster_worker_heartbeat_oldest_seconds")),
                ("shards", of("helpline_cluster_shard_heartbeat_oldest_seconds")),
                ("look", f"time() - max(helpline_cluster_looked_timestamp_seconds{{{N}}})"),
            ], runbook="cluster-unseen"),
            P("Configs", "How changes of settings become known. comparison alone: notifications are dead.", "cps", [
                ("by {{by}}", rate("helpline_config_changes_seen_total", "by", W)),
                ("read from {{from}}", rate("helpline_config_reads_total", "from", W)),
                ("unreadable", rate("helpline_config_unreadable_total", "namespace", W)),
            ], runbook="invalidation-dead"),
        ]),
        ("Redis", [
            P("Renewal and publishing", "19 of 20 take no longer. Above 0.1 s Redis or the network is slow.", "s", [
                ("lease in {{by}}", quantile(.95, "helpline_lease_renew_seconds", "by")),
                ("a batch of events", quantile(.95, "helpline_proxy_publish_seconds")),
            ], runbook="redis-lost"),
            P("Events that wait in proxies", "Not in a stream yet. Grows while Redis takes nothing.", "short",
              ("{{instance}}", f"sum by (instance) (helpline_proxy_backlog_entries{{{N}}})"), runbook="redis-lost"),
            P("Events kept for publishing again", "Published and not applied yet; what a lost Redis would be filled from.",
              "bytes", ("{{instance}}", f"sum by (instance) (helpline_proxy_retained_bytes{{{N}}})"), runbook="redis-lost"),
            P("Published, refused, published again", "refused: a stream is full or lost, tried until taken.", "cps", [
                ("published", rate("helpline_proxy_published_events_total", "namespace")),
                ("refused", rate("helpline_proxy_refused_events_total", "namespace")),
                ("again", rate("helpline_proxy_republished_events_total", "namespace")),
                ("no longer kept", rate("helpline_proxy_retained_dropped_total", "namespace")),
            ], runbook="redis-lost"),
            P("Events that wait in streams", "The five longest.", "short",
              ("{{shard}}", f"topk(5, helpline_shard_lag_entries{{{N}}})"), runbook="stream-lag"),
            P("Shared limits", "Exchanges of proxies with Redis; failed ones: they go on alone.", "cps",
              ("{{result}}", rate("helpline_rest_limits_exchanges_total", "result")), runbook="rate-limited"),
        ]),
    ]),
}


def target(letter, legend, expr, kind):
    table = kind == "table"
    return {"refId": letter, "expr": expr, "legendFormat": legend or "", "instant": table or kind in ("stat", "bargauge"),
            "range": kind == "timeseries", "format": "table" if table else "time_series",
            "datasource": {"type": "prometheus", "uid": "${datasource}"}}


def colours(panel):
    amber, red = panel.get("amber"), panel.get("red")
    if red is None:
        return {"mode": "absolute", "steps": [{"color": "green", "value": None}]}
    if amber > red:
        steps = [("red", None), ("orange", red), ("green", amber)]
    else:
        steps = [("green", None)] + ([("orange", amber)] if amber < red else []) + [("red", red)]
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}


def look(panel):
    """What of a panel depends on its kind."""
    kind = panel["kind"]
    if kind == "timeseries":
        return {"options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}}
    if kind in ("stat", "bargauge"):
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}}
        return {"options": options | ({"colorMode": "background"} if kind == "stat" else {"orientation": "horizontal"})}
    letters = [chr(65 + at) for at in range(len(panel["queries"]))]
    names = {f"Value #{letter}" if len(letters) > 1 else "Value": legend or "value"
             for letter, (legend, _) in zip(letters, panel["queries"])}
    order = panel["columns"] + list(names)
    hidden = ["Time", "__name__", "job", "alertstate", "namespace", "pod", "container", "endpoint", "service"]
    return {"transformations": [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {name: True for name in hidden}, "renameByName": names,
                                       "indexByName": {name: at for at, name in enumerate(order)}}},
    ], "options": {"showHeader": True, "sortBy": [{"displayName": panel["queries"][0][0] or "alertname", "desc": True}]}}


def panel_json(number, panel, x, y, height):
    queries = panel["queries"]
    links = [{"title": f"Runbook: {panel['runbook']}", "url": f"${{docs}}/runbooks/{panel['runbook']}.md",
              "targetBlank": True}] if panel["runbook"] else []
    defaults = {"unit": panel["unit"], "thresholds": colours(panel), "noValue": panel.get("none", "no data")}
    if panel["kind"] == "timeseries":
        defaults |= {"min": 0, "custom": {"fillOpacity": 8, "showPoints": "never"}}
    if "decimals" in panel:
        defaults["decimals"] = panel["decimals"]
    return {"id": number, "type": panel["kind"], "title": panel["title"], "description": panel["says"],
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"x": x, "y": y, "w": panel["width"], "h": height},
            "targets": [target(chr(65 + at), legend, expr, panel["kind"]) for at, (legend, expr) in enumerate(queries)],
            "fieldConfig": {"defaults": defaults, "overrides": []}, "links": links, **look(panel)}


def panels(rows):
    placed, y = [], 0
    for title, row in rows:
        placed.append({"id": len(placed) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        y, x, tallest = y + 1, 0, 0
        for panel in row:
            height = panel.get("height", 4 if panel["kind"] == "stat" else HEIGHT)
            if x + panel["width"] > WIDTH:
                y, x, tallest = y + tallest, 0, 0
            placed.append(panel_json(len(placed) + 1, panel, x, y, height))
            x, tallest = x + panel["width"], max(tallest, height)
        y += tallest
    return placed


def variable(name, label, metric, of_label):
    query = f"label_values({metric}, {of_label})"
    # All is `.*`, which also fits where nothing has the label: a machine without Kubernetes has no namespace.
    return {"name": name, "label": label, "type": "query", "query": {"query": query, "refId": name}, "definition": query,
            "datasource": {"type": "prometheus", "uid": "${datasource}"}, "includeAll": True, "allValue": ".*", "multi": True,
            "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1}


def board(uid, title, says, rows):
    links = [{"title": "Boards", "type": "dashboards", "tags": ["helpline"], "asDropdown": False, "includeVars": True,
              "keepTime": True},
             {"title": "Runbooks", "type": "link", "url": "${docs}/runbooks/", "icon": "doc", "targetBlank": True}]
    worker = variable("worker", "Worker", f"helpline_shards_owned{{{N}}}", "instance")
    return {"uid": f"helpline-{uid}", "title": title, "description": says, "tags": ["helpline"], "schemaVersion": 39,
            "version": 1, "editable": True, "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "graphTooltip": 1, "links": links, "annotations": {"list": []},
            "templating": {"list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
                 "current": {}, "hide": 0},
                variable("namespace", "Namespace", "helpline_info", "namespace"), worker,
                {"name": "docs", "type": "constant", "hide": 2, "query": DOCS, "current": {"text": DOCS, "value": DOCS}},
            ]}, "panels": panels(rows)}


def main():
    stale = []
    for uid, (title, says, rows) in BOARDS.items():
        text = json.dumps(board(uid, title, says, rows), indent=1, ensure_ascii=False) + "\n"
        path = HERE / "dashboards" / f"{uid}.json"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(str(path))
    if stale:
        sys.exit(f"not what grafana/boards.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
