/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/params.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/hash.h"

/* A value that several sets may share. */
struct shared {
	struct hash_node node;
	size_t		 refs;
	char		 text[];
};

struct params_names {
	char		*name[PARAMS_MAX];
	bool		 caseless[PARAMS_MAX];
	size_t		 count;
	size_t		 of_parse[PARAMS_MAX];	/* see params_of_parse() */
	size_t		 n_of_parse;
	pthread_mutex_t	 lock;		/* guards values */
	struct hash	 values;
};

/* Settings whose values PostgreSQL itself compares without case. */
static const char *const caseless[] = {
	"client_encoding", "DateStyle", "default_transaction_read_only",
	"IntervalStyle", "standard_conforming_strings", "TimeZone",
};

/* What the parser, or the input function of a literal's type, reads. */
static const char *const of_parse[] = {
	"client_encoding", "DateStyle", "IntervalStyle", "search_path",
	"standard_conforming_strings", "TimeZone",
};

static bool
is_among(const char *name, const char *const list[], size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++) {
		if (strcasecmp(list[i], name) == 0)
			return true;
	}
	return false;
}

struct params_names *
params_names_new(void)
{
	struct params_names *p = calloc(1, sizeof(*p));

	if (p != NULL)
		pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
params_names_free(struct params_names *p)
{
	size_t	i;

	if (p == NULL)
		return;
	assert(p->values.count == 0);
	for (i = 0; i < p->count; i++)
		free(p->name[i]);
	hash_release(&p->values);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int
params_names_add(struct params_names *p, const char *name)
{
	if (params_index(p, name) >= 0)
		return 0;
	if (p->count == PARAMS_MAX)
		return ERR_LIMIT;
	p->name[p->count] = strdup(name);
	if (p->name[p->count] == NULL)
		return ERR_NOMEM;
	p->caseless[p->count] = is_among(name, caseless, ARRAY_LEN(caseless));
	if (is_among(name, of_parse, ARRAY_LEN(of_parse)))
		p->of_parse[p->n_of_parse++] = p->count;
	p->count++;
	return 0;
}

size_t
params_count(const struct params_names *p)
{
	return p->count;
}

const char *
params_name(const struct params_names *p, size_t i)
{
	assert(i < p->count);
	return p->name[i];
}

int
params_index(const struct params_names *p, const char *name)
{
	size_t	i;

	for (i = 0; i < p->count; i++) {
		if (strcasecmp(p->name[i], name) == 0)
			return (int)i;
	}
	return -1;
}

/* ---- shared values ---- */

static struct shared *
shared_of(const char *text)
{
	return container_of((char *)(uintptr_t)text, struct shared, text);
}

static uint64_t
hash_of(const struct params_names *p, const char *text)
{
	struct digest d;
	uint64_t h;

	/* Clients choose values; they shall not choose collisions. */
	digest_of_seeded((uint64_t)(uintptr_t)p, text, strlen(text), &d);
	memcpy(&h, d.bytes, sizeof(h));
	return h;
}

static const char *
share(struct params_names *p, const char *text)
{
	uint64_t	  h = hash_of(p, text);
	size_t		  len = strlen(text) + 1;
	struct shared	 *s;
	struct hash_node *n;

	pthread_mutex_lock(&p->lock);
	HASH_FOREACH_MATCH(n, &p->values, h) {
		s = container_of(n, struct shared, node);
		if (strcmp(s->text, text) == 0) {
			s->refs++;
			goto out;
		}
	}
	s = malloc(sizeof(*s) + len);
	if (s != NULL) {
		s->refs = 1;
		memcpy(s->text, text, len);
		if (hash_add(&p->values, &s->node, h) != 0) {
			free(s);
			s = NULL;
		}
	}
out:
	pthread_mutex_unlock(&p->lock);
	return s == NULL ? NULL : s->text;
}

static void
unshare(struct params_names *p, const char *text)
{
	struct shared *s;

	if (text == NULL)
		return;
	s = shared_of(text);
	pthread_mutex_lock(&p->lock);
	if (--s->refs == 0) {
		hash_remove(&p->values, &s->node);
		free(s);
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- sets ---- */

int
params_set(struct params_names *p, struct params *set, size_t i,
    const char *value)
{
	const char *v;

	if (set->value[i] != NULL && strcmp(set->value[i], value) == 0)
		return 0;
	v = share(p, value);
	if (v == NULL)
		return ERR_NOMEM;
	unshare(p, set->value[i]);
	set->value[i] = v;
	return 0;
}

void
params_copy(struct params_names *p, struct params *dst,
    const struct params *src)
{
	size_t	i;

	if (dst == src)
		return;
	pthread_mutex_lock(&p->lock);
	for (i = 0; i < p->count; i++) {
		if (src->value[i] != NULL)
			shared_of(src->value[i])->refs++;
	}
	pthread_mutex_unlock(&p->lock);
	params_release(p, dst);
	*dst = *src;
}

void
params_release(struct params_names *p, struct params *set)
{
	size_t	i;

	for (i = 0; i < p->count; i++)
		unshare(p, set->value[i]);
	memset(set, 0, sizeof(*set));
}

/* Does a server with value `has` serve a client that wants `wanted`? */
static bool
same(const struct params_names *p, size_t i, const char *wanted,
    const char *has)
{
	if (wanted == NULL || wanted == has)
		return true;
	return has != NULL && p->caseless[i] && strcasecmp(wanted, has) == 0;
}

bool
params_match(const struct params_names *p, const struct params *client,
    const struct params *server)
{
	size_t	i;

	for (i = 0; i < p->count; i++) {
		if (!same(p, i, client->value[i], server->value[i]))
			return false;
	}
	return true;
}

bool
params_is_read_by_parse(const struct params_names *p, size_t i)
{
	return is_among(params_name(p, i), of_parse, ARRAY_LEN(of_parse));
}

uint64_t
params_of_parse(const struct params_names *p, const struct params *client,
    const struct params *server)
{
	uint64_t h = 0;
	size_t	i, at;

	for (i = 0; i < p->n_of_parse; i++) {
		const char *v;

		at = p->of_parse[i];
		v = client->value[at] != NULL ? client->value[at] :
		    server->value[at];
		/* The values' own hashes are keyed; nobody aims at a sum. */
		h = (h << 9 | h >> 55) ^ (v == NULL ? 0 :
		    shared_of(v)->node.hash);
		h *= 0x9e3779b97f4a7c15u;
	}
	return h;
}

static void
append_literal(struct buf *out, const char *value)
{
	/* E'' reads the same whatever standard_conforming_strings is. */
	buf_append_str(out, strchr(value, '\\') != NULL ? "E'" : "'");
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			buf_append(out, value, 1);
		buf_append(out, value, 1);
	}
	buf_append_str(out, "'");
}

void
params_diff_sql(const struct params_names *p, const struct params *client,
    const struct params *server, struct buf *out)
{
	size_t	i;

	for (i = 0; i < p->count; i++) {
		const char *wanted = client->value[i];

		if (same(p, i, wanted, server->value[i]))
			continue;
		if (strcasecmp(p->name[i], "search_path") == 0) {
			/* A list: as one literal SET would take it for one
			 * name, set_config() takes it as it is reported. The
			 * schema is named, or the path could bring another. */
			buf_append_str(out, "SELECT pg_catalog.set_config("
			    "'search_path',");
			append_literal(out, wanted);
			buf_append_str(out, ",false);");
			continue;
		}
		buf_printf(out, "SET %s=", p->name[i]);
		append_literal(out, wanted);
		buf_append_str(out, ";");
	}
}
