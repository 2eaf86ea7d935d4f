/* SPDX-License-Identifier: MIT */
/*
 * text - numbers, sizes, durations and time stamps as people write them.
 *
 * Total functions: every input gives a result or a code, none depends on
 * the locale, the time zone or errno. A parser wants the whole string (no
 * blanks around it), returns 0, ERR_FORMAT for what it does not understand
 * or ERR_LIMIT for what does not fit, and writes *out only on success. A
 * printer fills an array of the size named in its prototype and returns it,
 * and what text_print_size(), text_print_time(), text_print_seconds() and
 * the stamps print is read back by the parser beside it without loss.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include "common/base.h"

#define TEXT_USEC_PER_SEC	INT64_C(1000000)

/* Room for any number, size or duration, and for any time stamp. */
#define TEXT_NUMBER_MAX		40
#define TEXT_STAMP_MAX		40
#define TEXT_COUNT_MAX		64

/*
 * An integer with an optional sign. Base 0 is C's rule: 0x1f is hexadecimal,
 * 0777 octal, all else decimal; otherwise 8, 10 or 16 without a prefix.
 */
int	text_parse_int(const char *s, int base, int64_t *out) MUST_CHECK;

/* y/n, yes/no, on/off, true/false, 1/0, in any case. */
int	text_parse_bool(const char *s, bool *out) MUST_CHECK;

/*
 * Bytes: digits, then B, K, KB, KiB, M, MB, MiB, ... up to PiB in any case;
 * all units are powers of 1024, as in pgBackRest. No unit: bytes.
 */
int	text_parse_size(const char *s, int64_t *out) MUST_CHECK;

/* The largest unit that is exact: "16MiB", "1000B". n >= 0. */
char	*text_print_size(int64_t n, char out[TEXT_NUMBER_MAX]);

/* For people, rounded to one decimal: "1.5 GiB", "812 B". n >= 0. */
char	*text_print_size_short(int64_t n, char out[TEXT_NUMBER_MAX]);

/* For people: "0 files", "1 file". The noun is one, and its plural has an s. */
char	*text_print_count(uint64_t n, const char *noun,
	    char out[TEXT_COUNT_MAX]);

/*
 * A duration in microseconds: a decimal number with an optional fraction and
 * exponent, then us, ms, s, m (or min), h, d or w. A bare number counts in
 * units of unit_us microseconds. Never negative. What is shorter than a
 * microsecond is cut, but not to zero: zero often means "off".
 */
int	text_parse_time(const char *s, int64_t unit_us, int64_t *out)
	    MUST_CHECK;

/* The largest unit that is exact: "30m", "1500ms", "0s". us >= 0. */
char	*text_print_time(int64_t us, char out[TEXT_NUMBER_MAX]);

/*
 * Seconds as printf's %g writes them, which is PgBouncer's form ("0.002",
 * "120", "1e+06"); where six digits are not exact, plain decimals. us >= 0.
 */
char	*text_print_seconds(int64_t us, char out[TEXT_NUMBER_MAX]);

/* For people: "350ms", "12s", "4m 05s", "3h 20m", "2d 4h". us >= 0. */
char	*text_print_time_short(int64_t us, char out[TEXT_NUMBER_MAX]);

/*
 * A moment as microseconds since 1970-01-01 00:00:00 UTC, years 1 to 9999.
 * Printed in UTC, "2026-07-10T22:19:13Z", with ".123456" if not a whole
 * second. The parser takes 'T', 't' or a blank between date and time, up to
 * nine decimals (cut to six), and Z, +hh:mm, +hhmm or +hh; a stamp without
 * a zone is ERR_FORMAT. A leap second (:60) is the next second's start.
 */
int	text_parse_rfc3339(const char *s, int64_t *out) MUST_CHECK;
char	*text_print_rfc3339(int64_t us, char out[TEXT_STAMP_MAX]);

/* The stamp of a backup's label, whole seconds in UTC: "20251123-020000". */
int	text_parse_label(const char *s, int64_t *out) MUST_CHECK;
char	*text_print_label(int64_t us, char out[TEXT_STAMP_MAX]);

/* ASCII only, unlike strcasecmp(), which asks the locale. */
bool	text_equal_nocase(const char *a, const char *b);

/* True for blank, tab, CR, LF, VT, FF. */
static inline bool
text_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

#endif /* COMMON_TEXT_H */
