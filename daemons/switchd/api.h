/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-switchd's interface (protocol.md 4). The shapes of its answers, for clients:
 *
 * GET /v1/switches             {"switches":[SWITCH without "record", "last", "instances"]}
 * GET /v1/switches/{name}      SWITCH =
 *   {"switch","strategy","handover":"committed|eager","phase","active":"blue"|null,"previous","epoch","hold",
 *    "freeze":null|{"until":time|null (none known),"window":text|null,"zone"|null,"by"|null,"reason"|null,"since"|null},
 *    "schedule":null|SCHEDULE,
 *    "degraded":text|null, what keeps it from going on by itself, or from being whole; "health":"OK|DEGRADED"
 *    "identity_in_use":[{"instance","url","static_id","usurper":null|{"client_id"|null,"host"|null,"endpoint":url|null}}],
 *      an instance that should work is FENCED because somebody else has its static id
 *    "lag":{"blue":N|null,"green":N|null},
 *    "instances":[{"instance","color","url","reachable","trouble":text|null,"state","epoch","incarnation",
 *                  "cause":text|null of FENCED and FAILED,
 *                  "lag":N|null,"in_flight","records_total","errors_total","last_error":text|null,
 *                  "partitions":N,"state_for_ms","seen_ms_ago"}],
 *    "running":null | {"id","kind":"switch|rollback|init|reassert|adopt","from","to","epoch","phase","by","reason",
 *                      "started","elapsed_us","steps":[STEP]},
 *    "last":null | ENTRY,
 *    "rollback":{"allowed":bool,"to":"blue"|null,"until":time|null},
 *    "soak":{"until":time|null,"errors":N,"dual_active_us":N,"judged":bool,"auto_rollback":bool,
 *            "rule":the one that is broken|null,"sees":text|null},
 *    "record":{…protocol.md 6…}}
 * SCHEDULE = {"id","at","to","expect_epoch","force","resubscribe"?,"by","reason","made"}
 * STEP  = {"phase":"PAUSING","at_us":N since the start,"us":N (absent while it runs)}
 * ENTRY = one switch that ended (W-11):
 *   {"id","kind","switch","strategy","handover","from","to","epoch","base_epoch","by","reason","automatic":bool,"rule"? (of an automatic one),
 *    "force","resubscribe"?,"started","scheduled"? (it was planned for then),
 *    "outcome":"done|no_go|aborted|rolled_back|failed|needs_person|dropped (a schedule that never began)","exit":n,"error":text|null,
 *    "duration_us", "gap_us":N|null (start of the pause to the first record on the other side, monotonic),
 *    "worst_gap_us":N|null, "gap_basis":"monotonic"|"resume_answer"|null,
 *    "steps":[STEP],
 *    "pause":{"sent_us","answered_us"}, "transfer":{"us","reads":which commits, or the reason why none,"partitions",
 *             "from_answers","from_commits","from_handed","from_initial"}, "resume":{"sent_us","answered_us"},
 *    "instances":[{"instance","color","url","pause_sent_us","pause_answered_us","drain_us","commit_us",
 *                  "resume_sent_us","resume_answered_us","position_us"}],
 *    "partitions":[{"topic","partition","offset","epoch","first_record_us":N|null}],
 *    "fencing":null or {"grace_ms","us","rounds","ids":[{"instance","color","static_id","joined_us"|null,
 *               "proved_us"|null,"refused":how often}],"error":text, when it failed}; its *_us from its own start
 *    "preflight":[RULE]}
 *   All *_us inside pause, transfer, resume, instances and partitions count from the first pause sent.
 * GET  …/preflight             {"go":bool,"rules":[RULE]}, RULE = {"rule","verdict":"go|no_go|warn","message"}
 * GET  …/doctor                what `bgctl doctor` judges, asked of the brokers anew: {"switch","version","librdkafka",
 *   "kafka_error","health_error": {"code","message"}|null,"brokers","under_replicated","leaderless",
 *   "topics":[{"topic","partitions"}],
 *   "groups":[{"group","color"|null (shared),"without_commit": partitions,"lag","lost": records that retention took
 *              before they were processed,"lost_at": text|null}],
 *   "instances":[{"instance","color","mode","group","assignor" (null: not said),"topics","static_ids"}]}
 * GET  …/history?limit=N       {"switch","entries":[ENTRY, newest first]}
 * GET  …/snapshots?limit=N     {"switch","snapshots":[{"epoch","time","active","id","partitions"} or {"epoch",
 *   "damaged": why}, newest first]}; …/snapshots/{epoch} gives one, with its offsets
 * POST …/snapshots/{epoch}/restore  {"expect_epoch","to"?,"force"?,"dry_run"?,…}: a switch to the colour that is not
 *   active, which begins at the offsets of the snapshot; expect_epoch is required. Answered as …/switch is; the ENTRY
 *   has "restored": epoch of the snapshot. 404 unknown_snapshot.
 * POST …/switch, …/rollback, …/abort, …/init   202 {"epoch","id","to"} at once; 200 with ?wait=1: ENTRY at the
 *   end; with dry_run: 200 {"dry_run":true,"outcome":"done|no_go","exit","go","rules"}; to the active colour: 200
 *   {"outcome":"done","exit":0,"epoch","message"}. Errors 404 unknown_switch · 409 busy {"id"} · 409 epoch_changed
 *   {"epoch"} · 409 held · 409 uninitialised · 409 already_initialised {"active"} · 409 nothing_to_abort.
 * POST …/switch with "at" (RFC 3339)  202 SCHEDULE, and "warning" when it will be frozen then; the same once more: the same.
 *   With dry_run: as above, but the freeze is judged as it will be then. 409 already_scheduled SCHEDULE: one a switch.
 * POST …/unschedule            200 {"removed":SCHEDULE} · 409 nothing_scheduled
 * POST …/freeze {"reason","until"?}, …/thaw  200 {"frozen":bool,"freeze"}; thaw ends no window of the configuration
 * POST …/hold, …/release       {"reason"?} -> 200 {"hold":bool}
 * GET  /v1/events?switch=&since=ID   server-sent events (stream.h); ID as the header Last-Event-ID: what came after
 *   it is told first, as far as it is kept; 0: all that is kept. Every event of a switch has an id, and in its data
 *   "switch","time","epoch", and:
 *   phase     "phase","old","cause","id"|null,"kind"|null,"from","to","active","at_us" since the start of the run,
 *             "instances":{"blue":{"ACTIVE":2},"green":{"PAUSED":1,"silent":1}}
 *   instance  "instance","color","state","old","reachable","trouble"|null
 *   end       ENTRY, and "whole": false when its lists (but the steps) are left out, being more than 64 KiB
 *   soak      "verdict":"rollback|stays|well","rule"|null,"message"|null: of the colour that soaks
 *   hold      "hold"
 *   degraded  "degraded": text|null
 *   freeze    "frozen","freeze"
 *   schedule  "what":"added|removed|begins|dropped","why":text|null,"schedule":SCHEDULE
 *   and without an id:  gap {"after","next","message"}: what was between is not known any more;
 *   closed {"reason":"too_slow|shutting_down|token_changed","message"}: the last one of a stream
 */
#ifndef SW_API_H
#define SW_API_H

#include "common/http_server.h"
#include "switchd/switch.h"

extern const struct bg_route sw_routes[]; /* the arg of each is the struct sw_daemon */

#endif
