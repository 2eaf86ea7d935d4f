/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/wire.h"

#define OID_NUMERIC	1700

static uint32_t
type_of(char letter)
{
	switch (letter) {
	case 's':
		return WIRE_OID_TEXT;
	case 'i':
		return WIRE_OID_INT4;
	case 'q':
		return WIRE_OID_INT8;
	case 'N':
		return OID_NUMERIC;
	default:
		assert(!"a column without a type");
		return 0;
	}
}

void
table_begin(struct table *t, struct buf *out, const char *columns)
{
	struct wire_column column[TABLE_COLUMNS_MAX];
	char	names[TABLE_COLUMNS_MAX][40];

	memset(t, 0, sizeof(*t));
	t->out = out;
	while (*columns != '\0') {
		size_t n = strcspn(columns, " ");

		assert(t->columns < TABLE_COLUMNS_MAX && columns[1] == ':' &&
		    n - 2 < sizeof(names[0]));
		memcpy(names[t->columns], columns + 2, n - 2);
		names[t->columns][n - 2] = '\0';
		column[t->columns].name = names[t->columns];
		column[t->columns].type = type_of(columns[0]);
		t->columns++;
		columns += n + (columns[n] == ' ');
	}
	wire_put_row_description(out, column, t->columns);
}

static void
end_row(struct table *t)
{
	if (!t->open)
		return;
	assert(t->values == t->columns);
	wire_end(t->out, t->at);
	t->open = false;
}

void
table_row(struct table *t)
{
	end_row(t);
	t->at = wire_row_open(t->out, t->columns);
	t->values = 0;
	t->open = true;
}

void
table_text(struct table *t, const char *s)
{
	wire_row_text(t->out, s);
	t->values++;
}

void
table_int(struct table *t, int64_t n)
{
	char	text[24];

	snprintf(text, sizeof(text), "%" PRId64, n);
	table_text(t, text);
}

void
table_uint(struct table *t, uint64_t n)
{
	char	text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	table_text(t, text);
}

void
table_time(struct table *t, uint64_t us)
{
	time_t	  seconds = (time_t)(us / 1000000);
	struct tm tm;
	char	  text[64];

	if (localtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		text[0] = '\0';
	table_text(t, text);
}

void
table_end(struct table *t, const char *tag)
{
	end_row(t);
	wire_put_string(t->out, WIRE_BE_COMMAND_COMPLETE, tag);
}
