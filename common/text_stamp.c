/* SPDX-License-Identifier: MIT */
/* The time stamps of text.h: a calendar that knows no time zone. */
#include "common/base.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

struct civil {
	int	year, month, day, hour, minute, second;
};

static const int days_before[] = {
	0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
};

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The days from 1970-01-01 to the first of January of a year >= 1. */
static int64_t
days_to_year(int year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int
days_in_month(int year, int month)
{
	int next = month == 12 ? 365 : days_before[month];

	return next - days_before[month - 1] +
	    (month == 2 && is_leap(year) ? 1 : 0);
}

/* Seconds since 1970, or ERR_FORMAT if there is no such moment. */
static int
civil_to_seconds(const struct civil *c, int64_t *out)
{
	int64_t	days;

	if (c->year < 1 || c->month < 1 || c->month > 12 || c->day < 1 ||
	    c->day > days_in_month(c->year, c->month) || c->hour > 23 ||
	    c->minute > 59 || c->second > 60)
		return ERR_FORMAT;
	days = days_to_year(c->year) + days_before[c->month - 1] + c->day - 1 +
	    (c->month > 2 && is_leap(c->year) ? 1 : 0);
	*out = ((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second;
	return 0;
}

/* Moments outside the years 1 to 9999 become the nearest one inside. */
static void
seconds_to_civil(int64_t seconds, struct civil *c)
{
	int64_t	lowest = days_to_year(1) * 86400;
	int64_t	highest = days_to_year(10000) * 86400 - 1;
	int64_t	days, rest;

	seconds = MIN(MAX(seconds, lowest), highest);
	days = seconds / 86400;
	rest = seconds % 86400;
	if (rest < 0) {
		rest += 86400;
		days--;
	}
	c->hour = (int)(rest / 3600);
	c->minute = (int)(rest / 60 % 60);
	c->second = (int)(rest % 60);
	/* A guess that is never too late by more than a year. */
	c->year = (int)((days + 719162) / 366) + 1;
	while (days_to_year(c->year + 1) <= days)
		c->year++;
	days -= days_to_year(c->year);
	for (c->month = 1; days >= days_in_month(c->year, c->month); c->month++)
		days -= days_in_month(c->year, c->month);
	c->day = (int)days + 1;
}

/* Reads exactly n digits. */
static int
read_digits(const char **sp, int n, int *out)
{
	int	v = 0;

	for (; n > 0; n--, (*sp)++) {
		if (!text_is_digit(**sp))
			return ERR_FORMAT;
		v = v * 10 + (**sp - '0');
	}
	*out = v;
	return 0;
}

static int
read_char(const char **sp, const char *any_of)
{
	if (**sp == '\0' || strchr(any_of, **sp) == NULL)
		return ERR_FORMAT;
	(*sp)++;
	return 0;
}

/* ".123" as microseconds; nothing is 0. */
static int
read_fraction(const char **sp, int *out)
{
	int	v = 0, n = 0;

	*out = 0;
	if (**sp != '.')
		return 0;
	for ((*sp)++; text_is_digit(**sp); (*sp)++, n++) {
		if (n < 6)
			v = v * 10 + (**sp - '0');
	}
	if (n == 0 || n > 9)
		return ERR_FORMAT;
	for (; n < 6; n++)
		v *= 10;
	*out = v;
	return 0;
}

/* Z or an offset, to the end of the string; seconds east of UTC. */
static int
read_zone(const char *s, int *out)
{
	int	hours, minutes = 0, sign = *s == '-' ? -1 : 1;

	*out = 0;
	if ((s[0] == 'Z' || s[0] == 'z') && s[1] == '\0')
		return 0;
	if (read_char(&s, "+-") != 0 || read_digits(&s, 2, &hours) != 0)
		return ERR_FORMAT;
	if (*s != '\0') {
		if (*s == ':')
			s++;
		if (read_digits(&s, 2, &minutes) != 0 || *s != '\0')
			return ERR_FORMAT;
	}
	if (hours > 23 || minutes > 59)
		return ERR_FORMAT;
	*out = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int
text_parse_rfc3339(const char *s, int64_t *out)
{
	struct civil c;
	int64_t	     seconds;
	int	     micro, east;

	if (read_digits(&s, 4, &c.year) != 0 || read_char(&s, "-") != 0 ||
	    read_digits(&s, 2, &c.month) != 0 || read_char(&s, "-") != 0 ||
	    read_digits(&s, 2, &c.day) != 0 || read_char(&s, "Tt ") != 0 ||
	    read_digits(&s, 2, &c.hour) != 0 || read_char(&s, ":") != 0 ||
	    read_digits(&s, 2, &c.minute) != 0 || read_char(&s, ":") != 0 ||
	    read_digits(&s, 2, &c.second) != 0 ||
	    read_fraction(&s, &micro) != 0 || read_zone(s, &east) != 0 ||
	    civil_to_seconds(&c, &seconds) != 0)
		return ERR_FORMAT;
	*out = (seconds - east) * TEXT_USEC_PER_SEC + micro;
	return 0;
}

/* Whole seconds, rounded down also before 1970, and the rest. */
static int64_t
split_usec(int64_t us, int *micro)
{
	int64_t	seconds = us / TEXT_USEC_PER_SEC;

	*micro = (int)(us % TEXT_USEC_PER_SEC);
	if (*micro < 0) {
		*micro += (int)TEXT_USEC_PER_SEC;
		seconds--;
	}
	return seconds;
}

char *
text_print_rfc3339(int64_t us, char out[TEXT_STAMP_MAX])
{
	struct civil c;
	char	     fraction[12] = "";
	int	     micro;

	seconds_to_civil(split_usec(us, &micro), &c);
	if (micro != 0)
		snprintf(fraction, sizeof(fraction), ".%06u",
		    (unsigned)micro % 1000000);
	snprintf(out, TEXT_STAMP_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
	    c.year % 10000, c.month % 100, c.day % 100, c.hour % 100,
	    c.minute % 100, c.second % 100, fraction);
	return out;
}

int
text_parse_label(const char *s, int64_t *out)
{
	struct civil c;
	int64_t	     seconds;

	if (read_digits(&s, 4, &c.year) != 0 ||
	    read_digits(&s, 2, &c.month) != 0 ||
	    read_digits(&s, 2, &c.day) != 0 || read_char(&s, "-") != 0 ||
	    read_digits(&s, 2, &c.hour) != 0 ||
	    read_digits(&s, 2, &c.minute) != 0 ||
	    read_digits(&s, 2, &c.second) != 0 || *s != '\0' ||
	    c.second > 59 || civil_to_seconds(&c, &seconds) != 0)
		return ERR_FORMAT;
	*out = seconds * TEXT_USEC_PER_SEC;
	return 0;
}

char *
text_print_label(int64_t us, char out[TEXT_STAMP_MAX])
{
	struct civil c;
	int	     micro;

	seconds_to_civil(split_usec(us, &micro), &c);
	snprintf(out, TEXT_STAMP_MAX, "%04d%02d%02d-%02d%02d%02d",
	    c.year % 10000, c.month % 100, c.day % 100, c.hour % 100,
	    c.minute % 100, c.second % 100);
	return out;
}
