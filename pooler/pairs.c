/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pairs.h"

#include "common/err.h"
#include "common/text.h"

static char *
skip_blanks(char *p)
{
	while (text_is_blank(*p))
		p++;
	return p;
}

/*
 * Undoes the quotes of the text behind an opening one, in place. Returns
 * what follows the closing one, NULL if there is none.
 */
static char *
unquote(char *p)
{
	char	*to = p;

	for (;; p++) {
		if (*p == '\0')
			return NULL;
		if (*p == '\'' && *++p != '\'') {
			*to = '\0';
			return p;
		}
		*to++ = *p;
	}
}

int
pairs_next(char **text, char **key, char **value)
{
	char	*p = skip_blanks(*text);
	char	*end;

	*text = p;
	if (*p == '\0')
		return 0;
	*key = p;
	while (*p != '\0' && *p != '=' && !text_is_blank(*p))
		p++;
	end = p;
	p = skip_blanks(p);
	if (*p != '=' || end == *key)
		return ERR_FORMAT;
	*end = '\0';
	p = skip_blanks(p + 1);
	if (*p == '\'') {
		*value = ++p;
		p = unquote(p);
		if (p == NULL || (*p != '\0' && !text_is_blank(*p)))
			return ERR_FORMAT;
	} else {
		*value = p;
		while (*p != '\0' && !text_is_blank(*p))
			p++;
		if (*p != '\0')
			*p++ = '\0';
	}
	*text = p;
	return **value == '\0' ? ERR_FORMAT : 1;
}
