/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal as a picture that is drawn anew in its place, and given back as it was. */
#ifndef BGCTL_SCREEN_H
#define BGCTL_SCREEN_H

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

struct screen {
	FILE *f;
	int keys; /* the descriptor on which is typed; -1: none */
	struct termios old;
	int rows;
};

void screen_open(struct screen *s, FILE *f);
/* Text of whole lines; what does not fit is cut. False: it cannot be written. */
bool screen_draw(struct screen *s, const char *text);
bool screen_resized(struct screen *s); /* since it was asked last */
void screen_close(struct screen *s);

#endif
