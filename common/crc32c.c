/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

/* The polynomial with the bits reversed: bit 31 is the coefficient of x^0. */
#define POLY	0x82f63b78u

/* table[k][b]: the CRC of byte b followed by k zero bytes. */
static uint32_t		table[8][256];
static pthread_once_t	table_once = PTHREAD_ONCE_INIT;

static void
table_fill(void)
{
	uint32_t	crc;
	int		i, k;

	for (i = 0; i < 256; i++) {
		crc = (uint32_t)i;
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLY : 0);
		table[0][i] = crc;
	}
	for (k = 1; k < 8; k++) {
		for (i = 0; i < 256; i++) {
			crc = table[k - 1][i];
			table[k][i] = (crc >> 8) ^ table[0][crc & 0xff];
		}
	}
}

uint32_t
crc32c_by_table(uint32_t crc, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	pthread_once(&table_once, table_fill);
	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 |
		    (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		crc = table[7][crc & 0xff] ^ table[6][crc >> 8 & 0xff] ^
		    table[5][crc >> 16 & 0xff] ^ table[4][crc >> 24] ^
		    table[3][p[4]] ^ table[2][p[5]] ^
		    table[1][p[6]] ^ table[0][p[7]];
	}
	for (; n > 0; n--, p++)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)

#define HAVE_INSTRUCTION	CPU_HAS("sse4.2")

static CPU_TARGET("sse4.2") uint32_t
by_instruction(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t	word, c = ~crc;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		c = _mm_crc32_u64(c, word);
	}
	for (; n > 0; n--, p++)
		c = _mm_crc32_u8((uint32_t)c, *p);
	return ~(uint32_t)c;
}

#elif defined(__aarch64__)

/* HWCAP_CRC32 of <asm/hwcap.h>, which is the kernel's, not libc's. */
#define HAVE_INSTRUCTION	((getauxval(AT_HWCAP) & 1ul << 7) != 0)

static CPU_TARGET("+crc") uint32_t
by_instruction(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t	word;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		crc = __crc32cd(crc, word);
	}
	for (; n > 0; n--, p++)
		crc = __crc32cb(crc, *p);
	return ~crc;
}

#else

#define HAVE_INSTRUCTION	false
#define by_instruction		crc32c_by_table

#endif

uint32_t
crc32c(uint32_t crc, const void *bytes, size_t n)
{
	if (HAVE_INSTRUCTION)
		return by_instruction(crc, bytes, n);
	return crc32c_by_table(crc, bytes, n);
}

/* a * b modulo the polynomial, both with reversed bits. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
	uint32_t	product = 0, bit;

	for (bit = 1u << 31; bit != 0; bit >>= 1) {
		if ((a & bit) != 0)
			product ^= b;
		b = (b >> 1) ^ ((b & 1) != 0 ? POLY : 0);
	}
	return product;
}

uint32_t
crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
	uint32_t	shift = 1u << 31;	/* x^0 */
	uint32_t	power = 1u << 23;	/* x^8: one byte */

	/*
	 * Appending B multiplies A's polynomial by x^(8 len_b). The inversions
	 * at both ends of a CRC cancel out.
	 */
	for (; len_b != 0; len_b >>= 1) {
		if ((len_b & 1) != 0)
			shift = multiply(shift, power);
		power = multiply(power, power);
	}
	return multiply(shift, crc_a) ^ crc_b;
}
