/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/lineage.h"

#include <stdio.h>
#include <string.h>

bool
lineage_leads_from(const char *history, uint32_t timeline, uint64_t lsn)
{
	unsigned	id, high, low;
	const char	*p = history;

	while (p != NULL) {
		if (sscanf(p, "%10u %8X/%8X", &id, &high, &low) == 3 &&
		    id == timeline && ((uint64_t)high << 32 | low) >= lsn)
			return true;
		p = strchr(p, '\n');
		if (p != NULL)
			p++;
	}
	return false;
}
