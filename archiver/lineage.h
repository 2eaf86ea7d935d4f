/* SPDX-License-Identifier: MIT */
/*
 * lineage - whether recovery can get from a backup to a timeline.
 *
 * A history file (PostgreSQL: timeline.c) names the timelines that lead to
 * its own, a line each: number, the LSN at which it was left, the reason.
 * PostgreSQL refuses to recover a backup of a timeline that is not among
 * them, or that was left before the backup ended, and says so only when it
 * starts. Pure: text in, verdict out.
 */
#ifndef ARCHIVER_LINEAGE_H
#define ARCHIVER_LINEAGE_H

#include "common/base.h"

/*
 * Whether `history`, a string, is that of a timeline that left `timeline`
 * at `lsn` or later. Lines that cannot be read count for nothing.
 */
bool	lineage_leads_from(const char *history, uint32_t timeline,
	    uint64_t lsn);

#endif /* ARCHIVER_LINEAGE_H */
