/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec handler and the dispatcher with a real child: the test program itself, see exec_program.c. Kafka is not
 * there: records are made by hand, and what the dispatcher asks of the source is noted.
 */
#ifndef BG_TESTS_EXEC_WORLD_H
#define BG_TESTS_EXEC_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/daemon.h"
#include "consumerd/con.h"
#include "consumerd/exec_int.h"

struct exec_world {
	struct con c;
	struct bg_daemon d;
	char dir[64], self[256], once[96], file[96];
	char error[512];
	int drained_asked;
	size_t repeats;
	int64_t next[4]; /* offset of the next record that is fed */
	size_t value_len;
};
extern struct exec_world w;

int setup(void **state);
int teardown(void **state);
/* The handler runs the program in that mode; `more` are lines of its section. Three partitions start at 0. */
void begin(const char *mode, const char *more);
struct con_part *part(int i);
/* The next n records of partition i come in. */
void feed(int i, int n);
double metric(const char *name);
bool all_done(void);
/* As a pause would begin. */
void drain(void);

/* Turn the loop until the condition holds; false: not within so many seconds. */
#define UNTIL(cond)                                                                                          \
	do {                                                                                                 \
		int64_t until_ = bg_now_us() + 10000000;                                                     \
		bool never_ = false;                                                                         \
		while (!(cond)) {                                                                            \
			bg_loop_run_until(w.d.loop, &never_, 2000);                                          \
			if (bg_now_us() > until_)                                                            \
				fail_msg("waited in vain for %s (%s)", #cond, w.error);                      \
		}                                                                                            \
	} while (0)

#endif
