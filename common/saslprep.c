/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/saslprep.h"

#include <string.h>

#include <stringprep.h>

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s > 127)
			return false;
	return true;
}

void
saslprep(const char *password, struct buf *out)
{
	size_t	 n = strlen(password), cap;
	char	*work;

	if (is_ascii(password)) {
		buf_append(out, password, n);
		return;
	}
	/* The longest that NFKC makes of one UTF-8 character is 11 times
	 * as many bytes (U+FDFA: 3 become 33). */
	cap = n * 11 + 1;
	work = malloc(cap);
	if (work == NULL) {
		out->failed = true;
		return;
	}
	memcpy(work, password, n + 1);
	/* As PostgreSQL: code points that Unicode 3.2 did not know are
	 * prohibited, and so is a password that is mapped to nothing. */
	if (stringprep(work, cap, STRINGPREP_NO_UNASSIGNED,
	    stringprep_saslprep) == STRINGPREP_OK && *work != '\0')
		buf_append_str(out, work);
	else
		buf_append(out, password, n);
	explicit_bzero(work, cap);
	free(work);
}
