/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/screen.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The other screen, no cursor, no wrapping of lines; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static int rows_of(const struct screen *s)
{
	struct winsize w = {0};

	return ioctl(fileno(s->f), TIOCGWINSZ, &w) == 0 && w.ws_row > 0 ? w.ws_row : 24;
}

void screen_open(struct screen *s, FILE *f)
{
	struct termios raw;

	s->f = f;
	s->keys = -1;
	s->rows = rows_of(s);
	/* Keys are read one by one and not shown. In the background that would stop us: then none are read. */
	if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
	    tcgetattr(STDIN_FILENO, &s->old) == 0) {
		raw = s->old;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
			s->keys = STDIN_FILENO;
	}
	fputs(ENTER, f);
}

bool screen_draw(struct screen *s, const char *text)
{
	const char *end;
	int row = 0;

	fputs("\033[H", s->f);
	for (; *text && row < s->rows; text = *end ? end + 1 : end, row++) {
		end = strchr(text, '\n');
		end = end ? end : text + strlen(text);
		/* After the last line no new one, which would scroll. */
		fprintf(s->f, "%.*s\033[K%s", (int)(end - text), text,
			row + 1 < s->rows && *end && end[1] ? "\r\n" : "");
	}
	fputs("\033[J", s->f);
	return fflush(s->f) == 0;
}

bool screen_resized(struct screen *s)
{
	int old = s->rows;

	s->rows = rows_of(s);
	return s->rows != old;
}

void screen_close(struct screen *s)
{
	fputs(LEAVE, s->f);
	fflush(s->f);
	if (s->keys >= 0)
		tcsetattr(s->keys, TCSANOW, &s->old);
}
