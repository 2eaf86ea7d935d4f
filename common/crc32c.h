/* SPDX-License-Identifier: MIT */
/*
 * crc32c - the CRC with the Castagnoli polynomial.
 *
 * PostgreSQL guards pg_control with it and lists one per file in
 * backup_manifest. Uses the CPU's instruction where there is one (SSE 4.2,
 * ARMv8 CRC) and tables otherwise; both give the same value. Pure.
 *
 * A value is always a finished one, so runs may be chained,
 *	crc = crc32c(crc32c(0, a, na), b, nb);
 * or computed apart, by several threads, and joined with crc32c_combine().
 */
#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include "common/base.h"

/* The CRC of what `crc` covers (0: nothing) followed by these n bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

/* The same by tables alone: for the tests, which compare the two. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t n);

/*
 * The CRC of A followed by B from the CRCs of both and the length of B in
 * bytes. Costs some 30 multiplications, whatever the length.
 */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

#endif /* COMMON_CRC32C_H */
