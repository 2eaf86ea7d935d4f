/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/retention.h"

#include <string.h>

void
retention_by_count(struct retention_backup *b, size_t n, unsigned full)
{
	char		of[LABEL_MAX];
	enum label_type	type;
	unsigned	kept = 0;
	size_t		i, j;

	if (full == 0)
		return;
	for (i = n; i > 0; i--) {
		if (b[i - 1].expired ||
		    !label_parse(b[i - 1].label, &type, NULL) ||
		    type != LABEL_FULL)
			continue;
		if (kept < full) {
			kept++;
			continue;
		}
		b[i - 1].expired = true;
		for (j = 0; j < n; j++) {
			if (label_parse(b[j].label, NULL, of) &&
			    strcmp(of, b[i - 1].label) == 0)
				b[j].expired = true;
		}
	}
}

bool
retention_needs_wal(const struct retention_backup *b, size_t n,
    uint32_t timeline, uint64_t segment_end)
{
	bool	any = false;
	size_t	i;

	for (i = 0; i < n; i++) {
		if (b[i].expired)
			continue;
		any = true;
		if (b[i].timeline <= timeline && b[i].start_lsn < segment_end)
			return true;
	}
	return !any;
}
