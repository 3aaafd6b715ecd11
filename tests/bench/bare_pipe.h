/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare peer of the exec handler: records as JSON lines, made and read by json-c alone, through a pair of
 * pipes to a child. One thread, no order kept, no answer checked beyond "ok".
 */
#ifndef BG_BENCH_BARE_PIPE_H
#define BG_BENCH_BARE_PIPE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a shell's command; its standard input and output are ours. */
void pipe_start(const char *command);
/* May another record be given: neither too many without an answer, nor too much not written. */
bool pipe_has_room(void);
/* Copies what it needs of msg. */
void pipe_give(const rd_kafka_message_t *msg);
/* Writes and reads what is possible; waits up to wait_ms when nothing is. Returns the records answered since start. */
int64_t pipe_turn(int wait_ms);

#endif
