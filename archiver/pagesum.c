/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pagesum.h"

#include <string.h>

#define SUMS		32
#define FNV_PRIME	16777619u
#define OFF_CHECKSUM	8
#define OFF_UPPER	14

/* What each sum begins with: constants of the algorithm. */
static const uint32_t offsets[SUMS] = {
	0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a,
	0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
	0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa,
	0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
	0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de,
	0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
	0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e,
	0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756
};

static ALWAYS_INLINE uint32_t
mix(uint32_t sum, uint32_t value)
{
	uint32_t	x = sum ^ value;

	return (x * FNV_PRIME) ^ (x >> 17);
}

/* The sum of a whole page; the loop over the 32 sums becomes vector code. */
static ALWAYS_INLINE uint32_t
sum_page(const unsigned char *page, size_t size)
{
	uint32_t	sums[SUMS], row[SUMS], folded = 0;
	size_t		at, j;

	memcpy(sums, offsets, sizeof(sums));
	for (at = 0; at < size; at += sizeof(row)) {
		memcpy(row, page + at, sizeof(row));
		if (at == 0)	/* the checksum itself counts as zero */
			memset((char *)row + OFF_CHECKSUM, 0, 2);
		for (j = 0; j < SUMS; j++)
			sums[j] = mix(sums[j], row[j]);
	}
	/* Two rounds of zeroes, so that the last rows spread too. */
	for (j = 0; j < SUMS; j++)
		folded ^= mix(mix(sums[j], 0), 0);
	return folded;
}

#if defined(__x86_64__)
static CPU_TARGET("avx2") uint32_t
sum_page_avx2(const unsigned char *page, size_t size)
{
	return sum_page(page, size);
}
#endif

uint16_t
pagesum_compute(const void *page, size_t size, uint32_t block)
{
	uint32_t	sum;

	assert(size >= 1024 && size <= 32768 && (size & (size - 1)) == 0);
#if defined(__x86_64__)
	if (CPU_HAS("avx2"))
		sum = sum_page_avx2(page, size);
	else
#endif
		sum = sum_page(page, size);
	return (uint16_t)((sum ^ block) % 65535 + 1);
}

static bool
is_zero(const unsigned char *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

enum pagesum_verdict
pagesum_check(const void *page, size_t size, uint32_t block)
{
	const unsigned char *p = page;
	uint16_t	stored, upper;

	memcpy(&upper, p + OFF_UPPER, sizeof(upper));
	if (upper == 0)	/* never on a page in use */
		return is_zero(p, size) ? PAGESUM_NEW : PAGESUM_BAD;
	memcpy(&stored, p + OFF_CHECKSUM, sizeof(stored));
	return pagesum_compute(page, size, block) == stored ?
	    PAGESUM_GOOD : PAGESUM_BAD;
}

uint64_t
pagesum_lsn(const void *page)
{
	uint32_t	half[2];

	memcpy(half, page, sizeof(half));
	return (uint64_t)half[0] << 32 | half[1];
}
