/* SPDX-License-Identifier: MIT */
/*
 * conf - ini files, line by line, with file and line in every error.
 *
 * The grammar is PgBouncer's (pgBackRest's files are within it):
 *
 *	[section]		may repeat; blanks before it do not matter
 *	key = value		the rest of the line, blanks at its ends cut
 *	'any text' = value	a key in quotes: '' is a quote within
 *	"any text" = value	the same with double quotes
 *	; text			a comment, also #: first in a line only
 *	%include path		relative to the working directory
 *
 * A key without quotes consists of A-Z a-z 0-9 _ . * and -. A value has no
 * quotes and no continuation: ; # and quotes in it are ordinary characters.
 * Lines may be long (CONF_LINE_MAX) and end in LF or CR LF, the last one
 * may lack it. A section goes on behind the end of an included file.
 *
 * inih reads the lines, but never sees what it would damage: long lines,
 * quotes, indentation and " ;" go past it (see conf.c). This is the only
 * file that includes ini.h.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/base.h"

struct err;

#define CONF_LINE_MAX		((size_t)1 << 20)
#define CONF_INCLUDE_MAX	10	/* files open within one another */

/* One event; all of it is borrowed for the call. */
struct conf_line {
	const char	*section;	/* "" before the first header */
	const char	*key;		/* NULL: a section header */
	const char	*value;		/* NULL with key, else never */
	const char	*file;		/* as given, or as %include named it */
	int		 line;		/* from 1 */
};

/*
 * Called for each header and each key, in order. Returns 0, or a negative
 * code (with *e set), which ends the reading.
 */
typedef int	conf_handler(void *arg, const struct conf_line *line,
		    struct err *e);

/*
 * Reads a file and what it includes. Returns 0, the handler's code, or:
 *
 *	ERR_CONFIG	`syntax error in configuration (f:3), stopping
 *			loading`; `include nesting level too deep (f:3),
 *			stopping loading`
 *	err_sys()'s	`could not load file "f": No such file or directory`
 *
 * An error within an included file, of whatever kind, has `error processing
 * include file in configuration (outer:3), stopping loading: ` before it.
 * The handler's own messages are left alone: it knows file and line. The
 * line buffers are overwritten before they are freed.
 */
int	conf_parse(const char *path, conf_handler *handler, void *arg,
	    struct err *e) MUST_CHECK;

/*
 * The same lines, kept: for a program whose sections have an order of
 * precedence that is not that of the file.
 */
struct conf_entry {
	char	*section;
	char	*key;		/* NULL: a section header */
	char	*value;
	char	*file;
	int	 line;
};

struct conf {
	struct conf_entry *entry;	/* n of them, in the order of the file */
	size_t		   n;
};

/* Reads all of it. On failure *out is not touched. Caller: conf_release(). */
int	conf_load(const char *path, struct conf *out, struct err *e)
	    MUST_CHECK;

/* Frees the entries after overwriting them; a zeroed struct is legal. */
void	conf_release(struct conf *);

/* True if there is a header of this section, even without keys. */
bool	conf_has_section(const struct conf *, const char *section);

/*
 * The next entry with a key in this section, behind `after` (NULL: the
 * first), in the order of the file over all its headers; NULL at the end.
 */
const struct conf_entry *conf_next(const struct conf *, const char *section,
	    const struct conf_entry *after);

#endif /* COMMON_CONF_H */
