/* SPDX-License-Identifier: MIT */
/*
 * table - the result of a console command as protocol messages.
 *
 * Calling sequence: table_begin() with the columns, then for each row
 * table_row() and one value per column, table_end(). A row with another
 * number of values than there are columns is our bug (asserted). Failures
 * stay in the buffer. Pure, but for the time zone that table_time() uses.
 */
#ifndef POOLER_TABLE_H
#define POOLER_TABLE_H

#include "common/base.h"

struct buf;

#define TABLE_COLUMNS_MAX	40

struct table {
	struct buf	*out;
	size_t		 columns;
	size_t		 values;	/* in the present row */
	size_t		 at;		/* where its message began */
	bool		 open;		/* a row is */
};

/*
 * Appends RowDescription. Columns are words with their type in front,
 * separated by blanks: "s:name i:port". Types: s text, i int4, q int8,
 * N numeric.
 */
void	table_begin(struct table *, struct buf *out, const char *columns);

void	table_row(struct table *);

/* The next value of the row; NULL is SQL's. */
void	table_text(struct table *, const char *);
void	table_int(struct table *, int64_t);
void	table_uint(struct table *, uint64_t);
/* Microseconds of the wall clock as "2026-11-21 04:55:00 UTC". */
void	table_time(struct table *, uint64_t);

/* Ends the last row and appends CommandComplete. */
void	table_end(struct table *, const char *tag);

#endif /* POOLER_TABLE_H */
