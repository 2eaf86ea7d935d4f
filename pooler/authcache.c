/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/authcache.h"

#include <pthread.h>
#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/hash.h"
#include "common/list.h"
#include "common/random.h"
#include "pooler/auth.h"

/*
 * The key of an entry is a digest over everything the result depends on,
 * keyed with a secret of the process: the password is not kept.
 */
struct entry {
	struct hash_node node;
	struct list_node list_node;	/* oldest first */
	struct digest	 id;
	struct scram_secret secret;
	struct scram_keys keys;
};

struct authcache {
	pthread_mutex_t	  lock;
	struct digest_key key;
	size_t		  max;
	struct hash	  entries;
	struct list	  by_age;
};

struct authcache *
authcache_new(size_t max)
{
	struct authcache *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	if (random_fill(&a->key, sizeof(a->key)) != 0) {
		free(a);
		return NULL;
	}
	a->max = max;
	list_init(&a->by_age);
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

static void
drop(struct authcache *a, struct entry *e)
{
	hash_remove(&a->entries, &e->node);
	list_remove(&a->by_age, &e->list_node);
	explicit_bzero(e, sizeof(*e));
	free(e);
}

void
authcache_free(struct authcache *a)
{
	struct list_node *n;

	if (a == NULL)
		return;
	while ((n = list_first(&a->by_age)) != NULL)
		drop(a, container_of(n, struct entry, list_node));
	hash_release(&a->entries);
	pthread_mutex_destroy(&a->lock);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

static uint64_t
hash_of(const struct digest *id)
{
	uint64_t h;

	memcpy(&h, id->bytes, sizeof(h));
	return h;
}

/* Each part with its length in front, so that parts cannot run together. */
static void
add_part(struct buf *b, const void *bytes, size_t n)
{
	buf_append_be32(b, (uint32_t)n);
	buf_append(b, bytes, n);
}

static bool
make_id(const struct authcache *a, struct buf *b, struct digest *id)
{
	bool ok = !buf_failed(b);

	if (ok)
		digest_of(&a->key, buf_bytes(b), buf_len(b), id);
	buf_release_secret(b);
	return ok;
}

static bool
secret_id(const struct authcache *a, const char *user, const char *password,
    uint32_t iterations, struct digest *id)
{
	struct buf b = { 0 };

	buf_append_str(&b, "client");
	add_part(&b, user, strlen(user));
	add_part(&b, password, strlen(password));
	buf_append_be32(&b, iterations);
	return make_id(a, &b, id);
}

static bool
keys_id(const struct authcache *a, const char *user,
    const struct auth_credentials *c, const struct scram_work *w,
    struct digest *id)
{
	struct buf b = { 0 };

	buf_append_str(&b, "server");
	add_part(&b, user, strlen(user));
	add_part(&b, buf_bytes(&c->text), buf_len(&c->text));
	add_part(&b, w->salt, w->salt_len);
	buf_append_be32(&b, w->iterations);
	return make_id(a, &b, id);
}

/* With the lock held. */
static struct entry *
find(struct authcache *a, const struct digest *id)
{
	struct hash_node *n;

	HASH_FOREACH_MATCH(n, &a->entries, hash_of(id)) {
		struct entry *e = container_of(n, struct entry, node);

		if (digest_equal(&e->id, id))
			return e;
	}
	return NULL;
}

static void
add(struct authcache *a, const struct digest *id,
    const struct scram_secret *secret, const struct scram_keys *keys)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return;
	e->id = *id;
	if (secret != NULL)
		e->secret = *secret;
	if (keys != NULL)
		e->keys = *keys;
	pthread_mutex_lock(&a->lock);
	if (find(a, id) != NULL || hash_add(&a->entries, &e->node,
	    hash_of(id)) != 0) {
		explicit_bzero(e, sizeof(*e));
		free(e);
	} else {
		list_append(&a->by_age, &e->list_node);
		if (list_count(&a->by_age) > a->max)
			drop(a, container_of(list_first(&a->by_age),
			    struct entry, list_node));
	}
	pthread_mutex_unlock(&a->lock);
}

bool
authcache_find(struct authcache *a, const char *user, const char *password,
    uint32_t iterations, struct scram_secret *out)
{
	struct digest id;
	struct entry *e;

	if (auth_kind_of(password) != AUTH_KIND_PLAIN ||
	    !secret_id(a, user, password, iterations, &id))
		return false;
	pthread_mutex_lock(&a->lock);
	e = find(a, &id);
	if (e != NULL)
		*out = e->secret;
	pthread_mutex_unlock(&a->lock);
	return e != NULL;
}

void
authcache_keep(struct authcache *a, const char *user,
    const struct client_auth *auth)
{
	const struct scram_secret *secret = client_auth_fresh_secret(auth);
	struct digest id;
	char	     *password;
	bool	      ok;

	if (secret == NULL)
		return;
	password = strndup(buf_bytes(&auth->stored), buf_len(&auth->stored));
	if (password == NULL)
		return;
	ok = secret_id(a, user, password, secret->iterations, &id);
	explicit_bzero(password, strlen(password));
	free(password);
	if (ok)
		add(a, &id, secret, NULL);
}

bool
authcache_find_keys(struct authcache *a, const char *user,
    const struct auth_credentials *c, struct scram_work *w)
{
	struct digest id;
	struct entry *e;

	if (!keys_id(a, user, c, w, &id))
		return false;
	pthread_mutex_lock(&a->lock);
	e = find(a, &id);
	if (e != NULL)
		w->keys = e->keys;
	pthread_mutex_unlock(&a->lock);
	return e != NULL;
}

void
authcache_keep_keys(struct authcache *a, const char *user,
    const struct auth_credentials *c, const struct scram_work *w)
{
	struct digest id;

	if (keys_id(a, user, c, w, &id))
		add(a, &id, NULL, &w->keys);
}
