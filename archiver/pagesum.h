/* SPDX-License-Identifier: MIT */
/*
 * pagesum - the checksum in the header of a PostgreSQL page.
 *
 * Pure. The algorithm is PostgreSQL's, described in the comment at the top
 * of its src/include/storage/checksum_impl.h: 32 interleaved FNV-1a sums,
 * folded, mixed with the block number so that a page in the wrong place is
 * found too, reduced to 1..65535 (0 means "none"). Page header: pd_lsn
 * (two 32-bit halves, high first), then pd_checksum at offset 8, pd_upper
 * at 14.
 */
#ifndef ARCHIVER_PAGESUM_H
#define ARCHIVER_PAGESUM_H

#include "common/base.h"

enum pagesum_verdict {
	PAGESUM_GOOD,
	PAGESUM_NEW,		/* all zero: valid, carries no checksum */
	PAGESUM_BAD
};

/*
 * The checksum a page of `size` bytes (a power of two, 1024..32768) should
 * have as block `block`, counted from the start of the relation, not of the
 * file. Whatever stands in the checksum field does not matter. `page` needs
 * no alignment.
 */
uint16_t pagesum_compute(const void *page, size_t size, uint32_t block);

/* Compares. A page that looks new but is not zero throughout is BAD. */
enum pagesum_verdict pagesum_check(const void *page, size_t size,
	    uint32_t block);

/* The LSN of the last change of a page. */
uint64_t pagesum_lsn(const void *page);

#endif /* ARCHIVER_PAGESUM_H */
