/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/render.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"

const char *
level_word(enum level l)
{
	static const char *const words[] = { "OK", "WARN", "CRIT" };

	return words[l];
}

void
render_level(struct buf *out, enum level l, bool colour)
{
	static const int colours[] = { 32, 33, 31 };

	if (colour)
		buf_printf(out, "\033[%dm%-4s\033[0m", colours[l],
		    level_word(l));
	else
		buf_printf(out, "%-4s", level_word(l));
}

void
render_cell(struct render_table *t, const char *fmt, ...)
{
	char	text[512], **grown;
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	grown = t->failed ? NULL : realloc(t->cell,
	    (t->n + 1) * sizeof(*grown));
	if (grown == NULL) {
		t->failed = true;
		return;
	}
	t->cell = grown;
	t->cell[t->n] = strdup(text);
	if (t->cell[t->n] == NULL)
		t->failed = true;
	else
		t->n++;
}

/* Characters, not bytes: those that do not continue another. */
static size_t
width_of(const char *s)
{
	size_t	n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
put_blanks(struct buf *out, size_t n)
{
	for (; n > 0; n--)
		buf_append_u8(out, ' ');
}

void
render_table(const struct render_table *t, const char *indent,
    struct buf *out)
{
	size_t	width[RENDER_COLUMNS_MAX] = { 0 };
	size_t	i, column, pad, owed = 0;

	assert(t->columns > 0 && t->columns <= RENDER_COLUMNS_MAX);
	if (t->failed)
		out->failed = true;
	for (i = 0; i < t->n; i++) {
		column = i % t->columns;
		width[column] = MAX(width[column], width_of(t->cell[i]));
	}
	for (i = 0; i < t->n; i++) {
		column = i % t->columns;
		pad = width[column] - width_of(t->cell[i]);
		if (column == 0) {
			buf_append_str(out, indent);
			owed = 0;
		} else {
			owed += 2;
		}
		if ((t->right >> column & 1) != 0)
			owed += pad;
		if (t->cell[i][0] != '\0') {
			put_blanks(out, owed);
			buf_append_str(out, t->cell[i]);
			owed = 0;
		}
		if ((t->right >> column & 1) == 0)
			owed += pad;
		if (column == t->columns - 1)
			buf_append_u8(out, '\n');
	}
}

void
render_table_release(struct render_table *t)
{
	size_t	i;

	for (i = 0; i < t->n; i++)
		free(t->cell[i]);
	free(t->cell);
	*t = (struct render_table){ .columns = t->columns };
}

char *
render_age(int64_t then, int64_t now, char out[RENDER_AGE_MAX])
{
	char	text[TEXT_NUMBER_MAX];

	if (now - then < TEXT_USEC_PER_SEC)
		snprintf(out, RENDER_AGE_MAX, "just now");
	else
		snprintf(out, RENDER_AGE_MAX, "%s ago",
		    text_print_time_short(now - then, text));
	return out;
}
