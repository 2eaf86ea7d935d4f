/* SPDX-License-Identifier: MIT */
/*
 * render - text that a person likes to read.
 *
 * Tables with aligned columns, state words with colour where that is wanted,
 * ages. Everything goes into a buffer; what it looks like depends only on
 * the arguments, so that a test can compare it. Pure.
 */
#ifndef HOMELABCTL_RENDER_H
#define HOMELABCTL_RENDER_H

#include "common/base.h"

struct buf;

/* In order of gravity; the overall state is the gravest. */
enum level {
	LEVEL_OK,
	LEVEL_WARN,
	LEVEL_CRIT
};

/* "OK", "WARN", "CRIT". */
const char *level_word(enum level);

/* The word in four columns, coloured if `colour` is set. */
void	render_level(struct buf *out, enum level, bool colour);

#define RENDER_COLUMNS_MAX	12

/*
 * A table: zero it, set columns, add cells in rows from left to right, print,
 * release. Columns named in `right` (bit 0 is the first) are aligned right.
 * Width counts UTF-8 characters. No blanks at line ends.
 */
struct render_table {
	size_t	 columns;
	unsigned right;
	char   **cell;
	size_t	 n;
	bool	 failed;
};

void	render_cell(struct render_table *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);
/* Each line begins with indent. A failure to get memory is buf's. */
void	render_table(const struct render_table *, const char *indent,
	    struct buf *out);
void	render_table_release(struct render_table *);


#define RENDER_AGE_MAX	48

/* "12s ago"; "just now" below a second, and for what lies ahead. */
char	*render_age(int64_t then_us, int64_t now_us, char out[RENDER_AGE_MAX]);

#endif /* HOMELABCTL_RENDER_H */
