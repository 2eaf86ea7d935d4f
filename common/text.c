/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#define USEC_PER_DAY	(INT64_C(86400) * TEXT_USEC_PER_SEC)

/* Significant digits that a duration may have; more are ERR_LIMIT. */
#define MAX_DIGITS	40

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
text_equal_nocase(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

/* The value of a digit in bases up to 16, 99 if it is none. */
static int
digit_value(char c)
{
	if (text_is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

int
text_parse_int(const char *s, int base, int64_t *out)
{
	bool	 negative = false;
	uint64_t v = 0, limit;

	if (*s == '-' || *s == '+')
		negative = *s++ == '-';
	if (base == 0) {
		base = 10;
		if (s[0] == '0' && lower(s[1]) == 'x') {
			base = 16;
			s += 2;
		} else if (s[0] == '0' && s[1] != '\0') {
			base = 8;
			s++;
		}
	}
	if (*s == '\0')
		return ERR_FORMAT;
	limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	for (; *s != '\0'; s++) {
		int d = digit_value(*s);

		if (d >= base)
			return ERR_FORMAT;
		/* Read on after an overflow: rubbish behind it is rubbish. */
		if (v > (limit - (uint64_t)d) / (uint64_t)base)
			v = limit + 1;
		if (v <= limit)
			v = v * (uint64_t)base + (uint64_t)d;
	}
	if (v > limit)
		return ERR_LIMIT;
	/* -INT64_MIN does not fit; this way round it always does. */
	*out = negative && v > 0 ? -(int64_t)(v - 1) - 1 : (int64_t)v;
	return 0;
}

int
text_parse_bool(const char *s, bool *out)
{
	static const struct {
		const char	*word;
		bool		 value;
	} words[] = {
		{ "y", true }, { "n", false }, { "yes", true }, { "no", false },
		{ "on", true }, { "off", false }, { "true", true },
		{ "false", false }, { "1", true }, { "0", false },
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (text_equal_nocase(s, words[i].word)) {
			*out = words[i].value;
			return 0;
		}
	}
	return ERR_FORMAT;
}

static const char size_letters[] = "BKMGTP";

/* The power of 1024 of a unit, -1 if it is none. */
static int
size_exponent(const char *unit)
{
	char	forms[3][4];
	int	i;
	size_t	f;

	if (unit[0] == '\0' || text_equal_nocase(unit, "B"))
		return 0;
	for (i = 1; size_letters[i] != '\0'; i++) {
		snprintf(forms[0], 4, "%c", size_letters[i]);
		snprintf(forms[1], 4, "%cB", size_letters[i]);
		snprintf(forms[2], 4, "%ciB", size_letters[i]);
		for (f = 0; f < ARRAY_LEN(forms); f++) {
			if (text_equal_nocase(unit, forms[f]))
				return i;
		}
	}
	return -1;
}

int
text_parse_size(const char *s, int64_t *out)
{
	int64_t	v = 0;
	bool	too_large = false;
	int	exponent;

	if (!text_is_digit(*s))
		return ERR_FORMAT;
	for (; text_is_digit(*s); s++) {
		if (v > (INT64_MAX - (*s - '0')) / 10)
			too_large = true;
		else
			v = v * 10 + (*s - '0');
	}
	exponent = size_exponent(s);
	if (exponent < 0)
		return ERR_FORMAT;
	if (too_large || v > INT64_MAX >> (10 * exponent))
		return ERR_LIMIT;
	*out = v * (INT64_C(1) << (10 * exponent));
	return 0;
}

char *
text_print_size(int64_t n, char out[TEXT_NUMBER_MAX])
{
	int	i = 0;

	assert(n >= 0);
	while (n != 0 && n % 1024 == 0 && size_letters[i + 1] != '\0') {
		n /= 1024;
		i++;
	}
	snprintf(out, TEXT_NUMBER_MAX, i == 0 ? "%lldB" : "%lld%ciB",
	    (long long)n, size_letters[i]);
	return out;
}

char *
text_print_size_short(int64_t n, char out[TEXT_NUMBER_MAX])
{
	double	v = (double)n;
	int	i = 0;

	assert(n >= 0);
	if (n < 1024) {
		snprintf(out, TEXT_NUMBER_MAX, "%d B", (int)n);
		return out;
	}
	/* 1023.95 and more would print as "1024.0". */
	while (v >= 1023.95 && size_letters[i + 1] != '\0') {
		v /= 1024;
		i++;
	}
	snprintf(out, TEXT_NUMBER_MAX, "%.1f %ciB", v, size_letters[i]);
	return out;
}

char *
text_print_count(uint64_t n, const char *noun, char out[TEXT_COUNT_MAX])
{
	snprintf(out, TEXT_COUNT_MAX, "%llu %s%s", (unsigned long long)n, noun,
	    n == 1 ? "" : "s");
	return out;
}

/* Parsed from the longest to the shortest; printed by the first exact one. */
static const struct {
	const char	*name;
	int64_t		 us;
	bool		 printed;
} time_units[] = {
	{ "w",	 7 * USEC_PER_DAY,		false },
	{ "d",	 USEC_PER_DAY,			true },
	{ "h",	 3600 * TEXT_USEC_PER_SEC,	true },
	{ "min", 60 * TEXT_USEC_PER_SEC,	false },
	{ "m",	 60 * TEXT_USEC_PER_SEC,	true },
	{ "s",	 TEXT_USEC_PER_SEC,		true },
	{ "ms",	 1000,				true },
	{ "us",	 1,				true },
};

/* 0.d1d2d3... * 10^point */
struct decimal {
	unsigned char	digits[MAX_DIGITS];
	int		n;
	int		point;
};

static int
read_exponent(const char **sp, int *out)
{
	const char	*s = *sp + 1;
	bool		 negative = false;
	int		 v = 0;

	if (*s == '-' || *s == '+')
		negative = *s++ == '-';
	if (!text_is_digit(*s))
		return ERR_FORMAT;
	for (; text_is_digit(*s); s++) {
		if (v < 10000)
			v = v * 10 + (*s - '0');
	}
	*out = negative ? -v : v;
	*sp = s;
	return 0;
}

/* Reads a decimal number and leaves *sp behind it. */
static int
read_decimal(const char **sp, struct decimal *d)
{
	const char	*s = *sp;
	bool		 seen_point = false, seen_digit = false;
	int		 exponent, rc;

	memset(d, 0, sizeof(*d));
	for (;; s++) {
		if (*s == '.' && !seen_point) {
			seen_point = true;
			continue;
		}
		if (!text_is_digit(*s))
			break;
		seen_digit = true;
		if (*s == '0' && d->n == 0) {
			d->point -= seen_point;
			continue;
		}
		/* Digits that nobody can need count, but are not kept. */
		if (d->n < MAX_DIGITS)
			d->digits[d->n++] = (unsigned char)(*s - '0');
		if (!seen_point && d->point < 10000)
			d->point++;
	}
	if (!seen_digit)
		return ERR_FORMAT;
	if (lower(*s) == 'e') {
		rc = read_exponent(&s, &exponent);
		if (rc != 0)
			return rc;
		d->point += exponent;
	}
	*sp = s;
	return 0;
}

/* *out = d * unit, cut to an integer; not below 1 unless d is 0. */
static int
scale_decimal(const struct decimal *d, int64_t unit, int64_t *out)
{
	int64_t	whole = 0, micro = 0, part, digit;
	int	i;

	for (i = 0; i < MAX(d->point, 0); i++) {
		digit = i < d->n ? d->digits[i] : 0;
		if (whole > (INT64_MAX - digit) / 10)
			return ERR_LIMIT;
		whole = whole * 10 + digit;
	}
	/* Six decimals: unit * micro stays below 2^63 for units up to weeks. */
	for (i = d->point; i < d->point + 6; i++) {
		digit = i >= 0 && i < d->n ? d->digits[i] : 0;
		micro = micro * 10 + digit;
	}
	part = micro * unit / 1000000;
	if (whole > (INT64_MAX - part) / unit)
		return ERR_LIMIT;
	*out = whole * unit + part;
	if (*out == 0 && d->n > 0)
		*out = 1;
	return 0;
}

int
text_parse_time(const char *s, int64_t unit_us, int64_t *out)
{
	struct decimal	d;
	size_t		i;
	int		rc;

	rc = read_decimal(&s, &d);
	if (rc != 0)
		return rc;
	if (*s == '\0')
		return d.n == 0 ? (*out = 0, 0) :
		    scale_decimal(&d, unit_us, out);
	for (i = 0; i < ARRAY_LEN(time_units); i++) {
		if (text_equal_nocase(s, time_units[i].name))
			return d.n == 0 ? (*out = 0, 0) :
			    scale_decimal(&d, time_units[i].us, out);
	}
	return ERR_FORMAT;
}

char *
text_print_time(int64_t us, char out[TEXT_NUMBER_MAX])
{
	size_t	i;

	assert(us >= 0);
	if (us == 0)
		return memcpy(out, "0s", sizeof("0s"));
	for (i = 0; i < ARRAY_LEN(time_units) - 1; i++) {
		if (time_units[i].printed && us % time_units[i].us == 0)
			break;
	}
	snprintf(out, TEXT_NUMBER_MAX, "%lld%s",
	    (long long)(us / time_units[i].us), time_units[i].name);
	return out;
}

char *
text_print_seconds(int64_t us, char out[TEXT_NUMBER_MAX])
{
	int64_t	back;
	size_t	n;

	assert(us >= 0);
	snprintf(out, TEXT_NUMBER_MAX, "%g", (double)us / 1e6);
	if (text_parse_time(out, TEXT_USEC_PER_SEC, &back) == 0 && back == us)
		return out;
	n = (size_t)snprintf(out, TEXT_NUMBER_MAX, "%lld.%06d",
	    (long long)(us / TEXT_USEC_PER_SEC), (int)(us % TEXT_USEC_PER_SEC));
	while (out[n - 1] == '0')
		out[--n] = '\0';
	if (out[n - 1] == '.')
		out[n - 1] = '\0';
	return out;
}

char *
text_print_time_short(int64_t us, char out[TEXT_NUMBER_MAX])
{
	long long s = us / TEXT_USEC_PER_SEC;

	assert(us >= 0);
	if (us < 1000)
		snprintf(out, TEXT_NUMBER_MAX, "%dus", (int)us);
	else if (s == 0)
		snprintf(out, TEXT_NUMBER_MAX, "%dms", (int)(us / 1000));
	else if (s < 60)
		snprintf(out, TEXT_NUMBER_MAX, "%llds", s);
	else if (s < 3600)
		snprintf(out, TEXT_NUMBER_MAX, "%lldm %02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_NUMBER_MAX, "%lldh %02lldm", s / 3600,
		    s / 60 % 60);
	else
		snprintf(out, TEXT_NUMBER_MAX, "%lldd %lldh", s / 86400,
		    s / 3600 % 24);
	return out;
}
