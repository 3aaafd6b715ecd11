/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions held, and what is in flight in each: what has been handed out and what has been
 * acknowledged, out of order too. The committable offset is the lowest not acknowledged.
 * Pure bookkeeping: it asks Kafka for nothing.
 *
 *      committed        acked             position             (next from Kafka)
 *  ───────┴───────────────┴──────────────────┴───────────────────────┴──────►
 *                          handed out (ring)      pending (received)
 */
#ifndef BG_CONSUMERD_PARTS_H
#define BG_CONSUMERD_PARTS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a partition is paused: librdkafka is told only when the set becomes empty or stops being it. */
enum con_pause_reason {
	CON_WHY_LIFECYCLE = 1u << 0,
	CON_WHY_PRESSURE = 1u << 1,
	CON_WHY_RETRY = 1u << 2,
	CON_WHY_FAULT = 1u << 3,
	CON_WHY_REVOKE = 1u << 4,
	CON_WHY_NO_OFFSET = 1u << 5, /* held, but nothing says where it starts */
	CON_WHY_REFUSED = 1u << 6,   /* the handler refused a record for good: nobody knows how to go on */
};

struct con_part;
struct con_seat;

/* A record that is out, or waits to be. */
struct con_rec {
	struct con_part *part;
	rd_kafka_message_t *msg;
	int64_t offset;
	int64_t given_us;
	int64_t epoch; /* under which it was handed out */
	bool out;      /* in the ring (handed out) */
	bool acked;    /* acknowledged, waits for those before it; its message is freed */
	bool failed;   /* not in the handler any more and not done: it is given again, in order */
	bool orphan;   /* its partition was taken away: the acknowledgement counts for nothing */
	int attempts;
	struct con_rec *next; /* in pending, or of the ring by offset */
};

struct con_part {
	char *topic;
	int32_t partition;
	struct con_seat *seat; /* the identity that holds it; while assigned */
	rd_kafka_topic_t *rkt; /* for seek; of the seat's present handle */
	bool assigned;
	bool kpaused;    /* what librdkafka was told */
	bool started;    /* positioned under the present work epoch */
	bool told_first; /* first record of this epoch was shown */
	bool failed;
	bool hole; /* its next offset is not in the log: loss.c looks into it */
	bool revoking;
	bool dead;       /* its fetcher is, and could not be revived yet */
	bool fresh;      /* assigned, and nothing has shown yet that its fetcher takes a seek (probe.c) */
	bool needs_seek; /* what was received was dropped: nothing is taken before Kafka was asked to go back */
	uint32_t assign_no; /* grows with every assignment of it */
	unsigned why;       /* enum con_pause_reason */
	int64_t position;   /* next to be handed out; -1 unknown */
	int64_t acked;      /* lowest not acknowledged = committable; -1 unknown */
	int64_t epoch;      /* under which position and acked were reached */
	int64_t committed, committed_epoch;
	/* The group's commit when it is a mirrored one (mirror.c): never the own position, never "of this epoch". */
	int64_t mirrored, mirrored_epoch; /* -1: none */
	char mirrored_color[8];
	int64_t lost_to;        /* deleted by the log, and counted, up to here */
	int64_t fetch_next;     /* what was asked of Kafka: the lowest offset that may come */
	int64_t gap_at, gap_to; /* the gap that is being asked for again; -1: none */
	int gaps_confirmed;
	int64_t ahead_from;        /* a start under way fetches from here already; -1: it does not */
	int64_t first_us, last_us; /* first and last record of this epoch, monotonic */
	uint64_t records, bytes;

	struct con_rec *out_head, *out_tail;   /* handed out, by offset */
	int nout;                              /* of them not acknowledged */
	int nring;                             /* of them in all: those behind a record that hangs are kept */
	struct con_rec *again;                 /* the lowest that failed, NULL: none */
	int nagain;                            /* how many failed */
	int64_t retry_us;                      /* with CON_WHY_RETRY: when the back-off is over */
	struct con_rec *pend_head, *pend_tail; /* received, not handed out */
	int npend;
	size_t pend_bytes;
};

struct con_parts {
	struct con_part **v;
	size_t n, cap;
	struct con_part *last; /* the last hit of find */
	int in_flight;         /* records handed out and not acknowledged, orphans too */
	int norphans;
	size_t pend_bytes; /* of all partitions' pending records: keys and values */
	struct con_rec *free_recs;
};

void con_parts_init(struct con_parts *ps);
void con_parts_free(struct con_parts *ps);
/* NULL: not known. */
struct con_part *con_part_find(struct con_parts *ps, const char *topic, int32_t partition);
/* Find or make (not assigned, all unknown). Pointers stay valid for the life of the table. */
struct con_part *con_part_get(struct con_parts *ps, const char *topic, int32_t partition);
size_t con_parts_assigned(const struct con_parts *ps);

/* Where the partition starts, under which epoch; what was fetched from `offset` on (fetch_next was set to it) is kept.
 * Nothing may be handed out (assert). */
void con_part_confirm(struct con_part *p, int64_t offset, int64_t epoch);
/* Something is known of a partition that is not started here: take it when it is better than what we know. */
void con_part_learn(struct con_part *p, int64_t offset, int64_t epoch);
/*
 * Received from Kafka: into pending (takes msg), or destroyed. CON_OLD: older than asked for, or the answer to an order
 * that was overtaken. CON_GAP: records lie between it and the one that was expected. In a compacted or transactional log
 * that is no loss, so the caller asks for the expected one again; when the same gap comes back it is taken as it is, and
 * after some confirmed ones a partition's gaps are taken at once.
 */
enum con_received { CON_TAKEN, CON_OLD, CON_GAP };
enum con_received con_part_receive(struct con_parts *ps, struct con_part *p, rd_kafka_message_t *msg);
/* The next pending record becomes handed out; NULL: none. Position moves behind it. */
struct con_rec *con_part_hand_out(struct con_parts *ps, struct con_part *p, int64_t now_us);
/* It was acknowledged. Frees the record and its message. */
void con_rec_ack(struct con_parts *ps, struct con_rec *r);
/* It failed: back to the head of pending, position before it. Only for the lowest handed out with nothing behind
 * it (order is kept by who hands out); otherwise it stays out and the caller gives it again. False then. */
bool con_rec_back(struct con_parts *ps, struct con_rec *r);
/* It failed and stays where it is: it is to be given again (con_part_again). */
void con_rec_again(struct con_part *p, struct con_rec *r);
/* The lowest one that failed, which is given again now; NULL: none. */
struct con_rec *con_part_again(struct con_part *p, int64_t now_us);
/*
 * Nothing of it is in the handler any more: all that was handed out and not acknowledged comes back, position is the
 * lowest not acknowledged. Returns how many records behind that were acknowledged and will come a second time.
 */
size_t con_part_rewind(struct con_parts *ps, struct con_part *p);
/* Drop what was received and not handed out (pause, seek). */
void con_part_drop_pending(struct con_parts *ps, struct con_part *p);
/* The partition is taken away: pending dropped, records in the handler become orphans. */
void con_part_take_away(struct con_parts *ps, struct con_part *p);
/* No seat holds it any more (after it was taken away): the topic object of its handle is given back. */
void con_part_unseat(struct con_part *p);
/* Is all acknowledged, and is there something newer than the commit? */
bool con_part_wants_commit(const struct con_part *p);
/* The group's commit of it is a mirrored one: color processed up to offset under epoch. */
void con_part_set_mirrored(struct con_part *p, int64_t offset, int64_t epoch, const char *color);
/* Is the mirrored commit better than what we reached ourselves? */
bool con_part_mirror_leads(const struct con_part *p);
/* How far the group has come, whoever processed: what a lag is counted from. -1: unknown. */
int64_t con_part_reached(const struct con_part *p);

#endif
