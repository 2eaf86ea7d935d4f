/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/startup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "pooler/config.h"

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

static int
refuse(struct err *e, const char *what, const char *name, const char *value)
{
	(void)err_set(e, ERR_PROTOCOL, "unsupported startup parameter%s: %s",
	    what, name);
	return err_hint(e, "unsupported startup parameter%s: %s=%s", what,
	    name, value);
}

static int
replace(char **to, const char *value, size_t max, const char *too_long,
    struct err *e)
{
	char *copy;

	if (strlen(value) > max)
		return err_set(e, ERR_LIMIT, "%s", too_long);
	copy = strdup(value);
	if (copy == NULL)
		return no_memory(e);
	free(*to);
	*to = copy;
	return 0;
}

/* A setting by name, directly or inside `options`. */
static int
take_setting(struct startup *s, const char *name, const char *value,
    const struct options *o, bool in_options, struct err *e)
{
	int i;

	if (opt_list_has(&o->ignore_startup_parameters, name))
		return 0;
	i = params_index(s->names, name);
	if (i >= 0)
		return params_set(s->names, &s->params, (size_t)i, value) == 0 ?
		    0 : no_memory(e);
	if (in_options) {
		if (opt_list_has(&o->ignore_startup_parameters, "options"))
			return 0;
		return refuse(e, " in options", name, value);
	}
	return refuse(e, "", name, value);
}

/*
 * Cuts the next word of `options` out: words end at blanks, a backslash
 * takes the next character as it is. Returns false at the end.
 */
static bool
next_word(const char **p, char *word)
{
	const char *in = *p;

	while (*in == ' ' || *in == '\t' || *in == '\n')
		in++;
	if (*in == '\0')
		return false;
	while (*in != '\0' && *in != ' ' && *in != '\t' && *in != '\n') {
		if (*in == '\\' && in[1] != '\0')
			in++;
		*word++ = *in++;
	}
	*word = '\0';
	*p = in;
	return true;
}

static int
bad_options(struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "unsupported options startup parameter: "
	    "only '-c config=val' and '--config=val' are allowed");
}

/* "-c name=value", "-cname=value" and "--name=value"; dashes in a name of
 * the last form stand for underscores, as in PostgreSQL. */
static int
take_options(struct startup *s, const char *text, const struct options *o,
    struct err *e)
{
	char   *word = malloc(strlen(text) + 1);
	int	r = 0;

	if (word == NULL)
		return no_memory(e);
	while (r == 0 && next_word(&text, word)) {
		char *name, *value, *dash;

		if (strcmp(word, "-c") == 0) {
			if (!next_word(&text, word)) {
				r = bad_options(e);
				break;
			}
			name = word;
		} else if (strncmp(word, "-c", 2) == 0 ||
		    strncmp(word, "--", 2) == 0) {
			name = word + 2;
			for (dash = name; word[1] == '-' && *dash != '\0' &&
			    *dash != '='; dash++) {
				if (*dash == '-')
					*dash = '_';
			}
		} else {
			r = bad_options(e);
			break;
		}
		value = strchr(name, '=');
		if (value == NULL || value == name) {
			r = bad_options(e);
			break;
		}
		*value++ = '\0';
		r = take_setting(s, name, value, o, true, e);
	}
	free(word);
	return r;
}

static bool
is_false(const char *value)
{
	return value[0] == '\0' || strcmp(value, "0") == 0 ||
	    strcasecmp(value, "false") == 0 || strcasecmp(value, "off") == 0 ||
	    strcasecmp(value, "no") == 0;
}

static int
take_pair(struct startup *s, const char *name, const char *value,
    const struct options *o, struct err *e)
{
	if (strcmp(name, "user") == 0)
		return replace(&s->user, value, AUTHFILE_USER_MAX,
		    "username too long", e);
	if (strcmp(name, "database") == 0)
		return replace(&s->database, value, 4096,
		    "database name too long", e);
	if (strncmp(name, "_pq_.", 5) == 0) {
		buf_append_cstr(&s->unsupported, name);
		s->n_unsupported++;
		return buf_failed(&s->unsupported) ? no_memory(e) : 0;
	}
	if (strcmp(name, "replication") == 0) {
		if (is_false(value))
			return 0;
		return err_set(e, ERR_NOT_YET, "replication connections are "
		    "not supported yet: connect to the server directly");
	}
	if (strcmp(name, "options") == 0 && params_index(s->names, name) < 0)
		return take_options(s, value, o, e);
	return take_setting(s, name, value, o, false, e);
}

int
startup_parse(struct startup *s, const struct wire_first *first,
    const char *body, const struct options *o, struct params_names *names,
    struct err *e)
{
	struct wire_in in;
	const char *name, *value;
	int	    r;

	s->names = names;
	wire_in_init(&in, body, first->body);
	while ((r = wire_startup_next(&in, &name, &value)) == 1) {
		r = take_pair(s, name, value, o, e);
		if (r != 0)
			return r;
	}
	if (r != 0)
		return err_set(e, ERR_PROTOCOL, "invalid startup packet "
		    "layout: expected terminator as last byte");
	if (s->user == NULL || s->user[0] == '\0')
		return err_set(e, ERR_PROTOCOL, "no username supplied");
	if (s->database == NULL || s->database[0] == '\0')
		return replace(&s->database, s->user, AUTHFILE_USER_MAX,
		    "username too long", e);
	return 0;
}

void
startup_negotiate(const struct startup *s, const struct wire_first *first,
    struct buf *out)
{
	const char *names[64];
	const char *p = s->n_unsupported > 0 ? buf_bytes(&s->unsupported) : NULL;
	size_t	    i, n = MIN(s->n_unsupported, ARRAY_LEN(names));

	if (n == 0 && first->code == WIRE_VERSION(3, 0))
		return;
	for (i = 0; i < n; i++) {
		names[i] = p;
		p += strlen(p) + 1;
	}
	wire_put_negotiate(out, WIRE_VERSION(3, 0), names, n);
}

int
startup_add_host(struct startup *s, struct params_names *names, const char *at)
{
	int	    i = params_index(names, "application_name");
	const char *old;
	char	    text[512];

	if (i < 0)
		return 0;
	old = s->params.value[i];
	snprintf(text, sizeof(text), "%s - %s",
	    old != NULL && old[0] != '\0' ? old : "app", at);
	return params_set(names, &s->params, (size_t)i, text);
}

void
startup_release(struct startup *s)
{
	free(s->user);
	free(s->database);
	if (s->names != NULL)
		params_release(s->names, &s->params);
	buf_release(&s->unsupported);
	memset(s, 0, sizeof(*s));
}
